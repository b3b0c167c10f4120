"""What shops are told of what happens here."""

from datetime import datetime

from integrations.shopify import outbound
from supportdesk.core.actor import Door
from supportdesk.core.events import Occurrence


def write_back(occurrence: Occurrence, *, now: datetime) -> None:
    """What came from a shop is not sent there."""
    if occurrence.origin != Door.SHOPIFY and "attributes" in occurrence.event.fields:
        outbound.write_back(customer_id=occurrence.event.subject_id, at=occurrence.at, now=now)
