"""Four processes that ask a Quimbi which fails, comes back, flaps and stumbles: they share one breaker."""

import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from django.conf import settings
from django.db.models import Count, Q, Sum

from quimbi import calling, service, shared
from quimbi.models import Call
from quimbi.sandbox import WELL, Sandbox
from quimbi.tests.builders import make_profile
from quimbi.types import Purpose, Reason, Source
from supportdesk.core.breaker import FAILURES, Breaker, State, Verdict
from supportdesk.tests.chaos.crew import crew
from supportdesk.tests.chaos.report import Drill, Outcome, Setting

THREADS = 4
KINDS = ("500", "hang", "html", "reset", "slow")  # of which the short profile plays two
STUMBLING = ("spotty", "flapping")
MOST_FAILURES, MOST_AMPLIFIED, SLACK = 10, 1.2, 2.0
LATE = 0.5  # of an interval: how much later than it was let by a call may arrive on a busy machine


@dataclass(frozen=True, kw_only=True)
class Phase:
    """What was played from one instant to another: of time.monotonic, which all processes of a machine share."""

    kind: str
    begins: float
    ends: float
    since: datetime
    until: datetime


@dataclass(frozen=True, kw_only=True)
class Share:
    number: int  # of the rival
    ends: float


def keep_asking(share: Share) -> list[tuple[float, str]]:
    """When each call ended and how, each about a customer of its own."""
    found, number = list[tuple[float, str]](), 0
    while time.monotonic() < share.ends:
        number += 1
        key = share.number * 1_000_000 + number
        insight = service.analyze(make_profile(key=key, orders=()), purpose=Purpose.REQUEST)
        found.append((time.monotonic(), "ok" if insight.source == Source.LIVE else str(insight.reason)))
        time.sleep(0.01)
    return found


def run(setting: Setting) -> Outcome:
    interval, processes = (5.0, 4) if setting.full else (1.5, 3)
    kinds = KINDS if setting.full else KINDS[:2]
    failing, stumbling = interval * (4 if setting.full else 2.6), interval * (6 if setting.full else 2)
    total = 1.0 + len(kinds) * (failing + interval + SLACK) + len(STUMBLING) * stumbling
    os.environ |= {"QUIMBI_CALLS_PER_MINUTE": "1000000", "QUIMBI_CALLS_PER_HOUR": "1000000"}
    os.environ["QUIMBI_BREAKER_SECONDS"] = str(interval)
    with Sandbox(key=settings.QUIMBI_API_KEY) as sandbox, ThreadPoolExecutor(1) as driver:
        os.environ["SUPPORTDESK_TEST_QUIMBI_URL"] = sandbox.url
        with crew(processes=processes, threads=THREADS, fault=DRILL.faults.get(setting.broken)) as rivals:
            rivals.race(keep_asking, [Share(number=n, ends=0.0) for n in range(rivals.rivals)])  # all are up
            driven = driver.submit(_drive, sandbox, kinds, interval, failing, stumbling)
            ends = time.monotonic() + total
            found = rivals.race(keep_asking, [Share(number=n, ends=ends) for n in range(1, rivals.rivals + 1)])
        phases = driven.result()
        answers = sorted(one for each in found for one in each)
        return _judged(sandbox, answers, phases, interval, processes)


def _drive(sandbox: Sandbox, kinds: Sequence[str], interval: float, failing: float, stumbling: float) -> list[Phase]:
    phases = list[Phase]()

    def play(kind: str, seconds: float) -> None:
        began, since = time.monotonic(), datetime.now(UTC)
        sandbox.play(kind, seconds=interval if kind == "flapping" else 10.0)
        time.sleep(seconds)
        phases.append(Phase(kind=kind, begins=began, ends=time.monotonic(), since=since, until=datetime.now(UTC)))

    play(WELL, 1.0)
    for kind in kinds:
        play(kind, failing)
        play(WELL, interval + SLACK)
    for kind in STUMBLING:
        play(kind, stumbling)
    sandbox.play(WELL)
    return phases


def _judged(
    sandbox: Sandbox, answers: Sequence[tuple[float, str]], phases: Sequence[Phase], interval: float, processes: int
) -> Outcome:
    outages = [(phase, after) for phase, after in pairwise(phases) if phase.kind in KINDS]
    before_open, while_open, probes, seconds = dict[str, int](), 0, 0, list[float]()
    for phase, after in outages:
        sent = sorted(request.at for request in sandbox.requests if phase.begins <= request.at < phase.ends)
        opened = max(sent[:FAILURES], default=phase.ends)  # or later: the failure that opens it was sent then
        burst = sum(at < opened + LATE * interval for at in sent)
        before_open[phase.kind], later = burst, sent[burst:]
        probes += len(later)
        while_open += sum(second - first < (1 - LATE) * interval for first, second in pairwise([opened, *later]))
        seconds += [at - after.begins for at, how in answers if after.begins <= at < after.ends and how == "ok"][:1]
    amplified = {
        name: _amplification([phase for phase in phases if phase.kind in kinds])
        for name, kinds in (("outages", set(KINDS)), *((kind, {kind}) for kind in STUMBLING))
    }
    return Outcome(
        counts={
            "failures_over_ten": (sum(max(0, count - MOST_FAILURES) for count in before_open.values()), 0),
            "calls_while_open": (while_open, 0),
            "outages_probed": (probes >= len(outages), True),
            "closed_in_time": (len(seconds), len(outages)),
            "amplified_too_much": (sum(factor > MOST_AMPLIFIED for factor in amplified.values()), 0),
            "other_answers": (sum(how not in KNOWN for _, how in answers), 0),
        },
        shown={
            "processes": processes,
            "calls": len(answers),
            "sent": len(sandbox.requests),
            "failures_before_open": before_open,
            "probes": probes,
            "amplification": {name: round(factor, 3) for name, factor in amplified.items()},
            "closed_after_seconds": [round(one, 2) for one in seconds],
            "interval": interval,
        },
    )


KNOWN = {"ok", *map(str, (Reason.CIRCUIT_OPEN, Reason.UPSTREAM_ERROR, Reason.TIMEOUT, Reason.BAD_ANSWER, Reason.BUSY))}


def _amplification(failing: Sequence[Phase]) -> float:
    """Tries for each call, while Quimbi fails or stumbles."""
    during = Q()
    for phase in failing:
        during |= Q(called_at__gte=phase.since, called_at__lt=phase.until)
    counted: dict[str, Any] = Call.objects.filter(during).aggregate(calls=Count("pk"), tries=Sum("tries"))
    return float(counted["tries"] / counted["calls"])


def each_alone() -> None:
    """Every process has a breaker of its own."""
    for breaker in shared.BREAKERS:
        breaker.run = lambda *_: None


def probe_storm() -> None:
    """Once the interval is over, everybody is a probe until one of them has an answer."""
    honest = State.admit

    def admit(self: State, call: str, *, now: float, **given: Any) -> tuple[Verdict, float]:
        if self.until and now >= self.until:
            self.probe = call
            return Verdict.PROBE, 0.0
        return honest(self, call, now=now, **given)

    State.admit = admit  # type: ignore[method-assign]


def repeat_always() -> None:
    """What fails is tried again, however much fails."""
    calling.ODD_FAILURES = FAILURES


def count_late() -> None:
    """Calls under way are not counted before they end, so that as many begin as come."""
    honest = State.admit

    def admit(self: State, call: str, *, now: float, **given: Any) -> tuple[Verdict, float]:
        verdict = honest(self, call, now=now, **given)
        self.calls.pop(call, None)
        return verdict

    def record(self: Breaker, call: str, *, failed: bool) -> int:
        def act(state: State, now: float) -> int:
            state.calls[call] = now + 1
            return state.record(call, failed=failed, now=now, interval=self.interval())

        return int(self._step(act))

    State.admit = admit  # type: ignore[method-assign]
    Breaker.record = record  # type: ignore[method-assign]


DRILL = Drill(
    run=run,
    faults={
        "each-alone": each_alone,
        "probe-storm": probe_storm,
        "repeat-always": repeat_always,
        "count-late": count_late,
    },
)
