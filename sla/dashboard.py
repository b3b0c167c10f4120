"""The dashboard: figures of a period and the load ahead, kept for a minute for each who may see the same."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import structlog
from django.core.cache import cache
from prometheus_client import Counter
from redis.exceptions import RedisError

from agents.models import Agent, Department
from sla import performance
from sla.performance import Figures, Load, Period
from supportdesk.core.actor import Actor, ActorKind
from supportdesk.core.observability.metrics import REDIS_ERRORS

KEPT_SECONDS = 60

LOOKUPS = Counter("supportdesk_sla_dashboards_total", "Looks at the promises' dashboard: kept, or read.", ["found"])

log = structlog.get_logger("supportdesk.dashboard")


@dataclass(frozen=True, kw_only=True)
class Dashboard:
    """`figures` by each of performance.GROUPS; names are those of departments, and of agents whose record the caller
    may read.
    """

    during: Period
    as_of: datetime
    figures: Mapping[str | None, Mapping[Any, Figures]]
    load: Mapping[int | None, Mapping[int | None, Load]]
    departments: Mapping[int, str]
    agents: Mapping[int, str]


def dashboard(actor: Actor, during: Period, *, now: datetime) -> Dashboard:
    """Within what the actor sees, at most a minute old: `as_of` says from when. Four statements when it is read.

    Without Redis it is read each time.
    """
    key = _key(actor, during)
    try:
        known: Dashboard | None = cache.get(key)
    except RedisError as error:
        _complain(error)
        known = None
    LOOKUPS.labels("read" if known is None else "kept").inc()
    if known is not None:
        return known
    found = _read(actor, during, now=now)
    try:
        cache.set(key, found, KEPT_SECONDS)
    except RedisError as error:
        _complain(error)
    return found


def _read(actor: Actor, during: Period, *, now: datetime) -> Dashboard:
    figures, load = performance.figures(actor, during), performance.load(actor, now=now)
    departments = {*figures["department_id"], *load[1]} - {None}
    return Dashboard(
        during=during,
        as_of=now,
        figures=figures,
        load=load,
        departments=dict(Department.objects.filter(pk__in=departments).values_list("pk", "name")),
        agents=dict(Agent.objects.visible_to(actor).filter(pk__in=figures["agent_id"]).values_list("pk", "name")),
    )


def _key(actor: Actor, during: Period) -> str:
    """Of the rights and the days: who may see the same is shown the same."""
    person = actor.id if actor.kind == ActorKind.PERSON and not actor.sees_everything else None
    reach = "all" if actor.sees_everything else sorted(actor.departments or ())
    rights = f"{reach} {person} {sorted(actor.scopes)} {during.since} {during.until}"
    return f"sla-dashboard:{hashlib.sha256(rights.encode()).hexdigest()}"


def _complain(error: RedisError) -> None:
    REDIS_ERRORS.labels("dashboard").inc()
    log.warning("dashboard without redis", error=type(error).__name__)
