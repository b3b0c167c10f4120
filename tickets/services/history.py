"""Tickets that happened elsewhere: written in bulk, with their facts at the instants at which they happened.

Starts nothing: no assignment, no push, no clock. A resolution is spoken by a named system author, because we do not
know who wrote it there; so it never counts as a reply by a person.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from customers.enums import Tier
from customers.models import Customer
from supportdesk.core.actor import Actor
from supportdesk.core.changes import check_version, differing
from supportdesk.core.events import DomainEvent, Fact, emit, record
from tickets import lists
from tickets.enums import Category, Channel, Priority, Sender, Status
from tickets.events import MessageAdded, TicketCreated, TicketStatusChanged, TicketUpdated
from tickets.models import Message, Ticket
from tickets.services import lifecycle
from tickets.status import DONE


@dataclass(frozen=True, kw_only=True)
class PastTicket:
    """A ticket as another system remembers it. `resolved_at` is set exactly when the status is done."""

    customer: Customer
    subject: str
    description: str
    source: str
    external_id: str
    status: Status
    created_at: datetime
    created_at_estimated: bool
    priority: Priority = Priority.NORMAL
    channel: Channel = Channel.EMAIL
    category: Category = Category.GENERAL
    tags: Sequence[str] = ()
    language: str = ""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    first_response_at: datetime | None = None
    resolved_at: datetime | None = None
    resolution: str = ""
    satisfaction_rating: int | None = None

    def updatable(self) -> dict[str, Any]:
        """What a later export of the same ticket may change here."""
        return {
            "subject": self.subject,
            "status": self.status,
            "priority": self.priority,
            "channel": self.channel,
            "category": self.category,
            "tags": list(self.tags),
            "attributes": dict(self.attributes),
            "satisfaction_rating": self.satisfaction_rating,
        }


def create_past_tickets(past: Sequence[PastTicket], *, by: Actor, now: datetime) -> list[Ticket]:
    """Writes tickets, messages and facts in a constant number of statements. `now` is when we learnt of them."""
    with transaction.atomic():
        tickets = Ticket.objects.bulk_create([_ticket(one, now) for one in past])
        messages = [
            message for ticket, one in zip(tickets, past, strict=True) for message in _messages(ticket, one, by)
        ]
        Message.objects.bulk_create(messages)
        by_ticket: dict[int, list[Message]] = {}
        for message in messages:
            by_ticket.setdefault(message.ticket_id, []).append(message)
        facts = [
            fact
            for ticket, one in zip(tickets, past, strict=True)
            for fact in _facts(ticket, one, by_ticket[ticket.pk])
        ]
        record(facts=facts, by=by)
        lists.forget(tickets)
    return tickets


def update_past_ticket(ticket_id: int, past: PastTicket, *, by: Actor, now: datetime, expected_version: int) -> Ticket:
    """Takes over what a later export says, through the same rules as every change.

    Raises NotFound, StaleVersion (it was changed here since), IllegalTransition, Archived.
    """
    with transaction.atomic():
        ticket = lifecycle.locked(ticket_id, by=by)
        check_version(ticket, expected_version)
        if past.resolution and not ticket.messages.filter(sender=Sender.SYSTEM, body=past.resolution).exists():
            lifecycle.refuse_archived(ticket)
            message = _resolution(ticket, past, by, position=ticket.last_position + 1)
            message.save()
            ticket.last_position, ticket.last_activity_at = message.position, max(ticket.last_activity_at, now)
            emit(_said(message), by=by, at=now, subject=ticket)
            lifecycle.save(ticket, "last_position", "last_activity_at", now=now)
        ticket = lifecycle.update_ticket(ticket_id=ticket_id, changes=past.updatable(), by=by, now=now)
        _take_times(ticket, past, by=by, now=now)
        return ticket


def _take_times(ticket: Ticket, past: PastTicket, *, by: Actor, now: datetime) -> None:
    """When it was answered and resolved there, on the ticket that has its status by now."""
    times = {
        "first_response_at": past.first_response_at or ticket.first_response_at,
        "resolved_at": past.resolved_at if past.status in DONE else None,
    }
    changed = differing(ticket, times)
    if changed:
        for name in changed:
            setattr(ticket, name, times[name])
        lifecycle.save(ticket, *changed, now=now)
        emit(TicketUpdated(subject_id=ticket.pk, fields=sorted(changed)), by=by, at=now)


def _ticket(past: PastTicket, now: datetime) -> Ticket:
    done = past.status in DONE
    ticket = Ticket(
        customer=past.customer,
        subject=past.subject,
        status=past.status,
        priority=past.priority,
        channel=past.channel,
        category=past.category,
        tags=lifecycle.normalised_tags(past.tags),
        language=past.language,
        attributes=dict(past.attributes),
        source=past.source,
        external_id=past.external_id,
        satisfaction_rating=past.satisfaction_rating,
        vip=past.customer.tier == Tier.VIP,
        last_position=2 if past.resolution else 1,
        waiting_since=past.created_at if past.status == Status.OPEN else None,
        last_activity_at=_resolution_at(past) if past.resolution else past.created_at,
        first_response_at=past.first_response_at,
        resolved_at=past.resolved_at if done else None,
        created_at=past.created_at,
        created_at_estimated=past.created_at_estimated,
        updated_at=max(now, past.created_at),
    )
    ticket.rerank()
    return ticket


def _messages(ticket: Ticket, past: PastTicket, by: Actor) -> list[Message]:
    first = Message(
        ticket=ticket,
        position=1,
        sender=Sender.CUSTOMER,
        body=past.description,
        channel=past.channel,
        created_at=past.created_at,
    )
    return [first, _resolution(ticket, past, by, position=2)] if past.resolution else [first]


def _resolution(ticket: Ticket, past: PastTicket, by: Actor, *, position: int) -> Message:
    return Message(
        ticket=ticket,
        position=position,
        sender=Sender.SYSTEM,
        system_name=by.name,
        body=past.resolution,
        channel=past.channel,
        created_at=_resolution_at(past),
    )


def _resolution_at(past: PastTicket) -> datetime:
    return past.resolved_at or past.first_response_at or past.created_at


def _facts(ticket: Ticket, past: PastTicket, messages: Sequence[Message]) -> list[Fact]:
    created = TicketCreated(
        subject_id=ticket.pk,
        customer_id=ticket.customer_id,
        channel=ticket.channel,
        priority=ticket.priority,
        category=ticket.category,
    )
    events: list[tuple[DomainEvent, datetime]] = [(created, past.created_at)]
    events += [(_said(message), message.created_at) for message in messages]
    if past.status != Status.OPEN:
        moved = TicketStatusChanged(subject_id=ticket.pk, before=Status.OPEN.value, after=past.status.value)
        events.append((moved, past.resolved_at or past.first_response_at or past.created_at))
    return [Fact(event=event, at=at) for event, at in events]


def _said(message: Message) -> MessageAdded:
    return MessageAdded(
        subject_id=message.ticket_id,
        message_id=message.pk,
        position=message.position,
        sender=message.sender,
        public_reply=False,
    )
