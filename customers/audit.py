"""Who was shown whose data. The row is written before the answer leaves; if it cannot be, there is no answer."""

from collections.abc import Iterable
from datetime import datetime

from django.db import transaction

from customers.events import CustomerRead, CustomersListed
from supportdesk.core.actor import Actor
from supportdesk.core.events import emit


def record_read(*, customer_id: int, through: str, by: Actor, now: datetime, ticket_id: int | None = None) -> None:
    """One customer's data was read."""
    with transaction.atomic():
        emit(CustomerRead(subject_id=customer_id, through=through, ticket_id=ticket_id), by=by, at=now)


def record_listing(*, ids: Iterable[int], parameters: Iterable[str], through: str, by: Actor, now: datetime) -> None:
    """A page of customers was read, found by these parameters (their names only)."""
    with transaction.atomic():
        emit(CustomersListed(through=through, ids=sorted(ids), parameters=sorted(parameters)), by=by, at=now)
