"""Who asks while it is measured: everybody to whom the same list is another question."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from agents import services, sessions
from agents.enums import Role
from agents.models import Agent, Department
from supportdesk.core.actor import Actor
from supportdesk.load.measuring import Asking
from tickets.models import Ticket
from tickets.ordering import DONE_FROM

PASSWORD = "a pass phrase that is rolled back"  # noqa: S105


class EmptyDesk(Exception):
    """There is nothing to measure."""


@dataclass(frozen=True, kw_only=True)
class Asker:
    agent: Agent
    asking: Asking


def askers(*, by: Actor, now: datetime) -> Mapping[str, Asker]:
    """`admin` sees everything; `agent` is the busiest of the largest department, `small` the busiest of the smallest;
    `supervisor` leads the two smallest; `newcomer` is in a department that has no tickets. Raises EmptyDesk.
    """
    departments = _by_size()
    empty = Department.objects.create(name=f"bench {now.timestamp()}", created_at=now)
    new = {
        "admin": services.create_agent(
            email="bench-admin@example.com", name="Admin", password=PASSWORD, role=Role.ADMIN, by=by, now=now
        ),
        "supervisor": services.create_agent(
            email="bench-supervisor@example.com",
            name="Supervisor",
            password=PASSWORD,
            role=Role.SUPERVISOR,
            leads=departments[-2:],
            by=by,
            now=now,
        ),
        "newcomer": services.create_agent(
            email="bench-newcomer@example.com", name="Newcomer", password=PASSWORD, department=empty, by=by, now=now
        ),
    }
    known = {"agent": _busiest(departments[0]), "small": _busiest(departments[-1])}
    for agent in known.values():
        services.update_agent(agent_id=agent.pk, changes={"password": PASSWORD}, by=by, now=now)
    return {name: _logged_in(agent, now=now) for name, agent in (new | known).items()}


def _by_size() -> list[Department]:
    """Departments that have tickets, the largest first. Raises EmptyDesk."""
    found = Ticket.objects.filter(department__isnull=False).values("department").annotate(size=Count("pk"))
    by_id = Department.objects.in_bulk()
    if not found:
        raise EmptyDesk("No department has tickets; `generate_load` makes some.")
    return [by_id[row["department"]] for row in found.order_by("-size")]


def _busiest(department: Department) -> Agent:
    """Of its agents the one with most tickets that are not done. Raises EmptyDesk."""
    theirs = Ticket.objects.filter(department=department, assignee__isnull=False).values("assignee")
    counted = theirs.annotate(live=Count("pk", filter=Q(rank_at__lt=DONE_FROM)), ever=Count("pk"))
    found = counted.order_by("-live", "-ever", "assignee").first()
    if found is None:
        raise EmptyDesk(f"Nobody works in {department.name}; `generate_load` brings people.")
    return Agent.objects.get_queryset().get(pk=found["assignee"])


def _logged_in(agent: Agent, *, now: datetime) -> Asker:
    tokens = sessions.log_in(email=agent.email, password=PASSWORD, network="bench", now=now)
    asking = Asking(tokens.access)
    asking.client.force_login(agent)  # for the admin, where they may enter it
    return Asker(agent=agent, asking=asking)
