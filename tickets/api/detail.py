"""The one representation of a ticket with everything beside it."""

from datetime import datetime
from typing import Any

from agents.enums import Scope
from quimbi import service as quimbi
from quimbi.service import Purpose
from quimbi.types import CustomerInsights
from sla import selectors as promises
from sla.api import status
from supportdesk.core.actor import Actor
from supportdesk.core.api import trimming
from supportdesk.core.api.trimming import Wanted
from tickets.api.serializers import TicketDetail
from tickets.selectors import Detail
from tickets.services import advising

# Of a ticket's own members: who its customer is, and what they told us in their own words.
_TELLING = frozenset({"customer", "description", "attributes"})


def tells_of_customer(wanted: Wanted | None, actor: Actor) -> bool:
    """Whether an answer that is trimmed so says something of the customer."""
    if wanted is None or (actor.may(Scope.CUSTOMERS_READ) and not {"customer", "ai_insights"}.isdisjoint(wanted)):
        return True
    members = wanted.get("ticket")
    return members is not None and (not members or not _TELLING.isdisjoint(members))


def represent(
    detail: Detail, actor: Actor, wanted: Wanted | None = None, *, now: datetime, ask_quimbi: bool = False
) -> Any:
    """`ask_quimbi`: has Quimbi say what is not kept of what it says of the customer; else that is left out."""
    reads_customers = actor.may(Scope.CUSTOMERS_READ)
    asked = detail.promised and (wanted is None or "sla" in wanted)
    promised = promises.status_of(detail.ticket, now=now) if asked else None
    parts: dict[str, Any] = {
        "ticket": detail.ticket,
        "customer": detail.ticket.customer if reads_customers else None,
        "assignment": detail.assignment,
        "sla": status.parts(promised),
        "ai_insights": None,
    }
    if reads_customers and (wanted is None or "ai_insights" in wanted):
        parts["ai_insights"] = _insights(detail.ticket.customer_id, ask=ask_quimbi)
    serializer = TicketDetail(context={"description": detail.description, "actor": actor})
    trimming.trim(serializer, wanted)
    return serializer.to_representation(parts)


def _insights(customer_id: int, *, ask: bool) -> CustomerInsights:
    if ask:
        return advising.insights_of([customer_id], purpose=Purpose.REQUEST)[customer_id]
    return quimbi.known([customer_id])[customer_id]
