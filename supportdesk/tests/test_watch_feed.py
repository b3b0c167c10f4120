"""The command that shows what an agent is told, as an operator uses it."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings

from agents.models import Agent, LoginSession
from agents.tests.builders import PASSWORD, make_agent
from agents.tests.test_sockets import tell, work_off
from supportdesk.tests.sockets import PATIENCE, ServerProcess, wait_for

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]
Watch = Callable[..., "subprocess.Popen[str]"]


def _hear_ctrl_c() -> None:
    """Who runs the tests in the background had it ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    server = ServerProcess()
    server.start()
    yield server
    server.kill()


@pytest.fixture
def watch(server: ServerProcess) -> Iterator[Watch]:
    started: list[subprocess.Popen[str]] = []

    def start(email: str, password: str = PASSWORD, url: str = "") -> "subprocess.Popen[str]":
        where = ["--url", url or f"http://127.0.0.1:{server.port}"]
        environment = {**server.environment, "SUPPORTDESK_PROCESS": "", "PYTHONUNBUFFERED": "1"}
        pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        command = [sys.executable, "manage.py", "watch_feed", email, *where]
        process = subprocess.Popen(
            command, cwd=settings.BASE_DIR, env=environment, text=True, preexec_fn=_hear_ctrl_c, **pipes
        )
        started.append(process)
        assert process.stdin
        process.stdin.write(f"{password}\n")
        process.stdin.close()
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def told(process: "subprocess.Popen[str]", kind: str) -> dict[str, Any]:
    assert process.stdout
    for line in process.stdout:
        message: dict[str, Any] = json.loads(line)
        if message["type"] == kind:
            return message
    raise AssertionError(process.stderr.read() if process.stderr else "ended")


def test_it_prints_what_happens_and_goes_on_after_a_lost_server(server: ServerProcess, watch: Watch) -> None:
    agent = make_agent()
    process = watch(agent.email)
    ready = told(process, "ready")
    work_off()
    assert told(process, "agent_status")["availability"] == "online"
    server.kill()
    tell(agent)
    server.start()
    assert told(process, "ready")["seq"] == ready["seq"] + 1
    assert told(process, "agent_status")["seq"] == ready["seq"] + 2
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == 0
    assert LoginSession.objects.filter(agent=agent, ended_at__isnull=True).count() == 0
    assert Agent.objects.get_queryset().get(pk=agent.pk).availability == "offline"


def test_it_ends_with_the_login(watch: Watch) -> None:
    agent = make_agent()
    process = watch(agent.email)
    told(process, "ready")
    wait_for(lambda: LoginSession.objects.filter(agent=agent).exists())
    Agent.objects.get_queryset().filter(pk=agent.pk).update(is_active=False)
    assert process.wait(PATIENCE) == 1
    assert process.stderr
    assert "4403" in process.stderr.read()


@pytest.mark.parametrize(
    ("over", "words"),
    [
        ({"password": "wrong"}, "The e-mail address or the password is wrong."),
        ({"url": "http://127.0.0.1:1"}, "No desk answers at http://127.0.0.1:1."),
    ],
)
def test_what_goes_wrong_is_one_sentence(watch: Watch, over: dict[str, str], words: str) -> None:
    process = watch(make_agent().email, **over)
    assert process.wait(PATIENCE) == 1
    assert process.stderr
    assert process.stderr.read().strip() == f"CommandError: {words}"
