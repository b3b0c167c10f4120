"""What Quimbi's drafts are worth: how many agents sent, changed and left."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Avg, Count, Q, QuerySet

from supportdesk.core.actor import Actor
from tickets.enums import DraftOutcome
from tickets.models import Draft

USED = Q(outcome__in=[DraftOutcome.SENT, DraftOutcome.EDITED])
COUNTED: dict[str, Any] = {
    "shown": Count("pk"),
    **{outcome.value: Count("pk", filter=Q(outcome=outcome)) for outcome in DraftOutcome},
    "likeness": Avg("likeness", filter=USED),
}


@dataclass(frozen=True, kw_only=True)
class DraftReport:
    total: dict[str, Any]
    by_tone: list[dict[str, Any]]
    by_agent: list[dict[str, Any]]


def drafts(actor: Actor, *, begin: datetime, end: datetime) -> DraftReport:
    """Of the drafts shown from `begin` until before `end`, for tickets that the actor sees. Three statements."""
    shown: QuerySet[Draft] = Draft.objects.visible_to(actor).filter(shown_at__gte=begin, shown_at__lt=end)
    by_agent = shown.order_by("agent_id").values("agent_id", "agent__name")
    return DraftReport(
        total=shown.aggregate(**COUNTED),
        by_tone=[{**row} for row in shown.order_by("tone").values("tone").annotate(**COUNTED)],
        by_agent=[{**row, "name": row["agent__name"]} for row in by_agent.annotate(**COUNTED)],
    )
