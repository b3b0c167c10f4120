"""Who is told about a ticket.

A new ticket: its agent, or while it has none those who may see it. Any other change: its agent and who had it before,
agents mentioned in its notes, and agents who have it open. Whether they may still see it is asked again when an entry
is delivered, so that this may count generously.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from agents import feed
from agents.enums import FeedKind
from agents.models import Agent, AgentQuerySet
from supportdesk.core.events import Occurrence
from tickets.events import (
    AttachmentAdded,
    FollowUpOpened,
    MessageAdded,
    NoteAdded,
    TicketArchived,
    TicketAssigned,
    TicketEvent,
    TicketPriorityChanged,
    TicketQueued,
    TicketStatusChanged,
    TicketUnassigned,
    TicketUpdated,
)
from tickets.models import Note, Ticket, Watch


@dataclass(frozen=True, kw_only=True)
class _Change:
    """What a fact changed, in the words of the API, with the ids that go with it."""

    names: list[str]
    details: Mapping[str, int | str] = field(default_factory=dict)


def tell(occurrence: Occurrence, *, now: datetime) -> int:
    """Tells whom a fact of a ticket concerns; returns how many."""
    event = occurrence.event
    ticket = Ticket.objects.filter(pk=event.subject_id).first()
    if ticket is None:
        return 0
    match event:
        case TicketQueued():
            return 0 if ticket.assignee_id else _announce(ticket, _everyone(ticket), occurrence, now)
        case TicketAssigned():
            told = _announce(ticket, _active().filter(pk=event.agent_id), occurrence, now)
            others = _concerned(ticket, now, former=event.previous_agent_id).exclude(pk=event.agent_id)
            return told + _update(ticket, others, occurrence, now)
        case TicketUnassigned():
            return _update(ticket, _concerned(ticket, now, former=event.agent_id), occurrence, now)
    return _update(ticket, _concerned(ticket, now), occurrence, now)


def warn(occurrence: Occurrence, *, ticket_id: int, details: Mapping[str, int | str], now: datetime) -> int:
    """Tells the ticket's agent and the supervisors of its department that a promise is about to be broken, or was;
    returns how many.
    """
    ticket = Ticket.objects.filter(pk=ticket_id).first()
    if ticket is None:
        return 0
    agents = Agent.objects.get_queryset().supervising(ticket.department_id, or_id=ticket.assignee_id)
    return _append(FeedKind.SLA_WARNING, ticket, agents, occurrence, _Change(names=[], details=details), now)


def _announce(ticket: Ticket, agents: AgentQuerySet, occurrence: Occurrence, now: datetime) -> int:
    return _append(FeedKind.NEW_TICKET, ticket, agents, occurrence, _change(occurrence.event), now)


def _update(ticket: Ticket, agents: AgentQuerySet, occurrence: Occurrence, now: datetime) -> int:
    return _append(FeedKind.TICKET_UPDATE, ticket, agents, occurrence, _change(occurrence.event), now)


def _append(
    kind: FeedKind, ticket: Ticket, agents: AgentQuerySet, occurrence: Occurrence, change: _Change, now: datetime
) -> int:
    return feed.append(
        kind=kind,
        recipients=agents.values_list("pk", flat=True),
        occurrence=occurrence,
        subject_id=ticket.pk,
        version=ticket.version,
        changed=change.names,
        details=change.details,
        now=now,
    )


def _active() -> AgentQuerySet:
    return Agent.objects.get_queryset().filter(is_active=True)


def _everyone(ticket: Ticket) -> AgentQuerySet:
    return Agent.objects.get_queryset().reaching(ticket.department_id)


def _concerned(ticket: Ticket, now: datetime, *, former: int | None = None) -> AgentQuerySet:
    mentioned = Note.mentions.through.objects.filter(note__ticket=ticket, agent_id=OuterRef("pk"))
    open_in_tab = Watch.objects.filter(ticket=ticket, tab__session__agent_id=OuterRef("pk"), tab__seen_until__gt=now)
    owners = Q(pk__in=[pk for pk in (ticket.assignee_id, former) if pk])
    return _active().filter(owners | Q(Exists(mentioned)) | Q(Exists(open_in_tab)))


def _change(event: TicketEvent) -> _Change:
    match event:
        case TicketStatusChanged():
            return _Change(names=["status"], details={"status": event.after})
        case TicketPriorityChanged():
            return _Change(names=["priority"], details={"priority": event.after})
        case TicketUpdated():
            return _Change(names=event.fields)
        case TicketArchived():
            return _Change(names=["archived_at"])
        case TicketAssigned() | TicketUnassigned():
            return _Change(names=["assignment"])
        case MessageAdded():
            return _Change(names=["messages"], details={"message_id": event.message_id, "sender": event.sender})
        case NoteAdded():
            return _Change(names=["notes"], details={"note_id": event.note_id})
        case AttachmentAdded():
            return _Change(names=["attachments"], details={"attachment_id": event.attachment_id})
        case FollowUpOpened():
            return _Change(names=["follow_ups"], details={"follow_up_id": event.follow_up_id})
    return _Change(names=[])
