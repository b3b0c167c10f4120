"""What tickets do about events of others."""

from datetime import datetime

from customers.events import CustomerErased
from supportdesk.core.actor import Actor
from tickets.services import privacy


def erase_conversations(event: CustomerErased, *, by: Actor, at: datetime) -> None:
    privacy.erase_conversations(customer_id=event.subject_id, now=at)
