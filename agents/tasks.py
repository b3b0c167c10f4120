"""Periodic work on agents' data; when it runs stands in supportdesk/schedule.py."""

from celery import shared_task
from django.utils import timezone

from agents import feed, passes, presence, sessions


@shared_task(name="agents.prune_login_sessions")  # type: ignore[untyped-decorator]
def prune_login_sessions() -> int:
    """Deletes login sessions that ended or expired."""
    return sessions.prune(now=timezone.now())


@shared_task(name="agents.expire_presence")  # type: ignore[untyped-decorator]
def expire_presence() -> int:
    """Makes offline who has given no sign of life for too long."""
    return presence.expire(now=timezone.now())


@shared_task(name="agents.prune_feed")  # type: ignore[untyped-decorator]
def prune_feed() -> int:
    """Deletes entries of agents' feeds that are older than a day."""
    return feed.prune(now=timezone.now())


@shared_task(name="agents.prune_passes")  # type: ignore[untyped-decorator]
def prune_passes() -> int:
    """Deletes passes to sockets that were used or ran out."""
    return passes.prune(now=timezone.now())
