"""What a failure leaves in the logs: where it happened, and nothing of whom it happened to."""

import logging
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.test import Client

from agents import credentials, sessions
from agents.models import Agent
from agents.tests.builders import PASSWORD, make_agent, make_key
from customers import services
from customers.tests.builders import make_customer
from supportdesk.core.devservices.state import fresh_secrets
from supportdesk.tests import working
from supportdesk.tests.client import Api
from supportdesk.tests.logs import written_log
from tickets.services import lifecycle

pytestmark = pytest.mark.django_db
CANARY = "canary5c1e"
embedded = pytest.mark.skipif("SUPPORTDESK_TEST_DATABASE_URL" in os.environ, reason="about the embedded server")


def break_with_a_value(*_: Any, **given: Any) -> Any:
    secret = f"{CANARY} in a local variable"
    try:
        return given[f"{CANARY}@example.com"]
    except KeyError as error:
        error.add_note(secret)
        raise ValueError(f"cannot work on {CANARY}") from error


def break_with_a_duplicate(*_: Any, **given: Any) -> Any:
    """As PostgreSQL tells it: with the value, in `DETAIL: Key (lower(email))=(…) already exists.`"""
    taken = make_agent(email=f"{CANARY}@example.com")
    Agent.objects.get_queryset().create(email=taken.email, name=CANARY)


@pytest.mark.vuln
@pytest.mark.parametrize("broken", [break_with_a_value, break_with_a_duplicate])
def test_a_failed_request_tells_where_and_not_whom(broken: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    customer, api, browser = make_customer(name=CANARY), Api(make_agent()), Client(raise_request_exception=False)
    browser.force_login(make_agent(role="admin"))
    monkeypatch.setattr(services, "_save", broken)
    with written_log() as log:
        answer = api.patch(f"/api/customers/{customer.pk}", {"name": f"{CANARY} new", "email": f"{CANARY}@example.org"})
        page = browser.post(
            f"/admin/customers/customer/{customer.pk}/change/", {"name": f"{CANARY} two", "tier": "vip"}
        )
    assert (answer.status, page.status_code) == (500, 500)
    assert CANARY not in str(answer.body)
    assert CANARY not in page.content.decode()
    assert CANARY not in log.getvalue()
    failures = [line for line in log.lines() if line["event"] == "unhandled"]
    assert [line["request_id"] for line in failures] == [answer.body["request_id"], page.headers["X-Request-ID"]]
    for line in failures:
        told = line["exception"]
        assert any(broken.__name__ in frame for frame in told[0]["frames"])
        assert any("customers/services.py" in frame for frame in told[0]["frames"])
        if broken is break_with_a_duplicate:
            assert told[0]["type"] == "django.db.utils.IntegrityError"
            assert (told[1]["sqlstate"], told[1]["constraint"]) == ("23505", "agent_email_unique")
        else:
            assert [one["type"] for one in told] == ["ValueError", "KeyError"]


@pytest.mark.vuln
def test_no_secret_in_logs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures with passwords, tokens, keys and cookies in scope, in a view, in a form and in a task."""
    agent, api, browser = make_agent(role="admin"), Api(), Client(raise_request_exception=False)
    login = {"email": agent.email, "password": PASSWORD}
    tokens, key, browser_cookie = api.post("/api/auth/login", login).body, make_key("tickets:read"), "x" * 40
    browser.cookies["supportdesk_admin"] = browser_cookie
    monkeypatch.setattr(credentials, "verify", break_with_a_value)
    monkeypatch.setattr(sessions, "_claims", break_with_a_value)
    monkeypatch.setattr(lifecycle, "create_ticket", break_with_a_value)
    given = {"customer_id": make_customer().pk, "subject": "x", "description": "x"}
    with written_log() as log:
        answers = [
            api.post("/api/auth/login", login).status,
            api.post("/api/auth/refresh", {"refresh": tokens["refresh"]}).status,
            api.post("/api/tickets", given, authorization=f"Bearer {tokens['access']}").status,
            api.post("/api/tickets", given, x_api_key=make_key("tickets:write", "customers:read")).status,
            browser.post("/admin/login/", {"username": agent.email, "password": PASSWORD}).status_code,
        ]
        working.fail.apply(kwargs={"whom": key})
    assert answers == [500] * 5
    secrets = [PASSWORD, tokens["access"], tokens["refresh"], key, browser_cookie, agent.email, CANARY]
    assert [secret for secret in secrets if secret in log.getvalue()] == []
    assert [line["event"] for line in log.lines() if "exception" in line] == ["unhandled"] * 5 + ["task failed"]


@pytest.mark.vuln
def test_lines_of_other_peoples_code_lose_the_texts_of_exceptions() -> None:
    theirs = logging.getLogger("celery.worker.request")
    with written_log() as log:
        try:
            raise LookupError(f"no {CANARY}")
        except LookupError as error:
            theirs.error("Task %s raised error: %r", "x", error, exc_info=True)
            theirs.error(f"Task raised error: {error!r} and {error}", exc_info=True)
            theirs.warning("Connection %s lost", "to the broker")
    assert CANARY not in log.getvalue()
    assert [line["event"] for line in log.lines()] == [
        "Task %s raised error: %r",
        "Task raised error: LookupError and LookupError",
        "Connection to the broker lost",
    ]
    assert log.lines()[0]["exception"][0]["type"] == "LookupError"


def test_a_group_of_exceptions_is_told_whole() -> None:
    with written_log() as log:
        try:
            raise ExceptionGroup("two", [ValueError(CANARY), OSError(28, f"no space for {CANARY}")])
        except ExceptionGroup:
            logging.getLogger("supportdesk.test").exception("both")
    (line,) = log.lines()
    assert CANARY not in log.getvalue()
    assert line["exception"][0]["exceptions"] == [
        [{"type": "ValueError", "frames": []}],
        [{"type": "OSError", "errno": "ENOSPC", "frames": []}],
    ]


@pytest.mark.vuln
def test_a_crashed_command_tells_where_and_not_whom() -> None:
    """On a database without tables, whose complaint quotes the statement."""
    environment = {
        **os.environ,
        **fresh_secrets(),
        "SUPPORTDESK_ENV": "production",
        "SUPPORTDESK_ALLOWED_HOSTS": "desk.example.com",
        "SUPPORTDESK_ATTACHMENTS_DIR": "attachments",
        "DATABASE_URL": os.environ["DATABASE_URL"].rpartition("/")[0] + "/postgres",
        "DJANGO_SETTINGS_MODULE": "supportdesk.settings.base",
    }
    command = [sys.executable, "manage.py", "create_admin", f"{CANARY}@example.com", "--name", CANARY]
    password = f"{CANARY} pass phrase\n"
    done = subprocess.run(
        command, cwd=settings.BASE_DIR, env=environment, input=password, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert CANARY not in done.stdout + done.stderr
    assert '"event": "crashed"' in done.stderr
    assert "create_admin.py" in done.stderr
    assert '"sqlstate": "42P01"' in done.stderr


@pytest.mark.vuln
@embedded
def test_the_database_servers_log_holds_no_values() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        log = Path(cursor.fetchone()[0]).parent / "postgres.log"
    before = log.stat().st_size
    with pytest.raises(Exception, match=CANARY):
        break_with_a_duplicate()
    added = log.read_text()[before:]
    assert 'violates unique constraint "agent_email_unique"' in added
    assert CANARY not in added


@embedded
def test_migrate_warns_of_a_server_that_logs_values() -> None:
    said = StringIO()
    call_command("migrate", verbosity=0, stderr=said)
    assert said.getvalue() == ""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL log_error_verbosity = 'default'; SET LOCAL log_min_error_statement = 'error'")
    call_command("migrate", verbosity=0, stderr=said)
    assert "see docs/operations.md about log_error_verbosity, log_min_error_statement." in said.getvalue()
