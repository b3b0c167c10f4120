"""The one representation of a ticket with everything beside it."""

from typing import Any

from tickets.api.serializers import TicketDetail
from tickets.selectors import Detail


def represent(detail: Detail) -> dict[str, Any]:
    parts = {
        "ticket": detail.ticket,
        "customer": detail.ticket.customer,
        "assignment": detail.assignment,
        "sla": None,
        "ai_insights": None,
    }
    return dict(TicketDetail(parts, context={"description": detail.description}).data)
