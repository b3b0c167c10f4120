"""What is said on a ticket: messages for the customer, notes among agents."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import IntegrityError, transaction

from agents.models import Agent
from supportdesk.core.actor import Actor, ActorKind
from supportdesk.core.errors import Conflict, FieldError, InvalidInput
from supportdesk.core.events import emit
from tickets.enums import Category, Channel, Priority, Sender, Status
from tickets.events import FollowUpOpened, MessageAdded, NoteAdded, TicketStatusChanged
from tickets.models import Message, Note, Ticket
from tickets.services import lifecycle, ranking
from tickets.status import REOPENED_BY_CUSTOMER

NEWER_SHOWN = 20


class MessageExternalIdTaken(Conflict):
    """A message with this source and external id exists already."""

    code = "external_id_taken"


class NewerMessages(Conflict):
    """Somebody wrote since the author looked; the answer holds what they wrote. `force` sends all the same."""

    code = "newer_messages"

    def __init__(self, messages: Sequence[Message]) -> None:
        super().__init__(f"{len(messages)} newer on this ticket. Read what was written and send again.")
        self.messages = messages


class TicketClosed(Conflict):
    """Closed is final for us; only the customer's next word opens something new."""

    code = "ticket_closed"


@dataclass(frozen=True, kw_only=True)
class Posted:
    """A message and the ticket it ended up on, which is another one when the customer wrote on a closed ticket."""

    message: Message
    ticket: Ticket
    follow_up: bool = False


def add_message(
    *,
    ticket_id: int,
    body: str,
    sender: Sender,
    by: Actor,
    now: datetime,
    channel: Channel | None = None,
    source: str = "",
    external_id: str | None = None,
    last_seen_position: int | None = None,
    force: bool = False,
    attachments: Sequence[int] = (),
    system_name: str = "",
    answers: bool = False,
    said_at: datetime | None = None,
) -> Posted:
    """Adds a line to the conversation at the next position.

    `attachments` are files of the ticket that its author uploaded and no message has yet.
    With `last_seen_position`, the newest message that the author saw, only if there is no newer one, unless `force`.

    A customer's message reopens a pending, held or resolved ticket; on a closed or archived one it opens a follow-up
    ticket that names its predecessor. A message by an agent is a public reply and ends the customer's wait.
    `system_name` says who speaks for the system; `answers`: it is what a person wrote to the customer at a partner, who
    is no agent here, and ends their wait as well. `said_at`: when it was said, if that was elsewhere and before now.
    `channel` is the ticket's own unless given. Raises NotFound, NewerMessages, TicketClosed, MessageExternalIdTaken and
    InvalidInput: only an agent speaks as an agent, known by their credential and never by what they say.
    """
    if sender == Sender.AGENT and by.kind != ActorKind.PERSON:
        raise InvalidInput.on("sender", "Only an agent replies; an API key adds what the customer said: customer.")
    try:
        with transaction.atomic():
            ticket = lifecycle.locked(ticket_id, by=by, alerts_at=now)
            if last_seen_position is not None:
                _refuse_blind(ticket, last_seen_position, force=force)
            follow_up = ticket.status == Status.CLOSED
            if follow_up:
                if sender != Sender.CUSTOMER:
                    raise TicketClosed("This ticket is closed. Open a new one to write to the customer.")
                if attachments:
                    raise TicketClosed(
                        "The files are on a closed ticket. Send the message, then add them to the new one."
                    )
                return _open_follow_up(
                    ticket,
                    body=body,
                    by=by,
                    now=now,
                    channel=channel,
                    source=source,
                    external_id=external_id,
                    said_at=said_at,
                )
            message = _append(
                ticket,
                Message(
                    body=body,
                    sender=sender,
                    agent_id=by.id if sender == Sender.AGENT else None,
                    system_name=system_name if sender == Sender.SYSTEM else "",
                    channel=channel or ticket.channel,
                    source=source,
                    external_id=external_id,
                    created_at=said_at or now,
                ),
                by=by,
                now=now,
                answers=answers and sender == Sender.SYSTEM,
            )
            _take_up(ticket, message, attachments, by=by)
            return Posted(message=message, ticket=ticket)
    except IntegrityError as error:
        if "message_external_id_unique" not in str(error):
            raise
        detail = "There is a message with this source and external id."
        raise MessageExternalIdTaken(
            detail, errors=[FieldError("external_id", MessageExternalIdTaken.code, detail)]
        ) from None


def add_note(*, ticket_id: int, body: str, by: Actor, now: datetime, mentions: Sequence[int] = ()) -> Note:
    """Adds an internal note by the acting agent. Mentioned agents must be active and able to see the ticket.

    Raises NotFound, InvalidInput (field `mentions`), Archived.
    """
    if by.kind != ActorKind.PERSON or by.id is None:
        raise InvalidInput.on("author", "Only an agent writes notes.")
    with transaction.atomic():
        ticket = lifecycle.locked(ticket_id, by=by)
        lifecycle.refuse_archived(ticket)
        mentioned = _mentionable(ticket, mentions)
        note = Note.objects.create(ticket=ticket, author_id=by.id, body=body, created_at=now)
        note.mentions.set(mentioned)
        emit(NoteAdded(subject_id=ticket.pk, note_id=note.pk, mentions=sorted(mentioned)), by=by, at=now)
    return note


def add_system_note(*, ticket_id: int, body: str, system_name: str, by: Actor, now: datetime) -> Note:
    """Adds an internal note that no agent wrote: the product's own, or of somebody at a partner who is no agent here.

    Raises NotFound.
    """
    with transaction.atomic():
        ticket = lifecycle.locked(ticket_id, by=by)
        note = Note.objects.create(ticket=ticket, system_name=system_name, body=body, created_at=now)
        emit(NoteAdded(subject_id=ticket.pk, note_id=note.pk, mentions=[]), by=by, at=now)
    return note


def _refuse_blind(ticket: Ticket, seen: int, *, force: bool) -> None:
    if seen > ticket.last_position:
        detail = f"The newest message of this ticket is {ticket.last_position}."
        raise InvalidInput.on("last_seen_position", detail, "out_of_range")
    if seen < ticket.last_position and not force:
        newer = ticket.messages.filter(position__gt=seen).select_related("agent").order_by("position")
        raise NewerMessages(list(newer[:NEWER_SHOWN]))


def _take_up(ticket: Ticket, message: Message, ids: Sequence[int], *, by: Actor) -> None:
    if not ids:
        return
    author = by.id if by.kind == ActorKind.PERSON else None
    free = ticket.attachments.filter(message__isnull=True, uploaded_by_id=author, pk__in=set(ids))
    if free.update(message=message) != len(set(ids)):
        raise InvalidInput.on("attachments", "Must be files of this ticket that you uploaded and did not send yet.")


def _append(ticket: Ticket, message: Message, *, by: Actor, now: datetime, answers: bool) -> Message:
    """Puts the message at the end of the locked ticket and draws every consequence on the ticket itself."""
    at, before = message.created_at, Status(ticket.status)
    message.ticket, message.position = ticket, ticket.last_position + 1
    message.save()
    ticket.last_position, ticket.last_activity_at = message.position, at
    public_reply = answers or (message.sender == Sender.AGENT and not message.automated)
    if public_reply:
        ticket.first_response_at = ticket.first_response_at or at
        ticket.waiting_since = None
    elif message.sender == Sender.CUSTOMER:
        if before in REOPENED_BY_CUSTOMER:
            lifecycle.set_status(ticket, Status.OPEN, now=now)
        ticket.waiting_since = ticket.waiting_since or at
    if message.sender == Sender.CUSTOMER and (ticket.is_watched or ticket.lift_minutes):
        ranking.lift(ticket, now=now)
    added = MessageAdded(
        subject_id=ticket.pk,
        message_id=message.pk,
        position=message.position,
        sender=message.sender,
        public_reply=public_reply,
    )
    reopened = TicketStatusChanged(subject_id=ticket.pk, before=before.value, after=ticket.status)
    emit(added, *([reopened] if ticket.status != before else []), by=by, at=at, subject=ticket)
    lifecycle.save(ticket, "last_position", "last_activity_at", "first_response_at", now=now)
    return message


def _open_follow_up(
    closed: Ticket,
    *,
    body: str,
    by: Actor,
    now: datetime,
    channel: Channel | None,
    source: str,
    external_id: str | None,
    said_at: datetime | None,
) -> Posted:
    follow_up = lifecycle.create_ticket(
        customer=closed.customer,
        subject=closed.subject,
        description=body,
        priority=Priority(closed.priority),
        channel=channel or Channel(closed.channel),
        category=Category(closed.category),
        tags=closed.tags,
        language=closed.language,
        department=closed.department,
        follow_up_of=closed,
        opened_at=said_at,
        by=by,
        now=now,
    )
    message = follow_up.messages.get(position=1)
    message.source, message.external_id = source, external_id
    message.save(update_fields=["source", "external_id"])
    emit(FollowUpOpened(subject_id=closed.pk, follow_up_id=follow_up.pk), by=by, at=now)
    return Posted(message=message, ticket=follow_up, follow_up=True)


def _mentionable(ticket: Ticket, ids: Sequence[int]) -> set[int]:
    wanted = set(ids)
    if not wanted:
        return wanted
    found = set(
        Agent.objects.get_queryset()
        .reaching(ticket.department_id, or_id=ticket.assignee_id)
        .filter(pk__in=wanted)
        .values_list("pk", flat=True)
    )
    missing = sorted(wanted - found)
    if missing:
        detail = f"There is no agent {missing[0]} who could read this ticket."
        raise InvalidInput.on("mentions", detail, "not_found")
    return found
