"""Rivals: many callers who want the same thing at the same instant, each on a connection of their own.

`race` lets them all go at once, and whatever order comes is right. `through_window` makes one order certain: one rival
is held before a statement of its own, and goes on when all others have done what they could. Nothing waits for a time
to pass.
"""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Barrier
from typing import Any, TypeVar

from django.db import connection

from supportdesk.core.errors import DomainError

Result = TypeVar("Result")
RIVALS = 32
PATIENCE = 60.0  # seconds; only a test that fails waits so long


def race(act: Callable[[int], Result], rivals: int = RIVALS) -> list[Result]:
    """What each rival got. All of them are ready before the first one starts."""
    start = Barrier(rivals)

    def run(number: int) -> Result:
        try:
            start.wait(timeout=30)
            return act(number)
        finally:
            connection.close()

    with ThreadPoolExecutor(rivals) as pool:
        return list(pool.map(run, range(rivals)))


def refusal_of(act: Callable[[], Result]) -> Result | DomainError:
    """What the act gives, or what it is refused with."""
    try:
        return act()
    except DomainError as refused:
        return refused


def through_window(first: Callable[[], Any], rivals: Sequence[Callable[[], Any]], *, at: str) -> tuple[Any, list[Any]]:
    """What `first` got and what each rival got (a value, or the refusal).

    `first` is held before its first statement that contains `at`. Then the rivals start; when each of them has ended or
    waits for a lock, `first` goes on. Raises AssertionError when it never comes to such a statement.
    """
    held, go_on = threading.Event(), threading.Event()
    backends: list[int] = []

    def hold(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if at in sql and not held.is_set():
            held.set()
            assert go_on.wait(PATIENCE)
        return execute(sql, params, many, context)

    def run_first() -> Any:
        try:
            with connection.execute_wrapper(hold):
                return refusal_of(first)
        finally:
            held.set()
            connection.close()

    def run_rival(act: Callable[[], Any]) -> Any:
        try:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_backend_pid()")
                backends.append(cursor.fetchone()[0])
            return refusal_of(act)
        finally:
            connection.close()

    with ThreadPoolExecutor(1 + len(rivals)) as pool:
        leader = pool.submit(run_first)
        assert held.wait(PATIENCE)
        assert not leader.done(), f"There was no statement with {at!r}."
        others = [pool.submit(run_rival, act) for act in rivals]
        try:
            _wait_until_stuck(others, backends)
        finally:
            go_on.set()
        return leader.result(PATIENCE), [other.result(PATIENCE) for other in others]


def _wait_until_stuck(rivals: Sequence[Future[Any]], backends: Sequence[int]) -> None:
    """Until each rival has ended or waits for a lock that somebody else has."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        ended = sum(rival.done() for rival in rivals)
        if ended + _waiting(backends) >= len(rivals):
            return
        time.sleep(0.005)
    raise AssertionError("The rivals neither ended nor waited.")


def _waiting(backends: Sequence[int]) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE pid = ANY(%s) AND wait_event_type = 'Lock'", [list(backends)]
        )
        return int(cursor.fetchone()[0])
