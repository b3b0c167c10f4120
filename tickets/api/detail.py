"""The one representation of a ticket with everything beside it."""

from typing import Any

from agents.enums import Scope
from supportdesk.core.actor import Actor
from tickets.api.serializers import TicketDetail
from tickets.selectors import Detail


def represent(detail: Detail, actor: Actor) -> dict[str, Any]:
    parts = {
        "ticket": detail.ticket,
        "customer": detail.ticket.customer if actor.may(Scope.CUSTOMERS_READ) else None,
        "assignment": detail.assignment,
        "sla": None,
        "ai_insights": None,
    }
    return dict(TicketDetail(parts, context={"description": detail.description, "actor": actor}).data)
