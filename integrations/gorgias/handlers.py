"""What is done at Gorgias about what happens to a ticket here. One reaction for all of it, which keeps its order."""

from datetime import datetime

from integrations.gorgias import introducing, outbound
from supportdesk.core.actor import Door
from supportdesk.core.events import Occurrence
from tickets.enums import Sender
from tickets.events import (
    MessageAdded,
    NoteAdded,
    TicketAssigned,
    TicketPriorityChanged,
    TicketStatusChanged,
    TicketUnassigned,
    TicketUpdated,
)

SENT = frozenset({"subject", "tags"})


def push_to_gorgias(occurrence: Occurrence, *, now: datetime) -> None:
    """Nothing, of what came from there."""
    if occurrence.origin == Door.GORGIAS:
        return
    event, at = occurrence.event, occurrence.at
    match event:
        case MessageAdded(sender=Sender.CUSTOMER, position=1):
            outbound.open_ticket(ticket_id=event.subject_id, at=at, now=now)
        case MessageAdded(sender=Sender.CUSTOMER):
            outbound.send_heard(message_id=event.message_id, at=at, now=now)
        case MessageAdded(public_reply=True):
            outbound.send_message(message_id=event.message_id, at=at, now=now)
        case NoteAdded():
            outbound.send_note(note_id=event.note_id, at=at, now=now)
        case TicketStatusChanged():
            outbound.send_fields(ticket_id=event.subject_id, names=["status"], at=at, now=now)
        case TicketPriorityChanged():
            outbound.send_fields(ticket_id=event.subject_id, names=["priority"], at=at, now=now)
        case TicketAssigned() | TicketUnassigned():
            outbound.send_fields(ticket_id=event.subject_id, names=["assignee"], at=at, now=now)
        case TicketUpdated() if names := SENT & set(event.fields):
            outbound.send_fields(ticket_id=event.subject_id, names=names, at=at, now=now)


def introduce_to_gorgias(occurrence: Occurrence, *, now: datetime) -> None:
    """Who a customer is by now, unless they said so there."""
    if occurrence.origin != Door.GORGIAS and introducing.SENT & set(occurrence.event.fields):
        introducing.introduce(customer_id=occurrence.event.subject_id, at=occurrence.at, now=now)
