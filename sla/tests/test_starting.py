"""Clocks for tickets that came without, and the command that winds all of them again."""

import io
import json
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection

from agents.tests.builders import SYSTEM, actor_of, make_agent
from customers.tests.builders import make_customer
from sla.clock import Metric
from sla.models import SLAAlert, SLAClock, TicketSLA
from sla.services import deadlines, selfcheck, starting
from sla.tests.builders import DETECTOR, HOUR, clock_of, raise_due
from supportdesk.core.actor import Door, system
from supportdesk.core.models import Delivery, Event
from supportdesk.tests.client import counted_statements
from tickets.enums import Sender, Status
from tickets.models import Ticket
from tickets.services import lifecycle
from tickets.services.history import PastTicket, create_past_tickets
from tickets.tests.builders import make_ticket, say

pytestmark = pytest.mark.django_db
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
GO_LIVE = START + timedelta(days=30)
IMPORT = system("import", origin=Door.IMPORT)
FIRST, NEXT, RESOLUTION = Metric.FIRST_RESPONSE, Metric.NEXT_RESPONSE, Metric.RESOLUTION


def imported(number: int, status: Status = Status.OPEN, answered: datetime | None = None) -> Ticket:
    past = PastTicket(
        customer=make_customer(),
        subject="Old",
        description="Since long",
        source="csv",
        external_id=str(number),
        status=status,
        created_at=START,
        created_at_estimated=False,
        first_response_at=answered,
        resolved_at=START + HOUR if status in {Status.RESOLVED, Status.CLOSED} else None,
    )
    (ticket,) = create_past_tickets([past], by=IMPORT, now=GO_LIVE)
    return ticket


def states(ticket: Ticket) -> dict[str, str]:
    return dict(SLAClock.objects.filter(ticket=ticket).values_list("metric", "state"))


def test_open_imported_tickets_count_from_their_activation() -> None:
    ticket = imported(1)
    assert not TicketSLA.objects.exists()
    assert starting.start_open([ticket.pk], by=IMPORT, now=GO_LIVE) == 1
    clock = clock_of(ticket, FIRST)
    assert (clock.started_at, clock.due_at, clock.counted) == (GO_LIVE, GO_LIVE + 8 * HOUR, timedelta(0))
    assert TicketSLA.objects.get(ticket=ticket).started_at == GO_LIVE
    assert raise_due(GO_LIVE + HOUR) == 0
    say(ticket, sender=Sender.AGENT, by=actor_of(make_agent()), now=GO_LIVE + 2 * HOUR)
    assert clock_of(ticket, FIRST).state == "met"
    assert selfcheck.check(now=GO_LIVE + 3 * HOUR).drift == []
    assert starting.start_open([ticket.pk], by=IMPORT, now=GO_LIVE) == 0


def test_one_that_was_answered_elsewhere_owes_the_next_response() -> None:
    ticket = imported(1, answered=START + HOUR)
    starting.start_open([ticket.pk], by=IMPORT, now=GO_LIVE)
    assert states(ticket) == {"next_response": "running", "resolution": "running"}
    assert clock_of(ticket, NEXT).due_at == GO_LIVE + 8 * HOUR


def test_one_that_waits_for_its_customer_stands_still() -> None:
    ticket = imported(1, status=Status.PENDING, answered=START + HOUR)
    starting.start_open([ticket.pk], by=IMPORT, now=GO_LIVE)
    assert states(ticket) == {"resolution": "paused"}
    say(ticket, now=GO_LIVE + HOUR)
    assert states(ticket) == {"resolution": "running", "next_response": "running"}
    assert selfcheck.check(now=GO_LIVE + 2 * HOUR).drift == []


def test_done_and_archived_tickets_stay_without() -> None:
    done, archived = imported(1, status=Status.RESOLVED), imported(2)
    lifecycle.archive_ticket(ticket_id=archived.pk, by=SYSTEM, now=GO_LIVE)
    assert starting.start_open([done.pk, archived.pk], by=IMPORT, now=GO_LIVE) == 0


def test_starting_takes_the_same_statements_for_one_and_ten() -> None:
    counts = []
    for first, number in ((1, 1), (10, 10)):
        ids = [imported(first + n).pk for n in range(number)]
        with counted_statements() as taken:
            starting.start_open(ids, by=IMPORT, now=GO_LIVE)
        counts.append(len(taken))
    assert counts[0] == counts[1] == 5  # tickets, promises, facts, clocks, ends of promises


def test_a_played_history_is_wound_from_its_beginning_and_raised_quietly() -> None:
    late, quick = (make_ticket(now=START, by=IMPORT) for _ in range(2))
    agent = actor_of(make_agent()).through(Door.IMPORT)
    say(quick, sender=Sender.AGENT, by=agent, now=START + HOUR)
    say(late, sender=Sender.AGENT, by=agent, now=START + 9 * HOUR)
    lifecycle.update_ticket(ticket_id=quick.pk, changes={"status": Status.RESOLVED}, by=IMPORT, now=START + 2 * HOUR)
    assert starting.start_from_history(now=GO_LIVE) == 2
    assert states(quick) == {"first_response": "met", "resolution": "met"}
    assert states(late) == {"first_response": "missed", "resolution": "breached"}
    assert TicketSLA.objects.get(ticket=late).started_at == START
    deadlines.raise_due(by=DETECTOR.through(Door.IMPORT), now=GO_LIVE, limit=100)
    assert SLAAlert.objects.filter(ticket=late, kind="breach").count() == 2
    assert not Delivery.objects.filter(reaction__startswith="sla.").exists()
    assert selfcheck.check(now=GO_LIVE).drift == []
    assert starting.start_from_history(now=GO_LIVE) == 0


# The command


def selfchecked(*arguments: str) -> tuple[int, str]:
    out = io.StringIO()
    try:
        call_command("sla_selfcheck", *arguments, stdout=out)
    except SystemExit as ended:
        return int(str(ended.code)), out.getvalue()
    return 0, out.getvalue()


def test_the_self_check_reports_no_drift_and_what_waits_to_be_raised() -> None:
    make_ticket(now=START)
    assert selfchecked() == (0, "2 clocks of 1 tickets; 2 to be raised.\nDrift: 0.\n")
    code, said = selfchecked("--json")
    assert (code, json.loads(said)) == (0, {"tickets": 1, "clocks": 2, "awaiting": 2, "drift": 0, "ids": []})
    raise_due(GO_LIVE)
    assert json.loads(selfchecked("--json")[1])["awaiting"] == 0


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE sla_slaclock SET due_at = due_at + interval '1 microsecond' WHERE metric = 'first_response'",
        "UPDATE sla_slaclock SET counted = '1 second' WHERE metric = 'resolution'",
        "UPDATE sla_slaclock SET next_check_at = NULL WHERE metric = 'first_response'",
        "UPDATE sla_slaclock SET warning_raised = true WHERE metric = 'first_response'",
        "DELETE FROM sla_slaclock WHERE metric = 'resolution'",
        "INSERT INTO sla_slapause (clock_id, started_at, ended_at) SELECT id, started_at, due_at FROM sla_slaclock",
    ],
)
def test_the_self_check_finds_whatever_was_changed_by_hand(damage: str) -> None:
    now = datetime.now(UTC)
    damaged, sound = make_ticket(now=now), make_ticket(now=now)
    with connection.cursor() as cursor:
        statement = damage + (" AND" if "WHERE" in damage else " WHERE") + " ticket_id = %s"
        cursor.execute(statement, [damaged.pk])
    code, said = selfchecked("--json")
    assert (code, json.loads(said)["ids"]) == (1, [damaged.pk])
    assert f"tickets {damaged.pk})" in selfchecked()[1]
    assert sound.pk != damaged.pk


def test_the_self_check_finds_a_fact_that_no_clock_heard() -> None:
    now = datetime.now(UTC)
    ticket = make_ticket(now=now)
    Event.objects.create(
        name="ticket.status_changed",
        subject_type="ticket",
        subject_id=ticket.pk,
        payload={"before": "open", "after": "pending"},
        actor_kind="system",
        origin="command",
        at=now,
    )
    assert selfchecked("--json")[0] == 1


def test_the_self_check_goes_through_every_ticket_in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selfcheck, "BATCH", 2)
    for _ in range(5):
        make_ticket(now=START)
    assert selfcheck.check(now=START).tickets == 5
