"""Assignment in numbers, for who watches the desk. What each costs is bounded, however large the tables are."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Min

from tickets.enums import DecisionOutcome
from tickets.models import AssignmentDecision, Ticket

COUNTED = 10_000


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """Of the first 10,000 unfinished tickets that nobody has: how many there are, how many of them wait to be assigned
    automatically, and since when the customer, and the ticket, that waits longest does.
    """

    unassigned: int
    queued: int
    waiting_since: datetime | None
    queued_since: datetime | None


def backlog() -> Backlog:
    nobodys = Ticket.objects.unfinished().filter(assignee__isnull=True).order_by("rank_at", "pk")[:COUNTED]
    return Backlog(
        **nobodys.aggregate(
            unassigned=Count("pk"),
            queued=Count("queued_at"),
            waiting_since=Min("waiting_since"),
            queued_since=Min("queued_at"),
        )
    )


def outcomes(*, since: datetime) -> Mapping[str, int]:
    """How many decisions of each outcome there were since then. Costs what happened since."""
    counted = AssignmentDecision.objects.filter(decided_at__gte=since).values_list("outcome").annotate(Count("pk"))
    return dict.fromkeys(DecisionOutcome.values, 0) | dict(counted.order_by())
