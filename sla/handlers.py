"""What promises do about events of tickets and customers."""

from datetime import datetime

from customers.events import CustomerErased
from sla import facts
from sla.services import applying, clocks, privacy, simulating, telling
from supportdesk.core.actor import Actor, Door
from supportdesk.core.events import Occurrence
from tickets.events import MessageAdded, TicketCreated, TicketPriorityChanged, TicketStatusChanged
from tickets.models import Ticket


def start_clocks(event: TicketCreated, ticket: Ticket, *, by: Actor, at: datetime) -> None:
    if by.origin != Door.IMPORT:
        clocks.start(ticket, now=at)


def hear_message(event: MessageAdded, ticket: Ticket, *, by: Actor, at: datetime) -> None:
    if facts.concerns(event):
        clocks.recompute(ticket, now=at)


def wind_clocks(event: TicketPriorityChanged | TicketStatusChanged, ticket: Ticket, *, by: Actor, at: datetime) -> None:
    clocks.recompute(ticket, now=at)


def erase_reasons(event: CustomerErased, *, by: Actor, at: datetime) -> None:
    privacy.erase_reasons(customer_id=event.subject_id)


def apply_policy(occurrence: Occurrence, *, now: datetime) -> None:
    applying.work(occurrence.event.application_id, by=occurrence.by, now=now)


def simulate_policy(occurrence: Occurrence, *, now: datetime) -> None:
    simulating.work(occurrence.event.simulation_id, by=occurrence.by, now=now)


def tell_of_deadline(occurrence: Occurrence, *, now: datetime) -> None:
    telling.tell(occurrence, now=now)
