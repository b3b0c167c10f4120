"""Background work as a real worker does it: under the id of the request that asked for it."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from agents.tests.builders import make_agent
from customers import audit
from customers.tests.builders import make_customer
from supportdesk.celery import app
from supportdesk.core.models import Event
from supportdesk.core.observability.tracing import TracedTask
from supportdesk.tests import working
from supportdesk.tests.client import Api
from supportdesk.tests.processes import running, until

pytestmark = pytest.mark.slow

CANARY = "canary91bd"


@pytest.fixture
def worker(transactional_db: None, tmp_path: Path) -> Iterator[Path]:
    """A worker on the test's database; the path of its log."""
    log = tmp_path / "worker.log"
    command = ["celery", "-A", "supportdesk", "worker", "--concurrency", "1", "--include", "supportdesk.tests.working"]
    app.control.purge()
    with running(command, log):
        until(lambda: "ready." in log.read_text(), log)
        yield log


def lines(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]


def of(log: Path, *, task: str) -> list[dict[str, Any]]:
    return [line for line in lines(log) if line.get("task") == task]


def test_a_requests_id_reaches_the_worker_its_log_its_events_and_what_it_sends_on(
    worker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer, api, record_read = make_customer(), Api(make_agent()), audit.record_read

    def record_and_send(**given: Any) -> None:
        record_read(**given)
        working.work.delay(subject_id=2)

    monkeypatch.setattr(audit, "record_read", record_and_send)
    request_id = api.get(f"/api/customers/{customer.pk}").headers["X-Request-ID"]
    worked = Event.objects.filter(name="test.worked").order_by("pk")
    until(lambda: worked.count() == 2, worker)
    found = [(fact.subject_id, fact.request_id, fact.origin, fact.actor_name) for fact in worked]
    assert found == [(2, request_id, "task", "tests"), (1, request_id, "task", "tests")]
    done = until(lambda: len(of(worker, task="tests.work")) == 2 and of(worker, task="tests.work"), worker)
    assert [(line["request_id"], line["outcome"]) for line in done] == [(request_id, "done")] * 2
    assert len({line["task_id"] for line in done}) == 2


@pytest.mark.vuln
def test_a_task_that_nobody_asked_for_has_an_id_and_a_failure_tells_no_names(worker: Path) -> None:
    working.fail.delay(whom=f"{CANARY}@example.com")
    failed, ended = until(lambda: len(of(worker, task="tests.fail")) == 2 and of(worker, task="tests.fail"), worker)
    assert (failed["event"], ended["outcome"]) == ("task failed", "failed")
    assert failed["request_id"] == failed["task_id"] == ended["request_id"]
    assert uuid.UUID(failed["task_id"])
    assert failed["exception"][0]["type"] == "LookupError"
    assert "working.py" in failed["exception"][0]["frames"][-1]
    assert CANARY not in worker.read_text()


def test_every_task_is_traced() -> None:
    app.loader.import_default_modules()
    ours = [task for name, task in app.tasks.items() if not name.startswith("celery.")]
    assert len(ours) >= 3
    assert all(isinstance(task, TracedTask) for task in ours)


def test_a_message_carries_the_id_and_a_call_in_place_stays_a_call() -> None:
    with app.connection_for_write() as broker:
        queue = broker.default_channel.client
        app.control.purge()
        with structlog.contextvars.bound_contextvars(request_id="request-4711"):
            working.fail.apply_async(kwargs={"whom": "x"}, headers={"more": "1"})
        (message,) = queue.lrange("celery", 0, -1)
        headers = json.loads(message)["headers"]
        assert (headers["request_id"], headers["more"]) == ("request-4711", "1")
        app.control.purge()
    with pytest.raises(LookupError):
        working.fail(whom="x")
