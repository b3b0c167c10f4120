"""Periodic work on what the floor keeps for a while; when it runs stands in supportdesk/schedule.py."""

from celery import shared_task
from django.utils import timezone

from supportdesk.core import limits
from supportdesk.core.api import idempotency


@shared_task(name="core.prune_idempotency_records")  # type: ignore[untyped-decorator]
def prune_idempotency_records() -> int:
    """Deletes answers kept for Idempotency-Key that are older than a day."""
    return idempotency.prune(now=timezone.now())


@shared_task(name="core.prune_rate_windows")  # type: ignore[untyped-decorator]
def prune_rate_windows() -> int:
    """Deletes counts of windows that are over."""
    return limits.prune(now=timezone.now())
