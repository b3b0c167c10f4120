"""The rank: who comes before whom, by examples and by properties."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tickets import weights as known_weights
from tickets.enums import Priority, Status
from tickets.ordering import (
    BEGIN,
    NUMBER,
    WHOLE,
    ZERO,
    Advice,
    Part,
    Rank,
    Standing,
    Weights,
    deciding,
    rank,
    value_of,
)
from tickets.status import DONE

NOON = datetime(2026, 11, 2, 12, 0, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
WEIGHTS = known_weights.current()
URGENCY = [Priority.LOW, Priority.NORMAL, Priority.HIGH, Priority.URGENT]
moments = st.datetimes(datetime(1990, 1, 1), datetime(2080, 1, 1), timezones=st.just(UTC))
spans = st.timedeltas(ZERO, timedelta(days=30))
shares = st.integers(0, WHOLE)
standings = st.builds(
    Standing,
    status=st.sampled_from(Status),
    priority=st.sampled_from(Priority),
    waiting_since=st.none() | moments,
    last_activity_at=moments,
    promised_at=st.none() | moments,
    vip=st.booleans(),
    lift=spans,
    advice=st.builds(Advice, value=shares, churn=shares, sentiment=shares),
)


@st.composite
def all_weights(draw: st.DrawFn) -> Weights:
    most = draw(st.integers(0, 7 * 24 * 60))
    patience = sorted(draw(st.lists(st.integers(1, 365 * 24 * 60), min_size=4, max_size=4)))
    data = {
        "version": draw(st.integers(1, 100)),
        "patience": dict(zip(Priority.values, patience, strict=True)),
        "vip": draw(st.integers(0, most)),
        **{name: draw(st.integers(0, most)) for name in ("alert", "churn", "sentiment")},
        "most": most,
    }
    return known_weights.read(data)


def standing(**over: object) -> Standing:
    given_ = {"status": Status.OPEN, "priority": Priority.NORMAL, "waiting_since": NOON, "last_activity_at": NOON}
    return Standing(**{**given_, **over})  # type: ignore[arg-type]


def rank_at(ticket: Standing, weights: Weights = WEIGHTS) -> datetime:
    return rank(ticket, weights).at


def base(ticket: Standing, weights: Weights = WEIGHTS) -> datetime | None:
    """When somebody has waited too long or a promise ends, whichever is first; None for what is parked or done."""
    if ticket.status in DONE or ticket.status == Status.PENDING:
        return None
    ends = [ticket.promised_at] if ticket.promised_at else []
    if ticket.status == Status.OPEN and ticket.waiting_since:
        ends.append(ticket.waiting_since + weights.patience[ticket.priority])
    return min(ends, default=None)


# By examples


@pytest.mark.parametrize(("priority", "minutes"), [(Priority.HIGH, 120), (Priority.NORMAL, 480), (Priority.LOW, 1440)])
def test_a_waiting_ticket_ranks_when_its_wait_becomes_too_long(priority: Priority, minutes: int) -> None:
    assert rank_at(standing(priority=priority)) == NOON + timedelta(minutes=minutes)


def test_an_urgent_ticket_has_the_whole_head_start_besides() -> None:
    urgent = standing(priority=Priority.URGENT)
    assert rank_at(urgent) == NOON + 30 * MINUTE - WEIGHTS.most
    assert rank_at(replace(urgent, vip=True, lift=HOUR)) == rank_at(urgent)


def test_a_promise_that_ends_before_the_patience_decides() -> None:
    promised = standing(promised_at=NOON + HOUR)
    assert rank_at(promised) == NOON + HOUR
    assert rank(promised, WEIGHTS).parts == {Part.PATIENCE: 8 * HOUR, Part.PROMISE: -7 * HOUR}
    assert rank_at(standing(promised_at=NOON + 9 * HOUR)) == NOON + 8 * HOUR


def test_a_ticket_nobody_waits_on_ranks_by_its_promise_or_is_parked() -> None:
    answered = standing(waiting_since=None, promised_at=NOON + 48 * HOUR)
    assert rank_at(answered) == NOON + 48 * HOUR
    assert rank_at(replace(answered, promised_at=None)) > NOON + timedelta(days=36_000)
    pending = standing(status=Status.PENDING, promised_at=NOON)  # a promise that runs on waits with it
    assert rank(pending, WEIGHTS).parts == {Part.PARKED: 4 * 8 * HOUR + timedelta(days=36_525)}


def test_head_starts_are_bounded_each_and_together() -> None:
    assert rank_at(standing(vip=True)) == NOON + 7 * HOUR
    assert rank_at(standing(lift=20 * MINUTE)) == NOON + 8 * HOUR - 20 * MINUTE
    assert rank_at(standing(lift=timedelta(days=3))) == NOON + 8 * HOUR - WEIGHTS.alert
    tight = replace(WEIGHTS, most=70 * MINUTE)
    both = rank(standing(vip=True, lift=HOUR), tight)
    assert both.parts == {Part.PATIENCE: 8 * HOUR, Part.VIP: -HOUR, Part.ALERT: -10 * MINUTE}


def test_what_quimbi_says_is_a_bounded_head_start_for_each_reason() -> None:
    assert rank_at(standing(advice=Advice(churn=500))) == NOON + 8 * HOUR - 15 * MINUTE
    assert rank_at(standing(advice=Advice(sentiment=WHOLE))) == NOON + 8 * HOUR - 30 * MINUTE
    assert rank_at(standing(advice=Advice(value=500))) == NOON + 8 * HOUR - 30 * MINUTE
    assert rank_at(standing(advice=Advice(value=900), vip=True)) == NOON + 7 * HOUR  # one reason, not two
    everything = standing(vip=True, lift=HOUR, advice=Advice(churn=WHOLE, sentiment=WHOLE))
    assert rank_at(everything) == NOON + 8 * HOUR - WEIGHTS.most  # and what is known here comes first
    assert Part.CHURN not in rank(everything, WEIGHTS).parts


def test_worth_grows_less_and_less() -> None:
    worth = [value_of(amount, vip_from=2_000.0) for amount in (-5.0, 0.0, 500.0, 1_999.0, 2_000.0, 8_000.0, 10.0**12)]
    assert worth == [0, 0, 200, 499, 500, 800, 999]
    assert Advice(value=value_of(2_000.0, vip_from=2_000.0)).is_vip


def test_a_done_ticket_ranks_by_its_latest_activity_first() -> None:
    old, new = (
        standing(status=Status.CLOSED, waiting_since=None, last_activity_at=NOON + timedelta(days=days))
        for days in (0, 1)
    )
    assert rank_at(new) < rank_at(old)


@pytest.mark.parametrize(
    ("ahead", "behind", "reason"),
    [
        ({"waiting_since": NOON - HOUR}, {}, BEGIN),
        ({"priority": Priority.HIGH}, {}, Part.PATIENCE),
        ({"promised_at": NOON + HOUR}, {}, Part.PROMISE),
        ({"vip": True}, {}, Part.VIP),
        ({"lift": HOUR}, {}, Part.ALERT),
        ({"advice": Advice(value=300)}, {}, Part.VALUE),
        ({"advice": Advice(churn=300)}, {}, Part.CHURN),
        ({"advice": Advice(sentiment=300)}, {}, Part.SENTIMENT),
        ({"priority": Priority.URGENT}, {"priority": Priority.HIGH, "waiting_since": NOON - HOUR}, Part.EMERGENCY),
        ({}, {"status": Status.PENDING}, Part.PARKED),
        ({"status": Status.PENDING}, {"status": Status.CLOSED, "waiting_since": None}, BEGIN),
        ({}, {}, NUMBER),
    ],
)
def test_between_two_neighbours_the_part_that_decides_is_named(
    ahead: dict[str, object], behind: dict[str, object], reason: str
) -> None:
    assert deciding(rank(standing(**ahead), WEIGHTS), rank(standing(**behind), WEIGHTS)) == reason


# By properties


@given(standings, all_weights())
def test_the_sum_of_the_parts_is_the_rank(ticket: Standing, weights: Weights) -> None:
    found = rank(ticket, weights)
    assert found.begin + sum(found.parts.values(), ZERO) == found.at
    first = base(ticket, weights)
    if first is not None:
        assert first - weights.most <= found.at <= first


@given(standings, standings)
def test_work_before_parked_before_done(one: Standing, other: Standing) -> None:
    if _group(one) < _group(other):
        assert rank_at(one) < rank_at(other)


@given(standings, all_weights(), st.sampled_from(range(3)), moments, spans)
def test_raising_any_urgency_never_lowers_a_ticket(
    ticket: Standing, weights: Weights, step: int, moment: datetime, span: timedelta
) -> None:
    raised = [
        (replace(ticket, priority=URGENCY[step]), replace(ticket, priority=URGENCY[step + 1])),
        (replace(ticket, vip=False), replace(ticket, vip=True)),
        (ticket, replace(ticket, lift=ticket.lift + span)),
        *(
            (ticket, replace(ticket, advice=replace(ticket.advice, **{name: WHOLE})))
            for name in ("value", "churn", "sentiment")
        ),
        (replace(ticket, promised_at=moment + span), replace(ticket, promised_at=moment)),
        (replace(ticket, promised_at=None), replace(ticket, promised_at=moment)),
        (replace(ticket, waiting_since=moment + span), replace(ticket, waiting_since=moment)),
    ]
    for before, after in raised:
        assert rank_at(after, weights) <= rank_at(before, weights)


@given(standings, standings, all_weights(), spans)
def test_nobody_starves(old: Standing, young: Standing, weights: Weights, later: timedelta) -> None:
    """Whatever begins once the patience with a ticket and the largest head start are over comes after it."""
    assume(old.waiting_since is not None)
    old = replace(old, status=Status.OPEN)
    assert old.waiting_since is not None
    begins = old.waiting_since + weights.patience[old.priority] + weights.most + MINUTE + later
    young = replace(
        young,
        waiting_since=begins if young.waiting_since else None,
        promised_at=begins + later if young.promised_at else None,
        last_activity_at=begins,
    )
    assert rank_at(old, weights) < rank_at(young, weights)


@given(standings, standings, all_weights())
def test_no_customer_however_huge_overtakes_an_emergency_that_is_due(
    emergency: Standing, whale: Standing, weights: Weights
) -> None:
    """Head starts, all of them together, carry nobody past an urgent ticket that was due before them."""
    emergency = replace(emergency, priority=Priority.URGENT)
    whale = replace(whale, vip=True, lift=timedelta(days=365))
    due, later = base(emergency, weights), base(whale, weights)
    if due is not None and (later is None or later >= due):
        assert rank_at(emergency, weights) <= rank_at(whale, weights)


@given(standings, standings, all_weights())
def test_of_two_one_decides(one: Standing, other: Standing, weights: Weights) -> None:
    ahead, behind = sorted((rank(one, weights), rank(other, weights)), key=lambda rank: rank.at)
    reason = deciding(ahead, behind)
    if ahead.at == behind.at:
        assert reason == NUMBER
        return
    lead = behind.begin - ahead.begin if reason == BEGIN else _part(behind, reason) - _part(ahead, reason)
    assert lead > ZERO


@given(moments, moments, st.sampled_from(Priority))
def test_who_waits_longer_comes_first(one: datetime, other: datetime, priority: Priority) -> None:
    ranks = [rank_at(standing(priority=priority, waiting_since=moment)) for moment in sorted((one, other))]
    assert ranks == sorted(ranks)


def _part(of: Rank, name: str) -> timedelta:
    return of.parts.get(Part(name), ZERO)


def _group(ticket: Standing) -> int:
    if ticket.status in DONE:
        return 2
    return 0 if base(ticket) is not None else 1
