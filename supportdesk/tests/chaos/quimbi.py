"""Customers are opened by many at once, and Quimbi is asked once for each; and while it fails in every way that it can:
each answer comes, says what is missing, and holds nothing that Quimbi did not say.
"""

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.conf import settings

from quimbi import kept, service, shared
from quimbi.dialects import Function
from quimbi.kept import Seen
from quimbi.questions import Place
from quimbi.sandbox import PLAYS, WELL, Sandbox
from quimbi.simulated import share
from quimbi.tests.builders import make_profile
from quimbi.types import Churn, CustomerInsights, Insight, Profile, Purpose, Source
from supportdesk.tests.chaos.crew import crew
from supportdesk.tests.chaos.report import Drill, Outcome, Setting

THREADS = 4
NOT_PLAYED = {WELL, "flapping", "spotty"}  # what does not fail all the time
CROWD = 900_000_000  # where the keys begin of those whom many open at once
KEPT = 50  # of the customers, whose answers from before are there


@dataclass(frozen=True, kw_only=True)
class Share:
    keys: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Opened:
    seconds: float
    problems: Sequence[str]


def open_all(asked: Share) -> list[Opened]:
    """What each customer's page would be told."""
    return [_opened(make_profile(key=key, orders=())) for key in asked.keys]


def _opened(profile: Profile) -> Opened:
    began = time.monotonic()
    try:
        [found] = service.insights([profile], purpose=Purpose.REQUEST)
    except Exception as error:  # whatever it is, it would be a 500
        return Opened(seconds=time.monotonic() - began, problems=[f"raised {type(error).__name__}"])
    return Opened(seconds=time.monotonic() - began, problems=_problems(profile, found))


def _problems(profile: Profile, found: CustomerInsights) -> list[str]:
    """What is shown although Quimbi did not say it, or is missing without a reason."""
    problems = []
    for name, part in (("dna", found.dna), ("churn", found.churn)):
        if part.value is None and (part.source != Source.NONE or part.reason is None):
            problems.append(f"{name} is missing and says not why")
        if part.value is not None and (part.source != Source.STALE or part.reason is None or part.as_of is None):
            problems.append(f"{name} is shown as if it were of today")
    churn = found.churn.value
    if churn is not None and churn.score != share(profile.customer_id, "churn"):
        problems.append("churn was invented")
    return problems


def keep(asked: Share) -> int:
    """Asks while all is well, and lets what is kept grow old; how many answers were whole."""
    whole = 0
    for key in asked.keys:
        [found] = service.insights([make_profile(key=key, orders=())], purpose=Purpose.REQUEST)
        whole += found.dna.source == found.churn.source == Source.LIVE
        service.outdate_customer(key)
    return whole


def open_at_once(key: int) -> str:
    """How the customer's DNA was come by, which all rivals ask for in the same instant."""
    return str(service.insights([make_profile(key=key, orders=())], purpose=Purpose.REQUEST)[0].dna.source)


def run(setting: Setting) -> Outcome:
    os.environ |= {"QUIMBI_CALLS_PER_MINUTE": "1000000", "QUIMBI_CALLS_PER_HOUR": "1000000"}
    together, failing = _opened_together(setting), _opened_while_it_fails(setting)
    return Outcome(counts={**together.counts, **failing.counts}, shown={**together.shown, **failing.shown})


def _opened_together(setting: Setting) -> Outcome:
    processes, threads, customers = (4, 50, 20) if setting.full else (2, 20, 4)
    with Sandbox(key=settings.QUIMBI_API_KEY) as sandbox:
        sandbox.takes = 0.1
        os.environ["SUPPORTDESK_TEST_QUIMBI_URL"] = sandbox.url
        with crew(processes=processes, threads=threads, fault=DRILL.faults.get(setting.broken)) as rivals:
            found = rivals.race(open_at_once, [CROWD + number % customers for number in range(rivals.rivals)])
        return Outcome(
            counts={
                "analyze_calls": (sandbox.count(Function.ANALYZE), customers),
                "churn_calls": (sandbox.count(Function.CHURN), customers),
                "without_dna": (len(found) - sum(how in {Source.LIVE, Source.CACHE} for how in found), 0),
            },
            shown={"at_once": len(found), "most_calls_at_once": sandbox.most_at_once},
        )


def _opened_while_it_fails(setting: Setting) -> Outcome:
    kinds = [kind for kind in PLAYS if kind not in NOT_PLAYED]
    processes, each = (4, 25) if setting.full else (2, 6)
    shown: dict[str, dict[str, object]] = {}
    tally: Counter[str] = Counter()
    with Sandbox(key=settings.QUIMBI_API_KEY) as sandbox:
        os.environ["SUPPORTDESK_TEST_QUIMBI_URL"] = sandbox.url
        with crew(processes=processes, threads=THREADS, fault=DRILL.faults.get(setting.broken)) as rivals:
            known = [Share(keys=range(n * KEPT, n * KEPT + each // 2)) for n in range(rivals.rivals)]
            for number, kind in enumerate(kinds, 1):
                sandbox.play(WELL)
                _begin_anew()
                tally["not_kept"] += sum(len(one.keys) for one in known) - sum(rivals.race(keep, known))
                sandbox.play(kind, seconds=10.0)
                fresh = [
                    [1_000_000 * number + 1_000 * n + one for one in range(each - each // 2)]
                    for n in range(rivals.rivals)
                ]
                shares = [Share(keys=[*old.keys, *new]) for old, new in zip(known, fresh, strict=True)]
                found = [one for answers in rivals.race(open_all, shares) for one in answers]
                problems = Counter(problem for one in found for problem in one.problems)
                seconds = sorted(one.seconds for one in found)
                shown[kind] = {
                    "p99": round(seconds[int(len(seconds) * 0.99)], 2),
                    "p50": round(seconds[len(seconds) // 2], 3),
                }
                tally += Counter({"opened": len(found), "well": sum(not one.problems for one in found)})
                tally += Counter({"raised": sum(n for what, n in problems.items() if what.startswith("raised"))})
                tally += Counter({"dishonest": sum(n for what, n in problems.items() if not what.startswith("raised"))})
    return Outcome(
        counts={
            "well": (tally["well"], tally["opened"]),
            "raised": (tally["raised"], 0),
            "not_kept": (tally["not_kept"], 0),
            "dishonest": (tally["dishonest"], 0),
        },
        shown={"kinds": len(kinds), "opened": tally["opened"], "seconds_by_kind": shown},
    )


def _begin_anew() -> None:
    """As after a quiet night: breakers are closed, and nothing is paused."""
    shared.redis().delete(*(f"breaker:{breaker.name}" for breaker in shared.BREAKERS))


def invent() -> None:
    """Where Quimbi says nothing, a likely value is shown."""
    honest = service._churn

    def likely(dna: Insight[object], churn: Insight[Churn]) -> Insight[Churn]:
        found = honest(dna, churn)  # type: ignore[arg-type]
        return found if found.value else Insight(value=Churn(score=0.5, level="medium"), source=Source.LIVE)

    service._churn = likely


def let_through() -> None:
    """A failure of Quimbi is a failure of whoever asks."""

    def raising(insight: Insight[object], before: object) -> Insight[object]:
        if insight.value is None:
            raise RuntimeError(insight.reason)
        return insight

    service._or_stale = raising  # type: ignore[assignment]


def as_if_fresh() -> None:
    """A copy from before is shown without saying so."""

    def unlabelled(insight: Insight[object], before: object) -> Insight[object]:
        value = getattr(before, "value", None)
        return Insight(value=value, source=Source.CACHE) if value is not None else insight

    service._or_stale = unlabelled  # type: ignore[assignment]


def each_for_themselves() -> None:
    """Nobody waits for what somebody else is asking for."""
    honest = kept.join

    def join(place: Place[object], *, claim: str, seconds: float, now: datetime) -> Seen[object] | None:
        seen = honest(place, claim=claim, seconds=seconds, now=now)
        return seen and replace(seen, holder=claim)

    kept.join = join  # type: ignore[assignment]


DRILL = Drill(
    run=run,
    faults={
        "invent": invent,
        "let-through": let_through,
        "as-if-fresh": as_if_fresh,
        "each-for-themselves": each_for_themselves,
    },
)
