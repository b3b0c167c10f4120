"""What drills work on: a department with agents, tickets by the thousand, and a machine that may do everything."""

from typing import Any

from django.utils import timezone

from agents.models import Agent, Department
from agents.tests.builders import make_agent, make_department, make_key
from customers.tests.builders import make_customer
from quimbi import shared
from supportdesk.tests.client import Api
from tickets.enums import Status
from tickets.models import Ticket
from tickets.tests.builders import set_agent

_apis: dict[str, Api] = {}


def make_team(size: int, *, capacity: int) -> tuple[Department, list[Agent]]:
    """Agents of a department of their own, who are online."""
    department = make_department(name=f"Drill {timezone.now():%H%M%S%f}")
    team = [
        make_agent(email=f"{department.pk}-{number}@example.com", department=department, capacity=capacity)
        for number in range(size)
    ]
    return department, [set_agent(agent, availability="online") for agent in team]


def make_machine() -> str:
    """The text of an API key."""
    return make_key("tickets:write", "agents:read", name=f"Drill {timezone.now():%H%M%S%f}")


def make_tickets(count: int, department: Department | None) -> list[Ticket]:
    """Open and nobody's, written at once: nothing follows from them."""
    now = timezone.now()
    customer = make_customer(email=None)
    given: dict[str, Any] = {"customer": customer, "department": department, "waiting_since": now}
    given |= {"last_activity_at": now, "created_at": now, "updated_at": now, "status": Status.OPEN}
    tickets = [Ticket(subject=f"Drill {number}", **given) for number in range(count)]
    for ticket in tickets:
        ticket.rerank()
    return Ticket.objects.bulk_create(tickets)


def forget_quimbi() -> None:
    """What it said, whether it was well, and how much was asked of it."""
    redis = shared.redis()
    for pattern in ("quimbi:*", "breaker:*"):
        for key in redis.scan_iter(match=pattern):
            redis.delete(key)


def api(key: str) -> Api:
    """The API as the machine uses it."""
    return _apis.setdefault(key, Api(key))


def get_ready(key: str) -> int:
    """One request, so that every process and connection is up before what counts begins."""
    return api(key).get("/api/tickets/unassigned", page_size=1).status
