"""Working off what partners sent, and periodic work on what is kept of it (see supportdesk/schedule.py)."""

from typing import Any

from celery import shared_task
from django.db.models import QuerySet
from django.utils import timezone

from integrations import comparing, jobs, privacy, receipts
from integrations.enums import Provider
from integrations.gorgias import polling, registration
from integrations.models import Connection
from supportdesk.core import wakeup

AT_ONCE = 2_000
MINUTES, HOUR = 240.0, 3_600.0  # seconds after which a task that nobody took is not worth it any more


@shared_task(name=receipts.TASK)  # type: ignore[untyped-decorator]
def work_off() -> int:
    """Works off what is due. A hint to the next one, when there was more than fits a task."""
    done = receipts.work_off(limit=AT_ONCE)
    if done and receipts.is_something_due():
        wakeup.hint(receipts.TASK)
    return done


@shared_task(name="integrations.sweep_receipts")  # type: ignore[untyped-decorator]
def sweep_receipts() -> int:
    """Works off what nobody was woken for."""
    return receipts.sweep(limit=AT_ONCE)


@shared_task(name="integrations.prune_receipts")  # type: ignore[untyped-decorator]
def prune_receipts() -> int:
    """Blanks bodies of deliveries that are a month old, and deletes keys that are a year old."""
    return receipts.prune(now=timezone.now())


@shared_task(name="integrations.work_privacy")  # type: ignore[untyped-decorator]
def work_privacy() -> int:
    """Erases accounts that asked for it, some customers at a time, and tells of requests that are due."""
    return privacy.work_off(now=timezone.now())


# Each connection in a task of its own: one that hangs holds up no other.


def _for_each(task: Any, found: QuerySet[Connection], *, expires: float) -> int:
    ids = list(found.order_by("pk").values_list("pk", flat=True))
    for pk in ids:
        task.apply_async([pk], expires=expires)
    return len(ids)


@shared_task(name="integrations.poll_gorgias")  # type: ignore[untyped-decorator]
def poll_gorgias() -> int:
    """Takes over what changed at Gorgias, whether we were called or not."""
    return _for_each(poll_one_gorgias, Connection.objects.active(Provider.GORGIAS), expires=MINUTES)


@shared_task(name="integrations.poll_one_gorgias")  # type: ignore[untyped-decorator]
def poll_one_gorgias(connection_id: int) -> int:
    """How many tickets were taken over."""
    known = Connection.objects.active(Provider.GORGIAS).filter(pk=connection_id).first()
    progress = polling.poll(known, now=timezone.now()) if known is not None else None
    return progress.written if progress is not None else 0


@shared_task(name="integrations.look_after_gorgias")  # type: ignore[untyped-decorator]
def look_after_gorgias() -> int:
    """Switches calls of Gorgias on again that it switched off, and tells which are missing."""
    return _for_each(look_after_one_gorgias, Connection.objects.active(Provider.GORGIAS), expires=HOUR)


@shared_task(name="integrations.look_after_one_gorgias")  # type: ignore[untyped-decorator]
def look_after_one_gorgias(connection_id: int) -> None:
    known = Connection.objects.active(Provider.GORGIAS).filter(pk=connection_id).first()
    if known is not None:
        registration.look(known, by=polling.BY, now=timezone.now())


@shared_task(name="integrations.refresh_tokens")  # type: ignore[untyped-decorator]
def refresh_tokens() -> int:
    """Renews partners' tokens before they expire."""
    return _for_each(refresh_one_token, jobs.expiring(now=timezone.now()), expires=MINUTES)


@shared_task(name="integrations.refresh_one_token")  # type: ignore[untyped-decorator]
def refresh_one_token(connection_id: int) -> bool:
    known = jobs.expiring(now=timezone.now()).filter(pk=connection_id).first()
    return known is not None and jobs.refresh_token(known, now=timezone.now())


@shared_task(name="integrations.sync_shopify")  # type: ignore[untyped-decorator]
def sync_shopify() -> int:
    """Takes over what changed at shops, whatever their webhooks told."""
    return _for_each(sync_one_shop, jobs.shops(), expires=HOUR)


@shared_task(name="integrations.sync_one_shop")  # type: ignore[untyped-decorator]
def sync_one_shop(connection_id: int) -> int:
    known = jobs.shops().filter(pk=connection_id).first()
    return jobs.sync_shop(known, now=timezone.now()) if known is not None else 0


@shared_task(name="integrations.compare_shops")  # type: ignore[untyped-decorator]
def compare_shops() -> int:
    """Counts what shops have, and what of it is here."""
    return _for_each(compare_one_shop, jobs.shops(), expires=HOUR)


@shared_task(name="integrations.compare_one_shop")  # type: ignore[untyped-decorator]
def compare_one_shop(connection_id: int) -> None:
    known = jobs.shops().filter(pk=connection_id).first()
    if known is not None:
        comparing.compare(known, now=timezone.now())


@shared_task(name="integrations.register_webhooks")  # type: ignore[untyped-decorator]
def register_webhooks() -> int:
    """Registers webhooks again that shops dropped."""
    return _for_each(register_one_shop, jobs.shops(), expires=HOUR)


@shared_task(name="integrations.register_one_shop")  # type: ignore[untyped-decorator]
def register_one_shop(connection_id: int) -> int:
    known = jobs.shops().filter(pk=connection_id).first()
    return jobs.register_webhooks(known, now=timezone.now()) if known is not None else 0
