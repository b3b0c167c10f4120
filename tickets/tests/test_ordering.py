"""The rank: who comes before whom, by examples and by properties."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tickets.enums import Priority, Status
from tickets.ordering import PATIENCE, Standing, rank_at
from tickets.status import DONE

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
moments = st.datetimes(datetime(1990, 1, 1), datetime(2080, 1, 1), timezones=st.just(UTC))
standings = st.builds(
    Standing,
    status=st.sampled_from(Status),
    priority=st.sampled_from(Priority),
    waiting_since=st.none() | moments,
    last_activity_at=moments,
)


def standing(**over: object) -> Standing:
    given_ = {"status": Status.OPEN, "priority": Priority.NORMAL, "waiting_since": NOON, "last_activity_at": NOON}
    return Standing(**{**given_, **over})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("priority", "minutes"),
    [(Priority.URGENT, 30), (Priority.HIGH, 120), (Priority.NORMAL, 480), (Priority.LOW, 1440)],
)
def test_a_waiting_ticket_ranks_when_its_wait_becomes_too_long(priority: Priority, minutes: int) -> None:
    assert rank_at(standing(priority=priority)) == NOON + timedelta(minutes=minutes)


def test_an_urgent_newcomer_passes_who_waited_less_than_the_difference() -> None:
    urgent = standing(priority=Priority.URGENT, waiting_since=NOON)
    assert rank_at(urgent) < rank_at(standing(waiting_since=NOON - timedelta(hours=7)))
    assert rank_at(urgent) > rank_at(standing(waiting_since=NOON - timedelta(hours=8)))


def test_a_done_ticket_ranks_by_its_latest_activity_first() -> None:
    old, new = (
        standing(status=Status.CLOSED, waiting_since=None, last_activity_at=NOON + timedelta(days=days))
        for days in (0, 1)
    )
    assert rank_at(new) < rank_at(old)


@given(standings, standings)
def test_waiting_before_parked_before_done(one: Standing, other: Standing) -> None:
    if _group(one) < _group(other):
        assert rank_at(one) < rank_at(other)


@given(standings, st.sampled_from(Priority), st.sampled_from(Priority))
def test_a_higher_priority_never_ranks_later(ticket: Standing, one: Priority, other: Priority) -> None:
    ranks = {
        priority: rank_at(
            Standing(
                status=ticket.status,
                priority=priority,
                waiting_since=ticket.waiting_since,
                last_activity_at=ticket.last_activity_at,
            )
        )
        for priority in (one, other)
    }
    if PATIENCE[one] < PATIENCE[other]:
        assert ranks[one] <= ranks[other]


@given(moments, moments, st.sampled_from(Priority))
def test_who_waits_longer_comes_first(one: datetime, other: datetime, priority: Priority) -> None:
    ranks = [rank_at(standing(priority=priority, waiting_since=moment)) for moment in sorted((one, other))]
    assert ranks == sorted(ranks)


def _group(ticket: Standing) -> int:
    if ticket.status in DONE:
        return 2
    return 0 if ticket.status == Status.OPEN and ticket.waiting_since else 1
