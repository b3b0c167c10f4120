"""Agents and departments for tests, made by the services."""

from datetime import datetime, timedelta
from itertools import count
from typing import Any

from django.db import transaction
from django.utils import timezone

from agents import keys, services, structure
from agents.models import Agent, Department
from agents.selectors import actor_for, led_departments
from supportdesk.core.actor import Actor, Door, system
from supportdesk.core.events import DomainEvent, Fact, Occurrence, record

PASSWORD = "a pass phrase for tests"
SYSTEM = system("tests", origin=Door.COMMAND)
_numbers = count(1)


def make_department(**over: Any) -> Department:
    given = {"name": f"Department {next(_numbers)}", "by": SYSTEM, "now": timezone.now(), **over}
    return structure.create_department(**given)


def make_agent(**over: Any) -> Agent:
    number = next(_numbers)
    given = {"email": f"agent{number}@example.com", "name": f"Agent {number}", "password": PASSWORD, **over}
    return services.create_agent(**{"by": SYSTEM, "now": timezone.now(), **given})


def actor_of(agent: Agent, *, origin: Door = Door.API) -> Actor:
    return actor_for(agent, led=led_departments(agent), origin=origin)


def make_key(*scopes: str, **over: Any) -> str:
    """The text of a new API key."""
    now = timezone.now()
    given = {"name": f"Machine {next(_numbers)}", "expires_at": now + timedelta(days=30), "by": SYSTEM, "now": now}
    return keys.issue(scopes=scopes, **{**given, **over}).text


def occurrence_of(event: DomainEvent, *, at: datetime | None = None) -> Occurrence:
    """A fact as a later reaction gets it, without what else follows from it."""
    at = at or timezone.now()
    with transaction.atomic():
        row = record(facts=[Fact(event=event, at=at)], by=SYSTEM)[0]
    return Occurrence(event=event, event_id=row.pk, at=at, origin=Door.COMMAND, by=SYSTEM, key=f"tests:{row.pk}")
