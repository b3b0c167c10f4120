"""What happens at Gorgias, taken over through its webhooks and the inbox."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from agents.tests.builders import SYSTEM, make_agent, make_department
from customers import privacy
from customers.models import Customer, ExternalIdentity
from customers.services import Identity, identify_customer
from customers.tests.builders import make_customer
from integrations import receipts
from integrations.gorgias import mapping, taking
from integrations.gorgias.sandbox.credentials import EMAIL
from integrations.gorgias.sandbox.exchange import Scripted
from integrations.gorgias.sandbox.server import Sandbox
from integrations.gorgias.taking import Taken
from integrations.models import ExternalLink, WebhookReceipt
from integrations.tests.builders import GorgiasDesk, send_gorgias
from supportdesk.core.actor import Door, system
from supportdesk.core.models import Event
from supportdesk.tests.races import through_window
from tickets.enums import Sender
from tickets.models import Message, Note, Ticket
from tickets.tests.builders import change, say

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
HERE = Path(__file__).with_name("gorgias_ticket.json")
BY = system("tests", origin=Door.GORGIAS)


@pytest.fixture
def desk(gorgias: Sandbox) -> GorgiasDesk:
    return GorgiasDesk(gorgias)


def opened(desk: GorgiasDesk, text: str = "Wo bleibt mein Paket?", **over: Any) -> int:
    """A ticket that is there and here."""
    customer = over.pop("customer", desk.there.add_customer("zoe@example.com"))
    pk = int(desk.there.open_ticket(customer, text, **over)["id"])
    desk.arrive()
    return pk


def take(desk: GorgiasDesk, **over: Any) -> Taken:
    raw = {**json.loads(HERE.read_text()), **over}
    return taking.take(desk.known, mapping.ticket(raw), by=BY, now=timezone.now())


def thread(ticket: Ticket) -> list[tuple[str, str]]:
    return list(ticket.messages.order_by("position").values_list("sender", "body"))


def test_a_customer_s_message_is_a_ticket_here_once(desk: GorgiasDesk) -> None:
    pk = opened(desk, subject="Paket", priority="critical", channel="chat", tags=[])
    ticket = desk.ticket(pk)
    assert thread(ticket) == [("customer", "Wo bleibt mein Paket?")]
    assert (ticket.subject, ticket.priority, ticket.channel, ticket.status) == ("Paket", "urgent", "chat", "open")
    assert (ticket.customer.email, ticket.source) == ("zoe@example.com", "gorgias")
    assert set(Event.objects.filter(subject_type="ticket").values_list("origin", flat=True)) == {"gorgias"}
    assert len(desk.there.of("GET")) == 1  # for three deliveries
    assert set(WebhookReceipt.objects.values_list("status", flat=True)) == {"done"}


def test_the_ticket_of_the_documents_is_the_same_however_often(desk: GorgiasDesk) -> None:
    make_agent(email="agent.one@example.com", name="One")
    assert [take(desk), take(desk), take(desk)] == [Taken.NEW, Taken.MERGED, Taken.MERGED]
    ticket = Ticket.objects.get()
    assert thread(ticket) == [("customer", "Hallo,\nwo bleibt mein Paket?\n\n[File at Gorgias: 📦 (1).jpg]")]
    assert [(note.author.name if note.author else "", note.body) for note in ticket.notes.all()] == [
        ("One", "@Agent Two please check <carrier> & call")
    ]
    assert (ticket.tags, ticket.created_at) == (["order-status"], datetime(2026, 11, 21, 10, 0, 0, 123456, UTC))
    assert ExternalIdentity.objects.filter(source="shopify", external_id="8123456789012").exists()
    assert ticket.updated_at > ticket.created_at + timedelta(hours=1)  # who asks what changed since is told


def test_ids_and_context_of_one_message_are_one(desk: GorgiasDesk) -> None:
    pk = int(desk.there.open_ticket(desk.there.add_customer("zoe@example.com"), "Hallo")["id"])
    desk.there.calls.clear()
    ticket = desk.there.tickets[pk]
    ids = {"event": "ticket-message-created", "ticket_id": str(pk), "message_id": "1", "updated": "2026-11-21T10:00:01"}
    for body in (ids, {**ids, "event": "ticket-updated"}, {"ticket": ticket, "message": ticket["messages"][0]}):
        assert send_gorgias(desk.known, json.dumps(body)).status_code == 202
    receipts.work_off(limit=10)
    assert thread(desk.ticket(pk)) == [("customer", "Hallo")]


def test_who_writes_there_is_who_they_are_here(desk: GorgiasDesk) -> None:
    department = make_department()
    agent = make_agent(email=EMAIL, department=make_department())
    pk = opened(desk)
    change(desk.ticket(pk), department=department)
    stranger = desk.there.add_user("kim@example.com", "Kim")
    desk.there.say(pk, "We look", user=desk.there.me)
    desk.there.say(pk, "On its way", user=stranger)
    desk.there.say(pk, "Thanks, we got it", user=desk.there.me, rule_id=7)
    desk.arrive()
    ticket = desk.ticket(pk)
    assert list(ticket.messages.values_list("sender", "agent_id", "system_name")) == [
        ("customer", None, ""),
        ("agent", agent.pk, ""),
        ("system", None, "Kim"),
        ("system", None, "Gorgias"),
    ]
    assert ticket.waiting_since is None
    replies = Event.objects.filter(name="ticket.message_added").order_by("pk")
    assert [fact.payload["public_reply"] for fact in replies] == [False, True, True, False]


def test_what_is_not_public_is_a_note_and_nowhere_else(desk: GorgiasDesk) -> None:
    pk = opened(desk)
    desk.there.say(pk, "between us", user=desk.there.me, public=False)
    desk.there.say(pk, "between us two", user=desk.there.me, channel="internal-note")
    desk.arrive()
    assert [note.body for note in desk.ticket(pk).notes.all()] == ["between us", "between us two"]
    assert not Message.objects.filter(body__contains="between").exists()
    exported = json.dumps(privacy.export(customer_id=desk.ticket(pk).customer_id, by=SYSTEM, now=timezone.now()))
    assert "between us" not in exported


@pytest.mark.parametrize("status", ["pending", "on_hold", "resolved"])
def test_our_status_stays_ours_until_the_customer_writes(desk: GorgiasDesk, status: str) -> None:
    pk = opened(desk)
    change(desk.ticket(pk), status=status)
    if status != "resolved":
        desk.there.change(pk, priority="high")
        desk.arrive()
        assert desk.ticket(pk).status == status
    desk.there.say(pk, "And now?")
    desk.arrive()
    assert desk.ticket(pk).status == "open"


def test_closed_there_is_resolved_here_and_a_reply_opens_the_same_ticket(desk: GorgiasDesk) -> None:
    pk = opened(desk)
    desk.there.change(pk, status="closed")
    desk.arrive()
    ticket = desk.ticket(pk)
    assert (ticket.status, ticket.resolved_at is not None) == ("resolved", True)
    desk.there.say(pk, "Still nothing")
    desk.arrive()
    assert (desk.ticket(pk).pk, desk.ticket(pk).status) == (ticket.pk, "open")


def test_a_rule_that_closes_what_a_customer_writes_is_followed(desk: GorgiasDesk) -> None:
    pk = opened(desk)
    desk.there.change(pk, status="closed")
    desk.arrive()
    desk.there.say(pk, "Thanks")
    desk.there.change(pk, status="closed")
    desk.arrive()
    assert desk.ticket(pk).status == "resolved"


def test_a_reply_on_what_is_closed_here_goes_on_in_a_ticket_that_follows(desk: GorgiasDesk) -> None:
    pk = opened(desk)
    before = change(desk.ticket(pk), status="closed")
    desk.there.say(pk, "One more word", user=desk.there.me)
    desk.arrive()
    assert "Sent to the customer at Gorgias" in Note.objects.get().body
    desk.there.say(pk, "Once more")
    desk.arrive()
    after = desk.ticket(pk)
    assert (after.follow_up_of_id, thread(after)) == (before.pk, [("customer", "Once more")])
    desk.there.say(pk, "And again")
    desk.arrive()
    assert desk.ticket(pk).last_position == 2


@pytest.mark.parametrize("hidden", [{"spam": True}, {"trashed_datetime": "2026-11-20T00:00:00"}])
def test_what_is_hidden_there_is_not_taken_and_done_if_it_was(desk: GorgiasDesk, hidden: dict[str, Any]) -> None:
    opened(desk, **hidden)
    assert not Ticket.objects.exists()
    assert set(WebhookReceipt.objects.values_list("status", "error")) >= {("ignored", "trashed or spam")}
    pk = opened(desk)
    desk.there.change(pk, **hidden)
    desk.arrive()
    assert desk.ticket(pk).status == "resolved"
    desk.there.change(pk, **dict.fromkeys(hidden))
    desk.arrive()
    assert desk.ticket(pk).status == "open"


def test_fields_that_change_there_change_here(desk: GorgiasDesk) -> None:
    agent, pk = make_agent(email=EMAIL), opened(desk, tags=[])
    change(desk.ticket(pk), tags=["ours"])
    nobody = desk.there.add_user("kim@example.com", "Kim")
    desk.there.change(pk, priority="low", subject="Anders", tags=["VIP", "vip", "late"], assignee_user=desk.there.me)
    desk.arrive()
    ticket = desk.ticket(pk)
    assert (ticket.priority, ticket.subject, ticket.tags) == ("low", "Anders", ["late", "ours", "vip"])
    assert ticket.assignee_id == agent.pk
    desk.there.change(pk, tags=["late"], assignee_user=nobody)
    desk.arrive()
    ticket = desk.ticket(pk)
    assert (ticket.tags, ticket.assignee_id) == (["late", "ours"], agent.pk)
    assert ExternalLink.objects.get(object_type="ticket").remote["unmatched"] == str(nobody["id"])


def test_the_newer_change_of_a_field_stays_and_an_older_look_takes_nothing_back(desk: GorgiasDesk) -> None:
    pk = opened(desk)
    there = desk.there.tickets[pk]
    now = timezone.now()
    change(desk.ticket(pk), priority="urgent")
    later = {**there, "priority": "low", "updated_datetime": (now - timedelta(seconds=30)).isoformat()}
    taking.take(desk.known, mapping.ticket(later), by=BY, now=now)
    assert desk.ticket(pk).priority == "urgent"  # changed here later
    newer = {**there, "priority": "high", "updated_datetime": (now + timedelta(seconds=30)).isoformat()}
    taking.take(desk.known, mapping.ticket(newer), by=BY, now=now)
    assert desk.ticket(pk).priority == "high"
    taking.take(desk.known, mapping.ticket(later), by=BY, now=now)
    assert desk.ticket(pk).priority == "high"


def test_the_same_e_mail_is_one_message(desk: GorgiasDesk) -> None:
    pk = opened(desk)
    for _ in range(2):
        desk.there.say(pk, "By mail", headers={"Message-Id": "<one@example.com>"})
    desk.arrive()
    assert [body for _, body in thread(desk.ticket(pk))] == ["Wo bleibt mein Paket?", "By mail"]


def test_a_message_of_ours_is_known_again_and_one_of_nobody_is_left(desk: GorgiasDesk) -> None:
    pk = opened(desk)
    mine = say(desk.ticket(pk), "Ours").message
    for number in (str(mine.pk), "999999", "01JD8Z6QK3"):
        desk.there.say(pk, "Ours", user=desk.there.me, via="api", external_id=f"crm:msg:{number}")
    other = opened(desk)
    desk.there.say(other, "Ours", user=desk.there.me, via="api", external_id=f"crm:msg:{mine.pk}")
    desk.arrive()
    assert [body for _, body in thread(desk.ticket(pk))] == ["Wo bleibt mein Paket?", "Ours"]
    assert desk.ticket(other).last_position == 1
    assert ExternalLink.objects.filter(object_type="message", local_id=mine.pk).count() == 1


def test_a_message_that_was_not_sent_is_told_once(desk: GorgiasDesk) -> None:
    pk = opened(desk)
    message = desk.there.say(pk, "We look", user=desk.there.me)
    desk.there.fail_sending(pk, message["id"], "The mailbox\nis full")
    desk.arrive()
    desk.there.change(pk, priority="low")
    desk.arrive()
    assert [(note.system_name, note.body) for note in Note.objects.all()] == [
        ("Gorgias", "Gorgias could not send message 2 to the customer: The mailbox is full")
    ]


@pytest.mark.parametrize("by", ["gorgias", "shopify", "email", "phone"])
def test_a_customer_is_known_by_what_is_believed_first(desk: GorgiasDesk, by: str) -> None:
    there = desk.there.add_customer("zoe@example.com", phone="+12025550143", shopify=8123456789012)
    emails = {"email": "ZOE@example.com", "phone": None}
    found = make_customer(email=emails.get(by, "a@example.com"), phone="+12025550143" if by == "phone" else None)
    if by in {"gorgias", "shopify"}:
        identity = Identity(source=by, external_id=str(there["id"] if by == "gorgias" else 8123456789012))
        identify_customer(customer_id=found.pk, identity=identity, by=SYSTEM, now=timezone.now())
        make_customer(email="zoe@example.com", phone="+12025550143")
    assert desk.ticket(opened(desk, customer=there)).customer_id == found.pk
    assert set(found.identities.values_list("source", flat=True)) == {"gorgias", "shopify"}


def test_a_number_of_two_is_nobody_s_and_nobody_is_somebody_each_time(desk: GorgiasDesk) -> None:
    for number in range(2):
        make_customer(email=f"a{number}@example.com", phone="+12025550143")
    shared = opened(desk, customer=desk.there.add_customer(None, phone="+12025550143"))
    nobody = [desk.ticket(opened(desk, customer=None)).customer for _ in range(2)]
    assert desk.ticket(shared).customer.email is None
    assert [one.name for one in nobody] == ["Unnamed customer"] * 2
    assert Customer.objects.count() == 5


def test_an_erased_customer_is_not_told_again(desk: GorgiasDesk) -> None:
    pk = opened(desk, subject="About Zoe", tags=[])
    ticket = desk.ticket(pk)
    privacy.erase(customer_id=ticket.customer_id, by=SYSTEM, now=timezone.now())
    assert ExternalLink.objects.get(object_type="ticket").remote == {}
    desk.there.change(pk, subject="About Zoe and more")
    desk.arrive()
    ticket.refresh_from_db()
    assert "Zoe" not in ticket.subject
    assert WebhookReceipt.objects.latest("pk").error == "the person was erased"


def test_who_was_erased_comes_back_with_nothing_from_before(desk: GorgiasDesk) -> None:
    person = desk.there.add_customer("zoe@example.com")
    before = int(desk.there.open_ticket(person, "Long ago")["id"])
    desk.there.calls.clear()
    customer = desk.ticket(opened(desk, customer=person)).customer
    privacy.erase(customer_id=customer.pk, by=SYSTEM, now=timezone.now())
    desk.there.change(before, priority="low")
    desk.arrive()
    assert not ExternalLink.objects.filter(object_type="ticket", external_id=str(before)).exists()
    after = desk.ticket(opened(desk, "Somebody new", customer=person))
    assert (after.customer_id != customer.pk, after.customer.email) == (True, "zoe@example.com")


def test_a_ticket_that_is_gone_is_left_and_one_that_cannot_be_looked_at_waits(desk: GorgiasDesk) -> None:
    send_gorgias(
        desk.known, json.dumps({"event": "ticket-updated", "ticket_id": "7", "updated": "x", "message_id": ""})
    )
    receipts.work_off(limit=1)
    pk = int(desk.there.open_ticket(None, "Hallo")["id"])
    desk.there.script("GET", f"/api/tickets/{pk}", Scripted(status=429, headers={"Retry-after": "900"}, body={}))
    desk.arrive()
    assert WebhookReceipt.objects.earliest("pk").error == "there is no such ticket any more"
    waiting = WebhookReceipt.objects.get(status="retry")
    assert waiting.next_attempt_at is not None
    assert waiting.next_attempt_at > timezone.now() + timedelta(seconds=890)


def test_an_agent_who_wrote_first_is_told_from_the_customer(desk: GorgiasDesk) -> None:
    with desk.there.lock:
        pk = int(desk.there.open_ticket(desk.there.add_customer("zoe@example.com"), "x")["id"])
        desk.there.tickets[pk]["messages"].clear()
        desk.there.say(pk, "We miss you", user=desk.there.me)
    desk.arrive()
    assert thread(desk.ticket(pk)) == [
        (Sender.CUSTOMER, "(An agent wrote first, at Gorgias.)"),
        (Sender.SYSTEM, "We miss you"),
    ]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("rival", ["an agent", "an erasure"])
def test_who_changes_a_ticket_while_it_is_taken_over_waits(desk: GorgiasDesk, rival: str) -> None:
    """Both are there then, and of who is erased meanwhile nothing comes back."""
    pk = opened(desk, tags=[])
    ticket = desk.ticket(pk)
    desk.there.calls.clear()
    desk.there.change(pk, tags=["theirs"])
    remote = mapping.ticket(desk.there.tickets[pk])

    def act() -> None:
        if rival == "an agent":
            change(ticket, tags=["ours"])
        else:
            privacy.erase(customer_id=ticket.customer_id, by=SYSTEM, now=timezone.now())

    now = timezone.now()
    through_window(lambda: taking.take(desk.known, remote, by=BY, now=now), [act], at='UPDATE "tickets_ticket"')
    ticket.refresh_from_db()
    assert ticket.tags == (["ours"] if rival == "an agent" else [])
    assert ExternalLink.objects.get(object_type="ticket").remote == {} or rival == "an agent"
