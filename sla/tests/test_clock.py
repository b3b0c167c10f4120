"""The clocks of a ticket: every rule, the golden vectors, and what must hold for any history."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sla.clock import DONE, Clock, Fact, Kind, Metric, Policy, State, Targets, clocks
from sla.hours import ALWAYS, Hours, between

BERLIN = ZoneInfo("Europe/Berlin")
OFFICE = Hours(zone=BERLIN, week=(((540, 1020),),) * 5 + ((), ()))
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
FIRST, NEXT, RESOLUTION = Metric.FIRST_RESPONSE, Metric.NEXT_RESPONSE, Metric.RESOLUTION
MONDAY = "2026-01-05"


def at(text: str) -> datetime:
    """`09:00` is on Monday; a date may stand before it."""
    full = text if "T" in text else f"{MONDAY}T{text}"
    return datetime.fromisoformat(full).replace(tzinfo=BERLIN).astimezone(UTC)


def policy(**over: object) -> Policy:
    """The default promises, or the same one at every priority: `policy(resolution=8 * HOUR)`."""
    metrics = {name: over.pop(name) for name in ("first_response", "next_response", "resolution") if name in over}
    targets = {
        "urgent": Targets(first_response=30 * MINUTE, next_response=30 * MINUTE, resolution=8 * HOUR),
        "high": Targets(first_response=2 * HOUR, next_response=2 * HOUR, resolution=24 * HOUR),
        "normal": Targets(first_response=8 * HOUR, next_response=8 * HOUR, resolution=48 * HOUR),
        "low": Targets(first_response=24 * HOUR, next_response=24 * HOUR, resolution=168 * HOUR),
    }
    if metrics:
        targets = dict.fromkeys(targets, Targets(**metrics))  # type: ignore[arg-type]
    return Policy(targets=targets, **over)  # type: ignore[arg-type]


class Story:
    """Facts in the order in which they are told."""

    def __init__(self, created: str = "09:00", *, priority: str = "normal") -> None:
        self.facts = [Fact(at=at(created), kind=Kind.CREATED, value=priority)]

    def status(self, when: str, value: str) -> "Story":
        self.facts.append(Fact(at=at(when), kind=Kind.STATUS, number=len(self.facts), value=value))
        return self

    def priority(self, when: str, value: str) -> "Story":
        self.facts.append(Fact(at=at(when), kind=Kind.PRIORITY, number=len(self.facts), value=value))
        return self

    def replied(self, when: str) -> "Story":
        self.facts.append(Fact(at=at(when), kind=Kind.REPLIED, number=len(self.facts)))
        return self

    def asked(self, when: str) -> "Story":
        self.facts.append(Fact(at=at(when), kind=Kind.CUSTOMER_SPOKE, number=len(self.facts)))
        return self

    def clocks(self, now: str, *, hours: Hours = OFFICE, **promised: object) -> list[Clock]:
        return clocks(self.facts, policy=policy(**promised), hours=hours, now=at(now))

    def one(self, metric: Metric, now: str, *, cycle: int = 1, hours: Hours = OFFICE, **promised: object) -> Clock:
        found = self.clocks(now, hours=hours, **promised)
        return next(clock for clock in found if (clock.metric, clock.cycle) == (metric, cycle))


# Golden vectors


def test_eight_hours_with_a_pause_of_four_are_due_the_next_day() -> None:
    story = Story().status("11:00", "pending").status("15:00", "open")
    clock = story.one(RESOLUTION, "15:00", resolution=8 * HOUR)
    assert (clock.elapsed, clock.due_at) == (2 * HOUR, at("2026-01-06T13:00"))


def test_a_pause_outside_working_time_changes_nothing() -> None:
    story = Story().status("18:00", "pending").status("2026-01-06T08:00", "open")
    assert story.one(RESOLUTION, "2026-01-06T08:30", resolution=12 * HOUR).due_at == at("2026-01-06T13:00")


def test_a_pause_of_forty_seconds_moves_the_due_time_by_forty_seconds() -> None:
    story = Story().status("11:00:10", "pending").status("11:00:50", "open")
    due = story.one(RESOLUTION, "12:00", resolution=4 * HOUR).due_at
    assert due == at("13:00:40")


def test_a_priority_that_rises_late_leaves_the_floor() -> None:
    clock = Story().priority("12:00", "high").one(FIRST, "12:00")  # eight hours, then two, after three
    assert (clock.due_at, clock.cause) == (at("12:10"), "floored")


def test_an_automatic_reply_and_a_draft_leave_the_first_response_open() -> None:
    clock = Story().one(FIRST, "10:00")  # neither is a fact that a clock listens to
    assert (clock.state, clock.due_at) == (State.RUNNING, at("17:00"))


def test_the_time_that_a_ticket_was_resolved_does_not_count() -> None:
    story = Story().replied("10:00").status("11:00", "resolved")
    story.asked("2026-01-08T11:00").status("2026-01-08T11:00", "open")
    first = story.one(FIRST, "2026-01-08T12:00")
    assert (first.state, first.elapsed, first.stopped_at) == (State.MET, HOUR, at("10:00"))
    done, again = (story.one(RESOLUTION, "2026-01-08T12:00", cycle=n, resolution=8 * HOUR) for n in (1, 2))
    assert (done.state, done.elapsed) == (State.MET, 2 * HOUR)
    assert (again.state, again.elapsed, again.cause) == (State.RUNNING, 3 * HOUR, "reopened")
    assert again.due_at == at("2026-01-08T17:00")
    waits = story.one(NEXT, "2026-01-08T12:00")
    assert (waits.started_at, waits.state) == (at("2026-01-08T11:00"), State.RUNNING)


# Each rule


def test_a_response_in_time_is_met_and_a_late_one_missed() -> None:
    met = Story(priority="high").replied("10:59").one(FIRST, "12:00")
    missed = Story(priority="high").replied("11:30").one(FIRST, "12:00")
    assert (met.state, met.breached_at, met.elapsed) == (State.MET, None, 119 * MINUTE)
    assert (missed.state, missed.breached_at, missed.stopped_at) == (State.MISSED, at("11:00"), at("11:30"))


def test_a_response_at_the_due_instant_is_too_late_as_detection_sees_it() -> None:
    assert Story(priority="high").replied("11:00").one(FIRST, "12:00").state == State.MISSED


def test_the_breach_is_at_the_due_instant_however_late_anybody_looks() -> None:
    clock = Story(priority="high").one(FIRST, "16:00")
    assert (clock.state, clock.breached_at, clock.due_at) == (State.BREACHED, at("11:00"), at("11:00"))
    assert (clock.warned_at, clock.warn_at, clock.remaining) == (at("10:36"), None, -5 * HOUR)


def test_each_unanswered_question_has_a_wait_of_its_own() -> None:
    story = Story().asked("09:30").replied("10:00").asked("11:00").asked("11:30").replied("12:00").asked("13:00")
    found = [clock for clock in story.clocks("14:00") if clock.metric == NEXT]
    assert [(clock.cycle, clock.started_at, clock.state, clock.elapsed) for clock in found] == [
        (1, at("11:00"), State.MET, HOUR),
        (2, at("13:00"), State.RUNNING, HOUR),
    ]


def test_pending_stops_the_resolution_and_by_default_no_response() -> None:
    story = Story().status("10:00", "pending")
    resolution, first = story.one(RESOLUTION, "12:00"), story.one(FIRST, "12:00")
    assert (resolution.state, resolution.due_at, resolution.warn_at) == (State.PAUSED, None, None)
    assert resolution.remaining == 47 * HOUR == story.one(RESOLUTION, "16:00").remaining
    assert first.state == State.RUNNING
    assert story.one(FIRST, "12:00", pending_pauses_responses=True).state == State.PAUSED


@pytest.mark.parametrize(("pauses", "state"), [(False, State.RUNNING), (True, State.PAUSED)])
def test_on_hold_counts_unless_the_policy_says_otherwise(pauses: bool, state: State) -> None:
    assert Story().status("10:00", "on_hold").one(RESOLUTION, "11:00", on_hold_pauses=pauses).state == state


def test_a_paused_clock_never_breaches_and_one_that_did_before_stays_breached() -> None:
    story = Story().status("10:00", "pending")
    assert story.one(RESOLUTION, "2026-03-02T10:00", resolution=2 * HOUR).state == State.PAUSED
    late = Story().status("12:00", "pending").one(RESOLUTION, "13:00", resolution=2 * HOUR)
    assert (late.state, late.breached_at, late.due_at) == (State.BREACHED, at("11:00"), at("11:00"))


def test_a_new_priority_counts_from_the_beginning_and_keeps_what_was_used() -> None:
    clock = Story().priority("10:00", "high").one(FIRST, "10:00")
    assert (clock.due_at, clock.elapsed, clock.cause) == (at("11:00"), HOUR, "retargeted")
    lowered = Story(priority="high").priority("10:00", "low").one(FIRST, "10:00", hours=ALWAYS)
    assert lowered.due_at == at("09:00") + 24 * HOUR


def test_raising_a_priority_never_gives_more_time_than_was_left() -> None:
    story = Story().priority("16:57", "high")
    assert story.one(FIRST, "16:57").due_at == at("17:00")
    to_and_fro = Story(priority="high").priority("10:55", "low").priority("10:56", "high")
    assert to_and_fro.one(FIRST, "10:56").due_at == at("11:06")


def test_a_breach_is_not_undone_by_a_lower_priority() -> None:
    clock = Story(priority="high").priority("12:00", "low").one(FIRST, "13:00")
    assert (clock.state, clock.breached_at) == (State.BREACHED, at("11:00"))


def test_resolving_without_a_reply_leaves_the_response_neither_met_nor_missed() -> None:
    story = Story().status("10:00", "resolved")
    assert story.one(FIRST, "11:00").state == State.CANCELLED
    story.status("2026-01-07T09:00", "open")
    again = story.one(FIRST, "2026-01-07T10:00")
    assert (again.state, again.elapsed) == (State.RUNNING, 2 * HOUR)
    assert [(pause.started_at, pause.ended_at) for pause in again.pauses] == [(at("10:00"), at("2026-01-07T09:00"))]


def test_a_reopened_ticket_has_the_floor_at_least() -> None:
    story = Story().status("11:00", "resolved").status("12:00", "open")
    again = story.one(RESOLUTION, "12:00", cycle=2, resolution=2 * HOUR + MINUTE)
    assert (again.due_at, again.elapsed) == (at("12:10"), 2 * HOUR)
    assert story.one(RESOLUTION, "12:00", resolution=2 * HOUR + MINUTE).state == State.MET


def test_closing_what_is_resolved_changes_no_clock() -> None:
    story = Story().replied("10:00").status("11:00", "resolved")
    before = story.clocks("13:00")
    assert story.status("12:00", "closed").clocks("13:00") == before


def test_what_is_not_promised_is_not_measured() -> None:
    found = Story().replied("10:00").asked("11:00").clocks("12:00", first_response=HOUR)
    assert [clock.metric for clock in found] == [FIRST]
    assert clocks([], policy=policy(), hours=OFFICE, now=at("12:00")) == []


def test_forty_pauses_in_a_second_leave_their_sum() -> None:
    story = Story()
    for number in range(40):
        story.status(f"10:00:00.{number * 20:03}", "pending").status(f"10:00:00.{number * 20 + 10:03}", "open")
    clock = story.one(RESOLUTION, "12:00", resolution=4 * HOUR)
    assert clock.due_at == at("13:00") + 40 * timedelta(milliseconds=10)
    assert len(clock.pauses) == 40


def test_a_warning_is_due_at_its_share_of_the_target() -> None:
    assert Story(priority="high").one(FIRST, "10:00").warn_at == at("10:36")
    assert Story(priority="high").one(FIRST, "10:00", warn_at=0.5).warned_at == at("10:00")


def test_the_clock_of_the_past_knows_nothing_of_what_came_later() -> None:
    story = Story(priority="high").replied("10:30")
    assert story.one(FIRST, "10:00").state == State.RUNNING


# What holds for any history

MOVES = {
    "open": ["pending", "on_hold", "resolved", "closed"],
    "pending": ["open", "on_hold", "resolved", "closed"],
    "on_hold": ["open", "pending", "resolved", "closed"],
    "resolved": ["open", "closed"],
    "closed": [],
}


@st.composite
def histories(draw: st.DrawFn) -> list[Fact]:
    """What can happen to a ticket, with instants that are often the same."""
    when, status = at("09:00"), "open"
    facts = [Fact(at=when, kind=Kind.CREATED, value=draw(st.sampled_from(["urgent", "high", "normal", "low"])))]
    for number in range(1, draw(st.integers(1, 14))):
        when += draw(st.sampled_from([timedelta(0), timedelta(seconds=1), 20 * MINUTE, 3 * HOUR, timedelta(days=2)]))
        kind = draw(st.sampled_from([Kind.PRIORITY, Kind.CUSTOMER_SPOKE, Kind.REPLIED, Kind.STATUS]))
        value = ""
        if kind == Kind.STATUS:
            if not MOVES[status]:
                continue
            value = status = draw(st.sampled_from(MOVES[status]))
        elif kind == Kind.PRIORITY:
            value = draw(st.sampled_from(["urgent", "high", "normal", "low"]))
        facts.append(Fact(at=when, kind=kind, number=number, value=value))
    return facts


policies = st.builds(
    policy,
    pending_pauses_responses=st.booleans(),
    on_hold_pauses=st.booleans(),
    warn_at=st.sampled_from([0.5, 0.8, 1.0]),
)
calendars = st.sampled_from([OFFICE, ALWAYS, Hours(zone=BERLIN, week=(((480, 720), (810, 1080)),) * 7)])
later = st.timedeltas(timedelta(0), timedelta(days=20))


@given(histories(), policies, calendars, later, st.randoms(use_true_random=False))
def test_the_order_in_which_facts_come_does_not_matter(
    facts: list[Fact], promised: Policy, hours: Hours, after: timedelta, shuffle: random.Random
) -> None:
    now = facts[-1].at + after
    expected = clocks(facts, policy=promised, hours=hours, now=now)
    shuffled = facts[:]
    shuffle.shuffle(shuffled)
    assert clocks(shuffled, policy=promised, hours=hours, now=now) == expected


@given(histories(), policies, calendars, later)
def test_time_adds_up_and_pauses_never_overlap(
    facts: list[Fact], promised: Policy, hours: Hours, after: timedelta
) -> None:
    now = facts[-1].at + after
    found = clocks(facts, policy=promised, hours=hours, now=now)
    for clock in found:
        assert clock.elapsed >= timedelta(0)
        last = clock.started_at
        counted, end = timedelta(0), clock.stopped_at or now
        for pause in clock.pauses:
            assert last <= pause.started_at
            assert pause.ended_at is None or pause.started_at < pause.ended_at or pause is clock.pauses[-1]
            counted += between(hours, last, pause.started_at)
            last = pause.ended_at or end
        counted += between(hours, last, end)
        earlier = [c for c in found if c.metric == clock.metric == RESOLUTION and c.cycle == clock.cycle - 1]
        assert clock.elapsed == counted + (earlier[0].elapsed if earlier else timedelta(0))


@given(histories(), policies, calendars, later)
def test_states_say_what_the_instants_say(facts: list[Fact], promised: Policy, hours: Hours, after: timedelta) -> None:
    now = facts[-1].at + after
    for clock in clocks(facts, policy=promised, hours=hours, now=now):
        assert (clock.state in {State.BREACHED, State.MISSED}) <= (clock.breached_at is not None)
        assert (clock.state == State.RUNNING) <= (clock.due_at is not None and clock.due_at > now)
        assert (clock.state == State.PAUSED) <= (clock.due_at is None)
        assert clock.open == (clock.stopped_at is None)
        for instant in (clock.breached_at, clock.warned_at):
            assert instant is None or clock.started_at <= instant <= (clock.stopped_at or now)
    assert len({(c.metric, c.cycle) for c in clocks(facts, policy=promised, hours=hours, now=now)}) == len(
        clocks(facts, policy=promised, hours=hours, now=now)
    )


@given(histories(), policies, calendars, later, later)
def test_what_was_breached_or_stopped_stays_so(
    facts: list[Fact], promised: Policy, hours: Hours, after: timedelta, more: timedelta
) -> None:
    now = facts[-1].at + after
    before = {(c.metric, c.cycle): c for c in clocks(facts, policy=promised, hours=hours, now=now)}
    for clock in clocks(facts, policy=promised, hours=hours, now=now + more):
        earlier = before[clock.metric, clock.cycle]
        assert earlier.breached_at is None or clock.breached_at == earlier.breached_at
        assert earlier.warned_at is None or clock.warned_at == earlier.warned_at
        if not earlier.open:
            assert clock == earlier
        elif clock.breached_at and earlier.due_at:
            assert clock.breached_at == earlier.due_at  # due is where the breach will be, if nothing happens


@given(histories(), policies, calendars)
def test_a_done_ticket_has_no_running_clock(facts: list[Fact], promised: Policy, hours: Hours) -> None:
    statuses = [fact.value for fact in sorted(facts) if fact.kind == Kind.STATUS]
    if statuses and statuses[-1] in DONE:
        found = clocks(facts, policy=promised, hours=hours, now=facts[-1].at)
        last_done = max(fact.at for fact in facts if fact.kind == Kind.STATUS)
        assert all(not clock.open for clock in found if clock.started_at < last_done)
