"""The order of work: when a ticket is due for attention. Pure arithmetic; no database, no clock.

A ticket on which somebody waits ranks at the instant at which that wait becomes too long for its priority, or at which
the next of its running promises ends, if that is earlier; less what it is given as a head start. Without a wait and a
promise that runs, or while it waits for its customer, it is *parked*: it keeps its place among the parked, behind all
work. A finished ticket stands behind those, the most recently active first. All three are one instant, so one index
orders the whole table and nothing has to be recomputed as time passes.

A rank is the sum of its parts. Head starts are bounded, together too, and an urgent ticket has the whole of what is
allowed, whoever its customer is: so nobody else's head start carries them past an emergency that is due.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from tickets.enums import Priority, Status
from tickets.status import DONE

PARKED_FACTOR = 4
PARKED_SHIFT = timedelta(days=36_525)  # a century: farther than any wait, so the parked follow the waiting
DONE_HORIZON = datetime(9000, 1, 1, tzinfo=UTC)
DONE_FROM = datetime(5000, 1, 1, tzinfo=UTC)  # what is done ranks after this instant, everything else before it
WHOLE = 1_000  # of a head start
VIP_VALUE = WHOLE // 2
ZERO = timedelta(0)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Part(StrEnum):
    """What moves a rank from the instant at which it begins; an earlier part decides where two move it alike."""

    PATIENCE = "patience"
    PROMISE = "promise"
    EMERGENCY = "emergency"
    VIP = "vip"
    VALUE = "value"
    ALERT = "alert"
    CHURN = "churn"
    SENTIMENT = "sentiment"
    PARKED = "parked"
    DONE = "done"


BEGIN = "begin"  # as a reason: since when it waits, or was last heard of
NUMBER = "id"  # as a reason: the ranks are equal


@dataclass(frozen=True, kw_only=True)
class Weights:
    """How long each priority may wait, and the head start of each reason. `most` is that of all reasons together; a VIP
    and a valuable customer are one reason.
    """

    version: int
    patience: Mapping[Priority, timedelta]
    vip: timedelta
    alert: timedelta
    churn: timedelta
    sentiment: timedelta
    most: timedelta


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What Quimbi said of a ticket's customer and last message, in thousandths of the whole head start of each reason.

    `value` grows with what the customer is worth and never reaches 1,000, so that one whale does not outweigh what is
    urgent: half of it is the least that makes a VIP. `churn` is the risk of losing them, `sentiment` how upset they
    write. Nothing is known, and nothing gained, where they are 0.
    """

    value: int = 0
    churn: int = 0
    sentiment: int = 0

    @property
    def is_vip(self) -> bool:
        return self.value >= VIP_VALUE

    def __bool__(self) -> bool:
        return (self.value, self.churn, self.sentiment) != (0, 0, 0)


NO_ADVICE = Advice()


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the rank depends on. `promised_at` is when the next of its running promises ends; `lift` what a topic alert
    gives it.
    """

    status: Status
    priority: Priority
    waiting_since: datetime | None
    last_activity_at: datetime
    promised_at: datetime | None = None
    vip: bool = False
    lift: timedelta = ZERO
    advice: Advice = NO_ADVICE


@dataclass(frozen=True, kw_only=True)
class Rank:
    """`at` is what `begin` and the parts add up to."""

    begin: datetime
    parts: Mapping[Part, timedelta]

    @property
    def at(self) -> datetime:
        return self.begin + sum(self.parts.values(), ZERO)


def rank(standing: Standing, weights: Weights) -> Rank:
    """The instant that orders the ticket, earliest first, in its parts. Never None."""
    if standing.status in DONE:
        return Rank(begin=DONE_HORIZON, parts={Part.DONE: _EPOCH - standing.last_activity_at})
    patience, promised_at = weights.patience[standing.priority], standing.promised_at
    if standing.status == Status.OPEN and standing.waiting_since is not None:
        parts = {Part.PATIENCE: patience}
        too_long = standing.waiting_since + patience
        if promised_at is not None and promised_at < too_long:
            parts[Part.PROMISE] = promised_at - too_long
        return Rank(begin=standing.waiting_since, parts=parts | _head_starts(standing, weights))
    if promised_at is not None and standing.status != Status.PENDING:
        return Rank(begin=promised_at, parts=_head_starts(standing, weights))
    return Rank(begin=standing.last_activity_at, parts={Part.PARKED: PARKED_FACTOR * patience + PARKED_SHIFT})


def deciding(ahead: Rank, behind: Rank) -> Part | str:
    """What most of all puts the one before the other: a part, BEGIN, or NUMBER between equal ranks."""
    lead: dict[Part | str, timedelta] = {BEGIN: behind.begin - ahead.begin}
    for part in Part:
        lead[part] = behind.parts.get(part, ZERO) - ahead.parts.get(part, ZERO)
    if behind.at == ahead.at:
        return NUMBER
    return max(lead, key=lambda reason: lead[reason])


def value_of(lifetime_value: float, *, vip_from: float) -> int:
    """The part of the head start that a customer's lifetime value earns: half at `vip_from`, and less and less more."""
    return min(WHOLE - 1, int(WHOLE * (lifetime_value / (lifetime_value + vip_from)))) if lifetime_value > 0 else 0


def _head_starts(standing: Standing, weights: Weights) -> dict[Part, timedelta]:
    """As negative spans, of which there is none for nothing. What is allowed in all is given out in this order, so what
    Quimbi says takes nothing from what is known here.
    """
    advice = standing.advice
    wanted = {
        Part.VIP: weights.vip if standing.vip else ZERO,
        Part.ALERT: min(standing.lift, weights.alert),
        Part.VALUE: ZERO if standing.vip else weights.vip * advice.value / WHOLE,
        Part.CHURN: weights.churn * advice.churn / WHOLE,
        Part.SENTIMENT: weights.sentiment * advice.sentiment / WHOLE,
        Part.EMERGENCY: weights.most if standing.priority == Priority.URGENT else ZERO,
    }
    left, given = weights.most, {}
    for part, span in wanted.items():
        if span := min(span, left):
            given[part], left = -span, left - span
    return {part: given[part] for part in Part if part in given}
