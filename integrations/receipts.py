"""What becomes of deliveries that were taken in: they are worked off, again when somebody asks, and blanked in time.

Whoever works on one holds its lease, a column, so one that was lost with its process is free again. Of one resource
only the earliest unfinished is worked on. The effect and the mark that it is done are one transaction, which fails when
the lease was lost: there is one effect, however often it was tried.
"""

import random
import time
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone
from prometheus_client import Counter

from integrations import people
from integrations.contract import Ignored, Job, Processor, inbox_of
from integrations.enums import ConnectionStatus, ReceiptStatus
from integrations.events import ReceiptReplayed
from integrations.models import WAITING, WebhookReceipt
from integrations.reading import Unreadable, read_object
from supportdesk.core import wakeup
from supportdesk.core.actor import Actor, Door, system
from supportdesk.core.errors import Conflict, NotFound, Unavailable
from supportdesk.core.events import emit
from supportdesk.core.rotation import count_by_key

TASK = "integrations.work_off"
LEASE = timedelta(seconds=15)
FETCH_LEASE = timedelta(seconds=70)  # longer than any task lives
BACKOFF = (60.0, 300.0, 1_800.0, 7_200.0, 43_200.0)  # seconds after the first, second, … failure; a tenth is chance
TRIES = 1 + len(BACKOFF)
BODY_KEPT_FOR = timedelta(days=30)
KEY_KEPT_FOR = timedelta(days=365)  # longer than anybody sends a delivery again
PRUNE_BATCH = 2_000
MOST_REPLAYED = 500  # in one request
NO_PROCESSOR = "nothing is done about this topic"
ERASED, EXPIRED = "the person was erased", "kept for too long"

RECEIPTS = Counter("supportdesk_receipts_total", "Deliveries of partners worked off.", ["provider", "outcome"])

_CLAIM = """
UPDATE integrations_webhookreceipt SET claim = %(claim)s, attempts = attempts + 1, status = 'processing',
    lease_until = clock_timestamp() + %(lease)s * interval '1 second'
WHERE id = (
    SELECT r.id FROM integrations_webhookreceipt r
    WHERE r.status IN ('received', 'processing', 'retry') AND r.next_attempt_at <= clock_timestamp()
        AND (r.lease_until IS NULL OR r.lease_until < clock_timestamp())
        AND (r.privacy OR r.resource_key = '' OR NOT EXISTS (
            SELECT FROM integrations_webhookreceipt e
            WHERE e.status IN ('received', 'processing', 'retry') AND e.source = r.source
                AND e.resource_key = r.resource_key AND e.id < r.id
        ))
    ORDER BY r.next_attempt_at, r.id LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING id
"""

log = structlog.get_logger("supportdesk.receipts")


class NotReplayable(Conflict):
    """Only a delivery that is finished, and whose body is still there, is worked off again."""

    code = "not_replayable"


class _Lost(Exception):
    """The lease ran out and somebody else has the receipt."""


@dataclass(frozen=True, kw_only=True)
class _Claimed:
    claim: uuid.UUID
    receipt: WebhookReceipt

    @property
    def mine(self) -> Any:
        held = WebhookReceipt.objects.filter(pk=self.receipt.pk, claim=self.claim)
        return held.filter(status=ReceiptStatus.PROCESSING)


def work_off(*, limit: int, seconds: float = 20.0) -> int:
    """Works off up to `limit` deliveries that are due and that nobody has, the oldest first; returns how many."""
    count, until = 0, time.monotonic() + seconds
    while count < limit and time.monotonic() < until and (claimed := _claim()) is not None:
        _attempt(claimed)
        count += 1
    return count


def is_something_due() -> bool:
    """Whether there may be something to work off, though somebody may be at it."""
    return WebhookReceipt.objects.filter(status__in=WAITING, next_attempt_at__lte=Now()).exists()


def sweep(*, limit: int) -> int:
    """Works off what nobody was woken for, whose worker is gone, or whose connection is active again."""
    held = WebhookReceipt.objects.filter(status__in=WAITING, next_attempt_at__isnull=True)
    held.filter(connection__status=ConnectionStatus.ACTIVE).update(next_attempt_at=Now())
    return work_off(limit=limit)


def replay(*, receipt_id: int, by: Actor, now: datetime) -> WebhookReceipt:
    """Has a finished delivery worked off again, from the first try on. Raises NotFound, NotReplayable."""
    with transaction.atomic():
        receipt = WebhookReceipt.objects.visible_to(by).select_for_update().filter(pk=receipt_id).first()
        if receipt is None:
            raise NotFound
        if receipt.finished_at is None or receipt.raw_body is None:
            raise NotReplayable("Only a delivery that is finished, and whose body is still there, is worked off again.")
        receipt.status, receipt.attempts, receipt.next_attempt_at = ReceiptStatus.RECEIVED, 0, now
        receipt.finished_at = receipt.lease_until = receipt.claim = None
        changed = ["status", "attempts", "next_attempt_at", "finished_at", "lease_until", "claim"]
        receipt.save(update_fields=changed)
        emit(ReceiptReplayed(subject_id=receipt.pk), by=by, at=now)
        transaction.on_commit(lambda: wakeup.hint(TASK))
    return receipt


def replay_dead(*, connection_id: int, by: Actor, now: datetime, limit: int = MOST_REPLAYED) -> int:
    """Has the first `limit` of what was given up of a connection worked off again; how many they are."""
    dead = WebhookReceipt.objects.visible_to(by).filter(connection=connection_id, status=ReceiptStatus.DEAD)
    ids = list(dead.filter(raw_body__isnull=False).order_by("pk").values_list("pk", flat=True)[:limit])
    replayed = 0
    for pk in ids:
        with suppress(NotFound, NotReplayable):  # somebody else was faster
            replay(receipt_id=pk, by=by, now=now)
            replayed += 1
    return replayed


def erase(*, customer_id: int, now: datetime) -> int:
    """Blanks every body that speaks of the customer, as `erase_about` does; how many."""
    return erase_about(people.hashes_of(customer_id), now=now)


def erase_about(hashes: Sequence[str], *, now: datetime) -> int:
    """Blanks every body that speaks of whom the hashes stand for, and has what was to be done about it left undone; how
    many. Whether we ever knew them does not matter: it may have come while the connection was not active.

    Requests about privacy that are still to be worked off stay until they are, which blanks them as well.
    """
    about = WebhookReceipt.objects.filter(subjects__overlap=list(hashes))
    found = about.exclude(Q(privacy=True) & Q(finished_at__isnull=True))
    found.filter(status__in=WAITING).update(status=ReceiptStatus.IGNORED, error=ERASED, finished_at=now)
    return found.update(**_blank(now))


def subjects_by_key() -> Mapping[str, int]:
    """How many hashes of whom bodies speak of each key made. With their bodies they go."""
    return count_by_key("SELECT unnest(subjects) FROM integrations_webhookreceipt")


def prune(*, now: datetime) -> int:
    """Blanks bodies that are a month old and deletes keys that are a year old, in batches; returns how many rows."""
    aged = WebhookReceipt.objects.filter(redacted_at__isnull=True, received_at__lte=now - BODY_KEPT_FOR)
    count = 0
    while batch := list(aged.values_list("pk", flat=True)[:PRUNE_BATCH]):
        rows = WebhookReceipt.objects.filter(pk__in=batch)
        rows.unfinished().update(status=ReceiptStatus.IGNORED, error=EXPIRED, finished_at=now, claim=None)
        count += rows.update(**_blank(now))
    old = WebhookReceipt.objects.filter(finished_at__isnull=False, received_at__lte=now - KEY_KEPT_FOR)
    while batch := list(old.values_list("pk", flat=True)[:PRUNE_BATCH]):
        count += WebhookReceipt.objects.filter(pk__in=batch).delete()[0]
    return count


def _claim() -> _Claimed | None:
    claim = uuid.uuid4()
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"claim": claim, "lease": LEASE.total_seconds()})
        row = cursor.fetchone()
    if row is None:
        return None
    receipt = WebhookReceipt.objects.select_related("connection").defer("raw_body").get(pk=row[0])
    return _Claimed(claim=claim, receipt=receipt)


def _attempt(claimed: _Claimed) -> None:
    """Works one off and marks what became of it. A process that dies in here leaves the lease to run out."""
    receipt = claimed.receipt
    known = receipt.connection
    if receipt.attempts > TRIES:  # none of the tries lived to say that it failed
        _bury(claimed, "the process ended in every try")
    elif not receipt.privacy and (known is None or known.status != ConnectionStatus.ACTIVE):
        claimed.mine.update(status=ReceiptStatus.RECEIVED, attempts=receipt.attempts - 1, **_LET_GO)
    else:
        try:
            with structlog.contextvars.bound_contextvars(receipt=receipt.pk):
                _process(claimed)
        except _Lost:
            log.warning("receipt was taken over", receipt=receipt.pk)
        except Ignored as reason:
            _finish(claimed, ReceiptStatus.IGNORED, str(reason))
        except Unreadable as reason:
            _bury(claimed, str(reason))
        except Exception as error:  # whatever it is, it must not stop what waits for other resources
            _back_off(claimed, error)


def _process(claimed: _Claimed) -> None:
    receipt, now = claimed.receipt, timezone.now()
    raw = receipt.raw_body
    if raw is None:
        raise Ignored(ERASED)
    body = read_object(raw)
    processor = inbox_of(receipt.provider).processors.get(receipt.topic)
    if processor is None:
        raise Ignored(NO_PROCESSOR)
    job = Job(
        receipt_id=receipt.pk,
        connection=receipt.connection,
        topic=receipt.topic,
        body=body,
        received_at=receipt.received_at,
        triggered_at=receipt.triggered_at,
        by=system(f"integrations.{receipt.provider}", origin=Door(receipt.provider)),
        now=now,
    )
    answered_for = _waiting_behind(receipt) if processor.merges else []
    found = _fetched(claimed, processor, job)
    with transaction.atomic():
        processor.apply(job, found)
        unblanked = claimed.mine.filter(redacted_at__isnull=True)  # else its person was erased meanwhile
        if not unblanked.update(status=ReceiptStatus.DONE, error="", finished_at=Now(), **_LET_GO):
            raise _Lost
        merged = WebhookReceipt.objects.filter(pk__in=answered_for, status__in=WAITING)
        merged.update(status=ReceiptStatus.DONE, error="", finished_at=Now(), **_LET_GO)
        if receipt.privacy:
            WebhookReceipt.objects.filter(pk=receipt.pk).update(**_blank(now))
    RECEIPTS.labels(receipt.provider, "done").inc(1 + len(answered_for))


def _fetched(claimed: _Claimed, processor: Processor, job: Job) -> Any:
    if processor.fetch is None:
        return None
    if not claimed.mine.update(lease_until=Now() + FETCH_LEASE):
        raise _Lost
    return processor.fetch(job)


def _waiting_behind(receipt: WebhookReceipt) -> Sequence[int]:
    """What came for the same resource before we look at it. Nobody else takes it while this one is unfinished."""
    if not receipt.resource_key:
        return []
    same = WebhookReceipt.objects.filter(source=receipt.source, resource_key=receipt.resource_key, status__in=WAITING)
    return list(same.filter(privacy=False).exclude(pk=receipt.pk).values_list("pk", flat=True))


_LET_GO: dict[str, Any] = {"claim": None, "lease_until": None, "next_attempt_at": None}


def _finish(claimed: _Claimed, status: ReceiptStatus, error: str) -> None:
    claimed.mine.update(status=status, error=error[:100], finished_at=Now(), **_LET_GO)
    RECEIPTS.labels(claimed.receipt.provider, status).inc()


def _bury(claimed: _Claimed, error: str) -> None:
    receipt = claimed.receipt
    log.error("delivery of a partner given up", receipt=receipt.pk, provider=receipt.provider, error=error)
    _finish(claimed, ReceiptStatus.DEAD, error)


def _back_off(claimed: _Claimed, error: Exception) -> None:
    receipt, kind = claimed.receipt, type(error).__name__
    log.exception("delivery of a partner failed", receipt=receipt.pk, attempt=receipt.attempts)
    if receipt.attempts >= TRIES:
        _bury(claimed, kind)
        return
    pause = BACKOFF[receipt.attempts - 1] * random.uniform(1.0, 1.1)  # noqa: S311 - spreads rivals, no secret
    if isinstance(error, Unavailable) and error.retry_after is not None:
        pause = max(pause, float(error.retry_after))
    again = Now() + timedelta(seconds=pause)
    claimed.mine.update(status=ReceiptStatus.RETRY, error=kind, **(_LET_GO | {"next_attempt_at": again}))
    RECEIPTS.labels(receipt.provider, "retry").inc()


def _blank(now: datetime) -> dict[str, Any]:
    """What is left of a body, and of whom it spoke: nothing."""
    return {"raw_body": None, "subjects": [], "resource_key": "", "redacted_at": now}
