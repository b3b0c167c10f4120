"""Events: what follows from each. One of the four tables that can start code.

`within` runs at once, in the transaction of the change, and may refuse it by raising. Handlers live in the app that
reacts; each is one call into that app's services.
"""

from collections.abc import Mapping

from customers.events import CustomerErased
from supportdesk.core.events import DomainEvent, Reactions
from tickets import handlers as tickets

REACTIONS: Mapping[type[DomainEvent], Reactions] = {
    CustomerErased: Reactions(within=(tickets.erase_conversations,)),
}
