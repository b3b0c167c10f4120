"""Working off deliveries, and periodic work on what the floor keeps for a while (see supportdesk/schedule.py)."""

from celery import shared_task
from django.utils import timezone

from supportdesk.core import delivery, limits
from supportdesk.core.api import idempotency

RELAYED_AT_ONCE = 500


@shared_task(name="core.deliver")  # type: ignore[untyped-decorator]
def deliver(*, ids: list[int]) -> int:
    """Works off these deliveries and what waits behind them."""
    return sum(delivery.run(delivery_id) for delivery_id in ids)


@shared_task(name="core.relay")  # type: ignore[untyped-decorator]
def relay() -> int:
    """Works off what nobody was woken for, or whose worker is gone."""
    return delivery.run_due(limit=RELAYED_AT_ONCE)


@shared_task(name="core.prune_deliveries")  # type: ignore[untyped-decorator]
def prune_deliveries() -> int:
    """Deletes deliveries that are over."""
    return delivery.prune(now=timezone.now())


@shared_task(name="core.prune_idempotency_records")  # type: ignore[untyped-decorator]
def prune_idempotency_records() -> int:
    """Deletes answers kept for Idempotency-Key that are older than a day."""
    return idempotency.prune(now=timezone.now())


@shared_task(name="core.prune_rate_windows")  # type: ignore[untyped-decorator]
def prune_rate_windows() -> int:
    """Deletes counts of windows that are over."""
    return limits.prune(now=timezone.now())
