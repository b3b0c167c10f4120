"""Clocks in the table: begun with their ticket, moved with what moves them, and always what the events say."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from agents.tests.builders import SYSTEM, actor_of, make_agent, make_department
from customers.enums import Tier
from customers.tests.builders import make_customer
from sla.clock import Metric
from sla.models import PolicyVersion, SLAClock, SLAPause, TicketSLA
from sla.services import selfcheck
from sla.tests.builders import HOUR, MINUTE, change_default, clock_of, make_calendar, make_policy, minutes, raise_due
from supportdesk.core.actor import Door, system
from tickets.enums import Category, Channel, Priority, Sender, Status
from tickets.models import Ticket
from tickets.services import lifecycle
from tickets.tests.builders import make_ticket, say

pytestmark = pytest.mark.django_db
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)  # a Monday
FIRST, NEXT, RESOLUTION = Metric.FIRST_RESPONSE, Metric.NEXT_RESPONSE, Metric.RESOLUTION


def after(hours: float) -> datetime:
    return START + timedelta(hours=hours)


def reply(ticket: Ticket, hours: float) -> None:
    say(ticket, sender=Sender.AGENT, by=actor_of(make_agent()), now=after(hours))


def ask(ticket: Ticket, hours: float) -> None:
    say(ticket, now=after(hours))


def change(ticket: Ticket, hours: float, **changes: Any) -> None:
    lifecycle.update_ticket(ticket_id=ticket.pk, changes=changes, by=SYSTEM, now=after(hours))


def drift(hours: float) -> list[int]:
    return selfcheck.check(now=after(hours)).drift


def test_a_ticket_has_its_clocks_from_its_creation() -> None:
    ticket = make_ticket(now=START, priority=Priority.HIGH)
    first, resolution = SLAClock.objects.filter(ticket=ticket).order_by("metric")
    assert (first.metric, first.state, first.cycle, first.started_at) == (FIRST, "running", 1, START)
    assert (first.target, first.counted, first.running_since, first.cause) == (2 * HOUR, 0 * HOUR, START, "created")
    assert (first.due_at, first.warn_at, first.next_check_at) == (after(2), after(1.6), after(1.6))
    assert (resolution.metric, resolution.due_at) == (RESOLUTION, after(24))
    sla = TicketSLA.objects.get(ticket=ticket)
    assert (sla.started_at, sla.policy_version.policy.name) == (START, "Default")
    assert drift(1) == []


def test_a_public_reply_stops_the_responses_and_a_question_begins_another() -> None:
    ticket = make_ticket(now=START)
    reply(ticket, 1)
    first = clock_of(ticket, FIRST)
    assert (first.state, first.counted, first.stopped_at) == ("met", HOUR, after(1))
    assert (first.due_at, first.warn_at, first.running_since, first.next_check_at) == (None, None, None, None)
    ask(ticket, 2)
    ask(ticket, 3)
    reply(ticket, 4)
    assert (clock_of(ticket, NEXT).state, clock_of(ticket, NEXT).counted) == ("met", 2 * HOUR)
    ask(ticket, 5)
    assert clock_of(ticket, NEXT, 2).due_at == after(13)
    assert drift(6) == []


def test_a_pause_is_kept_with_its_instants() -> None:
    ticket = make_ticket(now=START)
    change(ticket, 1, status=Status.PENDING)
    clock = clock_of(ticket, RESOLUTION)
    assert (clock.state, clock.due_at, clock.counted, clock.next_check_at) == ("paused", None, HOUR, None)
    assert clock_of(ticket, FIRST).state == "running"
    change(ticket, 1 + 40 / 3600, status=Status.OPEN)
    clock.refresh_from_db()
    assert (clock.state, clock.due_at) == ("running", after(48) + timedelta(seconds=40))
    pauses = SLAPause.objects.values_list("started_at", "ended_at")
    assert list(pauses) == [(after(1), after(1) + timedelta(seconds=40))]
    assert drift(2) == []


def test_a_status_that_was_left_at_once_leaves_no_pause() -> None:
    ticket = make_ticket(now=START)
    change(ticket, 1, status=Status.PENDING)
    change(ticket, 1, status=Status.OPEN)
    assert not SLAPause.objects.exists()
    assert clock_of(ticket, RESOLUTION).due_at == after(48)
    assert drift(2) == []


def test_forty_pauses_in_a_second_are_forty_rows() -> None:
    ticket = make_ticket(now=START)
    for number in range(40):
        at = 1 + number * 0.02 / 3600
        change(ticket, at, status=Status.PENDING)
        change(ticket, at + 0.01 / 3600, status=Status.OPEN)
    clock = clock_of(ticket, RESOLUTION)
    assert clock.pauses.count() == 40
    assert clock.due_at == after(48) + sum(
        ((ended or START) - began for began, ended in clock.pauses.values_list("started_at", "ended_at")), timedelta()
    )
    assert drift(2) == []


def test_a_new_priority_retargets_from_the_beginning() -> None:
    ticket = make_ticket(now=START)
    change(ticket, 1, priority=Priority.HIGH)
    clock = clock_of(ticket, FIRST)
    assert (clock.due_at, clock.target, clock.cause) == (after(2), 2 * HOUR, "retargeted")
    change(ticket, 1.5, priority=Priority.URGENT)
    clock.refresh_from_db()
    assert (clock.due_at, clock.cause) == (after(1.5) + 10 * MINUTE, "floored")
    assert drift(1.6) == []


def test_resolving_and_reopening_leave_a_cycle_each() -> None:
    ticket = make_ticket(now=START)
    reply(ticket, 1)
    change(ticket, 2, status=Status.RESOLVED)
    assert clock_of(ticket, RESOLUTION).state == "met"
    ask(ticket, 72)
    again = clock_of(ticket, RESOLUTION, 2)
    assert (again.state, again.counted, again.running_since) == ("running", 2 * HOUR, after(72))
    assert again.due_at == after(72 + 46)
    assert clock_of(ticket, NEXT).started_at == after(72)
    assert clock_of(ticket, FIRST).state == "met"
    assert drift(73) == []


def test_archiving_stops_every_clock() -> None:
    ticket = make_ticket(now=START)
    lifecycle.archive_ticket(ticket_id=ticket.pk, by=SYSTEM, now=after(1))
    states = dict(SLAClock.objects.filter(ticket=ticket).values_list("metric", "state"))
    assert states == {"first_response": "cancelled", "resolution": "met"}


@pytest.mark.parametrize("sender", [Sender.SYSTEM, Sender.CUSTOMER])
def test_what_is_no_answer_leaves_the_first_response_open(sender: Sender) -> None:
    ticket = make_ticket(now=START)
    say(ticket, sender=sender, now=after(1))
    assert clock_of(ticket, FIRST).state == "running"
    assert not SLAClock.objects.filter(metric=NEXT).exists()


def test_the_ticket_itself_is_not_touched() -> None:
    ticket = make_ticket(now=START)
    raise_due(after(9))
    before = Ticket.objects.filter(pk=ticket.pk).values().get()
    assert (before["version"], before["updated_at"]) == (1, START)


# Which promises


def test_the_first_policy_whose_conditions_are_met_is_taken() -> None:
    here = make_department()
    loud = make_policy(START, name="Loud", conditions={"priorities": ["urgent"], "channels": ["chat", "phone"]})
    tagged = make_policy(START, name="Tagged", conditions={"tags": ["Refund"], "categories": ["billing"]})
    ours = make_policy(START, name="Ours", conditions={"department_ids": [here.pk]}, position=0)
    make_policy(START, name="Draft", active=False, position=0)
    customer = make_customer()

    def promised(**given: Any) -> str:
        ticket = make_ticket(now=START, customer=customer, **given)
        return TicketSLA.objects.get(ticket=ticket).policy_version.policy.name

    assert promised() == "Default"
    assert promised(priority=Priority.URGENT) == "Default"
    assert promised(priority=Priority.URGENT, channel=Channel.CHAT) == loud.name
    assert promised(tags=["refund", "x"]) == "Default"
    assert promised(tags=["refund", "x"], category=Category.BILLING) == tagged.name
    assert promised(department=here, priority=Priority.URGENT, channel=Channel.CHAT) == ours.name


def test_a_tier_is_a_condition() -> None:
    vips = make_policy(START, conditions={"tiers": ["vip"]})
    others = make_policy(START, conditions={"tiers": ["standard"]})
    for tier, policy in ((Tier.VIP, vips), (Tier.STANDARD, others)):
        ticket = make_ticket(now=START, customer=make_customer(tier=tier))
        assert TicketSLA.objects.get(ticket=ticket).policy_version.policy == policy


def test_running_tickets_keep_their_version_and_new_ones_get_the_new() -> None:
    old, before = make_ticket(now=START), PolicyVersion.objects.get(policy__is_default=True)
    change_default(START, targets=minutes(first_response=5))
    new = make_ticket(now=START)
    change(old, 1, priority=Priority.LOW)
    assert (clock_of(old, FIRST).due_at, clock_of(new, FIRST).due_at) == (after(24), START + 5 * MINUTE)
    assert TicketSLA.objects.get(ticket=old).policy_version == before
    assert drift(2) == []


def test_working_hours_are_those_of_the_policys_calendar() -> None:
    change_default(START, calendar=make_calendar(START), targets=minutes(first_response=60))
    friday = datetime(2026, 1, 2, 15, 30, tzinfo=UTC)  # 16:30 in Berlin
    assert clock_of(make_ticket(now=friday), FIRST).due_at == datetime(2026, 1, 5, 8, 30, tzinfo=UTC)


def test_imported_history_starts_no_clock() -> None:
    by = system("import", origin=Door.IMPORT)
    ticket = make_ticket(now=START, by=by)
    assert not TicketSLA.objects.exists()
    change(ticket, 1, priority=Priority.URGENT)  # later changes of such a ticket go well too
    ask(ticket, 2)
    assert not SLAClock.objects.exists()


def test_what_is_refused_leaves_no_clock() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        make_ticket(now=START)
        raise ZeroDivisionError
    assert not SLAClock.objects.exists()


# A clock that was set back, and requests that waited for the lock


def test_a_wall_clock_set_back_an_hour_takes_no_time_away() -> None:
    ticket = make_ticket(now=START)
    change(ticket, 2, status=Status.PENDING)
    change(ticket, 1.1, status=Status.OPEN)  # the wall clock went back an hour meanwhile
    clock = clock_of(ticket, RESOLUTION)
    assert (clock.state, clock.counted, clock.running_since) == ("running", 2 * HOUR, after(2))
    assert not clock.pauses.exists()
    reply(ticket, 1.2)
    assert (clock_of(ticket, FIRST).state, clock_of(ticket, FIRST).stopped_at) == ("met", after(2))
    assert drift(3) == []


def test_a_ticket_begun_before_the_wall_clock_went_back_is_answered_at_once() -> None:
    ticket = make_ticket(now=after(1))
    reply(ticket, 0.5)
    assert (clock_of(ticket, FIRST).state, clock_of(ticket, FIRST).counted) == ("met", timedelta(0))
    assert drift(1) == []


def test_a_reply_that_comes_after_the_breach_was_raised_is_late_whatever_time_it_read() -> None:
    ticket = make_ticket(now=START, priority=Priority.HIGH)
    raise_due(after(2))
    reply(ticket, 1.9999)  # read the time, then waited for the lock
    clock = clock_of(ticket, FIRST)
    assert (clock.state, clock.breached_at, clock.stopped_at) == ("missed", after(2), after(2))
    assert drift(3) == []


# What the database holds by itself


def test_two_open_clocks_of_one_metric_are_refused() -> None:
    clock = clock_of(make_ticket(now=START), FIRST)
    clock.pk, clock.cycle = None, 2
    with pytest.raises(IntegrityError, match="clock_one_open_per_metric"), transaction.atomic():
        clock.save(force_insert=True)


@pytest.mark.parametrize(("began", "ended"), [(1.5, 3), (0.5, None), (1, 2), (1.2, 1.3)])
def test_pauses_that_overlap_are_refused(began: float, ended: float | None) -> None:
    clock = clock_of(make_ticket(now=START), RESOLUTION)
    SLAPause.objects.create(clock=clock, started_at=after(1), ended_at=after(2))
    SLAPause.objects.create(clock=clock, started_at=after(2), ended_at=after(2.5) if ended else after(2.1))
    with pytest.raises(IntegrityError), transaction.atomic():
        SLAPause.objects.create(clock=clock, started_at=after(began), ended_at=after(ended) if ended else None)


@pytest.mark.parametrize("change_", [{"warning_percent": 50}, {"state": "draft"}, {"targets": {}}])
def test_a_version_that_is_active_cannot_be_changed(change_: dict[str, Any]) -> None:
    version = PolicyVersion.objects.get(policy__is_default=True)
    with pytest.raises(IntegrityError, match="does not change"), transaction.atomic():
        PolicyVersion.objects.filter(pk=version.pk).update(**change_)
    with pytest.raises(IntegrityError, match="does not change"), transaction.atomic():
        PolicyVersion.objects.filter(pk=version.pk).delete()
