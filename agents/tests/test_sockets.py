"""The agents' WebSocket: its door, its protocol, and that what comes through it is what its reader may see today."""

import asyncio
import json
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from channels_redis.pubsub import RedisPubSubLoopLayer
from django.db import connection, transaction
from django.utils import timezone
from websockets.exceptions import ConnectionClosed, InvalidStatus

from agents import passes, presence, realtime, services
from agents.api import consumers, hub, protocol, sections
from agents.enums import FeedKind
from agents.models import Agent, FeedEntry, FeedHead, SocketPass, Tab
from agents.tests import test_feed
from agents.tests.builders import SYSTEM, make_agent, make_department
from supportdesk.core import delivery
from supportdesk.core.api.origins import origins_of
from supportdesk.tests.client import Api
from supportdesk.tests.sockets import BEYOND, PATIENCE, Desk, ThreadedServer, wait_for
from tickets.models import Ticket, Watch
from tickets.services import assignment
from tickets.tests.builders import change, make_ticket, say

pytestmark = pytest.mark.slow


def give(ticket: Ticket, agent: Agent) -> None:
    assignment.assign(ticket_id=ticket.pk, agent_id=agent.pk, by=SYSTEM, now=timezone.now())


def work_off() -> None:
    delivery.run_due(limit=1_000)


def tell(agent: Agent, ticket: Ticket | None = None) -> None:
    """Something that the agent may see, which is their own status unless a ticket is named."""
    kind = FeedKind.AGENT_STATUS if ticket is None else FeedKind.TICKET_UPDATE
    test_feed.tell(agent, kind=kind, subject_id=(ticket or agent).pk)


# The door


@pytest.mark.vuln
def test_two_origins_are_refused_as_well(desk: Desk) -> None:
    with pytest.raises(InvalidStatus) as refused:
        desk.dial("/ws/agent/1", headers=[("Origin", desk.origin), ("Origin", desk.origin)])
    assert refused.value.response.status_code == 400  # by the server itself
    assert len(origins_of({"headers": [(b"origin", b"http://a"), (b"origin", b"http://a")]})) == 2


@pytest.mark.vuln
@pytest.mark.parametrize(
    "origins",
    [
        [],
        ["null"],
        ["https://evil.example"],
        ["http://127.0.0.1.evil.example"],
        ["http://127.0.0.1@evil.example"],
        ["http://[::1"],
        ["http://127.0.0.1:99999999"],
        ["file://"],
        ["ws://127.0.0.1"],
        [""],
        ["http://127.0.0.1/path"],
        ["\xff\xfe"],
    ],
)
def test_a_foreign_missing_or_odd_origin_is_refused_at_the_handshake(desk: Desk, origins: list[str]) -> None:
    with pytest.raises(InvalidStatus) as refused:
        desk.dial("/ws/agent/1", headers=[("Origin", origin) for origin in origins])
    assert refused.value.response.status_code == 403


@pytest.mark.parametrize(
    ("trusted", "origin", "opens"),
    [
        (["https://desk.example.com"], "https://desk.example.com", True),
        (["https://desk.example.com"], "http://desk.example.com", False),
        (["https://desk.example.com"], "https://desk.example.com:444", False),
        (["https://desk.example.com"], "http://127.0.0.1", False),
        (["https://*.example.com"], "https://a.b.example.com", True),
        (["https://*.example.com"], "https://evilexample.com", False),
        ([], "http://localhost:5173", True),
        ([], "http://[::1]:8000", True),
    ],
)
def test_trusted_origins_are_the_list_and_else_our_own_hosts(
    desk: Desk, settings: Any, trusted: list[str], origin: str, opens: bool
) -> None:
    settings.CSRF_TRUSTED_ORIGINS = trusted
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
    if opens:
        desk.dial("/ws/agent/1", headers=[("Origin", origin)])
        return
    with pytest.raises(InvalidStatus):
        desk.dial("/ws/agent/1", headers=[("Origin", origin)])


@pytest.mark.parametrize("path", ["/", "/ws", "/ws/agent/", "/ws/agent/x", "/ws/agent/1/", "/ws/agent/" + "9" * 5_000])
def test_no_route_no_socket(desk: Desk, path: str) -> None:
    with pytest.raises(InvalidStatus) as refused:
        desk.dial(path)
    assert refused.value.response.status_code == 403


@pytest.mark.vuln
def test_a_token_in_the_address_is_refused_and_never_logged(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    agent = make_agent()
    ticket = desk.ticket(agent)
    dialled = desk.dial(f"/ws/agent/{agent.pk}?token={ticket}")
    assert dialled.closed() == 4400
    assert ticket not in caplog.text
    assert SocketPass.objects.get().used_at is None


def test_who_says_nothing_or_nonsense_is_shown_out_without_a_look_at_the_database(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[object] = []
    monkeypatch.setattr(sections, "serving", looked.append)
    monkeypatch.setattr(protocol, "HELLO_SECONDS", 0.5)
    silent, talking = desk.dial("/ws/agent/1"), desk.dial("/ws/agent/1")
    talking.say(type="heartbeat")
    assert (silent.closed(), talking.closed(), looked) == (4401, 4401, [])


@pytest.mark.parametrize(
    ("first", "code"),
    [
        ('{"type": "heartbeat"}', 4401),
        ('{"type": "watch", "ticket_id": 1}', 4401),
        ('{"type": "hello"}', 4400),
        ('{"type": "hello", "ticket": ""}', 4400),
        ('{"type": "hello", "ticket": null}', 4400),
        ('{"type": "hello", "ticket": 7}', 4400),
        ('{"type": "hello", "ticket": "nobody made this"}', 4401),
        ('{"type": "hello", "ticket": "' + "x" * 201 + '"}', 4400),
        ('{"type": "hello", "ticket": "a", "as": 3}', 4400),
        ('{"type": "subscribe", "channel": "*"}', 4400),
        ('{"type": ["hello"]}', 4400),
        ('{"ticket": "a"}', 4400),
        ("{", 4400),
        ("[]", 4400),
        ('"hello"', 4400),
        ("null", 4400),
        ('{"type": "hello", "ticket": NaN}', 4400),
        ('{"type": "hello", "type": "hello"}', 4400),
        ('{"a":' * 21 + "1" + "}" * 21, 4400),
        ("[" * 60_000, 4400),
        ('{"type": "hello", "ticket": "a\\u0000"}', 4400),
        ('{"type": "hello", "ticket": "\\ud800"}', 4400),
        ("x" * 65_537, 1009),
    ],
)
def test_what_a_first_message_must_be(desk: Desk, first: str, code: int) -> None:
    dialled = desk.dial("/ws/agent/1")
    dialled.line.send(first)
    assert dialled.closed() == code


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("last_seq", -1, "min_value"),
        ("last_seq", BEYOND, "max_value"),
        ("last_seq", 10**400, "max_value"),
        ("last_seq", "3", "wrong_type"),
        ("last_seq", 3.0, "wrong_type"),
        ("last_seq", True, "wrong_type"),
        ("last_seq", None, "null"),
        ("tab", "1", "invalid_uuid"),
        ("tab", 1, "wrong_type"),
        ("tab", "{00000000-0000-0000-0000-000000000000}", "invalid_uuid"),
    ],
)
def test_a_bad_member_of_hello_is_named_and_its_ticket_stays_unused(
    desk: Desk, field: str, value: object, fault: str
) -> None:
    agent = make_agent()
    dialled = desk.dial(f"/ws/agent/{agent.pk}")
    dialled.say(type="hello", ticket=desk.ticket(agent), **{field: value})
    refused = dialled.next()
    assert (refused["type"], [(one["field"], one["code"]) for one in refused["errors"]]) == ("error", [(field, fault)])
    assert dialled.closed() == 4400
    assert SocketPass.objects.get().used_at is None


@pytest.mark.vuln
def test_a_ticket_opens_one_socket(desk: Desk) -> None:
    agent = make_agent()
    ticket = desk.ticket(agent)
    for answer in ("ready", "error"):
        dialled = desk.dial(f"/ws/agent/{agent.pk}")
        dialled.say(type="hello", ticket=ticket)
        assert dialled.next()["type"] == answer
    assert dialled.closed() == 4401


def test_a_ticket_opens_nothing_after_thirty_seconds(desk: Desk) -> None:
    agent = make_agent()
    ticket = desk.ticket(agent)
    SocketPass.objects.update(expires_at=timezone.now())
    dialled = desk.dial(f"/ws/agent/{agent.pk}")
    dialled.say(type="hello", ticket=ticket)
    assert dialled.next()["code"] == passes.BadPass.code
    assert dialled.closed() == 4401


@pytest.mark.vuln
def test_nobody_listens_as_somebody_else(desk: Desk) -> None:
    agent, supervisor = make_agent(), make_agent(role="supervisor")
    dialled = desk.dial(f"/ws/agent/{agent.pk}")
    dialled.say(type="hello", ticket=desk.ticket(supervisor))
    assert dialled.next()["code"] == "forbidden"
    assert dialled.closed() == 4403
    again = desk.dial(f"/ws/agent/{supervisor.pk}")
    again.say(type="hello", ticket=desk.ticket(supervisor, origin="http://localhost:5173"))
    assert again.closed() == 4401  # made for another page


# What is said


def test_ready_says_where_one_is_and_a_chosen_tab_is_kept(desk: Desk) -> None:
    agent, tab = make_agent(), str(uuid.uuid4())
    tell(agent)
    chosen = desk.open(agent, tab=tab)
    assert chosen.ready["tab"] == tab
    assert chosen.ready["delivery"] == "live"
    assert chosen.ready["seq"] == FeedHead.objects.get(agent=agent).last_seq
    assert str(Tab.objects.get().key) == tab


def test_events_carry_what_a_client_needs_and_no_word_of_a_customer(desk: Desk) -> None:
    agent = make_agent(capacity=0)  # is given nothing by itself
    api = Api(agent)
    ticket = make_ticket(subject="canary7f3a", description="canary7f3a")
    work_off()
    opened = desk.open(agent, api)
    before = opened.ready["seq"]
    give(ticket, agent)
    say(ticket, "canary7f3a")
    work_off()
    new, update = opened.take(2)
    ticket.refresh_from_db()
    assert new == {
        "type": "new_ticket",
        "seq": before + 1,
        "at": new["at"],
        "ticket_id": ticket.pk,
        "version": new["version"],
        "changed": ["assignment"],
    }
    assert new["at"].endswith("Z")
    assert (update["type"], update["seq"], update["changed"]) == ("ticket_update", before + 2, ["messages"])
    assert update["version"] == ticket.version
    assert "canary" not in json.dumps([new, update])


def test_who_comes_back_gets_exactly_what_they_missed(desk: Desk) -> None:
    agent = make_agent()
    api = Api(agent)
    work_off()
    first = desk.open(agent, api)
    tell(agent)
    seen = first.next()["seq"]
    first.leave()
    for _ in range(250):  # more than one batch
        tell(agent)
    again = desk.open(agent, api, last_seq=seen)
    assert again.ready["seq"] == seen
    tell(agent)
    assert [message["seq"] for message in again.take(251)] == list(range(seen + 1, seen + 252))
    assert again.is_quiet()


@pytest.mark.parametrize(("ahead", "reason"), [(1, "ahead"), (10**6, "ahead"), (-3, "too_old")])
def test_a_position_that_cannot_be_gone_on_from_is_answered_with_resync(desk: Desk, ahead: int, reason: str) -> None:
    agent = make_agent()
    api = Api(agent)
    work_off()
    for _ in range(4):
        tell(agent)
    head = FeedHead.objects.get(agent=agent).last_seq
    FeedEntry.objects.filter(agent=agent, seq__lte=head - 2).delete()
    opened = desk.open(agent, api, last_seq=head + ahead)
    assert opened.next() == {"type": "resync", "seq": head, "reason": reason}
    tell(agent)
    assert opened.next()["seq"] == head + 1


def test_what_is_pruned_under_an_open_socket_is_said_and_never_left_out_in_silence(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = make_agent()
    api = Api(agent)
    work_off()
    monkeypatch.setattr(realtime, "nudge", lambda ids: None)
    opened = desk.open(agent, api)
    begin = opened.ready["seq"]
    with transaction.atomic():
        for _ in range(3):
            tell(agent)
        FeedEntry.objects.filter(agent=agent, seq=begin + 1).delete()
    assert opened.next() == {"type": "resync", "seq": begin + 3, "reason": "too_old"}


def test_a_database_that_was_put_back_is_noticed(desk: Desk) -> None:
    agent = make_agent()
    for _ in range(5):
        tell(agent)
    opened = desk.open(agent)
    FeedEntry.objects.filter(agent=agent, seq__gt=2).delete()
    FeedHead.objects.filter(agent=agent).update(last_seq=2)
    assert opened.next() == {"type": "resync", "seq": 2, "reason": "ahead"}


@pytest.mark.vuln
def test_rights_are_those_of_the_delivery_and_not_of_the_writing(desk: Desk) -> None:
    home, away = make_department(), make_department()
    agent = make_agent(department=home, capacity=0)
    api = Api(agent)
    lost, kept = make_ticket(department=home), make_ticket(department=home)
    give(kept, agent)
    work_off()
    position = desk.open(agent, api).ready["seq"]
    for ticket in (lost, kept, lost, kept):
        tell(agent, ticket)
    services.update_agent(agent_id=agent.pk, changes={"department": away}, by=SYSTEM, now=timezone.now())
    again = desk.open(agent, api, last_seq=position)
    assert [(message["ticket_id"], message["seq"]) for message in again.take(2)] == [
        (kept.pk, position + 2),
        (kept.pk, position + 4),
    ]
    assert again.is_quiet()
    change(lost, department=away)
    tell(agent, lost)
    assert again.next()["ticket_id"] == lost.pk


def test_a_status_is_told_as_long_as_the_card_may_be_seen(desk: Desk) -> None:
    home = make_department()
    agent, colleague = make_agent(department=home), make_agent(department=home)
    api = Api(agent)
    work_off()
    opened = desk.open(agent, api)
    services.update_agent(agent_id=colleague.pk, changes={"availability": "busy"}, by=SYSTEM, now=timezone.now())
    work_off()
    told = opened.next()
    assert (told["type"], told["agent_id"], told["availability"]) == ("agent_status", colleague.pk, "busy")


def test_watching_a_ticket_has_one_told_of_it(desk: Desk) -> None:
    agent, ticket, foreign = make_agent(capacity=0), make_ticket(), make_ticket(department=make_department())
    api = Api(agent)
    work_off()
    opened = desk.open(agent, api)
    for missing in (foreign.pk, 999_999):
        opened.say(type="watch", ticket_id=missing)
        assert opened.next()["code"] == "not_found"  # and the socket stays
    opened.say(type="watch", ticket_id=ticket.pk)
    wait_for(Watch.objects.exists)
    change(ticket, priority="high")
    work_off()
    assert opened.next()["changed"] == ["priority"]
    opened.say(type="unwatch", ticket_id=ticket.pk)
    wait_for(lambda: not Watch.objects.exists())
    change(ticket, priority="low")
    work_off()
    assert opened.is_quiet()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"type": "hello", "ticket": "a"}, 4400),
        ({"type": "watch"}, 4400),
        ({"type": "watch", "ticket_id": 0}, 4400),
        ({"type": "watch", "ticket_id": -1}, 4400),
        ({"type": "watch", "ticket_id": BEYOND}, 4400),
        ({"type": "watch", "ticket_id": "1"}, 4400),
        ({"type": "heartbeat", "x": 1}, 4400),
        ({"type": "send", "text": "x"}, 4400),
    ],
)
def test_a_bad_message_is_explained_and_closes(desk: Desk, message: dict[str, Any], code: int) -> None:
    opened = desk.open(make_agent())
    opened.say(**message)
    refused = opened.next()
    assert (refused["type"], len(refused["errors"])) == ("error", 1)
    assert opened.closed() == code


def test_a_binary_frame_and_a_large_one_close(desk: Desk) -> None:
    binary, large, in_parts = desk.open(make_agent()), desk.open(make_agent()), desk.open(make_agent())
    binary.line.send(b'{"type": "heartbeat"}')
    assert binary.closed() == 4400
    with suppress(ConnectionClosed):  # it need not be read to its end
        large.line.send(json.dumps({"type": "heartbeat", "x": "y" * 70_000}))
    assert large.closed() == 1009
    with suppress(ConnectionClosed):
        in_parts.line.send(["x" * 30_000, "y" * 30_000, "z" * 30_000])
    assert in_parts.closed() == 1009


@pytest.mark.vuln
def test_a_flood_closes_its_own_socket(desk: Desk) -> None:
    flooded, other = desk.open(make_agent()), desk.open(make_agent())
    with suppress(ConnectionClosed):
        for _ in range(200):
            flooded.say(type="heartbeat")
    assert flooded.closed() == 4429
    other.say(type="heartbeat")
    assert other.is_quiet()


def test_a_sixth_socket_of_an_agent_is_refused(desk: Desk) -> None:
    agent = make_agent()
    api = Api(agent)
    opened = [desk.open(agent, api) for _ in range(5)]
    sixth = desk.dial(f"/ws/agent/{agent.pk}")
    sixth.say(type="hello", ticket=desk.ticket(agent, api))
    assert sixth.next()["code"] == "too_many_sockets"
    assert sixth.closed() == 4429
    opened[0].leave()
    wait_for(lambda: Tab.objects.filter(connection__isnull=True).exists())
    desk.open(agent, api)


def test_a_tab_has_one_socket_and_the_newer_one_has_it(desk: Desk) -> None:
    agent, tab = make_agent(), str(uuid.uuid4())
    api = Api(agent)
    older = desk.open(agent, api, tab=tab)
    newer = desk.open(agent, api, tab=tab)
    assert older.closed() == 4409
    tell(agent)
    assert newer.next()["type"]
    assert Tab.objects.get().connection is not None


def test_a_socket_that_is_not_heard_of_is_closed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub, "SILENT_AFTER", 0.5)
    assert desk.open(make_agent()).closed() == 4408


def test_a_heartbeat_renews_the_tab_and_the_server_asks_for_it(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "IDLE_SECONDS", 0.2)
    opened = desk.open(make_agent())
    assert json.loads(opened.line.recv(timeout=30)) == {"type": "heartbeat"}
    Tab.objects.update(seen_until=timezone.now() + timedelta(seconds=10))
    opened.say(type="heartbeat")
    wait_for(lambda: Tab.objects.get().seen_until > timezone.now() + timedelta(seconds=50))


# Its end


def ended_by_logout(agent: Agent, api: Api) -> None:
    assert api.post(f"/api/agents/{agent.pk}/logout").status == 204


def changed(**changes: Any) -> Callable[[Agent, Api], None]:
    def act(agent: Agent, api: Api) -> None:
        services.update_agent(agent_id=agent.pk, changes=changes, by=SYSTEM, now=timezone.now())

    return act


ENDINGS = [
    pytest.param(ended_by_logout, 4401, id="logout"),
    pytest.param(changed(password="another long pass phrase"), 4401, id="password"),
    pytest.param(changed(is_active=False), 4403, id="deactivation"),
    pytest.param(changed(role="senior"), 4403, id="role"),
]


@pytest.mark.vuln
@pytest.mark.parametrize(("end", "code"), ENDINGS)
@pytest.mark.parametrize("nudged", [True, False])
def test_what_ends_the_login_closes_its_sockets(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, end: Callable[[Agent, Api], None], code: int, nudged: bool
) -> None:
    if not nudged:
        monkeypatch.setattr(realtime, "nudge", lambda ids: None)
    agent, other = make_agent(), make_agent()
    api = Api(agent)
    opened, kept = desk.open(agent, api), desk.open(other)
    opened.drain()  # that the other one came is told first
    end(agent, api)
    tell(agent)
    with pytest.raises(ConnectionClosed) as closed:
        opened.next()  # and not one event before
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == code
    assert kept.is_open()


def test_a_login_that_runs_out_closes_its_sockets(desk: Desk) -> None:
    agent = make_agent()
    opened = desk.open(agent)
    agent.login_sessions.update(expires_at=timezone.now())
    assert opened.closed() == 4401


def test_the_other_login_of_the_agent_stays(desk: Desk) -> None:
    agent = make_agent()
    here, there = Api(agent), Api(agent)
    work_off()
    ends, stays = desk.open(agent, here), desk.open(agent, there)
    ended_by_logout(agent, here)
    assert ends.closed() == 4401
    tell(agent)
    assert stays.next()["seq"] == stays.ready["seq"] + 1


def test_a_closed_socket_leaves_its_tab_a_minute_and_its_agent_where_they_are(desk: Desk) -> None:
    agent = make_agent()
    api = Api(agent)
    closed, kept = desk.open(agent, api), desk.open(agent, api)
    closed.leave()
    wait_for(lambda: Tab.objects.filter(connection__isnull=True).count() == 1)
    later = timezone.now() + presence.TAB_SEEN_FOR - timedelta(seconds=1)
    Tab.objects.filter(connection__isnull=False).update(seen_until=later + timedelta(minutes=1))
    presence.expire(now=later + timedelta(seconds=2))
    assert Agent.objects.get_queryset().get(pk=agent.pk).availability == "online"
    assert kept.is_quiet()


def test_the_hub_ends_with_the_last_socket(desk: Desk, sockets_server: ThreadedServer) -> None:
    opened = [desk.open(make_agent()) for _ in range(2)]
    hubs = list(hub._HUBS.values())
    assert sum(len(one._tasks) for one in hubs) == 3
    opened[0].leave()
    wait_for(lambda: sockets_server.subscriptions() == 1)
    assert sum(len(one._tasks) for one in hubs) == 3
    opened[1].leave()
    wait_for(lambda: sockets_server.subscriptions() == 0)
    assert sum(len(one._tasks) for one in hubs) == 0


# Without the others


def test_without_a_worker_events_arrive_all_the_same(desk: Desk) -> None:
    agent = make_agent(capacity=0)
    api = Api(agent)
    work_off()
    ticket = make_ticket()
    work_off()
    opened = desk.open(agent, api)
    give(ticket, agent)
    assert opened.next()["type"] == "new_ticket"


def test_a_lost_nudge_costs_seconds_and_no_event(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    agent = make_agent()
    api = Api(agent)
    work_off()
    opened = desk.open(agent, api)
    monkeypatch.setattr(realtime, "nudge", lambda ids: None)
    tell(agent)
    assert opened.next()["seq"] == opened.ready["seq"] + 1


def test_who_comes_while_the_last_one_leaves_is_nudged_all_the_same(
    desk: Desk, sockets_server: ThreadedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "LOOK_EVERY", 60.0)
    hung_up = _hanging_up(monkeypatch, seconds=1)
    agent = make_agent()
    api = Api(agent)
    work_off()
    desk.open(agent, api).leave()
    wait_for(lambda: sockets_server.subscriptions() == 0)
    opened = desk.open(agent, api)
    assert hung_up.wait(PATIENCE)
    assert opened.is_quiet()
    tell(agent)
    assert opened.next(leaving_out={"heartbeat"})["seq"] == opened.ready["seq"] + 1


def test_a_listener_from_whom_its_end_was_kept_ends(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    listens, add = threading.Event(), RedisPubSubLoopLayer.group_add

    async def deaf(layer: RedisPubSubLoopLayer, *given: str) -> None:
        await add(layer, *given)
        listens.set()
        task = asyncio.current_task()
        while task is not None and not task.cancelling():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)

    monkeypatch.setattr(RedisPubSubLoopLayer, "group_add", deaf)
    hung_up = _hanging_up(monkeypatch)
    opened = desk.open(make_agent())
    assert listens.wait(PATIENCE)
    opened.leave()
    assert hung_up.wait(PATIENCE)


def _hanging_up(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.0) -> threading.Event:
    """Set when a listener has hung up on Redis, for which it takes its time."""
    hung_up, flush = threading.Event(), RedisPubSubLoopLayer.flush

    async def late(layer: RedisPubSubLoopLayer) -> None:
        listens = asyncio.get_running_loop() in hub._HUBS  # and does not only nudge
        if listens:
            await asyncio.sleep(seconds)
        await flush(layer)
        if listens:
            hung_up.set()

    monkeypatch.setattr(RedisPubSubLoopLayer, "flush", late)
    return hung_up


@pytest.mark.vuln
def test_a_slow_reader_costs_no_memory_and_keeps_nobody_waiting(desk: Desk) -> None:
    agent, quick_agent = make_agent(), make_agent()
    api, quick_api = Api(agent), Api(quick_agent)
    work_off()
    quick, slow = desk.open(quick_agent, quick_api), _Unread(desk, agent, api)
    begin = slow.dialled.ready["seq"]
    slow.flood(10_000)
    sent = slow.subscription.position - begin
    assert sent < 5_000  # what fits into the kernel's buffers and one of the server's; the rest was not even read
    tell(quick_agent)
    assert quick.next()["seq"] == quick.ready["seq"] + 1
    assert [slow.dialled.next()["seq"] - begin for _ in range(sent + 200)] == list(range(1, sent + 201))


@pytest.mark.vuln
def test_who_reads_nothing_for_long_is_dropped(
    desk: Desk, sockets_server: ThreadedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = make_agent()
    api = Api(agent)
    work_off()
    slow = _Unread(desk, agent, api)
    monkeypatch.setattr(consumers, "SLOW_SECONDS", 2.5)
    assert sockets_server.subscriptions() == 1
    begin = slow.subscription.position
    slow.flood(10_000)
    wait_for(lambda: sockets_server.subscriptions() == 0)
    assert slow.subscription.position - begin < 10_000  # and was not told all of it first


@pytest.mark.vuln
def test_a_slow_reader_whose_login_ends_is_dropped_without_another_word(
    desk: Desk, sockets_server: ThreadedServer
) -> None:
    agent = make_agent()
    api = Api(agent)
    work_off()
    slow = _Unread(desk, agent, api)
    slow.flood(10_000)
    position = slow.subscription.position
    ended_by_logout(agent, api)
    wait_for(lambda: sockets_server.subscriptions() == 0)
    assert slow.subscription.position == position


class _Unread:
    """A client on a bare socket that says hello and then reads nothing until it is told to."""

    def __init__(self, desk: Desk, agent: Agent, api: Api) -> None:
        self.agent = agent
        line = socket.socket()
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        line.connect(("127.0.0.1", desk.port))
        self.dialled = desk.dial(f"/ws/agent/{agent.pk}", max_queue=1, compression=None, sock=line)
        self.dialled.say(type="hello", ticket=desk.ticket(agent, api))
        self.dialled.ready = self.dialled.next()
        self.subscription = next(
            one for those in list(hub._HUBS.values()) for one in those if one.listener.agent_id == agent.pk
        )

    def flood(self, count: int) -> None:
        """Returns when nothing more can be sent."""
        _fill(self.agent, make_ticket(), count)
        realtime.nudge([self.agent.pk])
        wait_for(lambda: self.subscription.position > self.dialled.ready["seq"])
        before = -1
        while before != self.subscription.position:
            before = self.subscription.position
            time.sleep(2)


def _fill(agent: Agent, ticket: Ticket, count: int) -> None:
    """Many entries at once, as a burst of facts leaves them."""
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH facts AS (INSERT INTO core_event (name, subject_type, subject_id, payload, actor_kind, actor_name,"
            " origin, request_id, at) SELECT 'ticket.archived', 'ticket', %(ticket)s, '{}', 'system', '', 'task', '',"
            " now() FROM generate_series(1, %(count)s) RETURNING id, at),"
            " head AS (INSERT INTO agents_feedhead AS h (agent_id, last_seq) VALUES (%(agent)s, %(count)s)"
            " ON CONFLICT (agent_id) DO UPDATE SET last_seq = h.last_seq + %(count)s RETURNING last_seq)"
            " INSERT INTO agents_feedentry (agent_id, seq, kind, event_id, subject_id, version, changed, details, at)"
            " SELECT %(agent)s, last_seq - %(count)s + row_number() OVER (ORDER BY id), 'ticket_update', id,"
            " %(ticket)s, 1, '{archived_at}', '{}', at FROM facts, head",
            {"agent": agent.pk, "ticket": ticket.pk, "count": count},
        )
