"""What shops are told of what happens here."""

from datetime import datetime

from integrations.shopify import outbound
from supportdesk.core.actor import Door
from supportdesk.core.events import Occurrence


def write_back(occurrence: Occurrence, *, now: datetime) -> None:
    """What came from a shop is not sent there."""
    names = {name for name in outbound.SENT if f"attributes.{name}" in occurrence.event.fields}
    if names and occurrence.origin != Door.SHOPIFY:
        outbound.write_back(customer_id=occurrence.event.subject_id, names=names, at=occurrence.at, now=now)
