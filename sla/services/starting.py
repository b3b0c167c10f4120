"""Clocks for tickets that came without: imported ones, from now on or from all that is known of them."""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby

from django.db import transaction

from sla import facts
from sla.clock import Fact as ClockFact
from sla.events import SLAStarted
from sla.services import clocks
from supportdesk.core.actor import Actor
from supportdesk.core.events import Fact, emit_facts
from supportdesk.core.models import Event
from tickets.models import Ticket
from tickets.models.ticket import TicketQuerySet
from tickets.status import DONE

BATCH = 500


def start_open(ticket_ids: Sequence[int], *, by: Actor, now: datetime) -> int:
    """Gives those of the tickets that are open and have no promises theirs, counting from now; returns how many.

    One that was answered elsewhere owes no first response; one whose customer waits, the next. A constant number of
    statements.
    """
    with transaction.atomic():
        open_ones = _without_promises().filter(pk__in=ticket_ids).live().exclude(status__in=DONE)
        tickets = list(open_ones.select_for_update(of=("self",)).order_by("pk"))
        chosen = clocks.promises(ticket.pk for ticket in tickets)
        stated = [_started(ticket) for ticket in tickets if ticket.pk in chosen]
        emit_facts([Fact(event=event, at=now) for event in stated], by=by)
        happened = {
            event.subject_id: facts.read([{"id": 0, "name": event.name, "at": now, "payload": event.payload()}]).facts
            for event in stated
        }
        clocks.begin(chosen, happened, now=now)
    return len(stated)


def start_from_history(*, now: datetime) -> int:
    """Gives every ticket without promises those it would have had, wound through all that its events tell; returns how
    many. For a desk whose whole history was played or imported with its conversations.
    """
    started, last = 0, 0
    while ids := list(_without_promises().filter(pk__gt=last).order_by("pk").values_list("pk", flat=True)[:BATCH]):
        with transaction.atomic():
            locked = Ticket.objects.filter(pk__in=ids).select_for_update(of=("self",)).order_by("pk")
            chosen = clocks.promises(locked.values_list("pk", flat=True))
            happened = _history(list(chosen))
            clocks.begin({pk: chosen[pk] for pk in happened}, happened, now=now)
        started, last = started + len(happened), ids[-1]
    return started


def _without_promises() -> TicketQuerySet:
    return Ticket.objects.filter(sla__isnull=True)


def _started(ticket: Ticket) -> SLAStarted:
    return SLAStarted(
        subject_id=ticket.pk,
        priority=ticket.priority,
        status=ticket.status,
        answered=ticket.first_response_at is not None,
        waiting=ticket.waiting_since is not None,
    )


def _history(ticket_ids: Sequence[int]) -> dict[int, Sequence[ClockFact]]:
    rows = Event.objects.filter(subject_type="ticket", subject_id__in=ticket_ids, name__in=facts.HEARD)
    ordered = rows.order_by("subject_id", "pk").values("id", "name", "at", "payload", "subject_id")
    found = {pk: facts.read(group).facts for pk, group in groupby(ordered, key=lambda row: int(row["subject_id"]))}
    return {pk: happened for pk, happened in found.items() if happened}
