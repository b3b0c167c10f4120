"""What an automatic choice is made from, as it stands now: what the ticket asks for, and who could take it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.conf import settings
from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import OuterRef, Subquery, Value
from django.db.models.functions import Coalesce

from agents.enums import Availability, Role
from agents.models import Agent, AgentQuerySet, Specialization
from customers.enums import Tier
from tickets import workload
from tickets.enums import Priority
from tickets.matching import Candidate, Need
from tickets.models import Assignment, Ticket

TAKERS = (Role.AGENT, Role.SENIOR)  # supervisors and administrators are given tickets by hand only


def need_of(ticket: Ticket, *, now: datetime) -> Need:
    """Its agent is, if possible, who had it last; of a follow-up, who had the ticket that it follows."""
    skills = Specialization.objects.filter(categories__contains=[ticket.category]).values_list("pk", flat=True)
    return need(ticket, skills=skills, preferred=_owner_before(ticket), now=now)


def need(ticket: Ticket, *, skills: Iterable[int], preferred: int | None, now: datetime) -> Need:
    waited = now - ticket.queued_at if ticket.queued_at else None
    return Need(
        category=ticket.category,
        language=ticket.language,
        vip=ticket.customer.tier == Tier.VIP or ticket.advice.is_vip,
        urgent=ticket.priority == Priority.URGENT,
        skills=frozenset(skills),
        skill_is_must=waited is None or waited < settings.SKILL_MUST_FOR,
        preferred=preferred,
    )


def for_ticket(ticket: Ticket) -> dict[int, Candidate]:
    """Everybody who may be given the ticket and sees it. Who is not online is known by that alone."""
    reach = _takers(ticket.department_id)
    asked = {agent.pk: candidate(agent) for agent in described(reach.filter(availability=Availability.ONLINE))}
    away = reach.exclude(availability=Availability.ONLINE).values_list("pk", "availability")
    return asked | {pk: Candidate(id=pk, availability=Availability(why)) for pk, why in away}


def held(agent_id: int, ticket: Ticket) -> Candidate:
    """The agent as they are once their row is locked, until the caller's transaction or savepoint ends."""
    hold(agent_id)
    agent = described(_takers(ticket.department_id).filter(pk=agent_id)).first()
    return candidate(agent) if agent else Candidate(id=agent_id, active=False)


def hold(agent_id: int) -> Agent:
    """Locks the agent's row against every change of it and against whoever else counts their load. Rows that refer to
    the agent are written meanwhile as ever, for which the weaker lock is enough.
    """
    return Agent.objects.get_queryset().select_for_update(no_key=True, of=("self",)).get(pk=agent_id)


def described(agents: AgentQuerySet) -> AgentQuerySet:
    """With everything that a Candidate is made of, in one statement."""
    skills = Agent.specializations.through.objects.filter(agent_id=OuterRef("pk")).order_by().values("agent_id")
    ids = skills.annotate(ids=ArrayAgg("specialization_id")).values("ids")  # type: ignore[misc]
    last = Assignment.objects.filter(agent_id=OuterRef("pk")).order_by("-assigned_at").values("assigned_at")[:1]
    return workload.with_load(agents).annotate(
        skill_ids=Coalesce(Subquery(ids), Value([])), last_assigned_at=Subquery(last)
    )


def candidate(agent: Any) -> Candidate:
    """Of an agent from `described`."""
    return Candidate(
        id=agent.pk,
        senior=agent.role == Role.SENIOR,
        skills=frozenset(agent.skill_ids),
        languages=frozenset(agent.languages),
        load=agent.load,
        capacity=agent.capacity,
        availability=Availability(agent.availability),
        active=agent.is_active,
        last_assigned_at=agent.last_assigned_at,
    )


def _takers(department_id: int | None) -> AgentQuerySet:
    agents = Agent.objects.get_queryset()
    return agents.filter(pk__in=agents.reaching(department_id).filter(role__in=TAKERS).values("pk"))


def _owner_before(ticket: Ticket) -> int | None:
    last = ticket.assignments.order_by("-assigned_at", "-pk").values_list("agent_id", flat=True).first()
    return last or (ticket.follow_up_of.assignee_id if ticket.follow_up_of else None)
