"""What `/metrics` tells, to whom, and that several processes tell one story."""

import os
import re
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families
from redis import ConnectionError as RedisDown

from agents.tests.builders import PASSWORD, make_agent
from supportdesk.celery import app
from supportdesk.core import limits, secrets
from supportdesk.core.devservices.ports import free_port
from supportdesk.core.observability import gauges, health, multiprocess
from supportdesk.tests import working
from supportdesk.tests.client import Api, counted_statements
from supportdesk.tests.processes import running, until
from tickets.tests.builders import make_ticket

pytestmark = pytest.mark.slow

TOKEN = "t" + "0123456789abcdef" * 3
Labels = dict[str, str]


class Scraped:
    """Samples of an exposition by name and labels."""

    def __init__(self, text: str) -> None:
        self.samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]

    def value(self, name: str, **labels: str) -> float:
        """The sum of the samples that have these labels; 0 without any."""
        return sum(s.value for s in self.samples if s.name == name and labels.items() <= s.labels.items())

    def labels(self, name: str) -> list[Labels]:
        return [sample.labels for sample in self.samples if sample.name == name]


def scraped() -> Scraped:
    response = Client().get("/metrics")
    assert (response.status_code, response["Content-Type"].split(";")[0]) == (200, "text/plain")
    return Scraped(response.content.decode())


# What is told


@pytest.mark.django_db
def test_every_answer_counts_under_its_route_method_and_status() -> None:
    api, before = Api(make_agent()), scraped()
    ticket = make_ticket()
    api.get(f"/api/tickets/{ticket.pk}")
    api.get("/api/tickets/999999999")
    api.get("/api/tickets/999999998")
    api.post("/api/tickets", {})
    Client().get("/nowhere")
    after, route = scraped(), "api/tickets/<id:pk>"

    def grown(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    assert grown("supportdesk_requests_total", route=route, method="GET", status="200") == 1
    assert grown("supportdesk_requests_total", route=route, method="GET", status="404") == 2
    assert grown("supportdesk_requests_total", route="api/tickets", method="POST", status="400") == 1
    assert grown("supportdesk_requests_total", route="(none)", method="GET", status="404") == 1
    assert grown("supportdesk_request_seconds_count", route=route, method="GET") == 3
    assert grown("supportdesk_request_seconds_bucket", route=route, method="GET", le="+Inf") == 3
    assert (
        0
        < grown("supportdesk_request_database_seconds_sum", route=route, method="GET")
        < grown("supportdesk_request_seconds_sum", route=route, method="GET")
    )


@pytest.mark.django_db
def test_statements_of_a_request_are_counted() -> None:
    api, before = Api(make_agent()), scraped()
    with counted_statements() as statements:
        api.get("/api/tickets")
    after = scraped()
    name, labels = "supportdesk_request_statements_sum", {"route": "api/tickets", "method": "GET"}
    assert after.value(name, **labels) - before.value(name, **labels) == len(statements) == 2


@pytest.mark.vuln
@pytest.mark.django_db
def test_a_client_adds_no_series_of_its_own(settings: Any) -> None:
    """What a client chooses (paths, methods, queries, headers, hosts, logins) is the value of no label."""
    settings.ALLOWED_HOSTS = ["*"]
    api, client = Api(make_agent()), Client(raise_request_exception=False)

    def everything(mark: str) -> None:
        client.get(f"/{mark}/x", {mark: mark}, headers={"Host": f"{mark}.example.com", mark: mark})
        client.generic(mark.upper(), "/api/tickets")
        api.get(f"/api/tickets/{int(mark, 16)}", q=mark)
        api.get("/api/customers", email=f"{mark}@example.com")
        api.get("/api/tickets", fields=mark)
        Api().post("/api/auth/login", {"email": f"{mark}@example.com", "password": mark})
        client.get(f"/admin/tickets/ticket/{mark}/change/")
        client.get(f"/admin/{mark}/")

    everything("cafe00")
    before = {(s.name, *sorted(s.labels.items())) for s in scraped().samples}
    for number in range(1, 20):
        everything(f"cafe{number:02}")
    after = {(s.name, *sorted(s.labels.items())) for s in scraped().samples}
    assert {key for key in after - before if key[0] != "supportdesk_database_connections"} == set()
    assert not re.search("cafe", str(after), re.IGNORECASE)
    assert {label for key in after for label, _ in key[1:]} <= {
        *("route", "method", "status", "le", "outcome", "limit", "use", "task", "part", "state", "queue", "provider"),
        "operation",  # of a partner
        *("function", "dialect", "source", "breaker", "window"),  # of Quimbi: words of our own code
        *("found", "kind", "how"),  # whether an answer was kept, and what is told how
        *("alias", "vendor", "type"),  # of django_prometheus: our one database, and classes of its errors
    }


@pytest.mark.django_db
def test_logins_and_limits_are_counted_without_names(settings: Any) -> None:
    agent, before = make_agent(), scraped()
    for password in (PASSWORD, *["wrong"] * 11):
        Api().post("/api/auth/login", {"email": agent.email, "password": password})
    settings.REQUESTS_PER_MINUTE = 1
    api = Api(make_agent())
    assert [api.get("/api/agents").status for _ in range(3)] == [200, 429, 429]
    after = scraped()

    def grown(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    outcomes = {name: grown("supportdesk_logins_total", outcome=name) for name in ("ok", "refused", "limited")}
    assert outcomes == {"ok": 2, "refused": 10, "limited": 1}
    assert grown("supportdesk_limited_total", limit="login-account") == 1
    assert grown("supportdesk_limited_total", limit="requests") == 2


@pytest.mark.django_db
def test_connections_queues_and_parts_are_asked_for_at_the_scrape() -> None:
    app.control.purge()
    for _ in range(3):
        working.work.delay(subject_id=1)
    found = scraped()
    app.control.purge()
    assert found.value("supportdesk_queue_length", queue="celery") == 3
    assert found.value("supportdesk_queue_taken") == 0
    assert found.value("supportdesk_database_connections", state="active") >= 1
    assert found.value("supportdesk_database_connections_limit") == 20
    assert {
        label["part"]: found.value("supportdesk_part_up", **label) for label in found.labels("supportdesk_part_up")
    } == {
        "database": 1,
        "redis": 1,
        "encryption": 1,
    }
    assert found.value("django_db_execute_total", vendor="postgresql") > 0


@pytest.mark.django_db
def test_a_lost_part_is_told_and_the_scrape_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: Any, **__: Any) -> Any:
        raise RedisDown("refused")

    before = scraped()
    monkeypatch.setattr(limits, "_redis_script", lambda: down)
    Api(make_agent()).get("/api/agents")
    monkeypatch.setattr(health, "_ask_redis", down)
    monkeypatch.setattr(health, "_ask_database", down)
    found = scraped()
    assert (
        found.value("supportdesk_redis_errors_total", use="limits")
        - before.value("supportdesk_redis_errors_total", use="limits")
        == 3
    )
    parts = {
        label["part"]: found.value("supportdesk_part_up", **label) for label in found.labels("supportdesk_part_up")
    }
    assert parts == {"database": 0, "redis": 0, "encryption": 0}
    assert found.labels("supportdesk_queue_length") == found.labels("supportdesk_database_connections") == []
    monkeypatch.undo()
    monkeypatch.setattr(gauges, "_redis", down)
    assert scraped().labels("supportdesk_queue_length") == []


# To whom


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("address", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("::ffff:127.0.0.1", {}, 200),
        ("192.0.2.7", {}, 404),
        ("", {}, 404),
        ("192.0.2.7", {"Authorization": f"Bearer {TOKEN}"}, 200),
        ("192.0.2.7", {"Authorization": f"bearer  {TOKEN}"}, 200),
        ("192.0.2.7", {"Authorization": "Bearer wrong"}, 404),
        ("192.0.2.7", {"Authorization": "Bearer "}, 404),
        ("192.0.2.7", {"Authorization": f"Basic {TOKEN}"}, 404),
        ("192.0.2.7", {"Authorization": "Bearer \xff"}, 404),
        # Through a proxy on our own machine, which is not configured as one or says who it forwards for.
        ("127.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 404),
        ("127.0.0.1", {"X-Real-IP": "127.0.0.1"}, 404),
        ("127.0.0.1", {"Forwarded": "for=127.0.0.1"}, 404),
        ("127.0.0.1", {"X-Forwarded-Proto": "https"}, 404),
        ("10.0.0.1", {"X-Forwarded-For": "127.0.0.1"}, 404),
        ("10.0.0.1", {"X-Forwarded-For": "192.0.2.7", "Authorization": f"Bearer {TOKEN}"}, 200),
    ],
)
@pytest.mark.vuln
def test_only_insiders_and_the_token_find_it(address: str, headers: Labels, status: int, settings: Any) -> None:
    settings.METRICS_TOKENS = [TOKEN, "an older one"]
    settings.TRUSTED_PROXIES = [ip_network("10.0.0.0/8")]
    response = Client(REMOTE_ADDR=address).get("/metrics", headers=headers)
    assert response.status_code == status
    if status == 404:
        missing = Client(REMOTE_ADDR=address).get("/nothing-here")
        assert response.json() | {"request_id": ""} == missing.json() | {"request_id": ""}


@pytest.mark.django_db
def test_probes_and_scrapes_work_by_any_name_and_without_tls(settings: Any) -> None:
    settings.ALLOWED_HOSTS, settings.SECURE_SSL_REDIRECT = ["desk.example.com"], True
    client = Client()
    answers = {
        path: client.get(path, headers={"Host": "10.1.2.3:8000"}) for path in ("/healthz", "/readyz", "/metrics")
    }
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert {answer["X-Frame-Options"] for answer in answers.values()} == {"DENY"}
    assert client.post("/metrics").status_code == 405
    assert client.get("/api/tickets", headers={"Host": "10.1.2.3:8000"}).status_code == 400


def test_without_a_common_folder_it_says_so_instead_of_telling_a_part(settings: Any) -> None:
    settings.METRICS_FOLDER = ""
    response = Client().get("/metrics")
    assert (response.status_code, response.content) == (503, b"Set PROMETHEUS_MULTIPROC_DIR.\n")


def test_a_token_is_as_good_as_other_secrets_or_there_is_none() -> None:
    name = "SUPPORTDESK_METRICS_TOKEN"
    assert [secrets.live_secrets(given, name, optional=True) for given in ({}, {name: ""}, {name: " "})] == [[], [], []]
    assert secrets.live_secrets({name: TOKEN}, name, optional=True) == [TOKEN]
    for weak in ("short", "change-me-change-me-change-me-change-me", f"{TOKEN},{TOKEN}"):
        with pytest.raises(ImproperlyConfigured, match=name):
            secrets.live_secrets({name: weak}, name, optional=True)


# Several processes


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    held = len(multiprocess._held)
    yield tmp_path / "metrics"
    end(len(multiprocess._held) - held)


def end(processes: int) -> None:
    """A lock belongs to an opened file, so each that is held here is as good as another process's."""
    for _ in range(processes):
        os.close(multiprocess._held.pop())


def test_the_first_process_of_a_start_begins_afresh_and_the_others_join(folder: Path) -> None:
    multiprocess.share(folder)
    counts = folder / "counter_1.db"
    counts.touch()
    assert folder.stat().st_mode & 0o777 == 0o700
    multiprocess.share(folder)
    end(processes=1)
    multiprocess.share(folder)
    assert counts.exists()
    end(processes=2)
    multiprocess.share(folder)
    assert not counts.exists()


@pytest.mark.vuln
def test_a_folder_of_somebody_else_is_refused(folder: Path) -> None:
    other = folder.with_name("elsewhere")
    other.mkdir()
    folder.symlink_to(other)
    with pytest.raises(ImproperlyConfigured, match="PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.share(folder)
    file = folder.with_name("file")
    file.touch()
    with pytest.raises(ImproperlyConfigured, match="PROMETHEUS_MULTIPROC_DIR"):
        multiprocess.share(file)


def status_of(url: str, **headers: str) -> int:
    try:
        return int(urlopen(Request(url, headers=headers), timeout=10).status)  # noqa: S310
    except HTTPError as refused:
        return refused.code
    except OSError:
        return 0


def read(url: str, **headers: str) -> Scraped:
    return Scraped(urlopen(Request(url, headers=headers), timeout=10).read().decode())  # noqa: S310


def test_two_web_processes_and_a_worker_add_up_at_every_scrape(transactional_db: None, tmp_path: Path) -> None:
    port, worker_port, folder = free_port(), free_port(), tmp_path / "metrics"
    shared = {multiprocess.VARIABLE: str(folder), "SUPPORTDESK_WORKER_METRICS_PORT": str(worker_port)}
    web = ["granian", "--interface", "wsgi", "--port", str(port), "--workers", "2", "supportdesk.wsgi:application"]
    worker = ["celery", "-A", "supportdesk", "worker", "--concurrency", "2", "--include", "supportdesk.tests.working"]
    logs = tmp_path / "web.log", tmp_path / "worker.log"
    site = f"http://127.0.0.1:{port}"
    app.control.purge()
    with running(web, logs[0], **shared), running(worker, logs[1], **shared):
        until(lambda: status_of(f"{site}/healthz") == 200, logs[0])
        until(lambda: "ready." in logs[1].read_text(), logs[1])
        sent = 0
        while sent < 20 or len(list(folder.glob("histogram_*.db"))) < 2:
            assert status_of(f"{site}/api/agents") == 401
            sent += 1
            assert sent < 500, "one process took every request"
        working.work.delay(subject_id=6)
        working.fail.delay(whom="nobody")
        counted = {"task": "tests.work", "outcome": "done"}
        until(lambda: read(f"{site}/metrics").value("supportdesk_tasks_total", **counted) == 6, logs[1])
        for _ in range(10):
            found = read(f"{site}/metrics")
            asked = {"route": "api/agents", "method": "GET"}
            assert found.value("supportdesk_requests_total", **asked, status="401") == sent
            assert found.value("supportdesk_request_seconds_count", **asked) == sent
            assert found.value("supportdesk_tasks_total", **counted) == 6
            assert not any("pid" in sample.labels for sample in found.samples)
        until(lambda: read(f"{site}/metrics").value("supportdesk_tasks_total", outcome="failed") == 1, logs[1])
        own = read(f"http://127.0.0.1:{worker_port}/metrics")
        assert own.value("supportdesk_tasks_total", **counted) == 6
        assert own.value("supportdesk_task_seconds_count", task="tests.work") == 6
        assert status_of(f"http://127.0.0.1:{worker_port}/") == 404
