"""The order of work: when a ticket is due for attention. Pure arithmetic; no database, no clock.

A ticket whose customer waits ranks at the instant at which that wait becomes too long for its priority. Nobody waiting,
it is *parked*: it keeps its place among the parked, behind every waiting ticket. A finished ticket stands behind those,
the most recently active first. All three are one instant, so one index orders the whole table and nothing has to be
recomputed as time passes.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tickets.enums import Priority, Status
from tickets.status import DONE

PATIENCE: dict[Priority, timedelta] = {  # the default first-response targets
    Priority.URGENT: timedelta(minutes=30),
    Priority.HIGH: timedelta(hours=2),
    Priority.NORMAL: timedelta(hours=8),
    Priority.LOW: timedelta(hours=24),
}
PARKED_FACTOR = 4
PARKED_SHIFT = timedelta(days=36_525)  # a century: farther than any wait, so the parked follow the waiting
DONE_HORIZON = datetime(9000, 1, 1, tzinfo=UTC)
DONE_FROM = datetime(5000, 1, 1, tzinfo=UTC)  # what is done ranks after this instant, everything else before it
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the rank depends on."""

    status: Status
    priority: Priority
    waiting_since: datetime | None
    last_activity_at: datetime


def rank_at(standing: Standing) -> datetime:
    """The instant that orders the ticket, earliest first. Never None."""
    if standing.status in DONE:
        return DONE_HORIZON - (standing.last_activity_at - _EPOCH)
    patience = PATIENCE[standing.priority]
    if standing.status == Status.OPEN and standing.waiting_since is not None:
        return standing.waiting_since + patience
    return standing.last_activity_at + PARKED_FACTOR * patience + PARKED_SHIFT
