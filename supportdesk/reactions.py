"""Events: what follows from each. One of the four tables that can start code.

`within` runs at once, in the transaction of the change, and may refuse it by raising. Handlers live in the app that
reacts; each is one call into that app's services.
"""

from collections.abc import Mapping

from django.conf import settings

from agents.events import AgentAvailabilityChanged, AgentRoleChanged, AgentUpdated
from customers.events import CustomerErased
from supportdesk.core.events import After, DomainEvent, Reactions
from tickets import handlers as tickets
from tickets.events import (
    MessageAdded,
    TicketAssigned,
    TicketCreated,
    TicketStatusChanged,
    TicketUnassigned,
    TicketUpdated,
)

REACTIONS: Mapping[type[DomainEvent], Reactions] = {
    CustomerErased: Reactions(within=(tickets.erase_conversations,)),
    AgentAvailabilityChanged: Reactions(
        within=(tickets.forget_available_agents,),
        durable=(tickets.meet_available,),
    ),
    AgentUpdated: Reactions(
        within=(tickets.forget_available_agents,),
        durable=(tickets.meet_changed,),
    ),
    AgentRoleChanged: Reactions(durable=(tickets.assign_waiting,)),
    TicketCreated: Reactions(durable=(tickets.auto_assign,)),
    MessageAdded: Reactions(durable=(After(delay=settings.ABSENT_OWNER_GRACE, handler=tickets.serve_customer),)),
    TicketStatusChanged: Reactions(
        within=(tickets.forget_available_agents,),
        durable=(
            tickets.fill_room_left,
            After(delay=settings.ABSENT_OWNER_GRACE, handler=tickets.serve_reopened),
        ),
    ),
    TicketUpdated: Reactions(durable=(tickets.look_again,)),
    TicketAssigned: Reactions(
        within=(tickets.forget_available_agents,),
        durable=(tickets.fill_room_transferred,),
    ),
    TicketUnassigned: Reactions(
        within=(tickets.forget_available_agents,),
        durable=(tickets.assign_waiting,),
    ),
}
