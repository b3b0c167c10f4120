"""Whatever people do to tickets, in whatever order: the table says what the events say."""

import os
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import transaction
from hypothesis import given, settings
from hypothesis import strategies as st

from agents.tests.builders import SYSTEM, actor_of, make_agent
from sla.models import SLAAlert, SLAClock, SLAPause
from sla.services import applying, selfcheck
from sla.tests.builders import ROUND_THE_CLOCK, change_default, make_calendar, raise_due
from supportdesk.core.actor import Actor
from supportdesk.core.errors import DomainError
from supportdesk.core.models import Event
from tickets.enums import Priority, Sender, Status
from tickets.models import Ticket
from tickets.services import lifecycle
from tickets.tests.builders import make_ticket, say

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.timeout(600)]  # however busy the machine is
EXAMPLES = int(os.environ.get("SUPPORTDESK_TEST_EXAMPLES", "20"))
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
LUNCH = [[[480, 720], [780, 1080]]] * 5 + [[[600, 720]], []]
TARGETS = {
    "urgent": {"first_response": 5, "next_response": 5, "resolution": 60},
    "high": {"first_response": 30, "next_response": 20, "resolution": 240},
    "normal": {"first_response": 120, "next_response": 60, "resolution": 600},
    "low": {"first_response": 600, "next_response": 600, "resolution": 3_000},
}
STEPS = [timedelta(0), timedelta(seconds=1), timedelta(minutes=4), timedelta(hours=3), timedelta(days=2)]
BACK = [*STEPS, -timedelta(hours=1)]  # a wall clock that is set back

moves = st.one_of(
    st.tuples(st.just("status"), st.sampled_from(Status)),
    st.tuples(st.just("priority"), st.sampled_from(Priority)),
    st.tuples(st.sampled_from(["ask", "reply", "speak", "look", "look", "both", "archive"]), st.none()),
)
stories = st.lists(st.tuples(st.sampled_from(BACK), moves), min_size=1, max_size=12)


def act(ticket: Ticket, move: tuple[str, Any], now: datetime, agent: Actor) -> None:
    kind, value = move
    match kind:
        case "status" | "priority":
            lifecycle.update_ticket(ticket_id=ticket.pk, changes={kind: value}, by=SYSTEM, now=now)
        case "both":
            changes = {"status": Status.ON_HOLD, "priority": Priority.URGENT}
            lifecycle.update_ticket(ticket_id=ticket.pk, changes=changes, by=SYSTEM, now=now)
        case "ask":
            say(ticket, now=now)
        case "reply":
            say(ticket, sender=Sender.AGENT, by=agent, now=now)
        case "speak":
            say(ticket, sender=Sender.SYSTEM, now=now)
        case "archive":
            lifecycle.archive_ticket(ticket_id=ticket.pk, by=SYSTEM, now=now)
        case "look":
            raise_due(now)


def check_everything(now: datetime) -> None:
    report = selfcheck.check(now=now)
    assert report.drift == []
    evidence = SLAAlert.objects.values_list("ticket", "metric", "cycle", "kind")
    assert len(set(evidence)) == len(evidence)
    assert Event.objects.filter(name__in=["sla.warned", "sla.breached"]).count() == len(evidence)
    for clock in SLAClock.objects.prefetch_related("pauses"):
        assert clock.counted >= timedelta(0)
        last = clock.started_at
        for pause in sorted(clock.pauses.all(), key=lambda pause: pause.started_at):
            assert pause.started_at >= last
            last = pause.ended_at or datetime.max.replace(tzinfo=UTC)
    assert not SLAPause.objects.filter(ended_at__isnull=True, clock__stopped_at__isnull=False).exists()


@given(stories, st.booleans(), st.booleans(), st.booleans())
@settings(max_examples=EXAMPLES, deadline=None)
def test_the_table_is_what_winding_the_clocks_again_gives(
    story: list[tuple[timedelta, Any]], office: bool, pauses: bool, holds: bool
) -> None:
    with transaction.atomic():
        agent = actor_of(make_agent())
        calendar = make_calendar(START, week=LUNCH if office else ROUND_THE_CLOCK)
        pausing = {"pending_pauses_responses": pauses, "on_hold_pauses": holds}
        change_default(START, targets=TARGETS, calendar=calendar, **pausing)
        ticket, now = make_ticket(now=START), START
        for step, move in story:
            now += step
            with suppress(DomainError):  # a closed ticket takes no more of it
                act(ticket, move, now, agent)
            check_everything(now)
        latest = max(now, START) + timedelta(days=3)
        raise_due(latest)
        check_everything(latest)
        assert selfcheck.check(now=latest).awaiting == 0
        transaction.set_rollback(True)


@given(stories, st.integers(0, 11))
@settings(max_examples=EXAMPLES, deadline=None)
def test_the_table_is_right_after_other_words_were_applied(story: list[tuple[timedelta, Any]], when: int) -> None:
    with transaction.atomic():
        agent = actor_of(make_agent())
        change_default(START, targets=TARGETS)
        ticket, now = make_ticket(now=START), START
        for number, (step, move) in enumerate(story):
            now += step
            if number == when:
                version = change_default(now, targets=TARGETS | {"normal": TARGETS["high"]}, floor_minutes=number)
                job = applying.request(policy_id=version.policy_id, preview=False, by=SYSTEM, now=now)
                applying.work(job.pk, by=SYSTEM, now=now)
            with suppress(DomainError):
                act(ticket, move, now, agent)
            assert selfcheck.check(now=now).drift == []
        transaction.set_rollback(True)
