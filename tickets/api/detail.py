"""The one representation of a ticket with everything beside it."""

from datetime import datetime
from typing import Any

from agents.enums import Scope
from sla import selectors as promises
from sla.api import status
from supportdesk.core.actor import Actor
from supportdesk.core.api import trimming
from supportdesk.core.api.trimming import Wanted
from tickets.api.serializers import TicketDetail
from tickets.selectors import Detail

# Of a ticket's own members: who its customer is, and what they told us in their own words.
_TELLING = frozenset({"customer", "description", "attributes"})


def tells_of_customer(wanted: Wanted | None) -> bool:
    """Whether the part `ticket` of an answer that is trimmed so says something of the customer."""
    if wanted is None:
        return True
    members = wanted.get("ticket")
    return members is not None and (not members or not _TELLING.isdisjoint(members))


def represent(detail: Detail, actor: Actor, wanted: Wanted | None = None, *, now: datetime) -> Any:
    asked = detail.promised and (wanted is None or "sla" in wanted)
    promised = promises.status_of(detail.ticket, now=now) if asked else None
    parts = {
        "ticket": detail.ticket,
        "customer": detail.ticket.customer if actor.may(Scope.CUSTOMERS_READ) else None,
        "assignment": detail.assignment,
        "sla": status.parts(promised),
        "ai_insights": None,
    }
    serializer = TicketDetail(context={"description": detail.description, "actor": actor})
    trimming.trim(serializer, wanted)
    return serializer.to_representation(parts)
