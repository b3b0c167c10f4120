"""Sockets over real processes: several of them, killed ones, and ones whose Redis or database goes away."""

import os
import struct
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import pytest
import requests
from django.db import connection
from websockets.exceptions import ConnectionClosed

from agents.models import Agent, FeedHead, Tab
from agents.tests.builders import make_agent
from agents.tests.test_sockets import give, tell, work_off
from supportdesk.core.devservices.binaries import service_account
from supportdesk.core.devservices.valkey import Valkey
from supportdesk.tests.client import Api
from supportdesk.tests.sockets import PATIENCE, Desk, ServerProcess, Socket, wait_for
from tickets.tests.builders import make_ticket

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True), pytest.mark.timeout(240)]
Serve = Callable[..., tuple[ServerProcess, Desk]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts processes, and ends them."""
    made: list[tuple[ServerProcess, Desk]] = []

    def start(**environment: str) -> tuple[ServerProcess, Desk]:
        server = ServerProcess(**environment)
        server.start()
        made.append((server, Desk(server.port)))
        return made[-1]

    yield start
    for server, desk in made:
        server.kill()  # first: who hangs up waits for its goodbye
        desk.hang_up()


@pytest.fixture
def agent() -> Agent:
    return make_agent(capacity=0)  # is given nothing but what a test gives


@pytest.fixture
def api(agent: Agent) -> Api:
    api = Api(agent)
    work_off()
    return api


def test_a_nudge_reaches_the_sockets_of_every_process(serve: Serve, agent: Agent, api: Api) -> None:
    opened = [serve()[1].open(agent, api) for _ in range(2)]
    tell(agent)
    assert [one.next()["seq"] for one in opened] == [2, 2]


def test_a_killed_process_costs_no_event_and_shows_none_twice(serve: Serve, agent: Agent, api: Api) -> None:
    server, desk = serve()
    tab = str(uuid.uuid4())
    last = desk.open(agent, api, tab=tab).ready["seq"]
    seen: list[int] = []
    for _ in range(3):
        opened = desk.open(agent, api, tab=tab, last_seq=last)
        for _ in range(5):
            tell(agent)
        seen += [message["seq"] for message in opened.take(3)]
        last = seen[-1]
        server.kill()
        tell(agent)
        server.start()
    seen += [message["seq"] for message in desk.open(agent, api, tab=tab, last_seq=last).take(9)]
    assert seen == list(range(2, 20))
    assert FeedHead.objects.get(agent=agent).last_seq == 19
    assert Tab.objects.count() == 1


@pytest.mark.vuln
def test_a_frame_of_a_hundred_megabytes_leaves_memory_flat(serve: Serve) -> None:
    server, desk = serve()
    desk.dial("/ws/agent/1").leave()
    before = server.memory
    for _ in range(5):
        dialled = desk.dial("/ws/agent/1")
        line, size = dialled.line.socket, 100 * 1024 * 1024
        line.sendall(b"\x81\xff" + struct.pack("!Q", size) + os.urandom(4))
        try:
            for _ in range(size // 65_536):
                line.sendall(b"x" * 65_536)
        except OSError:
            pass
    assert server.memory - before < 16 * 1024 * 1024


def test_idle_sockets_hold_no_connection_to_the_database(serve: Serve) -> None:
    _, desk = serve()
    for _ in range(24):
        desk.open(make_agent())
    wait_for(lambda: set(_states()) == {"idle"})  # all of them back in the pool
    assert len(_states()) <= 12  # whatever the number of sockets


OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


def _states() -> list[str]:
    """What each connection of the process is doing."""
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT state {OTHERS}")
        return [state for (state,) in cursor.fetchall()]


@pytest.mark.vuln
def test_answers_of_the_asgi_server_go_to_who_asked(serve: Serve) -> None:
    server, _ = serve()
    people = [(one, Api(one)) for one in (make_agent() for _ in range(6))]

    def ask(number: int) -> bool:
        one, api = people[number % len(people)]
        url = f"http://127.0.0.1:{server.port}/api/agents/{one.pk}?fields=id,email"
        answer = requests.get(url, headers=api.headers, timeout=PATIENCE)
        return bool(answer.json() == {"id": one.pk, "email": one.email})

    with ThreadPoolExecutor(6) as pool:
        assert all(pool.map(ask, range(60)))


@pytest.mark.vuln
def test_headers_that_come_twice_prove_nothing(serve: Serve, agent: Agent, api: Api) -> None:
    server, _ = serve()
    token = api.headers["Authorization"]
    for headers in ([("Authorization", token)] * 2, [("Authorization", "Bearer x"), ("Authorization", token)]):
        assert _raw_status(server.port, f"/api/agents/{agent.pk}", headers) == 401
    assert _raw_status(server.port, "/healthz", [("X-Much", "x")] * 1_000) == 200


def _raw_status(port: int, path: str, headers: list[tuple[str, str]]) -> int:
    request = requests.Request("GET", f"http://127.0.0.1:{port}{path}").prepare()
    request.headers = _Repeated(headers)
    with requests.Session() as session:
        return session.send(request, timeout=PATIENCE).status_code


class _Repeated(requests.structures.CaseInsensitiveDict):  # type: ignore[type-arg]
    """Headers of which one may come several times, as urllib3 sends what `items` yields."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        super().__init__()
        self.pairs = pairs

    def items(self) -> Any:
        return self.pairs


# Without the others


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[Valkey]:
    """A Valkey that a test may kill."""
    account = service_account()
    for folder in (tmp_path, *tmp_path.parents):
        if folder.is_relative_to(gettempdir()) and folder != Path(gettempdir()):
            folder.chmod(0o711)  # Valkey does not run as root
    server = Valkey(data=tmp_path / "valkey", account=account, durable=False)
    server.start()
    yield server
    server.stop()


def next_of(opened: Socket, kind: str) -> dict[str, Any]:
    while (message := opened.next(leaving_out=()))["type"] != kind:
        pass
    return message


def test_without_redis_and_with_an_empty_one_events_go_on_arriving(
    serve: Serve, valkey: Valkey, agent: Agent, api: Api
) -> None:
    _, desk = serve(REDIS_URL=valkey.url)
    ticket = make_ticket()
    work_off()
    opened = desk.open(agent, api)
    assert valkey.child is not None
    valkey.child.kill()
    valkey.child.wait()
    assert next_of(opened, "delivery")["delivery"] == "delayed"
    give(ticket, agent)  # and no worker either
    assert next_of(opened, "new_ticket")["ticket_id"] == ticket.pk
    late = desk.open(agent, api, last_seq=opened.ready["seq"])
    assert late.ready["delivery"] == "delayed"
    assert next_of(late, "new_ticket")["ticket_id"] == ticket.pk
    valkey.launch()  # it kept nothing
    assert {next_of(one, "delivery")["delivery"] for one in (opened, late)} == {"live"}
    tell(agent)
    assert next_of(opened, "agent_status")["seq"] == next_of(late, "agent_status")["seq"]


def test_without_the_database_sockets_are_closed_to_come_back_and_nothing_is_missing_then(
    serve: Serve, agent: Agent, api: Api
) -> None:
    _, desk = serve()
    opened = desk.open(agent, api)
    try:
        _shut_out()
        with pytest.raises(ConnectionClosed) as closed:
            opened.next()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1013
    finally:
        _allow(True)
    tell(agent)
    again = _come_back(desk, agent, api, last_seq=opened.ready["seq"])
    assert again.next()["seq"] == opened.ready["seq"] + 1


def _come_back(desk: Desk, agent: Agent, api: Api, **hello: Any) -> Socket:
    """As a client does that was told to."""
    for _ in range(20):
        try:
            return desk.open(agent, api, **hello)
        except (ConnectionClosed, AssertionError):
            time.sleep(0.5)
    raise AssertionError("was not let in again")


def _shut_out() -> None:
    _allow(False)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT pg_terminate_backend(pid) {OTHERS}")


def _allow(allowed: bool) -> None:
    with connection._nodb_cursor() as cursor:
        cursor.execute(f'ALTER DATABASE "{connection.settings_dict["NAME"]}" ALLOW_CONNECTIONS {str(allowed).lower()}')


def test_a_server_that_ends_says_goodbye_and_leaves_nothing_open(serve: Serve, agent: Agent, api: Api) -> None:
    server, desk = serve()
    opened = desk.open(agent, api)
    assert server.process is not None
    server.process.terminate()
    assert opened.closed() == 1012
    server.process.wait(PATIENCE)
    wait_for(lambda: Tab.objects.get().connection is None)
