"""The breaker's machine by itself, its state in Redis, and what is left of it without."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.conf import settings
from hypothesis import given
from hypothesis import settings as run_as
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from redis import Redis

from supportdesk.core.breaker import AGE, FAILURES, MOST, WINDOW, Breaker, State, Verdict

INTERVAL, LEASE = 30.0, 3.0
GRANTED = {Verdict.PASS, Verdict.PROBE}


class Driven:
    """A machine on a clock of its own."""

    def __init__(self) -> None:
        self.state, self.now, self.number = State(), 1_000.0, 0

    def admit(self) -> tuple[str, Verdict]:
        self.number += 1
        token = str(self.number)
        return token, self.state.admit(token, now=self.now, lease=LEASE, interval=INTERVAL, most=MOST)[0]

    def record(self, token: str, *, failed: bool) -> int:
        return self.state.record(token, failed=failed, now=self.now, interval=INTERVAL)

    def outcome(self, *, failed: bool) -> Verdict:
        token, verdict = self.admit()
        if verdict in GRANTED:
            self.record(token, failed=failed)
        return verdict

    def outcomes(self, said: str) -> str:
        """`+` succeeds, `-` fails; the first letters of what each met."""
        return "".join(self.outcome(failed=letter == "-")[:2] for letter in said)


@pytest.mark.parametrize(
    ("before", "opens"),
    [
        ("", False),
        ("-" * (FAILURES - 1), False),
        ("-" * FAILURES, True),
        ("+" * 50 + "-" * FAILURES, True),
        ("-+" * 20, False),  # every other one
        ("-" * (FAILURES - 1) + "+" * WINDOW + "-", False),
        ("--+" * 4, True),
    ],
)
def test_it_opens_when_most_of_the_last_outcomes_are_failures(before: str, opens: bool) -> None:
    driven = Driven()
    driven.outcomes(before)
    assert driven.admit()[1] == (Verdict.OPEN if opens else Verdict.PASS)


def test_old_failures_say_nothing() -> None:
    driven = Driven()
    driven.outcomes("-" * (FAILURES - 1))
    driven.now += AGE + 1
    driven.outcomes("-" * (FAILURES - 1))
    assert driven.admit()[1] == Verdict.PASS


def opened() -> Driven:
    driven = Driven()
    driven.outcomes("-" * FAILURES)
    return driven


def test_one_probe_in_each_interval_whatever_becomes_of_it() -> None:
    driven = opened()
    assert driven.admit()[1] == Verdict.OPEN
    for _ in range(3):
        driven.now += INTERVAL
        assert [driven.admit()[1] for _ in range(3)] == [Verdict.PROBE, Verdict.OPEN, Verdict.OPEN]  # nobody reports
        driven.now += INTERVAL / 2
        assert driven.admit()[1] == Verdict.OPEN
        driven.now -= INTERVAL / 2


def test_a_probe_that_fails_waits_from_its_beginning() -> None:
    driven = opened()
    driven.now += INTERVAL
    token, _ = driven.admit()
    driven.now += 20
    driven.record(token, failed=True)
    driven.now += 9
    assert driven.admit()[1] == Verdict.OPEN
    driven.now += 1
    assert driven.admit()[1] == Verdict.PROBE


def test_a_probe_that_succeeds_closes_it_and_its_success_is_known() -> None:
    driven = opened()
    driven.now += INTERVAL
    token, _ = driven.admit()
    driven.record(token, failed=False)
    assert driven.outcomes("-" * 5) == "pa" * 5
    assert driven.admit()[1] == Verdict.PASS


def test_a_probe_that_comes_too_late_changes_nothing() -> None:
    driven = opened()
    driven.now += INTERVAL
    late, _ = driven.admit()
    driven.now += INTERVAL
    driven.admit()
    driven.record(late, failed=False)
    assert driven.admit()[1] == Verdict.OPEN


def test_a_probe_that_was_not_made_is_made_by_the_next() -> None:
    driven = opened()
    driven.now += INTERVAL
    token, _ = driven.admit()
    driven.state.drop(token, now=driven.now)
    assert driven.admit()[1] == Verdict.PROBE


def test_a_pause_is_for_everybody_and_no_shorter_for_a_second() -> None:
    driven = Driven()
    driven.state.pause(60, now=driven.now)
    driven.state.pause(5, now=driven.now)
    assert driven.state.admit("x", now=driven.now, lease=LEASE, interval=INTERVAL, most=MOST) == (Verdict.PAUSED, 60)
    driven.now += 60
    assert driven.admit()[1] == Verdict.PASS


def test_calls_of_the_dead_leave_their_places() -> None:
    driven = Driven()
    assert [driven.admit()[1] for _ in range(MOST + 1)] == [Verdict.PASS] * MOST + [Verdict.FULL]
    driven.now += LEASE + 1
    assert driven.admit()[1] == Verdict.PASS


class Life(RuleBasedStateMachine):
    """Calls that begin, end, fail, die and are dropped in any order, while Quimbi is well or not."""

    def __init__(self) -> None:
        super().__init__()
        self.driven = Driven()
        self.under_way: list[str] = []
        self.probes: list[float] = []
        self.failed_since_a_success = 0

    @rule(seconds=st.floats(0.0, 40.0))
    def time_passes(self, seconds: float) -> None:
        self.driven.now += seconds

    @rule()
    def somebody_comes(self) -> None:
        token, verdict = self.driven.admit()
        if verdict in GRANTED:
            self.under_way.append(token)
        if verdict == Verdict.PROBE:
            self.probes.append(self.driven.now)

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 99), failed=st.booleans())
    def a_call_ends(self, which: int, failed: bool) -> None:
        self.driven.record(self.under_way.pop(which % len(self.under_way)), failed=failed)

    @precondition(lambda self: self.under_way)
    @rule(which=st.integers(0, 99))
    def a_process_dies(self, which: int) -> None:
        self.under_way.pop(which % len(self.under_way))

    @rule(seconds=st.floats(0.0, 90.0))
    def we_are_asked_to_wait(self, seconds: float) -> None:
        self.driven.state.pause(seconds, now=self.driven.now)

    @invariant()
    def no_more_can_fail_than_are_allowed_to(self) -> None:
        state, now = self.driven.state, self.driven.now
        alive = sum(end > now for end in state.calls.values())
        assert state.until or state.failures(now) + alive <= MOST
        assert len(state.outcomes) <= WINDOW

    @invariant()
    def probes_are_an_interval_apart(self) -> None:
        assert all(later - earlier >= INTERVAL for earlier, later in zip(self.probes, self.probes[1:], strict=False))


TestLife = Life.TestCase
TestLife.settings = run_as(max_examples=150, stateful_step_count=40, deadline=None)


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 2 * MOST))
@run_as(max_examples=200, deadline=None)
def test_no_more_than_ten_fail_before_it_opens(before: list[bool], at_once: int) -> None:
    """However many want to call at once, and whatever was before: from one instant on every call fails."""
    driven = Driven()
    for failed in before:
        driven.outcome(failed=failed)
    begun, under_way = 0, list[str]()
    while not driven.state.until:
        granted = [token for token, verdict in (driven.admit() for _ in range(at_once)) if verdict == Verdict.PASS]
        begun, under_way = begun + len(granted), under_way + granted
        driven.record(under_way.pop(0), failed=True)
    assert begun <= MOST


# Its state in Redis


@pytest.fixture
def shared() -> Callable[[], Breaker]:
    server = Redis.from_url(settings.REDIS_URL, socket_timeout=1, decode_responses=True)

    def run(script: str, keys: list[str], *arguments: Any) -> Any:
        return server.eval(script, len(keys), *keys, *arguments)

    return lambda: Breaker("test", interval=lambda: INTERVAL, run=run)


def test_who_comes_second_finds_half_of_the_room(shared: Callable[[], Breaker]) -> None:
    verdicts = [shared().admit(lease=LEASE, most=MOST // 2).verdict for _ in range(MOST)]
    assert verdicts == [Verdict.PASS] * 5 + [Verdict.FULL] * 5
    assert shared().admit(lease=LEASE).verdict == Verdict.PASS


def test_processes_share_one_state(shared: Callable[[], Breaker]) -> None:
    breakers = [shared() for _ in range(4)]
    for number in range(FAILURES):
        admission = breakers[number % 4].admit(lease=LEASE)
        assert admission.verdict == Verdict.PASS
        breakers[number % 4].record(admission.call, failed=True)
    assert {one.look().verdict for one in breakers} == {Verdict.OPEN}
    assert 0 < breakers[3].admit(lease=LEASE).wait <= INTERVAL


def test_rivals_are_admitted_up_to_the_limit_and_lose_no_outcome(shared: Callable[[], Breaker]) -> None:
    with ThreadPoolExecutor(40) as pool:
        found = list(pool.map(lambda _: shared().admit(lease=LEASE), range(40)))
        granted = [one.call for one in found if one.verdict == Verdict.PASS]
        assert len(granted) == MOST
        list(pool.map(lambda token: shared().record(token, failed=False), granted))
    stored: Any = Redis.from_url(settings.REDIS_URL, socket_timeout=1).get("breaker:test")
    state = json.loads(stored)
    assert (state["calls"], len(state["outcomes"])) == ({}, WINDOW)


def test_of_many_rivals_one_is_the_probe(shared: Callable[[], Breaker]) -> None:
    one = Breaker("test", interval=lambda: 0.05, run=shared().run)
    for _ in range(FAILURES):
        one.record(one.admit(lease=LEASE).call, failed=True)
    time.sleep(0.1)
    with ThreadPoolExecutor(40) as pool:
        found = list(pool.map(lambda _: shared().admit(lease=LEASE).verdict, range(40)))
    assert (found.count(Verdict.PROBE), found.count(Verdict.OPEN)) == (1, 39)


def test_to_look_changes_nothing(shared: Callable[[], Breaker]) -> None:
    one = shared()
    assert [one.look().verdict for _ in range(MOST + 5)] == [Verdict.PASS] * (MOST + 5)
    assert one.admit(lease=LEASE).verdict == Verdict.PASS


def test_without_redis_each_process_has_its_own() -> None:
    one, other = (Breaker("test", interval=lambda: INTERVAL, run=lambda *_: None) for _ in range(2))
    for _ in range(FAILURES):
        one.record(one.admit(lease=LEASE).call, failed=True)
    assert (one.look().verdict, other.look().verdict) == (Verdict.OPEN, Verdict.PASS)
