"""Periodic work on agents' data; when it runs stands in supportdesk/schedule.py."""

from celery import shared_task
from django.utils import timezone

from agents import sessions


@shared_task(name="agents.prune_login_sessions")  # type: ignore[untyped-decorator]
def prune_login_sessions() -> int:
    """Deletes login sessions that ended or expired."""
    return sessions.prune(now=timezone.now())
