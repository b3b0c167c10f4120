"""Rivals in several processes, each a thread with a connection of its own, all released at the same instant."""

import multiprocessing
import multiprocessing.synchronize
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import django
from django.utils.module_loading import import_string

from supportdesk.core import asking

Argument = TypeVar("Argument")
Result = TypeVar("Result")
PATIENCE = 300.0  # seconds for the slowest rival to be ready

_threads: ThreadPoolExecutor
_start: multiprocessing.synchronize.Barrier


class Crew:
    """`race` runs the same act in every rival and answers what each got, in their order."""

    def __init__(self, pool: ProcessPoolExecutor, *, processes: int, threads: int) -> None:
        self.pool, self.processes, self.threads = pool, processes, threads

    @property
    def rivals(self) -> int:
        return self.processes * self.threads

    def race(self, act: Callable[[Argument], Result], arguments: Sequence[Argument]) -> list[Result]:
        """`arguments` are one for each rival. The act is a function of a module, as other processes must find it."""
        assert len(arguments) == self.rivals
        shares = [arguments[first : first + self.threads] for first in range(0, self.rivals, self.threads)]
        found = [self.pool.submit(_race, act, share) for share in shares]
        return [result for share in found for result in share.result()]


@contextmanager
def crew(*, processes: int, threads: int, fault: Callable[[], None] | None = None) -> Iterator[Crew]:
    """`fault` is patched into each process before it does anything. They wait for Redis as long as it takes: on a busy
    machine one of them would do without, and so have a breaker of its own, which is not what is judged.
    """
    context = multiprocessing.get_context("spawn")
    start = context.Barrier(processes * threads)
    named = f"{fault.__module__}.{fault.__qualname__}" if fault else ""  # its module needs Django up to be imported
    with ProcessPoolExecutor(
        processes, mp_context=context, initializer=_boot, initargs=(start, threads, named)
    ) as pool:
        yield Crew(pool, processes=processes, threads=threads)


def _boot(start: multiprocessing.synchronize.Barrier, threads: int, fault: str) -> None:
    global _threads, _start
    django.setup()
    asking.TIMEOUT_SECONDS = PATIENCE
    _threads, _start = ThreadPoolExecutor(threads), start
    if fault:
        import_string(fault)()


def _race(act: Callable[[Any], Any], share: Sequence[Any]) -> list[Any]:
    """Every rival waits for the last, so that each thread, and each process, takes exactly one."""

    def run(argument: Any) -> Any:
        _start.wait(PATIENCE)
        return act(argument)

    return list(_threads.map(run, share))
