"""The dashboard: figures of a period and the load ahead, within what the actor sees."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from agents.models import Agent, Department
from sla import performance
from sla.performance import Figures, Load, Period
from supportdesk.core.actor import Actor

KIND = "sla_dashboards"  # of what is kept; no change ends it, only the time


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
    """Four statements, for any number of tickets."""
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
