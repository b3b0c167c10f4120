"""The one place where a ticket gets an agent or loses one."""

from datetime import datetime

from django.db import transaction

from agents.models import Agent
from supportdesk.core.actor import Actor, ActorKind
from supportdesk.core.errors import Conflict, NotFound
from supportdesk.core.events import emit
from tickets.enums import AssignmentReason, Status
from tickets.events import TicketAssigned
from tickets.models import Assignment, Ticket


class NotAssignable(Conflict):
    """A closed ticket takes no agent, and an inactive agent takes no ticket."""

    code = "not_assignable"


def assign(
    *, ticket_id: int, agent_id: int, by: Actor, now: datetime, reason: AssignmentReason = AssignmentReason.MANUAL
) -> Ticket:
    """Gives the ticket to the agent; the assignment before it ends and stays as history.

    Assigning the agent who has it changes nothing. Raises NotFound (ticket or agent), NotAssignable.
    """
    with transaction.atomic():
        ticket = Ticket.objects.visible_to(by).select_for_update(of=("self",)).filter(pk=ticket_id).first()
        agent = Agent.objects.get_queryset().filter(pk=agent_id).first()
        if ticket is None or agent is None:
            raise NotFound
        if ticket.assignee_id == agent.pk:
            return ticket
        if ticket.status == Status.CLOSED or not agent.is_active:
            raise NotAssignable("A closed ticket, or an inactive agent, cannot be part of an assignment.")
        previous = ticket.assignee_id
        close_open(ticket, now=now)
        Assignment.objects.create(
            ticket=ticket,
            agent=agent,
            reason=reason,
            assigned_by_id=by.id if by.kind == ActorKind.PERSON else None,
            assigned_at=now,
        )
        ticket.assignee, ticket.updated_at, ticket.version = agent, now, ticket.version + 1
        ticket.save(update_fields=["assignee", "updated_at", "version"])
        event = TicketAssigned(subject_id=ticket.pk, agent_id=agent.pk, previous_agent_id=previous, reason=reason)
        emit(event, by=by, at=now)
    return ticket


def close_open(ticket: Ticket, *, now: datetime) -> None:
    """Ends the open assignment of the locked ticket, if there is one; `Ticket.assignee` stays as who had it last."""
    Assignment.objects.filter(ticket=ticket, ended_at__isnull=True).update(ended_at=now)
