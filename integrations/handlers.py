"""What the inbox does about events of others."""

from datetime import datetime

from customers.events import CustomerErased
from integrations import links, receipts
from integrations.gorgias import taking
from supportdesk.core.actor import Actor


def erase_receipts(event: CustomerErased, *, by: Actor, at: datetime) -> None:
    receipts.erase(customer_id=event.subject_id, now=at)


def bury_links(event: CustomerErased, *, by: Actor, at: datetime) -> None:
    links.bury(event.subject_id)
    taking.forget(customer_id=event.subject_id)
