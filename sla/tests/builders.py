"""Policies and calendars for tests, and the clocks of a ticket as they stand in the table."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib import import_module
from itertools import count
from typing import Any

from django.apps import apps

from agents.tests.builders import SYSTEM
from sla.clock import Metric
from sla.models import Calendar, Policy, PolicyVersion, SLAClock
from sla.services import calendars, deadlines, policies
from supportdesk.core.actor import Door, system
from tickets.models import Ticket

DETECTOR = system("sla", origin=Door.TASK)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
ROUND_THE_CLOCK = [[[0, 1440]]] * 7
OFFICE = [[[540, 1020]]] * 5 + [[], []]  # Monday to Friday, 09:00-17:00
PRIORITIES = ("urgent", "high", "normal", "low")
_numbers = count(1)


def seed_default_policy() -> None:
    """What the migration leaves, where a transactional test emptied the tables."""
    if not Policy.objects.filter(is_default=True).exists():
        import_module("sla.migrations.0002_default_policy").seed(apps, None)


def make_calendar(now: datetime, **over: Any) -> Calendar:
    given = {"name": f"Calendar {next(_numbers)}", "timezone": "Europe/Berlin", "week": OFFICE, "by": SYSTEM, **over}
    return calendars.create_calendar(**{"now": now, **given})


def minutes(**metrics: int) -> dict[str, dict[str, int]]:
    """The same targets at every priority: `minutes(first_response=60)`."""
    return {priority: dict(metrics) for priority in PRIORITIES}


def make_policy(now: datetime, *, active: bool = True, **over: Any) -> Policy:
    given = {"name": f"Policy {next(_numbers)}", "targets": minutes(first_response=60), "by": SYSTEM, **over}
    given.setdefault("calendar", Calendar.objects.earliest("pk"))
    policy = policies.create_policy(**{"now": now, **given})
    return policies.activate(policy_id=policy.pk, by=SYSTEM, now=now) if active else policy


def change_default(now: datetime, **words: Any) -> PolicyVersion:
    """The default policy with other words, active from now on."""
    default = Policy.objects.get(is_default=True)
    policies.update_policy(policy_id=default.pk, changes=words, by=SYSTEM, now=now)
    policies.activate(policy_id=default.pk, by=SYSTEM, now=now)
    return default.versions.get(state="active")


def clock_of(ticket: Ticket, metric: Metric, cycle: int = 1) -> SLAClock:
    return SLAClock.objects.get(ticket=ticket, metric=metric, cycle=cycle)


def raise_due(now: datetime) -> int:
    return deadlines.raise_due(by=DETECTOR, now=now, limit=10_000)


def steps(start: datetime, *hours: float) -> Iterator[datetime]:
    yield from (start + timedelta(hours=number) for number in hours)
