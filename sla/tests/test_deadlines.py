"""Warnings and breaches: each once, at the instant at which it was due, at the cost of what is due."""

import json
import os
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from structlog.testing import capture_logs

from agents.models import Agent, FeedEntry
from agents.tests.builders import SYSTEM, actor_of, make_agent, make_department
from sla.clock import Metric
from sla.models import SLAAlert, SLAClock
from sla.services import deadlines, selfcheck
from sla.tasks import check_deadlines
from sla.tests.builders import DETECTOR, HOUR, MINUTE, change_default, clock_of, minutes, raise_due
from supportdesk.core import delivery
from supportdesk.core.actor import Door
from supportdesk.core.models import Delivery, Event
from supportdesk.tests.client import counted_statements
from supportdesk.tests.races import race
from tickets.enums import Priority, Sender, Status
from tickets.models import Ticket
from tickets.services import lifecycle
from tickets.tests.builders import assign, make_ticket, make_worker, say, transfer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
FIRST, NEXT, RESOLUTION = Metric.FIRST_RESPONSE, Metric.NEXT_RESPONSE, Metric.RESOLUTION
SCALE = int(os.environ.get("SUPPORTDESK_TEST_CLOCKS", "20000"))


def after(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def told() -> list[tuple[str, datetime, str]]:
    """Names, instants and metrics of what was raised, in the order in which it was."""
    events = Event.objects.filter(name__in=["sla.warned", "sla.breached"]).order_by("pk")
    return [(event.name, event.at, event.payload["metric"]) for event in events]


def test_a_warning_and_a_breach_are_raised_once_each_at_their_instants() -> None:
    ticket = make_ticket(now=START, priority=Priority.HIGH)
    assert raise_due(after(1.59)) == 0
    assert [raise_due(after(1.6)), raise_due(after(1.7)), raise_due(after(2.5)), raise_due(after(3))] == [1, 0, 1, 0]
    assert told() == [("sla.warned", after(1.6), "first_response"), ("sla.breached", after(2), "first_response")]
    warning, breach = SLAAlert.objects.order_by("at")
    assert (warning.kind, warning.at, warning.raised_at) == ("warning", after(1.6), after(1.6))
    assert (breach.kind, breach.at, breach.raised_at, breach.priority) == ("breach", after(2), after(2.5), "high")
    clock = clock_of(ticket, FIRST)
    assert (clock.state, clock.warned_at, clock.breached_at) == ("breached", after(1.6), after(2))
    assert (clock.warn_at, clock.next_check_at) == (None, None)
    assert selfcheck.check(now=after(3)).drift == []


def test_events_say_whose_promise_it_was_and_when_it_ends() -> None:
    ticket = make_ticket(now=START, priority=Priority.HIGH)
    raise_due(after(1.6))
    event = Event.objects.get(name="sla.warned")
    assert (event.subject_type, event.subject_id, event.origin) == ("ticket", ticket.pk, "task")
    assert event.payload == {"metric": "first_response", "cycle": 1, "due_at": "2026-01-05T11:00:00Z"}


def test_after_an_outage_everything_due_is_raised_in_order_once() -> None:
    change_default(START, targets=minutes(first_response=60, resolution=100))
    tickets = [make_ticket(now=START + number * MINUTE) for number in range(5)]
    assert raise_due(after(4)) == 20
    raised = told()
    assert [at for _, at, _ in raised] == sorted(at for _, at, _ in raised)
    expected = {
        (ticket.pk, metric, cycle, kind)
        for ticket in tickets
        for metric, cycle in ((FIRST, 1), (RESOLUTION, 1))
        for kind in ("warning", "breach")
    }
    assert set(SLAAlert.objects.values_list("ticket", "metric", "cycle", "kind")) == expected
    assert raise_due(after(5)) == 0


def test_the_order_holds_over_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "BATCH", 2)
    change_default(START, targets=minutes(first_response=60, resolution=70))
    for number in range(5):
        make_ticket(now=START + number * MINUTE)
    assert raise_due(after(4)) == 20
    assert [at for _, at, _ in told()] == sorted(at for _, at, _ in told())


def test_a_limit_leaves_the_rest_to_the_next_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "BATCH", 2)
    for number in range(5):
        make_ticket(now=START + number * MINUTE, priority=Priority.URGENT)
    assert deadlines.raise_due(by=DETECTOR, now=after(0.5), limit=3) == 3
    assert deadlines.raise_due(by=DETECTOR, now=after(0.5), limit=3) == 3  # two warnings, and the first breach
    assert raise_due(after(0.5)) == 0
    assert [name for name, _, _ in told()] == ["sla.warned"] * 5 + ["sla.breached"]


def test_what_was_answered_late_while_nobody_looked_is_raised_all_the_same() -> None:
    ticket = make_ticket(now=START, priority=Priority.HIGH)
    say(ticket, sender=Sender.AGENT, by=actor_of(make_agent()), now=after(3))
    assert clock_of(ticket, FIRST).state == "missed"
    assert raise_due(after(4)) == 2
    assert told()[1] == ("sla.breached", after(2), "first_response")
    assert selfcheck.check(now=after(4)).drift == []


def test_a_paused_clock_is_neither_warned_of_nor_breached() -> None:
    ticket = make_ticket(now=START)
    lifecycle.update_ticket(ticket_id=ticket.pk, changes={"status": Status.PENDING}, by=SYSTEM, now=after(1))
    raise_due(after(1_000))
    assert set(SLAAlert.objects.values_list("metric", flat=True)) == {"first_response"}  # that one runs on


def test_evidence_names_owner_and_priority_of_that_time() -> None:
    here = make_department()
    first, second = make_agent(department=here), make_agent(department=here)
    ticket = make_ticket(now=START, priority=Priority.HIGH, department=here)
    assign(ticket, first, now=after(1))
    transfer(ticket, first, second, now=after(1.7))
    lifecycle.update_ticket(ticket_id=ticket.pk, changes={"priority": Priority.LOW}, by=SYSTEM, now=after(2.1))
    raise_due(after(3))
    rows = SLAAlert.objects.order_by("at").values_list("kind", "owner", "priority", "department")
    assert list(rows) == [("warning", first.pk, "high", here.pk), ("breach", second.pk, "high", here.pk)]


def test_evidence_stays_when_the_ticket_goes_on() -> None:
    ticket = make_ticket(now=START, priority=Priority.HIGH)
    raise_due(after(3))
    before = list(SLAAlert.objects.values())
    lifecycle.update_ticket(ticket_id=ticket.pk, changes={"priority": Priority.LOW}, by=SYSTEM, now=after(4))
    say(ticket, sender=Sender.AGENT, by=actor_of(make_agent()), now=after(5))
    lifecycle.update_ticket(ticket_id=ticket.pk, changes={"status": Status.RESOLVED}, by=SYSTEM, now=after(6))
    say(ticket, now=after(7))
    assert list(SLAAlert.objects.values()) == before
    raise_due(after(7))
    assert list(SLAAlert.objects.values()) == before


def test_a_wall_clock_that_jumps_ahead_and_back_raises_nothing_twice() -> None:
    ticket = make_ticket(now=START, priority=Priority.HIGH)
    assert raise_due(after(2.5)) == 2
    say(ticket, sender=Sender.AGENT, by=actor_of(make_agent()), now=after(1.5))
    assert raise_due(after(1.5)) == raise_due(after(3)) == 0
    assert clock_of(ticket, FIRST).state == "missed"
    assert selfcheck.check(now=after(1.5)).drift == []


def test_one_that_cannot_be_raised_does_not_hold_up_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    broken, sound = (make_ticket(now=START, priority=Priority.HIGH) for _ in range(2))
    event = deadlines._event

    def fail(due: Any) -> Any:
        if due.clock.ticket_id == broken.pk:
            raise ZeroDivisionError
        return event(due)

    monkeypatch.setattr(deadlines, "_event", fail)
    with capture_logs() as logs:
        assert raise_due(after(2)) == 2
    assert set(SLAAlert.objects.values_list("ticket", flat=True)) == {sound.pk}
    assert [entry["event"] for entry in logs] == ["deadline not raised"]
    monkeypatch.undo()
    assert raise_due(after(2)) == 2


def test_the_job_raises_what_is_due_by_the_clock() -> None:
    make_ticket(now=timezone.now() - 40 * MINUTE, priority=Priority.URGENT)
    assert check_deadlines() == 2
    assert check_deadlines() == 0


# Rivals


def outcome() -> tuple[int, int, list[int]]:
    alerts, events = SLAAlert.objects.count(), Event.objects.filter(name__in=["sla.warned", "sla.breached"]).count()
    return alerts, events, selfcheck.check(now=timezone.now()).drift


@pytest.mark.django_db(transaction=True)
def test_many_detectors_raise_each_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadlines, "BATCH", 5)
    now = timezone.now()
    for number in range(20):
        make_ticket(now=now - HOUR - number * MINUTE, priority=Priority.URGENT)
    raised = race(lambda _: raise_due(now))
    assert sum(raised) == 40
    assert outcome() == (40, 40, [])


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("rival", ["reply", "pause", "priority", "resolve"])
def test_a_detector_and_whoever_moves_the_clock_agree(rival: str) -> None:
    agent = actor_of(make_agent())
    now = timezone.now()
    tickets = [make_ticket(now=now - 30 * MINUTE, priority=Priority.URGENT) for _ in range(8)]
    just_before = now - timedelta(milliseconds=1)  # the instant that a request reads before it waits for the lock

    def move(ticket: Ticket) -> None:
        match rival:
            case "reply":
                say(ticket, sender=Sender.AGENT, by=agent, now=just_before)
            case "pause":
                changes: dict[str, Any] = {"status": Status.PENDING}
            case "priority":
                changes = {"priority": Priority.LOW}
            case _:
                changes = {"status": Status.RESOLVED}
        if rival != "reply":
            lifecycle.update_ticket(ticket_id=ticket.pk, changes=changes, by=SYSTEM, now=just_before)

    race(lambda number: raise_due(now) if number % 2 else move(tickets[number // 2]), rivals=16)
    raise_due(now)
    assert selfcheck.check(now=now).drift == []
    for ticket in tickets:
        clock = clock_of(ticket, FIRST)
        breaches = SLAAlert.objects.filter(ticket=ticket, metric=FIRST, kind="breach").count()
        assert breaches == (clock.breached_at is not None) == clock.breach_raised


@pytest.mark.django_db(transaction=True)
def test_a_ticket_that_somebody_holds_is_left_to_the_next_look() -> None:
    now = timezone.now()
    held, free = (make_ticket(now=now - HOUR, priority=Priority.URGENT) for _ in range(2))
    holding, done = threading.Event(), threading.Event()

    def hold() -> None:
        with transaction.atomic():
            list(Ticket.objects.select_for_update().filter(pk=held.pk))
            holding.set()
            done.wait(timeout=30)
        connection.close()

    holder = threading.Thread(target=hold)
    holder.start()
    holding.wait(timeout=30)
    assert raise_due(now) == 2
    assert set(SLAAlert.objects.values_list("ticket", flat=True)) == {free.pk}
    done.set()
    holder.join()
    assert raise_due(now) == 2


# Cost


def buffers(now: datetime) -> int:
    """Pages that finding what is due touches."""
    given: dict[str, Any] = {"now": now, "after": deadlines.BEGINNING, "after_id": 0, "limit": 1_000}
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = on")
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {deadlines.FIND}", given)
        plan = cursor.fetchone()[0]
    top = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
    return int(top["Shared Hit Blocks"] + top["Shared Read Blocks"])


def generate_open_clocks(number: int) -> None:
    """Open clocks, a year from their end, of tickets that need not be there: foreign keys are asked for later."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            """
            INSERT INTO sla_slaclock (ticket_id, metric, cycle, started_at, state, target, counted, running_since,
                cause, due_at, warn_at, warning_raised, breach_raised, next_check_at)
            SELECT 1000000000 + n, 'resolution', 1, now(), 'running', '1 year', '0', now(), 'created',
                now() + '1 year' + n * '1 second'::interval, now() + '300 days' + n * '1 second'::interval,
                false, false, now() + '300 days' + n * '1 second'::interval
            FROM generate_series(1, %s) AS n
            """,
            [number],
        )
        cursor.execute("SET LOCAL session_replication_role = origin")
        cursor.execute("ANALYZE sla_slaclock")


def test_the_cost_is_that_of_what_is_due_and_not_of_what_is_open() -> None:
    now = timezone.now()
    generate_open_clocks(SCALE)
    with connection.cursor() as cursor:
        cursor.execute("REINDEX INDEX clock_next_check")  # without what other tests took back
    idle = buffers(now)
    for number in range(100):
        make_ticket(now=now - 25 * MINUTE - number * timedelta(seconds=1), priority=Priority.URGENT)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE sla_slaclock")
    busy = buffers(now)
    print(f"{SCALE + 200:,} open clocks: {idle} buffers with nothing due, {busy} with 100 due")
    assert SLAClock.objects.filter(next_check_at__lte=now).count() == 100
    assert idle <= 5
    assert busy <= 10 + 3 * 100


def test_a_batch_takes_the_same_statements_for_one_and_fifty() -> None:
    counts = []
    for number in (1, 50):
        now = START + number * HOUR
        for _ in range(number):
            make_ticket(now=now, priority=Priority.URGENT)
        with counted_statements() as taken:
            raise_due(now + 24 * MINUTE)
        counts.append(len(taken))
    assert counts[0] == counts[1] <= 11
    with counted_statements() as nothing:
        raise_due(START)
    assert len(nothing) == 1


def test_quiet_history_tells_nobody() -> None:
    make_ticket(now=START, priority=Priority.HIGH)
    deadlines.raise_due(by=DETECTOR.through(Door.IMPORT), now=after(9), limit=10)
    assert SLAAlert.objects.count() == 2
    assert not Delivery.objects.filter(reaction__startswith="sla.").exists()


# Who is told


def told_of(agent: Agent) -> list[tuple[str, str, str]]:
    entries = FeedEntry.objects.filter(agent=agent, kind="sla_warning").order_by("seq")
    return [(entry.details["alert"], entry.details["metric"], entry.details["due_at"]) for entry in entries]


def test_the_agent_and_the_supervisors_of_the_department_are_told_at_once() -> None:
    now, here, there = timezone.now(), make_department(), make_department()
    owner = make_worker(department=here)
    lead, stranger = (make_agent(role="supervisor", leads=[department]) for department in (here, there))
    for minutes_ago in (25, 31):
        ticket = make_ticket(now=now - minutes_ago * MINUTE, priority=Priority.URGENT, department=here)
        assign(ticket, owner)
    raise_due(now)
    delivery.run_due(limit=1_000)
    soon, over = (f"{(now + left * MINUTE).replace(tzinfo=None).isoformat()}Z" for left in (5, -1))
    assert told_of(owner) == told_of(lead) == [("warning", FIRST, soon), ("breach", FIRST, over)]
    assert told_of(stranger) == []


def test_what_is_over_when_it_would_be_told_is_not() -> None:
    now = timezone.now()
    lead = make_agent(role="supervisor")
    answered, resolved = (make_ticket(now=now - 25 * MINUTE, priority=Priority.URGENT) for _ in range(2))
    raise_due(now)
    say(answered, sender=Sender.AGENT, by=actor_of(make_agent()), now=now)
    lifecycle.update_ticket(ticket_id=resolved.pk, changes={"status": Status.RESOLVED}, by=SYSTEM, now=now)
    delivery.run_due(limit=100)
    assert told_of(lead) == []
