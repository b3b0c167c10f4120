"""Messages, notes and the timeline over HTTP."""

import threading
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from agents.tests.builders import SYSTEM, actor_of, make_agent, make_department
from supportdesk.core.models import Event
from supportdesk.tests.client import Api, counted_statements
from tickets.enums import Sender, Status
from tickets.models import Message, Note, Ticket
from tickets.services import conversation
from tickets.tests.builders import change, make_ticket, say

pytestmark = pytest.mark.django_db


@pytest.fixture
def me() -> Api:
    return Api(make_agent(department=make_department()))


def test_a_reply_takes_the_next_position_and_ends_the_wait(me: Api) -> None:
    ticket = make_ticket(channel="chat")
    answer = me.post(f"/api/tickets/{ticket.pk}/messages", {"body": "  We look into it.\n"})
    assert answer.status == 201
    assert (answer.body["position"], answer.body["sender"], answer.body["channel"]) == (2, "agent", "chat")
    assert (answer.body["body"], answer.body["follow_up"]) == ("  We look into it.\n", False)
    ticket.refresh_from_db()
    assert (ticket.waiting_since, ticket.last_position) == (None, 2)
    assert ticket.first_response_at == ticket.last_activity_at
    assert Event.objects.filter(name="ticket.message_added").latest("id").payload["public_reply"] is True


def test_the_first_response_stays_the_first(me: Api) -> None:
    ticket = make_ticket()
    for text in ("One", "Two"):
        me.post(f"/api/tickets/{ticket.pk}/messages", {"body": text})
    ticket.refresh_from_db()
    assert ticket.first_response_at == ticket.messages.get(position=2).created_at


@pytest.mark.parametrize("status", [Status.PENDING, Status.ON_HOLD, Status.RESOLVED])
def test_a_customers_message_reopens(me: Api, status: Status) -> None:
    ticket = change(make_ticket(), status=status)
    answer = me.post(f"/api/tickets/{ticket.pk}/messages", {"body": "Still broken", "sender": "customer"})
    assert answer.status == 201
    ticket.refresh_from_db()
    assert (ticket.status, ticket.resolved_at) == ("open", None)
    assert ticket.waiting_since is not None
    assert Event.objects.latest("id").payload == {"before": status.value, "after": "open"}


def test_a_customers_wait_counts_from_the_oldest_unanswered_message(me: Api) -> None:
    ticket = make_ticket()
    since = ticket.waiting_since
    say(ticket, "Hello?")
    ticket.refresh_from_db()
    assert ticket.waiting_since == since


def test_a_customers_message_on_a_closed_ticket_opens_a_follow_up(me: Api) -> None:
    ticket = change(make_ticket(tags=["vip"], priority="high"), status=Status.CLOSED)
    given = {"body": "Once more", "sender": "customer", "source": "mail", "external_id": "m-1"}
    answer = me.post(f"/api/tickets/{ticket.pk}/messages", given)
    assert (answer.status, answer.body["follow_up"], answer.body["external_id"]) == (201, True, "m-1")
    follow_up = Ticket.objects.get(pk=answer.body["ticket_id"])
    assert (follow_up.follow_up_of_id, follow_up.customer_id) == (ticket.pk, ticket.customer_id)
    assert (follow_up.status, follow_up.priority, follow_up.tags) == ("open", "high", ["vip"])
    ticket.refresh_from_db()
    assert (ticket.status, ticket.last_position) == ("closed", 1)
    named = Event.objects.get(name="ticket.follow_up_opened")
    assert (named.subject_id, named.payload) == (ticket.pk, {"follow_up_id": follow_up.pk})
    again = me.post(f"/api/tickets/{ticket.pk}/messages", given)
    assert (again.status, again.fields) == (409, {"external_id": "external_id_taken"})
    assert Ticket.objects.count() == 2


def test_an_agent_does_not_reply_on_a_closed_ticket(me: Api) -> None:
    ticket = change(make_ticket(), status=Status.CLOSED)
    answer = me.post(f"/api/tickets/{ticket.pk}/messages", {"body": "One more thing"})
    assert (answer.status, answer.body["code"]) == (409, "ticket_closed")
    assert ticket.messages.count() == 1


def test_a_message_with_the_same_external_id_is_refused(me: Api) -> None:
    ticket = make_ticket()
    given = {"body": "Hi", "sender": "customer", "source": "mail", "external_id": "m-1"}
    assert me.post(f"/api/tickets/{ticket.pk}/messages", given).status == 201
    assert me.post(f"/api/tickets/{ticket.pk}/messages", given).status == 409
    ticket.refresh_from_db()
    assert ticket.last_position == ticket.messages.count() == 2


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({}, {"body": "required"}),
        ({"body": ""}, {"body": "blank"}),
        ({"body": None}, {"body": "null"}),
        ({"body": 5}, {"body": "wrong_type"}),
        ({"body": "x" * 65_537}, {"body": "max_length"}),
        ({"body": "x", "sender": "system"}, {"sender": "invalid_choice"}),
        ({"body": "x", "channel": "fax"}, {"channel": "invalid_choice"}),
        ({"body": "x", "external_id": "1"}, {"source": "required"}),
        ({"body": "x", "position": 1}, {"position": "unknown_field"}),
        ({"body": "x", "agent": 1}, {"agent": "unknown_field"}),
    ],
)
def test_bad_messages_are_a_400_that_names_the_field(me: Api, given: dict[str, Any], fields: dict[str, str]) -> None:
    ticket = make_ticket()
    answer = me.post(f"/api/tickets/{ticket.pk}/messages", given)
    assert (answer.status, answer.fields) == (400, fields)
    assert ticket.messages.count() == 1


def test_notes_are_kept_apart_from_messages(me: Api) -> None:
    ticket, colleague = make_ticket(), make_agent()
    answer = me.post(f"/api/tickets/{ticket.pk}/notes", {"body": "Check @Ana", "mentions": [colleague.pk]})
    assert answer.status == 201
    assert answer.body["mentions"] == [{"id": colleague.pk, "name": colleague.name}]
    assert me.get(f"/api/tickets/{ticket.pk}/notes").body["results"] == [answer.body]
    assert [row["body"] for row in me.get(f"/api/tickets/{ticket.pk}/messages").body["results"]] == [
        "How does this work?"
    ]
    ticket.refresh_from_db()
    assert ticket.waiting_since is not None
    assert ticket.first_response_at is None
    assert Event.objects.get(name="ticket.note_added").payload["mentions"] == [colleague.pk]


def test_only_who_can_read_the_ticket_is_mentioned() -> None:
    here, there = make_department(), make_department()
    ticket = make_ticket(department=here)
    me, stranger = make_agent(department=here), make_agent(department=there)
    leads, admin = make_agent(role="supervisor", leads=[here]), make_agent(role="admin")
    api = Api(me)
    answer = api.post(f"/api/tickets/{ticket.pk}/notes", {"body": "x", "mentions": [stranger.pk]})
    assert (answer.status, answer.fields) == (400, {"mentions": "not_found"})
    assert not Note.objects.exists()
    good = api.post(f"/api/tickets/{ticket.pk}/notes", {"body": "x", "mentions": [leads.pk, admin.pk, leads.pk]})
    assert {person["id"] for person in good.body["mentions"]} == {leads.pk, admin.pk}


@pytest.mark.parametrize(
    ("given", "fields"),
    [
        ({}, {"body": "required"}),
        ({"body": "x", "mentions": [999_999]}, {"mentions": "not_found"}),
        ({"body": "x", "mentions": ["me"]}, {"mentions[0]": "wrong_type"}),
        ({"body": "x", "mentions": list(range(1, 22))}, {"mentions": "max_length"}),
        ({"body": "x", "author": 1}, {"author": "unknown_field"}),
    ],
)
def test_bad_notes_are_a_400_that_names_the_field(me: Api, given: dict[str, Any], fields: dict[str, str]) -> None:
    ticket = make_ticket()
    answer = me.post(f"/api/tickets/{ticket.pk}/notes", given)
    assert (answer.status, answer.fields) == (400, fields)


def test_the_timeline_tells_who_did_what_through_which_door() -> None:
    agent = make_agent(name="Mina Osei")
    me, ticket = Api(agent), make_ticket()
    me.post(f"/api/tickets/{ticket.pk}/messages", {"body": "Hi"}, x_request_id="abcdef-12345")
    me.patch(f"/api/tickets/{ticket.pk}", {"status": "pending"})
    rows = me.get(f"/api/tickets/{ticket.pk}/events").body["results"]
    assert [row["name"] for row in rows] == [
        "ticket.created",
        "ticket.message_added",
        "ticket.message_added",
        "ticket.status_changed",
    ]
    assert rows[0]["actor"] == {"kind": "system", "id": None, "name": "tests"}
    assert rows[0]["origin"] == "command"
    assert rows[2]["actor"] == {"kind": "person", "id": agent.pk, "name": "Mina Osei"}
    assert (rows[2]["origin"], rows[2]["request_id"]) == ("api", "abcdef-12345")
    newest = me.get(f"/api/tickets/{ticket.pk}/events", ordering="-at").body["results"]
    assert [row["id"] for row in newest] == [row["id"] for row in reversed(rows)]


def test_lists_below_a_ticket_take_the_same_statements_for_one_and_three(me: Api) -> None:
    ticket, counts = make_ticket(), {}
    me.post(f"/api/tickets/{ticket.pk}/notes", {"body": "x"})
    for size in (1, 3):
        for part in ("messages", "notes", "events"):
            with counted_statements() as taken:
                me.get(f"/api/tickets/{ticket.pk}/{part}")
            counts[part, size] = len(taken)
        for _ in range(2):
            me.post(f"/api/tickets/{ticket.pk}/notes", {"body": "x", "mentions": [make_agent().pk]})
            say(ticket, sender=Sender.AGENT, by=actor_of(make_agent()))
    assert counts == {
        **{("messages", size): 5 for size in (1, 3)},  # token, ticket, messages, files, audit
        **{("notes", size): 5 for size in (1, 3)},  # token, ticket, notes, mentions, audit
        **{("events", size): 4 for size in (1, 3)},  # token, ticket, events, people
    }


@pytest.mark.django_db(transaction=True)
def test_positions_have_no_gap_when_many_write_at_once() -> None:
    ticket = make_ticket()

    def write() -> None:
        try:
            say(ticket, by=SYSTEM)
        finally:
            connection.close()

    writers = [threading.Thread(target=write) for _ in range(16)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    positions = Message.objects.filter(ticket=ticket).order_by("position").values_list("position", flat=True)
    assert list(positions) == list(range(1, 18))
    ticket.refresh_from_db()
    assert (ticket.last_position, ticket.version) == (17, 17)


def test_what_a_partner_s_people_write_ends_the_wait_and_their_remarks_are_no_agent_s(me: Api) -> None:
    ticket, now = make_ticket(), timezone.now()
    given: dict[str, Any] = {"by": SYSTEM, "now": now, "system_name": "Kim"}
    said = conversation.add_message(ticket_id=ticket.pk, body="On its way", sender=Sender.SYSTEM, answers=True, **given)
    conversation.add_system_note(ticket_id=ticket.pk, body="Call the carrier", **given)
    ticket.refresh_from_db()
    assert (ticket.waiting_since, ticket.first_response_at, said.message.system_name) == (None, now, "Kim")
    (note,) = me.get(f"/api/tickets/{ticket.pk}/notes").body["results"]
    assert (note["author"], note["system_name"], note["body"]) == (None, "Kim", "Call the carrier")
