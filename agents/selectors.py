"""Reading agents and knowing who acts."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import BooleanField, Case, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce

from agents.enums import Role
from agents.models import Agent, AgentQuerySet, LoginSession
from supportdesk.core.actor import Actor, ActorKind, Door


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What a login and its agent are at a moment, for who has to notice that they are not what they were."""

    is_good: bool
    is_active: bool
    role: str
    token_version: int


@dataclass(frozen=True, kw_only=True)
class Watched(Standing):
    """With the last position of the agent's feed."""

    head: int


def actor_for(agent: Agent, *, led: frozenset[int], origin: Door, request_id: str = "") -> Actor:
    """The actor that an agent is today: administrators see all, supervisors what they lead (all, if nothing is named).

    Everybody sees their own department as well, so a supervisor never sees less than the agents beside them.
    """
    return Actor(
        kind=ActorKind.PERSON,
        origin=origin,
        id=agent.pk,
        role=agent.role,
        departments=_reach(agent, led),
        request_id=request_id,
    )


def _reach(agent: Agent, led: frozenset[int]) -> frozenset[int] | None:
    own = frozenset({agent.department_id} if agent.department_id else ())
    if agent.role == Role.ADMIN or (agent.role == Role.SUPERVISOR and not led):
        return None
    return own | led if agent.role == Role.SUPERVISOR else own


def led_departments(agent: Agent) -> frozenset[int]:
    return frozenset(agent.leads.values_list("pk", flat=True))


def session_with_agent(*, session_id: int, now: datetime) -> LoginSession | None:
    """A login that is still good, with its agent and `led_ids`, the departments they lead: one indexed read."""
    led = (
        Agent.leads.through.objects.filter(agent_id=OuterRef("agent_id"))
        .order_by()
        .values("agent_id")
        .annotate(ids=ArrayAgg("department_id"))
        .values("ids")  # type: ignore[misc]
    )
    return (
        LoginSession.objects.select_related("agent")
        .filter(pk=session_id, ended_at__isnull=True, expires_at__gt=now, agent__is_active=True)
        .annotate(led_ids=Coalesce(Subquery(led), Value([])))
        .first()
    )


def standing_of(session: LoginSession) -> Standing:
    """Of a login from `session_with_agent`, which finds good ones only."""
    agent = session.agent
    return Standing(is_good=True, is_active=agent.is_active, role=agent.role, token_version=agent.token_version)


def standings(session_ids: Iterable[int], *, now: datetime) -> dict[int, Watched]:
    """Of any number of logins in one statement, by id; one that was deleted is missing."""
    columns = ("ended_at", "expires_at", "agent__is_active", "agent__role", "agent__token_version")
    rows = LoginSession.objects.filter(pk__in=session_ids).values_list("pk", *columns, "agent__feed_head__last_seq")
    return {
        pk: Watched(
            is_good=ended_at is None and expires_at > now,
            is_active=is_active,
            role=role,
            token_version=token_version,
            head=head or 0,
        )
        for pk, ended_at, expires_at, is_active, role, token_version, head in rows
    }


def directory(actor: Actor) -> AgentQuerySet:
    """Every active agent, and the inactive ones whose record the actor may read.

    `whole` says whether the actor may read more of an agent than the card (`id`, `name`, `availability`).
    """
    agents = Agent.objects.get_queryset()
    if actor.sees_everything:
        reach = Q(pk__isnull=False)
    else:
        reach = Q(department_id__in=actor.departments or ()) | Q(pk=actor.id)
    return agents.filter(reach | Q(is_active=True)).annotate(
        whole=Case(When(reach, then=Value(True)), default=Value(False), output_field=BooleanField())
    )
