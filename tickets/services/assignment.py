"""The one place where a ticket gets an agent or loses one.

Locks are taken in one order: the desk's, for choices that are made automatically; the ticket; the agent. Automatic
choices are made one at a time, so that each sees what the one before it did, and nobody is told that there is no agent
while there is one. See docs/adr/0022.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction

from agents.enums import Availability
from agents.models import Agent
from supportdesk.core.actor import Actor, ActorKind
from supportdesk.core.errors import Conflict, FieldError, InvalidInput, NotFound
from supportdesk.core.events import emit
from tickets import decisions, lists
from tickets.enums import AssignmentReason, DecisionOutcome, Status, Trigger
from tickets.events import TicketAssigned, TicketQueued, TicketUnassigned
from tickets.matching import Candidate, Decision, Need, choose, unfit
from tickets.models import Assignment, AssignmentDecision, Ticket
from tickets.services import candidates

LOCK = 5_220_602  # an arbitrary number, for the advisory lock of automatic choices


class NotAssignable(Conflict):
    """A closed ticket takes no agent; an agent who is inactive, or could not see it, takes no ticket."""

    code = "not_assignable"


class AlreadyAssigned(Conflict):
    """Somebody has the ticket; `current` in the answer says who."""

    code = "already_assigned"


class NotAssigned(Conflict):
    """Nobody has the ticket, so it cannot be transferred. Assign it."""

    code = "not_assigned"


class AssignmentChanged(Conflict):
    """The ticket is no longer with the agent it was to be transferred from; `current` in the answer says who has it."""

    code = "assignment_changed"


@dataclass(frozen=True, kw_only=True)
class Result:
    """The ticket as it is now, and what was decided about it; None when nothing had to be."""

    ticket: Ticket
    decision: AssignmentDecision | None


def assign(*, ticket_id: int, agent_id: int, by: Actor, now: datetime) -> Result:
    """Gives a ticket that nobody has to the agent, over their capacity if need be, which the decision says then.

    Assigning the agent who has it changes nothing. Raises NotFound, InvalidInput (no such agent in the actor's sight),
    NotAssignable, AlreadyAssigned.
    """
    with transaction.atomic():
        ticket = _locked(ticket_id, by)
        _refuse_unseen(agent_id, by)
        if ticket.assignee_id == agent_id and ticket.status != Status.CLOSED:
            return Result(ticket=ticket, decision=None)
        _refuse_closed(ticket)
        _refuse_assigned(ticket)
        return _hand_over(ticket, agent_id, reason=AssignmentReason.MANUAL, by=by, now=now)


def transfer(*, ticket_id: int, from_agent_id: int, agent_id: int, reason: str, by: Actor, now: datetime) -> Result:
    """Moves the ticket from the agent whom the actor saw as its owner to another one, over their capacity if need be.

    Raises NotFound, InvalidInput (no such agent in the actor's sight, both the same), NotAssignable, NotAssigned,
    AssignmentChanged.
    """
    if from_agent_id == agent_id:
        raise InvalidInput.on("agent_id", "Must be another agent than the one who has it.", "same_agent")
    with transaction.atomic():
        ticket = _locked(ticket_id, by)
        _refuse_unseen(agent_id, by)
        _refuse_closed(ticket)
        if ticket.assignee_id is None:
            raise NotAssigned("Nobody has this ticket; assign it instead.", more=_present(ticket))
        if ticket.assignee_id != from_agent_id:
            raise AssignmentChanged("Somebody else has this ticket by now.", more=_present(ticket))
        return _hand_over(ticket, agent_id, reason=AssignmentReason.TRANSFER, transfer_reason=reason, by=by, now=now)


def auto_assign(*, ticket_id: int, by: Actor, now: datetime) -> Result:
    """Gives the ticket to the agent whom tickets.matching puts first. When nobody can take it, it waits for who can.

    Raises NotFound, NotAssignable (nothing is left to do on it), AlreadyAssigned.
    """
    with transaction.atomic():
        _one_at_a_time()
        ticket = _locked(ticket_id, by)
        if ticket.resolved_at is not None:
            raise NotAssignable(f"A {ticket.status} ticket needs nobody.", more=_present(ticket))
        _refuse_assigned(ticket)
        return _assign_automatically(ticket, trigger=Trigger.REQUEST, by=by, now=now)


def reassign(
    *, ticket_id: int, when: Callable[[Ticket], bool], trigger: Trigger, by: Actor, now: datetime
) -> Result | None:
    """Takes an unfinished ticket from its agent, if it has one, and gives it to who is best now, in one transaction.

    None, and nothing is done, unless `when` holds of the ticket: asked before, to spare the locks, and under them. The
    agent before is preferred if they can take it.
    """
    if not any(when(ticket) for ticket in Ticket.objects.unfinished().filter(pk=ticket_id)):
        return None
    with transaction.atomic():
        _one_at_a_time()
        ticket = _locked(ticket_id, by)
        if ticket.resolved_at is not None or not when(ticket):
            return None
        if ticket.assignee is not None:
            _release(ticket, ticket.assignee, trigger=trigger, by=by, now=now)
        return _assign_automatically(ticket, trigger=trigger, by=by, now=now)


def close_open(ticket: Ticket, *, now: datetime) -> None:
    """Ends the open assignment of the locked ticket, if there is one; `Ticket.assignee` stays as who had it last."""
    Assignment.objects.filter(ticket=ticket, ended_at__isnull=True).update(ended_at=now)


def _one_at_a_time() -> None:
    """Until the caller's transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def _locked(ticket_id: int, by: Actor) -> Ticket:
    """Joined with what cannot change only: who had to wait for the lock gets the new row of the ticket, beside old rows
    of what it is joined with.
    """
    tickets: Any = Ticket.objects.visible_to(by).select_related("customer", "follow_up_of")
    ticket: Ticket | None = tickets.select_for_update(of=("self",)).filter(pk=ticket_id).first()
    if ticket is None:
        raise NotFound
    return ticket


def _refuse_unseen(agent_id: int, by: Actor) -> None:
    if not Agent.objects.visible_to(by).filter(pk=agent_id).exists():
        raise InvalidInput.on("agent_id", f"There is no such object: {agent_id}.", "not_found")


def _refuse_closed(ticket: Ticket) -> None:
    if ticket.status == Status.CLOSED:
        raise NotAssignable("A closed ticket takes no agent.", more=_present(ticket))


def _refuse_assigned(ticket: Ticket) -> None:
    if ticket.assignee_id is not None:
        raise AlreadyAssigned("Somebody has this ticket; transfer it instead.", more=_present(ticket))


def _present(ticket: Ticket) -> dict[str, Any]:
    """What a caller who lost is told of the ticket as it is now."""
    owner = ticket.assignee
    assignee = {"id": owner.pk, "name": owner.name} if owner else None
    return {"current": {"version": ticket.version, "status": ticket.status, "assignee": assignee}}


def _hand_over(
    ticket: Ticket, agent_id: int, *, reason: AssignmentReason, by: Actor, now: datetime, transfer_reason: str = ""
) -> Result:
    """By hand: to any active agent who could see the ticket without having it."""
    agent = candidates.hold(agent_id)
    reach = Agent.objects.get_queryset().reaching(ticket.department_id)
    if not (agent.is_active and reach.filter(pk=agent_id).exists()):
        detail = "This agent does not see the ticket." if agent.is_active else "This agent is not active."
        raise NotAssignable(detail, errors=[FieldError("agent_id", NotAssignable.code, detail)], more=_present(ticket))
    described = candidates.described(Agent.objects.get_queryset().filter(pk=agent_id)).get()
    record = decisions.by_hand(candidates.candidate(described), previous=ticket.assignee_id)
    assignment = _give(ticket, agent_id, reason=reason, transfer_reason=transfer_reason, by=by, now=now)
    outcome = DecisionOutcome.TRANSFER if reason == AssignmentReason.TRANSFER else DecisionOutcome.MANUAL
    return Result(ticket=ticket, decision=_decided(ticket, outcome, record, assignment, now=now))


def _assign_automatically(ticket: Ticket, *, trigger: Trigger, by: Actor, now: datetime) -> Result:
    """Of the locked ticket that nobody has."""
    need = candidates.need_of(ticket, now=now)
    found, decision = _choose(ticket, need)
    record = decisions.of_choice(need, found, decision, trigger=trigger, advice=_advice(ticket))
    if decision.chosen is None:
        return _keep_waiting(ticket, record, by=by, now=now)
    assignment = _give(ticket, decision.chosen, reason=AssignmentReason.AUTO, by=by, now=now)
    return Result(ticket=ticket, decision=_decided(ticket, DecisionOutcome.AUTO, record, assignment, now=now))


def _advice(ticket: Ticket) -> Mapping[str, Any] | None:
    """When Quimbi said that the customer is worth as much as a VIP. Not how much: that is not ours to keep."""
    if not ticket.advice.is_vip or ticket.advised_at is None:
        return None
    return {"as_of": ticket.advised_at.isoformat()}


def _choose(ticket: Ticket, need: Need) -> tuple[Mapping[int, Candidate], Decision]:
    """The choice, its agent held. Changes by hand do not wait for automatic ones, so whoever is chosen is looked at
    again once their row is locked; who cannot take the ticket any more is let go and stands in the record as they were
    found then.
    """
    found = candidates.for_ticket(ticket)
    while True:
        decision = choose(need, found.values())
        if decision.chosen is None:
            return found, decision
        try:
            with transaction.atomic():
                held = candidates.held(decision.chosen, ticket)
                if unfit(need, held) is not None:
                    raise _Unfit
        except _Unfit:
            found[held.id] = held
        else:
            return found, decision


class _Unfit(Exception):
    """Ends the savepoint, and with it the lock on an agent who cannot take the ticket any more."""


def _keep_waiting(ticket: Ticket, record: decisions.Record, *, by: Actor, now: datetime) -> Result:
    """Nobody can take it. That is said once: again only when the reasons are others."""
    if ticket.queued_at is None:
        ticket.queued_at = now
        _save(ticket, now=now)
        emit(TicketQueued(subject_id=ticket.pk), by=by, at=now)
    else:
        last = ticket.decisions.order_by("-pk").first()
        if last is not None and decisions.same_reasons(last.record, record):
            return Result(ticket=ticket, decision=last)
    return Result(ticket=ticket, decision=_decided(ticket, DecisionOutcome.NOBODY, record, None, now=now))


def _give(
    ticket: Ticket,
    agent_id: int,
    *,
    reason: AssignmentReason,
    by: Actor,
    now: datetime,
    transfer_reason: str = "",
) -> Assignment:
    previous = ticket.assignee_id
    if previous is not None:
        close_open(ticket, now=now)
    assignment = Assignment.objects.create(
        ticket=ticket,
        agent_id=agent_id,
        previous_agent_id=previous,
        reason=reason,
        transfer_reason=transfer_reason,
        assigned_by_id=by.id if by.kind == ActorKind.PERSON else None,
        assigned_at=now,
    )
    left = lists.groups_of(ticket)
    ticket.assignee_id, ticket.queued_at = agent_id, None
    _save(ticket, now=now, left=left)
    event = TicketAssigned(subject_id=ticket.pk, agent_id=agent_id, previous_agent_id=previous, reason=reason)
    emit(event, by=by, at=now)
    return assignment


def _release(ticket: Ticket, owner: Agent, *, trigger: Trigger, by: Actor, now: datetime) -> None:
    if not owner.is_active:
        why = Trigger.OWNER_GONE
    else:
        why = Trigger.OWNER_AWAY if owner.availability == Availability.OFFLINE else trigger
    close_open(ticket, now=now)
    left = lists.groups_of(ticket)
    ticket.assignee = None
    _save(ticket, now=now, left=left)
    record = decisions.of_release(previous=owner.pk, trigger=why)
    _decided(ticket, DecisionOutcome.RELEASED, record, None, now=now)
    emit(TicketUnassigned(subject_id=ticket.pk, agent_id=owner.pk, reason=why.value), by=by, at=now)


def _save(ticket: Ticket, *, now: datetime, left: Iterable[str] = ()) -> None:
    ticket.touch(now)
    ticket.save(update_fields=["assignee", "queued_at", "updated_at", "version"])
    lists.forget([ticket], left=left)


def _decided(
    ticket: Ticket, outcome: DecisionOutcome, record: decisions.Record, assignment: Assignment | None, *, now: datetime
) -> AssignmentDecision:
    return AssignmentDecision.objects.create(
        ticket=ticket, assignment=assignment, outcome=outcome, record=dict(record), decided_at=now
    )
