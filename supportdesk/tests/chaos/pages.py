"""What agents see while Quimbi fails: each ticket, in time and with nothing made up; and lists as without Quimbi."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from django.conf import settings
from django.core.cache import cache

from agents.tests.builders import make_agent
from customers.tests.builders import make_customer
from quimbi.sandbox import PLAYS, WELL, Sandbox
from supportdesk.tests.chaos import desk
from supportdesk.tests.chaos.report import Drill, Outcome, Setting
from supportdesk.tests.client import Answer, Api, counted_statements
from tickets import lists
from tickets.api import detail
from tickets.models import Ticket
from tickets.services import advising
from tickets.tests.builders import make_ticket

NOT_PLAYED = {WELL, "flapping", "spotty"}  # what does not fail all the time
CI = ("refuse", "500", "html", "wrong-customer")
INSIGHTS = ("dna", "churn_risk")


@dataclass(frozen=True, kw_only=True)
class Look:
    seconds: float
    answer: Answer


@dataclass(kw_only=True)
class Pair:
    """The same with Quimbi left alone and without any Quimbi, in turns, so that both have the same machine."""

    left_alone: list[float] = field(default_factory=list)
    off: list[float] = field(default_factory=list)

    def take(self, look: Callable[[], float]) -> None:
        self.left_alone.append(look())
        url, settings.QUIMBI_BASE_URL = settings.QUIMBI_BASE_URL, ""
        self.off.append(look())
        settings.QUIMBI_BASE_URL = url

    def ratios(self, *percents: int) -> dict[str, float]:
        return {
            f"p{percent}": round(_percentile(self.left_alone, percent) / _percentile(self.off, percent), 2)
            for percent in percents
        }


def run(setting: Setting) -> Outcome:
    if setting.broken:
        DRILL.faults[setting.broken]()
    kinds = [kind for kind in PLAYS if kind not in NOT_PLAYED] if setting.full else CI
    many = 60 if setting.full else 15
    api = Api(make_agent(role="admin"))
    tickets = [make_ticket(customer=make_customer(email=None)) for _ in range(2 * many)]
    settings.QUIMBI_BASE_URL = ""
    for ticket in tickets[:5]:  # for warming up
        _look(api, ticket)
    apart, beside = Pair(), Pair()
    order, statements = _order(api), _statements(api)
    tally: Counter[str] = Counter()
    shown: dict[str, Any] = {}
    with Sandbox(key=settings.QUIMBI_API_KEY) as sandbox:
        settings.QUIMBI_BASE_URL = sandbox.url
        settings.QUIMBI_CALLS_PER_MINUTE = settings.QUIMBI_CALLS_PER_HOUR = 1_000_000
        for kind in kinds:
            desk.forget_quimbi()
            sandbox.play(kind, seconds=10.0)
            closed = [_look(api, ticket) for ticket in tickets[:many]]
            calls = sandbox.count()
            still = [_look(api, ticket) for ticket in tickets[many:]]  # once the breaker is open, if that kind opens it
            is_open = sandbox.count() == calls
            if is_open:
                for ticket in tickets[many:]:
                    apart.take(partial(_seconds, api, ticket))
                    beside.take(partial(_page, api))
            for look in [*closed, *still]:
                tally += _judged(look)
            tally["lists_differ"] += _order(api) != order
            tally["list_statements"] += _statements(api) != statements
            shown[kind] = {
                "p99_while_it_may_be_asked": _percentile([look.seconds for look in closed], 99),
                "opens": is_open,
            }
            sandbox.play(WELL)
    return Outcome(
        counts={
            "not_200": (tally["not_200"], 0),
            "made_up": (tally["made_up"], 0),
            "without_a_reason": (tally["without_a_reason"], 0),
            "lists_differ": (tally["lists_differ"], 0),
            "list_statements_differ": (tally["list_statements"], 0),
        },
        shown={
            "kinds": len(kinds),
            "opened": tally["opened"],
            "ticket_while_open_to_off": apart.ratios(50, 99),
            "list_while_open_to_off": beside.ratios(50, 95),
            "by_kind": shown,
        },
    )


def _look(api: Api, ticket: Ticket) -> Look:
    began = time.monotonic()
    answer = api.get(f"/api/tickets/{ticket.pk}")
    return Look(seconds=time.monotonic() - began, answer=answer)


def _seconds(api: Api, ticket: Ticket) -> float:
    return _look(api, ticket).seconds


def _judged(look: Look) -> Counter[str]:
    """Nothing was ever answered well, so any value is made up."""
    if look.answer.status != 200:
        return Counter({"opened": 1, "not_200": 1})
    parts: Sequence[Mapping[str, Any]] = [look.answer.body["ai_insights"][name] for name in INSIGHTS]
    return Counter(
        {
            "opened": 1,
            "made_up": sum(part["value"] is not None for part in parts),
            "without_a_reason": sum(part["value"] is None and not part["reason"] for part in parts),
        }
    )


def _order(api: Api) -> list[int]:
    return [ticket["id"] for ticket in api.get("/api/tickets", page_size=100, ordering="rank").body["results"]]


def _statements(api: Api) -> int:
    """Of a page of a list, which is made anew."""
    cache.clear()
    with counted_statements() as taken:
        api.get("/api/tickets", ordering="-created_at")
    return len(taken)


def _page(api: Api) -> float:
    """Seconds for a page of a list, made anew."""
    lists.forget_all()
    began = time.monotonic()
    api.get("/api/tickets", ordering="-created_at")
    return time.monotonic() - began


def _percentile(taken: Sequence[float], percent: int) -> float:
    seconds = sorted(taken)
    return round(seconds[min(len(seconds) - 1, len(seconds) * percent // 100)], 4)


def raise_it() -> None:
    """A failure of Quimbi is a failure of the page."""

    def failing(*_: Any, **__: Any) -> Any:
        raise RuntimeError("no advice")

    advising.insights_of = failing


def make_up() -> None:
    """Where there is nothing, a likely risk is shown."""
    honest = detail._insights

    def likely(customer_id: int, *, ask: bool) -> Any:
        found = honest(customer_id, ask=ask)
        parts = {"source": "live", "as_of": None, "reason": None, "retry_after": None}
        risk = {"score": 0.5, "level": "medium", "factors": (), "advice": ()}
        return {"dna": found.dna, "churn": {**parts, "value": risk}} if found.churn.value is None else found

    detail._insights = likely


DRILL = Drill(run=run, faults={"raise": raise_it, "make-up": make_up})
