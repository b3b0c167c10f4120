"""Which looks at a list of tickets are a search for somebody. A plain list is not: it is how work is found."""

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db import transaction

from supportdesk.core.actor import Actor
from supportdesk.core.events import emit
from tickets.events import TicketsSearched

SEARCHES = frozenset({"q", "customer"})  # by words and names, and by whose tickets they are


def record_search(*, ids: Iterable[int], parameters: Mapping[str, str], through: str, by: Actor, now: datetime) -> None:
    """Tickets were read that these parameters found. Nothing is recorded unless one of them looks for somebody."""
    if any(parameters.get(name, "").strip() for name in SEARCHES):
        found = TicketsSearched(through=through, ids=sorted(ids), parameters=sorted(parameters))
        with transaction.atomic():
            emit(found, by=by, at=now)
