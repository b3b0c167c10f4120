"""The same feed as server-sent events, over a real ASGI server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from django.utils import timezone

from agents import passes, services
from agents.api import protocol
from agents.models import Agent, FeedEntry, FeedHead, SocketPass
from agents.tests.builders import SYSTEM, make_agent, make_department
from agents.tests.test_sockets import ENDINGS, give, tell, work_off
from supportdesk.tests.client import Api
from supportdesk.tests.sockets import BEYOND, PATIENCE, Desk, ThreadedServer, wait_for
from tickets.tests.builders import make_ticket

pytestmark = pytest.mark.slow


class Stream:
    """A client of one stream."""

    def __init__(self, desk: Desk, agent_id: int, ticket: str | None, **headers: str) -> None:
        named = {} if ticket is None else {"X-Stream-Ticket": ticket}
        self.answer = requests.get(
            f"http://127.0.0.1:{desk.port}/api/agents/{agent_id}/stream",
            headers={**named, **{name.replace("_", "-"): value for name, value in headers.items()}},
            stream=True,
            timeout=PATIENCE,
        )
        self.lines = self.answer.iter_lines(chunk_size=1, decode_unicode=True)
        desk.lines.callback(self.answer.close)

    def blocks(self) -> Iterator[dict[str, str]]:
        block: dict[str, str] = {}
        for line in self.lines:
            if not line:
                yield block
                block = {}
                continue
            name, _, value = line.partition(":")
            block[name] = value.strip()

    def next(self) -> dict[str, Any]:
        """The next event, its data read; comments are left out."""
        for block in self.blocks():
            if "event" in block:
                return {**block, "data": json.loads(block["data"])}
        raise AssertionError("the stream is over")


@pytest.fixture
def agent(transactional_db: None) -> Agent:
    return make_agent(capacity=0)  # is given nothing but what a test gives


@pytest.fixture
def api(agent: Agent) -> Api:
    api = Api(agent)
    work_off()
    return api


def open_stream(desk: Desk, agent: Agent, api: Api, **headers: str) -> Stream:
    stream = Stream(desk, agent.pk, desk.ticket(agent, api), **headers)
    assert stream.answer.status_code == 200, stream.answer.text
    return stream


def problem(stream: Stream) -> tuple[int, str]:
    return stream.answer.status_code, stream.answer.json()["code"]


def test_a_stream_tells_what_a_socket_tells(desk: Desk, agent: Agent, api: Api) -> None:
    ticket = make_ticket()
    work_off()
    stream, opened = open_stream(desk, agent, api), desk.open(agent, api)
    assert stream.answer.headers["Content-Type"] == "text/event-stream"
    assert stream.answer.headers["Cache-Control"] == "no-store"
    ready, seq = stream.next(), FeedHead.objects.get(agent=agent).last_seq
    assert (ready["event"], ready["data"]) == ("ready", {"type": "ready", "seq": seq, "delivery": "live"})
    give(ticket, agent)
    work_off()
    told = stream.next()
    assert told["data"] == opened.next()
    assert (told["event"], told["id"]) == ("new_ticket", str(seq + 1))


def test_a_stream_goes_on_behind_the_last_id(desk: Desk, agent: Agent, api: Api) -> None:
    for _ in range(120):
        tell(agent)
    stream = open_stream(desk, agent, api, Last_Event_ID="3")
    assert [stream.next()["id"] for _ in range(119)] == [str(number) for number in range(3, 122)]


@pytest.mark.parametrize(("ahead", "reason"), [(1, "ahead"), (-3, "too_old")])
def test_a_position_that_is_not_there_is_answered_with_resync(
    desk: Desk, agent: Agent, api: Api, ahead: int, reason: str
) -> None:
    for _ in range(4):
        tell(agent)
    head = FeedHead.objects.get(agent=agent).last_seq
    FeedEntry.objects.filter(seq__lte=head - 2).delete()
    stream = open_stream(desk, agent, api, Last_Event_ID=str(head + ahead))
    assert [stream.next()["data"] for _ in range(2)] == [
        {"type": "ready", "seq": head, "delivery": "live"},
        {"type": "resync", "seq": head, "reason": reason},
    ]


@pytest.mark.parametrize("position", ["-1", str(BEYOND), "1.0", "x", "", "1e3", "\u0663".encode().decode("latin-1")])
def test_a_bad_position_is_a_400_that_names_the_header(desk: Desk, agent: Agent, api: Api, position: str) -> None:
    stream = Stream(desk, agent.pk, desk.ticket(agent, api), Last_Event_ID=position)
    assert (stream.answer.status_code, stream.answer.json()["errors"][0]["field"]) == (400, "Last-Event-ID")


@pytest.mark.vuln
def test_a_stream_needs_its_own_unused_ticket(desk: Desk, agent: Agent, api: Api) -> None:
    other = make_agent()
    assert problem(Stream(desk, agent.pk, None)) == (401, "not_authenticated")
    assert problem(Stream(desk, agent.pk, "x")) == (401, passes.BadPass.code)
    ticket = desk.ticket(agent, api)
    assert Stream(desk, agent.pk, ticket).answer.status_code == 200
    assert problem(Stream(desk, agent.pk, ticket)) == (401, passes.BadPass.code)
    assert problem(Stream(desk, agent.pk, desk.ticket(other))) == (404, "not_found")
    bound = desk.ticket(agent, api, origin="https://desk.example.com")
    assert problem(Stream(desk, agent.pk, bound, Origin="https://evil.example")) == (401, passes.BadPass.code)
    access = api.headers["Authorization"]
    assert problem(Stream(desk, agent.pk, None, Authorization=access)) == (401, "not_authenticated")


def test_parameters_are_refused_by_name(desk: Desk, agent: Agent, api: Api) -> None:
    url = f"http://127.0.0.1:{desk.port}/api/agents/{agent.pk}/stream?since=3"
    answer = requests.get(url, headers={"X-Stream-Ticket": desk.ticket(agent, api)}, timeout=PATIENCE)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "since")


def test_where_sockets_are_not_served_the_answer_says_so_and_the_ticket_stays_good(
    desk: Desk, agent: Agent, api: Api
) -> None:
    ticket = desk.ticket(agent, api)
    answer = Api().client.get(f"/api/agents/{agent.pk}/stream", headers={"X-Stream-Ticket": ticket})
    assert (answer.status_code, answer.json()["code"]) == (421, "wrong_process")
    assert SocketPass.objects.get().used_at is None


@pytest.mark.vuln
@pytest.mark.parametrize(("end", "code"), ENDINGS)
def test_what_ends_the_login_ends_its_streams_and_says_why(
    desk: Desk, agent: Agent, api: Api, end: Any, code: int
) -> None:
    stream = open_stream(desk, agent, api)
    stream.next()
    end(agent, api)
    tell(agent)
    ended = stream.next()
    while ended["event"] != "end":  # what happened before it was noticed
        ended = stream.next()
    assert ended["data"]["code"] == code
    assert list(stream.blocks()) == []


@pytest.mark.vuln
def test_rights_are_those_of_the_delivery(desk: Desk, agent: Agent, api: Api) -> None:
    home = make_department()
    services.update_agent(agent_id=agent.pk, changes={"department": home}, by=SYSTEM, now=timezone.now())
    ticket = make_ticket(department=home)
    work_off()
    position = FeedHead.objects.get(agent=agent).last_seq
    tell(agent, ticket)
    tell(agent)
    services.update_agent(agent_id=agent.pk, changes={"department": None}, by=SYSTEM, now=timezone.now())
    stream = open_stream(desk, agent, api, Last_Event_ID=str(position))
    assert [stream.next()["id"] for _ in range(2)] == [str(position), str(position + 2)]


def test_a_quiet_stream_says_that_it_is_still_there(
    desk: Desk, agent: Agent, api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "IDLE_SECONDS", 0.2)
    stream = open_stream(desk, agent, api)
    assert next(line for line in stream.lines if line.startswith(":")) == ": still there"


def test_an_agent_has_five_connections_at_most(desk: Desk, agent: Agent, api: Api) -> None:
    streams = [open_stream(desk, agent, api) for _ in range(5)]
    assert {stream.next()["event"] for stream in streams} == {"ready"}
    sixth = open_stream(desk, agent, api).next()
    assert (sixth["event"], sixth["data"]["code"]) == ("end", 4429)


def test_a_client_that_leaves_leaves_nothing_behind(
    desk: Desk, agent: Agent, api: Api, sockets_server: ThreadedServer
) -> None:
    stream = open_stream(desk, agent, api)
    stream.next()
    assert sockets_server.subscriptions() == 1
    stream.answer.close()
    wait_for(lambda: sockets_server.subscriptions() == 0)
