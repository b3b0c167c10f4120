"""What agents do here, done at Gorgias: once, in order, whatever goes wrong, and never in a circle."""

from copy import deepcopy
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from agents.models import Agent
from agents.tests.builders import SYSTEM, actor_of, make_agent, occurrence_of
from customers import privacy
from customers.tests.builders import make_customer, update
from integrations import connections
from integrations.gorgias import client, handlers, mapping, outbound, taking, turns
from integrations.gorgias.sandbox.account import ADDRESS
from integrations.gorgias.sandbox.credentials import EMAIL
from integrations.gorgias.sandbox.exchange import Scripted
from integrations.gorgias.sandbox.server import Sandbox
from integrations.models import Connection, ExternalLink
from integrations.tests.builders import GorgiasDesk
from supportdesk.core.actor import Door
from supportdesk.core.delivery import Later
from supportdesk.core.models import Delivery
from tickets.enums import Sender
from tickets.events import MessageAdded
from tickets.models import Message, Note, Ticket
from tickets.services import attachments, conversation
from tickets.tests.builders import assign, change, make_ticket, say, transfer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
OURS = "integrations.push_to_gorgias"


@pytest.fixture
def desk(gorgias: Sandbox, monkeypatch: pytest.MonkeyPatch) -> GorgiasDesk:
    monkeypatch.setattr(client, "FIRST", 0.01)
    monkeypatch.setattr(client, "TRIES", 1)
    return GorgiasDesk(gorgias)


@pytest.fixture
def ada(desk: GorgiasDesk) -> Agent:
    return make_agent(email=EMAIL, name="Ada")


def opened(desk: GorgiasDesk, **over: Any) -> int:
    """A ticket that is there and here, with nothing left to do."""
    customer = over.pop("customer", desk.there.add_customer("zoe@example.com", name="Zoë"))
    ticket = desk.there.open_ticket(customer, "Wo bleibt mein Paket?", **over)
    pk = int(ticket["id"])
    an_hour_ago(ticket)
    desk.arrive()
    desk.leave()
    desk.there.asked.clear()
    return pk


def an_hour_ago(ticket: dict[str, Any]) -> None:
    """What was said there was said then, so that what happens now is something else."""
    for said in ticket["messages"]:
        said["created_datetime"] = (timezone.now() - timedelta(hours=1)).isoformat()


def reply(ticket: Ticket, agent: Agent, body: str = "On <its> way\nAda", **over: Any) -> Message:
    given = {"sender": Sender.AGENT, "by": actor_of(agent), **over}
    return say(ticket, body, **given).message


def note(ticket: Ticket, agent: Agent, body: str) -> Note:
    return conversation.add_note(ticket_id=ticket.pk, body=body, by=actor_of(agent), now=timezone.now())


def writes(desk: GorgiasDesk) -> list[tuple[str, str]]:
    return [(one.method, one.path.rpartition("/")[2]) for one in desk.there.asked if one.method != "GET"]


def settle(desk: GorgiasDesk) -> None:
    for _ in range(6):
        desk.leave()
        if not desk.arrive():
            return
    raise AssertionError("it goes round in circles")


def remarks(ticket: Ticket) -> list[str]:
    return list(ticket.notes.filter(author=None).values_list("body", flat=True))


# What is sent


def test_a_reply_reaches_the_customer_once_and_its_echo_changes_nothing(desk: GorgiasDesk, ada: Agent) -> None:
    pk = opened(desk)
    message = reply(desk.ticket(pk), ada)
    settle(desk)
    (mailed,) = desk.there.mailed
    assert (mailed["body_text"], mailed["body_html"]) == ("On <its> way\nAda", "On &lt;its&gt; way<br>Ada")
    assert (mailed["external_id"], mailed["via"], mailed["channel"]) == (f"crm:msg:{message.pk}", "api", "email")
    assert mailed["source"]["to"] == [{"name": "Zoë", "address": "zoe@example.com"}]
    assert (mailed["source"]["from"]["address"], mailed["sender"]["id"]) == (ADDRESS, desk.there.me["id"])
    assert desk.ticket(pk).last_position == 2
    assert writes(desk) == [("POST", "messages")]
    assert Connection.objects.get().last_ok_at is not None


def test_a_chat_is_answered_on_the_chat(desk: GorgiasDesk, ada: Agent) -> None:
    pk = opened(desk, channel="chat", via="gorgias_chat", customer=None)
    reply(desk.ticket(pk), ada)
    settle(desk)
    (mailed,) = desk.there.mailed
    assert (mailed["channel"], mailed["source"]["to"][0]["address"]) == ("chat", "visitor-000")


def test_a_note_stays_a_note(desk: GorgiasDesk, ada: Agent) -> None:
    pk = opened(desk)
    note(desk.ticket(pk), ada, "between us")
    note(desk.ticket(pk), make_agent(name="Bo"), "me too")
    conversation.add_system_note(ticket_id=desk.ticket(pk).pk, body="x", system_name="y", by=SYSTEM, now=timezone.now())
    settle(desk)
    written = desk.there.tickets[pk]["messages"][1:]
    assert [(one["public"], one["channel"], one["body_text"]) for one in written] == [
        (False, "internal-note", "between us"),
        (False, "internal-note", "Bo: me too"),
    ]
    assert desk.there.mailed == []
    assert desk.ticket(pk).notes.count() == 3


def test_fields_go_there_as_they_are_here(desk: GorgiasDesk, ada: Agent) -> None:
    pk = opened(desk, tags=[])
    desk.there.change(pk, tags=["VIP", "vip", "late"])
    desk.arrive()
    ticket = desk.ticket(pk)
    change(ticket, priority="urgent", tags=["late", "new"], subject="Paket verloren")
    assign(ticket, ada)
    change(ticket, status="resolved")
    settle(desk)
    there = desk.there.tickets[pk]
    assert there["subject"] == desk.ticket(pk).subject == "Paket verloren"
    assert (there["status"], there["priority"], there["assignee_user"]["email"]) == ("closed", "critical", EMAIL)
    assert sorted(tag["name"] for tag in there["tags"]) == ["late", "new"]
    assert sorted(writes(desk)) == [("DELETE", "tags"), ("POST", "tags"), *[("PUT", str(pk))] * 4]


@pytest.mark.parametrize("status", ["pending", "on_hold"])
def test_what_they_have_no_word_for_is_not_sent(desk: GorgiasDesk, status: str) -> None:
    pk = opened(desk)
    change(desk.ticket(pk), status=status)
    settle(desk)
    assert desk.there.asked == []


def test_order_is_kept_over_all_that_is_done(desk: GorgiasDesk, ada: Agent) -> None:
    pk = opened(desk)
    reply(desk.ticket(pk), ada, "Done")
    change(desk.ticket(pk), status="resolved")
    note(desk.ticket(pk), ada, "was easy")
    settle(desk)
    assert writes(desk) == [("POST", "messages"), ("PUT", str(pk)), ("POST", "messages")]


def test_nothing_is_mailed_that_is_not_an_agent_s_word_on_a_ticket_of_theirs(desk: GorgiasDesk, ada: Agent) -> None:
    pk = opened(desk)
    ticket, other = desk.ticket(pk), make_ticket()
    say(ticket, "a customer, through our own API")
    reply(other, ada)
    history = actor_of(ada, origin=Door.IMPORT)
    say(ticket, "long ago", sender=Sender.AGENT, by=history)
    say(ticket, "automatic", sender=Sender.SYSTEM, system_name="Desk")
    settle(desk)
    assert (desk.there.mailed, [one for one in writes(desk) if one[0] == "POST"]) == ([], [("POST", "messages")])
    heard = desk.there.tickets[pk]["messages"][-1]
    assert (heard["body_text"], heard["from_agent"]) == ("a customer, through our own API", False)


def test_an_erased_customer_s_ticket_is_not_written_on(desk: GorgiasDesk, ada: Agent) -> None:
    pk = opened(desk)
    ticket = desk.ticket(pk)
    privacy.erase(customer_id=ticket.customer_id, by=SYSTEM, now=timezone.now())
    reply(ticket, ada)
    change(ticket, status="resolved", tags=["x"])
    settle(desk)
    assert desk.there.asked == []


# What goes wrong


@pytest.mark.parametrize("answer", [Scripted(drop=True, stores=True), Scripted(status=504, body={}, stores=True)])
def test_what_may_have_been_sent_is_looked_for_before_it_is_sent_again(
    desk: GorgiasDesk, ada: Agent, answer: Scripted
) -> None:
    pk = opened(desk)
    desk.there.script("POST", "/api/", answer)
    message = reply(desk.ticket(pk), ada)
    settle(desk)
    assert len(desk.there.mailed) == 1
    link = ExternalLink.objects.get(object_type="message", local_type="message", local_id=message.pk)
    assert link.external_id == str(desk.there.mailed[0]["id"])
    assert not Delivery.objects.filter(reaction=OURS).exclude(state="done").exists()


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (Scripted(status=429, headers={"Retry-after": "7"}, body={}), (6.5, 7.0)),
        (Scripted(status=503, body="<html>"), (20.0, 20.0)),
        (Scripted(drop=True), (20.0, 20.0)),
    ],
)
def test_a_gorgias_that_is_down_is_come_back_to_and_that_is_no_try(
    desk: GorgiasDesk, ada: Agent, answer: Scripted, wait: tuple[float, float]
) -> None:
    message = reply(desk.ticket(opened(desk)), ada)
    event = MessageAdded(
        subject_id=message.ticket_id, message_id=message.pk, position=2, sender="agent", public_reply=True
    )
    desk.there.script("GET", "/api/tickets", answer)
    with pytest.raises(Later) as later:
        handlers.push_to_gorgias(occurrence_of(event), now=timezone.now())
    assert wait[0] <= later.value.seconds <= wait[1]
    assert desk.there.mailed == []


def test_a_day_later_the_agent_is_told_instead(desk: GorgiasDesk, ada: Agent) -> None:
    message = reply(desk.ticket(opened(desk)), ada)
    desk.there.script("GET", "/api/tickets", Scripted(status=503, body={}))
    now = timezone.now()
    outbound.send_message(message_id=message.pk, at=now - timedelta(hours=25), now=now)
    assert remarks(message.ticket) == ["Not sent to Gorgias: message 2, because Gorgias did not answer for a day."]


def test_what_gorgias_does_not_take_is_told_to_the_agent(desk: GorgiasDesk, ada: Agent) -> None:
    pk = opened(desk)
    desk.there.script("POST", "/api/", Scripted(status=400, body={"error": {"msg": "no"}}))
    message = reply(desk.ticket(pk), ada)
    settle(desk)
    assert remarks(message.ticket) == ["Not sent to Gorgias: message 2, because Gorgias does not take it (http 400)."]
    other = opened(desk)
    desk.there.tickets[other]["messages"][0]["source"] = None
    reply(desk.ticket(other), ada)
    settle(desk)
    assert "there is no address" in remarks(desk.ticket(other))[0]
    assert desk.there.mailed == []


def test_a_key_that_is_refused_stops_everything_until_it_is_mended(desk: GorgiasDesk, ada: Agent) -> None:
    pk = opened(desk)
    desk.there.script("GET", "/api/tickets", Scripted(status=401, body={}))
    reply(desk.ticket(pk), ada)
    change(desk.ticket(pk), status="resolved")
    desk.leave()
    assert (Connection.objects.get().status, len(desk.there.asked)) == ("reauth", 1)
    connections.activate(connection_id=desk.known.pk, by=SYSTEM, now=timezone.now())
    settle(desk)
    assert (len(desk.there.mailed), desk.there.tickets[pk]["status"]) == (1, "closed")


def test_a_message_that_comes_back_is_told_to_the_agent(desk: GorgiasDesk, ada: Agent) -> None:
    pk = opened(desk)
    desk.there.bounces = True
    reply(desk.ticket(pk), ada)
    settle(desk)
    assert remarks(desk.ticket(pk)) == ["Gorgias could not send message 2 to the customer: The mailbox is full"]


def test_files_do_not_go_along_and_that_is_said(desk: GorgiasDesk, ada: Agent) -> None:
    pk, now = opened(desk), timezone.now()
    ticket, by = desk.ticket(pk), actor_of(ada)
    content = SimpleUploadedFile("a.txt", b"hello")
    file = attachments.attach(ticket_id=ticket.pk, name="a.txt", content=content, by=by, now=now)
    reply(ticket, ada, attachments=[file.pk])
    settle(desk)
    assert remarks(ticket) == ["Gorgias is not given files: the 1 of message 2 did not go along."]


# Circles and rivals


def test_what_came_from_gorgias_is_never_sent_back(desk: GorgiasDesk, ada: Agent) -> None:
    pk = opened(desk)
    desk.there.say(pk, "We look", user=desk.there.me)
    desk.there.say(pk, "between us", user=desk.there.me, public=False)
    desk.there.change(pk, status="closed", priority="low", tags=["x"], assignee_user=desk.there.me)
    settle(desk)
    assert writes(desk) == []


@pytest.mark.parametrize("theirs_is_newer", [True, False])
def test_a_status_that_changes_on_both_sides_has_one_winner(desk: GorgiasDesk, theirs_is_newer: bool) -> None:
    pk = opened(desk, tags=["both"])
    if theirs_is_newer:
        change(desk.ticket(pk), priority="urgent", tags=["both", "ours"])
        desk.there.change(pk, priority="low", tags=["both", "theirs"])
    else:
        desk.there.change(pk, priority="low", tags=["both", "theirs"])
        change(desk.ticket(pk), priority="urgent", tags=["both", "ours"])
    settle(desk)
    there, here = desk.there.tickets[pk], desk.ticket(pk)
    assert (there["priority"], here.priority) == (("low", "low") if theirs_is_newer else ("critical", "urgent"))
    assert sorted(tag["name"] for tag in there["tags"]) == here.tags == ["both", "ours", "theirs"]


@pytest.mark.parametrize("fresh", [True, False])
def test_what_may_be_older_there_does_not_undo_what_was_just_done_here(
    desk: GorgiasDesk, monkeypatch: pytest.MonkeyPatch, fresh: bool
) -> None:
    """A message there moves the ticket's time, which then says nothing of its fields."""
    if not fresh:
        monkeypatch.setattr(taking, "FRESH", timedelta(0))
    pk = opened(desk)
    there = desk.there.tickets[pk]
    there["priority"] = "low"  # before, and nobody told us
    change(desk.ticket(pk), priority="urgent")
    desk.there.say(pk, "Hallo?")
    settle(desk)
    assert (there["priority"], desk.ticket(pk).priority) == (("critical", "urgent") if fresh else ("low", "low"))


def test_who_has_no_user_there_takes_a_ticket_from_ours_and_nobody_there_takes_it_from_nobody_here(
    desk: GorgiasDesk, ada: Agent
) -> None:
    pk, bob = opened(desk), make_agent(email="bob@example.com")
    assign(desk.ticket(pk), ada)
    settle(desk)
    desk.there.change(pk, assignee_user=None)
    settle(desk)
    assert desk.ticket(pk).assignee_id == ada.pk
    desk.there.change(pk, assignee_user=desk.there.me)
    settle(desk)
    transfer(desk.ticket(pk), ada, bob)
    settle(desk)
    assert desk.there.tickets[pk]["assignee_user"] is None
    stranger = desk.there.add_user("kim@example.com", "Kim")  # no agent of ours
    desk.there.change(pk, assignee_user=stranger)
    settle(desk)
    transfer(desk.ticket(pk), bob, make_agent(email="cy@example.com"))
    settle(desk)
    assert desk.there.tickets[pk]["assignee_user"] == stranger


# Who customers are


def test_a_customer_s_name_and_address_are_the_same_on_both_sides(desk: GorgiasDesk) -> None:
    zoe = desk.there.add_customer("zoe@example.com", name="Zoë", phone="+4915112345678")
    pk = opened(desk, customer=zoe)
    customer = desk.ticket(pk).customer
    assert (customer.name, customer.phone) == ("Zoë", "+4915112345678")
    update(customer, name="Zoë Berg", email="berg@example.com", phone="+4915187654321")
    settle(desk)
    assert (zoe["name"], zoe["email"]) == ("Zoë Berg", "berg@example.com")
    assert writes(desk) == [("PUT", str(zoe["id"]))]
    desk.there.change_customer(zoe["id"], name="Zoë Tal")
    desk.there.change(pk, priority="low")
    settle(desk)
    customer.refresh_from_db()
    assert (customer.name, customer.email, customer.phone) == ("Zoë Tal", "berg@example.com", "+4915187654321")
    assert len(writes(desk)) == 1


def test_a_name_that_changes_on_both_sides_is_as_it_was_changed_last(desk: GorgiasDesk) -> None:
    zoe = desk.there.add_customer("zoe@example.com", name="Zoë")
    pk = opened(desk, customer=zoe)
    customer = desk.ticket(pk).customer
    update(customer, name="Ours", email="ours@example.com")
    desk.there.change_customer(zoe["id"], name="Theirs")
    settle(desk)
    assert (zoe["name"], zoe["email"]) == ("Theirs", "ours@example.com")
    desk.there.change(pk, priority="low")
    settle(desk)
    customer.refresh_from_db()
    assert (customer.name, customer.email) == ("Theirs", "ours@example.com")


def test_an_older_look_at_a_customer_takes_nothing_back(desk: GorgiasDesk) -> None:
    zoe = desk.there.add_customer("zoe@example.com", name="Zoë")
    pk = opened(desk, customer=zoe)
    before = deepcopy(desk.there.tickets[pk])
    desk.there.change_customer(zoe["id"], name="Zoë Tal")
    desk.there.change(pk, priority="low")
    settle(desk)
    taking.take(desk.known, mapping.ticket(before), by=turns.BY, now=timezone.now())
    assert desk.ticket(pk).customer.name == "Zoë Tal"


def test_what_is_newer_there_stays_although_it_was_seen_before_ours_was_told(desk: GorgiasDesk) -> None:
    zoe = desk.there.add_customer("zoe@example.com", name="Zoë")
    pk = opened(desk, customer=zoe)
    customer = desk.ticket(pk).customer
    update(customer, name="Ours")
    desk.there.change_customer(zoe["id"], name="Theirs")
    desk.there.change(pk, priority="low")
    desk.arrive()  # and ours waits
    settle(desk)
    desk.there.change(pk, priority="high")
    settle(desk)
    customer.refresh_from_db()
    assert (customer.name, zoe["name"]) == ("Theirs", "Theirs")


def test_an_address_that_is_somebody_else_s_there_is_told_on_the_connection(desk: GorgiasDesk) -> None:
    desk.there.add_customer("berg@example.com")
    pk = opened(desk)
    update(desk.ticket(pk).customer, email="berg@example.com")
    settle(desk)
    desk.known.refresh_from_db()
    assert (desk.known.status, desk.known.last_error) == ("active", "http 400")


def test_a_ticket_that_sends_too_much_rests(desk: GorgiasDesk, ada: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "MOST", 3)
    pk = opened(desk)
    for number in range(5):
        note(desk.ticket(pk), ada, f"note {number}")
    desk.leave()
    assert len(writes(desk)) == 3
    assert "Nothing more does for 60 minutes" in remarks(desk.ticket(pk))[0]
    assert Connection.objects.get().last_error == "one ticket or customer sends too much"
    link = ExternalLink.objects.get(object_type="ticket")
    link.pushed = {"ops": []}
    link.save()
    settle(desk)
    assert len(writes(desk)) == 5


def test_a_paused_connection_keeps_what_is_to_be_sent(desk: GorgiasDesk, ada: Agent) -> None:
    pk = opened(desk)
    connections.pause(connection_id=desk.known.pk, by=SYSTEM, now=timezone.now())
    reply(desk.ticket(pk), ada)
    desk.leave()
    assert desk.there.asked == []
    connections.activate(connection_id=desk.known.pk, by=SYSTEM, now=timezone.now())
    settle(desk)
    assert len(desk.there.mailed) == 1


@pytest.mark.vuln
@pytest.mark.parametrize("status", ["paused", "reauth", "uninstalled"])
def test_an_account_that_stays_closed_is_never_asked_and_the_agent_is_told(
    desk: GorgiasDesk, ada: Agent, status: str
) -> None:
    pk, now = opened(desk), timezone.now()
    message, remark = reply(desk.ticket(pk), ada), note(desk.ticket(pk), ada, "Lost?")
    Connection.objects.update(status=status)
    at = now - timedelta(hours=25)
    outbound.send_message(message_id=message.pk, at=at, now=now)
    outbound.send_note(note_id=remark.pk, at=at, now=now)
    change(desk.ticket(pk), priority="urgent")
    for name in ("priority", "tags"):  # which did not change
        outbound.send_fields(ticket_id=message.ticket_id, names=[name], at=at, now=now)
    assert desk.there.asked == []
    told = [
        f"Not sent to Gorgias: {what}, because the desk is not connected to it."
        for what in ("message 2", "a note", "a change of priority")
    ]
    assert remarks(message.ticket) == told


def test_a_reply_that_waits_goes_out_although_its_customer_writes_first(desk: GorgiasDesk, ada: Agent) -> None:
    pk = opened(desk)
    ticket = desk.ticket(pk)
    connections.pause(connection_id=desk.known.pk, by=SYSTEM, now=timezone.now())
    reply(ticket, ada, "On its way")
    change(ticket, status="closed")
    desk.there.say(pk, "Still nothing")
    connections.activate(connection_id=desk.known.pk, by=SYSTEM, now=timezone.now())
    desk.arrive()
    assert desk.ticket(pk).follow_up_of_id == ticket.pk
    settle(desk)
    assert len(desk.there.mailed) == 1


def open_here(desk: GorgiasDesk, **over: Any) -> Ticket:
    """A ticket that is opened in the desk, by an account that has an address to answer it from."""
    connections.update(connection_id=desk.known.pk, changes={"address": ADDRESS}, by=SYSTEM, now=timezone.now())
    customer = over.pop("customer", None) or make_customer(email="kim@example.com", name="Kim")
    return make_ticket(customer=customer, subject="Wrong size", tags=["returns"], priority="high", **over)


def test_a_ticket_that_is_opened_here_is_opened_there_as_history_and_answered_from_there(
    desk: GorgiasDesk, ada: Agent
) -> None:
    ticket = open_here(desk)
    say(ticket, "And the colour", sender=Sender.CUSTOMER)
    settle(desk)
    (there,) = desk.there.tickets.values()
    assert (there["subject"], there["priority"], there["status"]) == ("Wrong size", "high", "open")
    assert ([tag["name"] for tag in there["tags"]], there["customer"]["email"]) == (["returns"], "kim@example.com")
    assert [one["body_text"] for one in there["messages"]] == [said.body for said in ticket.messages.all()]
    assert (desk.there.mailed, Ticket.objects.count(), Message.objects.count()) == ([], 1, 2)
    reply(ticket, ada)
    change(ticket, status="resolved")
    settle(desk)
    (mailed,) = desk.there.mailed
    assert (mailed["source"]["to"][0]["address"], mailed["source"]["from"]["address"]) == ("kim@example.com", ADDRESS)
    assert (there["status"], Ticket.objects.count(), Message.objects.count()) == ("closed", 1, 3)
    desk.there.say(there["id"], "Thank you")
    settle(desk)
    assert [said.sender for said in ticket.messages.order_by("position")][-1] == "customer"
    assert (Ticket.objects.get().status, len(desk.there.mailed)) == ("open", 1)


@pytest.mark.vuln
def test_a_ticket_that_may_have_been_opened_there_is_not_opened_twice(desk: GorgiasDesk) -> None:
    desk.there.script("POST", "/api/tickets", Scripted(drop=True, stores=True))
    ticket = open_here(desk)
    desk.leave()
    desk.arrive()  # told of it before we know that it is there
    settle(desk)
    assert (len(desk.there.tickets), Ticket.objects.count(), Message.objects.count()) == (1, 1, 1)
    assert ExternalLink.objects.get(object_type="ticket").local_id == ticket.pk


def test_what_is_opened_here_stays_here_unless_it_can_be_answered_there(desk: GorgiasDesk) -> None:
    make_ticket()
    settle(desk)
    open_here(desk, customer=make_customer(email=None))
    settle(desk)
    assert desk.there.tickets == {}
    ticket = open_here(desk)
    desk.there.script("POST", "/api/tickets", Scripted(status=400, body={}))
    settle(desk)
    assert remarks(ticket) == ["Not sent to Gorgias: this ticket, because Gorgias does not take it (http 400)."]
