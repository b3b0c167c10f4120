"""Periodic work on promises (see supportdesk/schedule.py)."""

from celery import shared_task
from django.utils import timezone

from sla.services import deadlines
from supportdesk.core.actor import Door, system

AT_ONCE = 10_000


@shared_task(name="sla.check_deadlines")  # type: ignore[untyped-decorator]
def check_deadlines() -> int:
    """Raises the warnings and breaches that are due."""
    return deadlines.raise_due(by=system("sla", origin=Door.TASK), now=timezone.now(), limit=AT_ONCE)
