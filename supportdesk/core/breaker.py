"""A circuit breaker that all processes share.

One machine, whose state lies in Redis and is replaced in one step, or in this process while Redis is away. It opens
when most of the last outcomes are failures. While it is closed, failures and calls under way are never more than MOST
together, so that no more can fail before it opens. Once open it lets one call by in each interval, whatever becomes of
that probe: one whose process dies blocks nothing.
"""

import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

import structlog
from prometheus_client import Counter

WINDOW, FAILURES, MOST = 10, 6, 10  # outcomes that are known, how many failures of them open it, and calls at once
AGE, KEPT_MS, RIVALRIES = 300.0, 3_600_000, 50  # what an outcome is worth, and the state; before we go on alone
_READ = "return {redis.call('GET', KEYS[1]) or '', redis.call('TIME')}"
_SWAP = """
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1
"""

OPENED = Counter("supportdesk_breaker_opened_total", "How often a circuit breaker opened.", ["breaker"])
log = structlog.get_logger("supportdesk.breaker")


class Verdict(StrEnum):
    PASS = "pass"  # noqa: S105 - one of the verdicts
    PROBE = "probe"
    OPEN = "open"
    PAUSED = "paused"  # the partner asked us to wait
    FULL = "full"


class Admission(NamedTuple):
    call: str
    verdict: Verdict
    wait: float  # seconds


@dataclass(kw_only=True)
class State:
    """The machine: pure, on seconds of whoever asks. `until` is when the next probe may run; 0 while it is closed."""

    until: float = 0.0
    probe: str = ""
    paused: float = 0.0
    calls: dict[str, float] = field(default_factory=dict)  # under way, to when each is waited for no longer
    outcomes: list[tuple[float, bool]] = field(default_factory=list)  # when, and whether it failed; newest first

    def admit(self, call: str, *, now: float, lease: float, interval: float, most: int) -> tuple[Verdict, float]:
        """With the seconds after which to ask again."""
        if now < self.paused:
            return Verdict.PAUSED, self.paused - now
        if self.until:
            if now < self.until:
                return Verdict.OPEN, self.until - now
            self.until, self.probe = now + interval, call
            return Verdict.PROBE, 0.0
        under_way = {one: end for one, end in self.calls.items() if end > now}
        if self.failures(now) + len(under_way) >= most:
            return Verdict.FULL, 0.0
        self.calls = under_way | {call: now + lease}
        return Verdict.PASS, 0.0

    def record(self, call: str, *, failed: bool, now: float, interval: float) -> int:
        """The failures that are known now. What nobody waits for any more changes nothing."""
        if call == self.probe:
            self.probe = ""
            if not failed:
                self.until, self.outcomes = 0.0, [(now, False)]
        elif self.calls.pop(call, None) is not None and not self.until:
            self.outcomes = [(now, failed), *self.outcomes][:WINDOW]
            if self.failures(now) >= FAILURES:
                self.until = now + interval
        return FAILURES if self.until else self.failures(now)

    def drop(self, call: str, *, now: float) -> None:
        """It was not made after all."""
        if call == self.probe:
            self.until, self.probe = now, ""
        self.calls.pop(call, None)

    def pause(self, seconds: float, *, now: float) -> None:
        self.paused = max(self.paused, now + seconds)

    def failures(self, now: float) -> int:
        return sum(failed for at, failed in self.outcomes if at > now - AGE)


class Breaker:
    """`run` evaluates a script with keys and arguments, and answers None without Redis. `label` stands in the figures:
    the name, unless that holds an id.
    """

    def __init__(self, name: str, *, interval: Callable[[], float], run: Callable[..., Any], label: str = "") -> None:
        self.name, self.interval, self.run, self.label = name, interval, run, label or name
        self.alone, self.lock = State(), threading.Lock()

    def admit(self, *, lease: float, most: int = MOST) -> Admission:
        """Whether one of at most `most` calls may be made, for `lease` seconds; who makes it records or drops it."""
        call, interval = uuid.uuid4().hex, self.interval()
        return Admission(call, *self._step(partial(State.admit, call=call, lease=lease, interval=interval, most=most)))

    def record(self, call: str, *, failed: bool) -> int:
        """How many of the last calls failed, and all of them that matter once it is open."""

        def act(state: State, now: float) -> tuple[int, bool]:
            was = state.until
            failures = state.record(call, failed=failed, now=now, interval=self.interval())
            return failures, bool(state.until and not was)

        failures, opened = self._step(act)
        if opened:
            OPENED.labels(self.label).inc()
            log.error("breaker opened", breaker=self.name)
        return int(failures)

    def drop(self, call: str) -> None:
        self._step(partial(State.drop, call=call))

    def pause(self, seconds: float) -> None:
        """Nobody calls for so long."""
        self._step(partial(State.pause, seconds=seconds))

    def look(self) -> Admission:
        """What a call would meet now; it is not admitted."""
        step = partial(State.admit, call="", lease=0.0, interval=0.0, most=MOST)
        return Admission("", *self._step(lambda state, now: step(State(**asdict(state)), now=now)))

    def _step(self, act: Callable[..., Any]) -> Any:
        for _ in range(RIVALRIES):
            if (found := self.run(_READ, [f"breaker:{self.name}"])) is None:
                break
            before, (seconds, micros) = found
            state = State(**json.loads(before or "{}"))
            untouched = json.dumps(asdict(state))
            result = act(state, now=int(seconds) + int(micros) / 1e6)
            after = json.dumps(asdict(state))
            if after == untouched or self.run(_SWAP, [f"breaker:{self.name}"], before, after, KEPT_MS):
                return result
        with self.lock:
            return act(self.alone, now=time.monotonic())
