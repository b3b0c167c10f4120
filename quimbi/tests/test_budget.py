"""How much may be asked, counted over rivals."""

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from quimbi import budget, shared
from quimbi.types import Purpose


@pytest.fixture(autouse=True)
def _asking_anew() -> None:
    shared.asking.quiet_until = 0.0


def test_rivals_never_pass_the_budget_together(settings: Any) -> None:
    settings.QUIMBI_CALLS_PER_MINUTE = 20
    with ThreadPoolExecutor(16) as pool:
        waits = list(pool.map(lambda _: budget.take(Purpose.REQUEST), range(60)))
    assert waits.count(0.0) == 20
    assert all(0 < wait <= 60 for wait in waits if wait)
    assert budget.left() == {budget.MINUTE: 0, budget.HOUR: 880}


def test_the_hour_is_counted_too(settings: Any) -> None:
    settings.QUIMBI_CALLS_PER_HOUR = 2
    assert [budget.take(Purpose.REQUEST) for _ in range(2)] == [0.0, 0.0]
    assert 3_590 < budget.take(Purpose.REQUEST) <= 3_600


def test_prefetching_leaves_half_to_people(settings: Any) -> None:
    settings.QUIMBI_CALLS_PER_MINUTE = 10
    assert [budget.take(Purpose.PREFETCH) == 0 for _ in range(6)] == [True] * 5 + [False]
    assert [budget.take(Purpose.REQUEST) == 0 for _ in range(6)] == [True] * 5 + [False]


def test_no_window_however_it_is_laid_holds_more_than_is_allowed() -> None:
    window, taken = 300, list[float]()
    ends = time.monotonic() + 1.2
    while time.monotonic() < ends:
        wait = shared.run(budget._TAKE, ["test"], str(time.monotonic_ns()), window, 4)
        if wait == 0:
            taken.append(time.monotonic())
        else:
            assert 0 < wait <= window
        time.sleep(0.005)
    assert len(taken) > 8
    assert all(later - first > 0.28 for first, later in zip(taken, taken[4:], strict=False))


def test_seats_are_given_back_or_run_out(settings: Any) -> None:
    settings.QUIMBI_WRITING_AT_ONCE = 1
    with budget.seat(seconds=0.2) as first, budget.seat(seconds=5) as second:
        assert (first, second) == (True, False)
        time.sleep(0.25)
        with budget.seat(seconds=5) as third:
            assert third
    with budget.seat(seconds=5) as later:
        assert later


def test_seats_of_a_process_alone(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "run", lambda *_: None)
    settings.QUIMBI_WRITING_AT_ONCE = 4
    with budget.seat(seconds=5) as first, budget.seat(seconds=5) as second:
        assert (first, second) == (True, False)
    with budget.seat(seconds=5) as later:
        assert later
