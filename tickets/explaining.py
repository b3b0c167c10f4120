"""Why a ticket stands where it stands, in parts and in words."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from django.conf import settings

from tickets import weights
from tickets.enums import Status
from tickets.models import Ticket
from tickets.ordering import BEGIN, NUMBER, Part, Rank, deciding

SHORT = {
    BEGIN: "since when it waits",
    NUMBER: "its number: their ranks are equal",
    Part.PATIENCE: "its priority",
    Part.PROMISE: "a promise that ends",
    Part.EMERGENCY: "that it is urgent",
    Part.VIP: "that its customer is a VIP",
    Part.VALUE: "what its customer is worth",
    Part.ALERT: "a topic alert",
    Part.CHURN: "that its customer may leave",
    Part.SENTIMENT: "that its customer is upset",
    Part.PARKED: "that nobody waits for us on the other one",
    Part.DONE: "when they were last heard of",
}


# As long as the gateway repeats what Quimbi says of a churn risk.
FRESH_FOR = timedelta(seconds=settings.QUIMBI_CACHE_CHURN_TTL)


class AdviceState(StrEnum):
    """Of what Quimbi says of a ticket. Where it is absent, the ticket stands where it would without Quimbi."""

    FRESH = "fresh"
    STALE = "stale"
    ABSENT = "absent"


@dataclass(frozen=True, kw_only=True)
class Step:
    """A part of the rank: by how much it moves it, earlier when that is negative."""

    part: Part
    moves: timedelta
    why: str


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The begin of the rank and the moves of the steps add up to it. `stale`: other weights gave the rank that is
    stored, until it is ranked anew. `advice`: whether what Quimbi says moves it, and whether Quimbi was asked lately.
    """

    ticket: Ticket
    rank: Rank
    steps: tuple[Step, ...]
    sentence: str
    version: int
    advice: AdviceState

    @property
    def at(self) -> datetime:
        return self.rank.at

    @property
    def stale(self) -> bool:
        """Weights say nothing of what is done."""
        return self.ticket.rank_version != self.version and Part.DONE not in self.rank.parts


def explain(ticket: Ticket, *, now: datetime) -> Explanation:
    found = ticket.rank()
    steps = tuple(Step(part=part, moves=span, why=_why(ticket, part, span)) for part, span in found.parts.items())
    return Explanation(
        ticket=ticket,
        rank=found,
        steps=steps,
        sentence=" ".join([_beginning(ticket, found), *(step.why for step in steps)]),
        version=weights.current().version,
        advice=_advice(ticket, now),
    )


def between(ahead: Ticket, behind: Ticket) -> tuple[Part | str, str]:
    """The part that puts the one before the other, most of all; and that in words."""
    first, second = ahead.rank(), behind.rank()
    reason = deciding(first, second)
    lead = f", by {_span(second.at - first.at)}" if second.at - first.at < timedelta(days=3_650) else ""
    return reason, f"{ahead.pk} comes before {behind.pk}{lead}; what decides is {SHORT[reason]}."


def _advice(ticket: Ticket, now: datetime) -> AdviceState:
    if ticket.advised_at is None:
        return AdviceState.ABSENT
    return AdviceState.FRESH if now - ticket.advised_at < FRESH_FOR else AdviceState.STALE


def _beginning(ticket: Ticket, found: Rank) -> str:
    if Part.DONE in found.parts:
        return "It is done, and stands behind all that is not."
    if Part.PARKED in found.parts:
        idle = "It waits for its customer" if ticket.status == Status.PENDING else "Nobody waits and no promise runs"
        return f"{idle}; last heard of {_instant(found.begin)}."
    if Part.PATIENCE in found.parts:
        return f"Its customer has waited since {_instant(found.begin)}."
    return f"Its customer has an answer; the next promise ends {_instant(found.begin)}."


def _why(ticket: Ticket, part: Part, span: timedelta) -> str:
    earlier = f"{_span(span)} earlier"
    match part:
        case Part.PATIENCE:
            return f"That is too long after {_span(span)}, as its priority is {ticket.priority}."
        case Part.PROMISE:
            return f"A promise ends {earlier}."
        case Part.EMERGENCY:
            return f"It is urgent: {earlier}."
        case Part.VIP:
            return f"Its customer is a VIP: {earlier}."
        case Part.VALUE:
            return f"Its customer is worth much, Quimbi says: {earlier}."
        case Part.CHURN:
            return f"Its customer may leave, Quimbi says: {earlier}."
        case Part.SENTIMENT:
            return f"Its customer is upset, Quimbi says: {earlier}."
        case Part.ALERT:
            return f"A topic alert: {earlier}."
        case Part.PARKED:
            return "It stands behind all work."
        case Part.DONE:
            return "The one heard of last comes first."


def _span(time: timedelta) -> str:
    """`7 h 30 min`, `45 s`; without a sign."""
    seconds = int(abs(time).total_seconds())
    days, hours, minutes = seconds // 86_400, seconds % 86_400 // 3600, seconds % 3600 // 60
    parts = [f"{days:,} d" if days else "", f"{hours} h" if hours else "", f"{minutes} min" if minutes else ""]
    return " ".join(part for part in parts if part) or f"{seconds} s"


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
