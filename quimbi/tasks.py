"""Periodic work on what the gateway keeps for a while (see supportdesk/schedule.py)."""

from celery import shared_task
from django.utils import timezone

from quimbi import models


@shared_task(name="quimbi.prune_calls")  # type: ignore[untyped-decorator]
def prune_calls() -> int:
    """Deletes old rows of the log of calls."""
    return models.prune(now=timezone.now())
