"""Looking at Gorgias without being called, everything once, and what an administrator is told of the connection."""

from dataclasses import replace
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from customers.models import Customer
from integrations import doctor, tasks
from integrations.gorgias import client, polling
from integrations.gorgias.sandbox.exchange import Scripted
from integrations.gorgias.sandbox.server import Sandbox
from integrations.models import Connection, ExternalLink, SyncCursor
from integrations.tests.builders import GorgiasDesk
from supportdesk.core.models import Delivery, Event
from tickets.models import Message, Ticket

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
CLOCKS = "Tickets whose clocks began: 1."


@pytest.fixture
def desk(gorgias: Sandbox, monkeypatch: pytest.MonkeyPatch) -> GorgiasDesk:
    monkeypatch.setattr(client, "FIRST", 0.01)
    return GorgiasDesk(gorgias)


def tickets(desk: GorgiasDesk, count: int, **over: Any) -> list[int]:
    """There, and nobody is called."""
    person = desk.there.add_customer("zoe@example.com")
    made = [int(desk.there.open_ticket(person, f"Question {number}", **over)["id"]) for number in range(count)]
    desk.there.calls.clear()
    return made


def poll(desk: GorgiasDesk) -> list[str]:
    """What was asked for."""
    desk.there.asked.clear()
    polling.poll(desk.known, now=timezone.now())
    return [one.path.removeprefix("/api/") for one in desk.there.asked]


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("import_gorgias", *arguments, stdout=out, stderr=out)
    return out.getvalue().strip()


def test_what_nobody_told_us_is_found(desk: GorgiasDesk) -> None:
    first, second = tickets(desk, 2)
    assert poll(desk) == ["tickets", f"tickets/{second}", f"tickets/{first}", "tickets", "customers"]
    assert Ticket.objects.count() == 2
    assert poll(desk) == ["tickets", "tickets", "customers"]  # nothing changed
    desk.there.say(first, "And now?")
    assert poll(desk) == ["tickets", f"tickets/{first}", "tickets", "customers"]
    assert desk.ticket(first).last_position == 2
    assert Connection.objects.get().last_ok_at is not None


def test_who_customers_are_is_followed_where_a_ticket_told_of_them(desk: GorgiasDesk) -> None:
    (pk,) = tickets(desk, 1)
    desk.there.add_customer("nobody@example.com", name="Nobody")
    poll(desk)
    zoe = desk.ticket(pk).customer
    desk.there.change_customer(desk.there.tickets[pk]["customer"]["id"], name="Zoë", email="tal@example.com")
    poll(desk)
    zoe.refresh_from_db()
    assert (zoe.name, zoe.email) == ("Zoë", "tal@example.com")
    assert Customer.objects.count() == 1


def test_a_poll_ends_after_a_whole_page_that_is_older(desk: GorgiasDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "CHANGES", replace(polling.CHANGES, size=2))
    known = tickets(desk, 7)
    old = (timezone.now() - timedelta(hours=1)).isoformat()
    for pk in known[:6]:
        desk.there.tickets[pk]["updated_datetime"] = old
    assert poll(desk) == ["tickets", f"tickets/{known[6]}", "tickets", "tickets", "customers"]
    assert Ticket.objects.count() == 1  # the others changed before we were connected


def test_a_ticket_that_moves_while_pages_are_read_is_not_lost(
    desk: GorgiasDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "CHANGES", replace(polling.CHANGES, size=2))
    known = tickets(desk, 6)
    desk.there.meanwhile = lambda: desk.there.say(known[0], "I write while you read")
    poll(desk)
    assert Ticket.objects.count() == 6
    assert desk.ticket(known[0]).last_position == 2
    assert Message.objects.count() == 7


def test_spam_and_what_was_trashed_are_not_asked_for(desk: GorgiasDesk) -> None:
    tickets(desk, 1, spam=True)
    tickets(desk, 1, trashed_datetime="2026-11-20T00:00:00")
    assert poll(desk) == ["tickets", "tickets", "customers"]
    assert not Ticket.objects.exists()


def test_a_poll_that_is_broken_off_goes_on(desk: GorgiasDesk) -> None:
    first, second = tickets(desk, 2)
    desk.there.script("GET", f"/api/tickets/{first}", *[Scripted(status=503, body={})] * 3)
    poll(desk)
    assert SyncCursor.objects.get().watermark is None
    poll(desk)
    assert {link.external_id for link in ExternalLink.objects.filter(object_type="ticket")} == {str(first), str(second)}


def test_a_key_that_is_refused_is_told_by_the_poll(desk: GorgiasDesk) -> None:
    desk.there.script("GET", "/api/tickets", Scripted(status=401, body={}))
    assert tasks.poll_one_gorgias(desk.known.pk) == 0
    assert Connection.objects.get().status == "reauth"
    assert tasks.poll_one_gorgias(desk.known.pk) == 0
    assert len(desk.there.asked) == 1


def test_history_is_taken_over_and_starts_nothing(desk: GorgiasDesk) -> None:
    open_one, closed = tickets(desk, 2)
    desk.there.say(open_one, "We look", user=desk.there.me)
    desk.there.change(closed, status="closed")
    desk.there.calls.clear()
    assert run("tickets", "--dry-run").endswith("tickets: 2 seen, 2 written, 0 left as they are, 0 refused.")
    assert not Ticket.objects.exists()
    again = f"Go on with: manage.py import_gorgias tickets --connection {desk.known.pk} --resume"
    assert run("tickets", "--limit", "1").endswith(f"Not at its end. {again}")
    assert run("tickets", "--activate").endswith("2 seen, 2 written, 0 left as they are, 0 refused.\n" + CLOCKS)
    assert (desk.ticket(open_one).status, desk.ticket(closed).status) == ("open", "resolved")
    assert desk.ticket(open_one).last_position == 2
    assert set(Event.objects.filter(subject_type="ticket").values_list("origin", flat=True)) == {"import"}
    assert not Delivery.objects.exists()
    desk.there.say(open_one, "Thanks")
    desk.arrive()
    assert desk.ticket(open_one).last_position == 3  # from then on it is as any other
    assert run("tickets", "--restart") == "tickets: 2 seen, 0 written, 2 left as they are, 0 refused."


def test_customers_are_taken_over_once(desk: GorgiasDesk) -> None:
    desk.there.add_customer("zoe@example.com", name="Zoë")
    desk.there.add_customer(None)
    desk.there.customers[desk.there.add_customer("x@example.com")["id"]]["id"] = None
    assert run("customers").startswith("customers: 3 seen, 2 written, 0 left as they are, 1 refused.")
    assert sorted(Customer.objects.values_list("name", flat=True)) == ["Unnamed customer", "Zoë"]
    assert run("customers", "--restart").startswith("customers: 3 seen, 0 written, 2 left as they are, 1 refused.")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (["tickets", "--since", "yesterday"], "--since"),
        (["tickets", "--limit", "0"], "--limit"),
        (["tickets", "--connection", "99999"], "There is no such connection"),
    ],
)
def test_what_a_run_is_given_is_looked_at(desk: GorgiasDesk, given: list[str], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        run(*given)
    assert desk.there.asked == []


def test_a_gorgias_that_is_down_is_told_and_the_run_goes_on_later(desk: GorgiasDesk) -> None:
    tickets(desk, 1)
    desk.there.script("GET", "/api/tickets", *[Scripted(status=502, body="<html>")] * 3)
    with pytest.raises(CommandError, match=r"http 502\)\. Go on with"):
        run("tickets")
    assert run("tickets") == "tickets: 1 seen, 1 written, 0 left as they are, 0 refused."


def test_the_doctor_says_what_is_wrong(desk: GorgiasDesk) -> None:
    def faults() -> list[str]:
        found = doctor.examine(Connection.objects.get(), now=timezone.now())
        return [f"{one.what}: {one.detail}" for one in found if not one.is_fine]

    desk.there.integrations.clear()
    triggers = "ticket-created, ticket-updated, ticket-message-created, ticket-message-failed"
    rest = "ticket-assignment-updated, ticket-status-updated"
    assert faults() == [f"calls to us: not called for {triggers}, {rest}", "last look: none so far"]
    out = StringIO()
    call_command("integration_register_webhooks", "--provider", "gorgias", stdout=out)
    assert out.getvalue() == f"{desk.known}: {triggers}, {rest}\n"
    polling.poll(desk.known, now=timezone.now())
    assert faults() == []
    call_command("integration_register_webhooks", "--provider", "gorgias", "--new-secret", stdout=out)
    secret = Connection.objects.get().webhook_secret
    assert secret != desk.known.webhook_secret
    assert {one["http"]["headers"]["X-Webhook-Token"] for one in desk.there.integrations.values()} == {secret}
    next(iter(desk.there.integrations.values()))["deactivated_datetime"] = "2026-11-20T00:00:00"
    assert faults() == ["calls to us: off ticket-created"]
    desk.there.script("GET", "/api/account", Scripted(status=401, body={}))
    assert faults() == ["account: Gorgias says http 401, so the user or the key is wrong"]
