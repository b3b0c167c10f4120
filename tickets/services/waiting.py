"""Tickets that wait for an agent: new ones, those that nobody could take, and those whose agent is not there.

Everything here may be done twice, or too late: it looks at the ticket as it is then, and leaves it when all is well.
"""

from collections import defaultdict
from dataclasses import replace
from datetime import datetime

from django.db.models import Q

from agents.enums import Availability, Role
from agents.models import Agent, Specialization
from supportdesk.core.actor import Actor
from tickets.enums import AssignmentReason, Status, Trigger
from tickets.matching import ONE, unfit
from tickets.models import Ticket
from tickets.models.ticket import TicketQuerySet
from tickets.services import assignment, candidates

GIVEN_AT_ONCE = 100  # tickets that one call gives out or takes back: far within the lease of a delivery
LOOKED_AT = 2_000  # tickets that one call looks at, so that a long queue of what nobody can take costs a bounded time


def take_in(*, ticket_id: int, trigger: Trigger, by: Actor, now: datetime) -> None:
    """Has an unfinished ticket that nobody has, and that does not wait for somebody yet, assigned automatically."""
    assignment.reassign(ticket_id=ticket_id, when=_is_nobodys, trigger=trigger, by=by, now=now)


def serve_customer(*, ticket_id: int, by: Actor, now: datetime) -> None:
    """Gives an open ticket whose customer waits to somebody who is there, if nobody is."""

    def left_alone(ticket: Ticket) -> bool:
        return ticket.waiting_since is not None and _is_left_alone(ticket)

    assignment.reassign(ticket_id=ticket_id, when=left_alone, trigger=Trigger.ANSWERED, by=by, now=now)


def serve_reopened(*, ticket_id: int, by: Actor, now: datetime) -> None:
    """As for a customer who waits: what was done and is open again is not left with somebody who is not there."""
    assignment.reassign(ticket_id=ticket_id, when=_is_left_alone, trigger=Trigger.REOPENED, by=by, now=now)


def serve_valuable(*, ticket_id: int, by: Actor, now: datetime) -> None:
    """Gives a ticket that turned out to be a VIP's to a senior who can take it, while nobody has answered: once, and
    never one that somebody was given by hand.
    """

    def misplaced(ticket: Ticket) -> bool:
        owner = ticket.assignee
        if not ticket.advice.is_vip or owner is None or owner.role == Role.SENIOR or ticket.first_response_at:
            return False
        only = list(ticket.assignments.values_list("reason", flat=True)[:2]) == [AssignmentReason.AUTO]
        return only and _has_senior(ticket, now=now)

    assignment.reassign(ticket_id=ticket_id, when=misplaced, trigger=Trigger.VALUED, by=by, now=now)


def look_again(*, ticket_id: int, moved: bool, by: Actor, now: datetime) -> None:
    """After a change of a ticket: what waits is tried anew. If it moved to another department, an agent who would not
    see it without having it loses it.
    """

    def out_of_place(ticket: Ticket) -> bool:
        if ticket.assignee_id is None or not moved:
            return ticket.queued_at is not None
        return not Agent.objects.get_queryset().reaching(ticket.department_id).filter(pk=ticket.assignee_id).exists()

    assignment.reassign(ticket_id=ticket_id, when=out_of_place, trigger=Trigger.MOVED, by=by, now=now)


def release_from_inactive(*, by: Actor, now: datetime) -> int:
    """Takes unfinished tickets from agents who are no longer active, the most urgent first; returns how many."""
    theirs = Ticket.objects.unfinished().filter(assignee__is_active=False).order_by("rank_at", "pk")
    released = 0
    for ticket_id in list(theirs.values_list("pk", flat=True)[:GIVEN_AT_ONCE]):
        result = assignment.reassign(
            ticket_id=ticket_id, when=_is_with_inactive, trigger=Trigger.OWNER_GONE, by=by, now=now
        )
        released += result is not None
    return released


def assign_waiting(*, by: Actor, now: datetime) -> int:
    """Gives what waits to who can take it, in the order of work, while anybody has room; returns how many.

    Whether somebody can is judged first on what was read once, so that a queue that nobody can take costs no locks; who
    gets a ticket is decided under them.
    """
    queued = Ticket.objects.filter(queued_at__isnull=False)
    if not queued.exists():
        return 0
    team, given = _Team(), 0
    for ticket in team.within_reach(queued).select_related("customer").order_by("rank_at", "pk")[:LOOKED_AT]:
        if given == GIVEN_AT_ONCE or not team.has_room:
            break
        if team.has_somebody_for(ticket, now=now):
            result = assignment.reassign(ticket_id=ticket.pk, when=_is_queued, trigger=Trigger.ROOM, by=by, now=now)
            if result is not None and result.ticket.assignee_id is not None:
                team.add_work(result.ticket.assignee_id)
                given += 1
    return given


class _Team:
    """Everybody who could be given something, as they were when it was read: two statements."""

    def __init__(self) -> None:
        online = Agent.objects.get_queryset().filter(
            is_active=True, role__in=candidates.TAKERS, availability=Availability.ONLINE
        )
        found = [(agent.department_id, candidates.candidate(agent)) for agent in candidates.described(online)]
        self.free = {who.id: who for _, who in found if who.has_room}
        self.departments = {who.id: department for department, who in found}
        self.skills: dict[str, set[int]] = defaultdict(set)
        for skill in Specialization.objects.all():
            for category in skill.categories:
                self.skills[category].add(skill.pk)

    @property
    def has_room(self) -> bool:
        return bool(self.free)

    def within_reach(self, tickets: TicketQuerySet) -> TicketQuerySet:
        """Those that somebody with room sees."""
        if not self.free:
            return tickets.none()
        return tickets.filter(Q(department__isnull=True) | Q(department_id__in={*map(self.departments.get, self.free)}))

    def has_somebody_for(self, ticket: Ticket, *, now: datetime) -> bool:
        need = candidates.need(ticket, skills=self.skills[ticket.category], preferred=None, now=now)
        sees = ticket.department_id
        return any(unfit(need, who) is None for who in self.free.values() if sees in {None, self.departments[who.id]})

    def add_work(self, agent_id: int) -> None:
        before = self.free.pop(agent_id, None)  # none of those who were read, if they came online since
        if before is not None and (busier := replace(before, load=before.load + ONE)).has_room:
            self.free[agent_id] = busier


def _is_nobodys(ticket: Ticket) -> bool:
    return ticket.assignee_id is None and ticket.queued_at is None


def _is_queued(ticket: Ticket) -> bool:
    return ticket.queued_at is not None


def _is_with_inactive(ticket: Ticket) -> bool:
    return ticket.assignee is not None and not ticket.assignee.is_active


def _is_left_alone(ticket: Ticket) -> bool:
    """Open, and with somebody who is not there or, without waiting for anybody, with nobody."""
    owner = ticket.assignee
    if ticket.status != Status.OPEN:
        return False
    if owner is None:
        return ticket.queued_at is None
    return not owner.is_active or owner.availability == Availability.OFFLINE


def _has_senior(ticket: Ticket, *, now: datetime) -> bool:
    need = candidates.need_of(ticket, now=now)
    return any(who.senior and unfit(need, who) is None for who in candidates.for_ticket(ticket).values())
