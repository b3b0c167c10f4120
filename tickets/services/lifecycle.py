"""A ticket from creation to archive."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef, Value

from agents.models import Department
from customers.enums import Tier
from customers.models import Customer
from customers.services import refuse_erased
from supportdesk.core.actor import Actor
from supportdesk.core.changes import check_version, differing
from supportdesk.core.errors import Conflict, FieldError, NotFound
from supportdesk.core.events import emit
from tickets import lists
from tickets.enums import Category, Channel, Priority, Sender, Status
from tickets.events import (
    MessageAdded,
    TicketArchived,
    TicketCreated,
    TicketEvent,
    TicketPriorityChanged,
    TicketStatusChanged,
    TicketUpdated,
)
from tickets.models import Message, Ticket, TopicAlert
from tickets.services import assignment, ranking
from tickets.status import DONE, check_transition

RANKED_FIELDS = frozenset({"status", "priority"})
LIFTED_BY = frozenset({"subject", "tags", "department"})  # what topic alerts are about, besides what is written


class ExternalIdTaken(Conflict):
    """A ticket with this source and external id exists already."""

    code = "external_id_taken"


class Archived(Conflict):
    """An archived ticket does not change any more."""

    code = "archived"


def create_ticket(
    *,
    customer: Customer,
    subject: str,
    description: str,
    by: Actor,
    now: datetime,
    priority: Priority = Priority.NORMAL,
    channel: Channel = Channel.EMAIL,
    category: Category = Category.GENERAL,
    tags: Iterable[str] = (),
    attributes: Mapping[str, Any] | None = None,
    language: str = "",
    department: Department | None = None,
    source: str = "",
    external_id: str | None = None,
    follow_up_of: Ticket | None = None,
    opened_at: datetime | None = None,
    is_watched: bool = True,
) -> Ticket:
    """A new open ticket; the description becomes the customer's first message, and they wait from `now`, or from
    `opened_at` when it was opened elsewhere before. `is_watched`: see `topic_alerts.told_of`.

    Raises ExternalIdTaken, Erased.
    """
    refuse_erased(customer)
    at = opened_at or now
    ticket = Ticket(
        subject=subject,
        customer=customer,
        priority=priority,
        channel=channel,
        category=category,
        tags=normalised_tags(tags),
        attributes=dict(attributes or {}),
        language=language,
        department=department,
        source=source,
        external_id=external_id,
        follow_up_of=follow_up_of,
        vip=customer.tier == Tier.VIP,
        last_position=1,
        waiting_since=at,
        last_activity_at=at,
        created_at=at,
        updated_at=max(now, at),
    )
    ticket.rerank()
    try:
        with transaction.atomic():
            ticket.save()
            message = Message.objects.create(
                ticket=ticket, position=1, sender=Sender.CUSTOMER, body=description, channel=channel, created_at=at
            )
            if is_watched:
                ranking.lift(ticket, now=now)
            emit(*_birth(ticket, message), by=by, at=at, subject=ticket)
            ticket.rerank()
            ticket.save(update_fields=ranking.WRITTEN)
            lists.forget([ticket])
    except IntegrityError as error:
        if "ticket_external_id_unique" not in str(error):
            raise
        detail = "There is a ticket with this source and external id."
        raise ExternalIdTaken(detail, errors=[FieldError("external_id", ExternalIdTaken.code, detail)]) from None
    return ticket


def update_ticket(
    *,
    ticket_id: int,
    changes: Mapping[str, Any],
    by: Actor,
    now: datetime,
    expected_version: int | None = None,
    changed_at: datetime | None = None,
) -> Ticket:
    """Applies `changes` (field name to new value). What equals the present value is no change and no event.

    `changed_at`: when that was, if it was elsewhere and before now.

    Raises NotFound, StaleVersion, Archived, IllegalTransition.
    """
    with transaction.atomic():
        ticket = locked(ticket_id, by=by)
        check_version(ticket, expected_version, changes)
        if "tags" in changes:
            changes = {**changes, "tags": normalised_tags(changes["tags"])}
        changed = differing(ticket, changes)
        if not changed:
            return ticket
        refuse_archived(ticket)
        before, left = {name: getattr(ticket, name) for name in RANKED_FIELDS}, lists.groups_of(ticket)
        if "status" in changed:
            set_status(ticket, Status(changes["status"]), now=changed_at or now)
        for name in changed - {"status"}:
            setattr(ticket, name, changes[name])
        if changed & LIFTED_BY:
            ranking.lift(ticket, now=now)
        emit(*_change_events(ticket, changed, before), by=by, at=changed_at or now, subject=ticket)
        save(ticket, *changed, now=now, left=left)
    return ticket


def archive_ticket(*, ticket_id: int, by: Actor, now: datetime, expected_version: int | None = None) -> Ticket:
    """Closes the ticket, takes it out of every default list and frees its agent. Archiving again changes nothing.

    Raises NotFound, StaleVersion.
    """
    with transaction.atomic():
        ticket = locked(ticket_id, by=by)
        if ticket.archived_at is not None:
            return ticket
        check_version(ticket, expected_version)
        before = Status(ticket.status)
        events: list[TicketEvent] = []
        if before != Status.CLOSED:
            set_status(ticket, Status.CLOSED, now=now)
            events.append(TicketStatusChanged(subject_id=ticket.pk, before=before.value, after=ticket.status))
        ticket.archived_at = now
        events.append(TicketArchived(subject_id=ticket.pk))
        emit(*events, by=by, at=now, subject=ticket)
        save(ticket, "archived_at", now=now)
    return ticket


def locked(ticket_id: int, *, by: Actor, alerts_at: datetime | None = None) -> Ticket:
    """The ticket, locked until the caller's transaction ends. Raises NotFound when the actor cannot see it.

    With `alerts_at` it says whether a topic alert runs then that may lift it: `is_watched`.
    """
    watching = (
        Value(True) if alerts_at is None else Exists(TopicAlert.objects.running(alerts_at, OuterRef("department")))
    )
    seen = Ticket.objects.visible_to(by).select_for_update(of=("self",)).filter(pk=ticket_id)
    ticket = seen.annotate(watched=watching).first()
    if ticket is None:
        raise NotFound
    ticket.is_watched = vars(ticket)["watched"]
    return ticket


def refuse_archived(ticket: Ticket) -> None:
    if ticket.archived_at is not None:
        raise Archived("This ticket is archived and does not change any more.")


def set_status(ticket: Ticket, status: Status, *, now: datetime) -> None:
    """Moves the locked ticket along a legal transition; done ends every wait, closed the assignment.

    Raises IllegalTransition.
    """
    check_transition(Status(ticket.status), status)
    if status in DONE:
        ticket.resolved_at = ticket.resolved_at or now
        ticket.waiting_since = ticket.queued_at = None
    else:
        ticket.resolved_at = None
    if status == Status.CLOSED:
        assignment.close_open(ticket, now=now)
    ticket.status = status.value


def save(ticket: Ticket, *fields: str, now: datetime, left: Iterable[str] = ()) -> None:
    """Writes the locked ticket with its derived columns, as one new version, once its facts are stated: what follows
    from them may change the ticket. `left`: see lists.forget.
    """
    ticket.rerank()
    ticket.touch(now)
    derived = {"status", "resolved_at", "waiting_since", "queued_at", *ranking.WRITTEN}
    ticket.save(update_fields=derived.union(fields, {"version", "updated_at"}))
    lists.forget([ticket], left=left)


def normalised_tags(tags: Iterable[str]) -> list[str]:
    """Trimmed, lower case, each once, in order of the alphabet: the same set is the same list."""
    return sorted({tag.strip().lower() for tag in tags if tag.strip()})


def _birth(ticket: Ticket, message: Message) -> list[TicketEvent]:
    created = TicketCreated(
        subject_id=ticket.pk,
        customer_id=ticket.customer_id,
        channel=ticket.channel,
        priority=ticket.priority,
        category=ticket.category,
        follow_up_of=ticket.follow_up_of_id,
    )
    first = MessageAdded(
        subject_id=ticket.pk, message_id=message.pk, position=1, sender=message.sender, public_reply=False
    )
    return [created, first]


def _change_events(ticket: Ticket, changed: set[str], before: Mapping[str, str]) -> list[TicketEvent]:
    events: list[TicketEvent] = []
    if "status" in changed:
        events.append(TicketStatusChanged(subject_id=ticket.pk, before=before["status"], after=ticket.status))
    if "priority" in changed:
        events.append(TicketPriorityChanged(subject_id=ticket.pk, before=before["priority"], after=ticket.priority))
    rest = sorted(changed - RANKED_FIELDS)
    if rest:
        events.append(TicketUpdated(subject_id=ticket.pk, fields=rest))
    return events
