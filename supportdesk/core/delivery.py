"""Working off what is to follow from events: claim, run, back off, give up.

A delivery is run by whoever holds its lease. The lease is a column, so one that was lost with its process is free again
when it runs out; Celery only says that there is work. Of one subject and one reaction, only the earliest unfinished
delivery can be claimed, so the order of facts is the order of what follows from them. A handler may run twice (when its
process dies between effect and mark) and must have its effect once.
"""

import random
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connection, transaction
from django.db.models.functions import Now
from django.utils import timezone

from supportdesk.core import wakeup
from supportdesk.core.actor import Actor, Door, system
from supportdesk.core.errors import Conflict, NotFound, Unavailable
from supportdesk.core.events import DomainEvent, LaterHandler, Occurrence, emit, event_class, plans, table
from supportdesk.core.models import Delivery, DeliveryState, Event

LEASE = timedelta(seconds=15)  # with the relay's 5 s, what a killed process left is taken up well within 30 s
TRIES = 5
BACKOFF = (2.0, 10.0, 60.0, 300.0)  # seconds after the first, second, … failure; a tenth of it is chance
SOONEST, LATEST = 5.0, 300.0  # seconds until a partner that does not say when is asked again
DONE_KEPT_FOR = timedelta(days=7)
DEAD_KEPT_FOR = timedelta(days=90)
PRUNE_BATCH = 5_000

_CLAIM = """
UPDATE core_delivery SET claim = %(claim)s, attempts = attempts + 1,
    leased_until = clock_timestamp() + %(lease)s * interval '1 second'
WHERE id = (
    SELECT d.id FROM core_delivery d
    WHERE d.state = 'pending' AND d.due_at <= clock_timestamp() - %(waited)s * interval '1 second'
        AND (d.leased_until IS NULL OR d.leased_until < clock_timestamp()) AND {which}
        AND NOT EXISTS (
            SELECT FROM core_delivery e
            WHERE e.state = 'pending' AND e.reaction = d.reaction AND e.subject_type = d.subject_type
                AND e.subject_id = d.subject_id AND e.event_id < d.event_id
        )
    ORDER BY d.due_at, d.id LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING id, event_id, reaction, subject_type, subject_id, attempts
"""

log = structlog.get_logger("supportdesk.delivery")


@dataclass(frozen=True, kw_only=True)
class DeliveryRetried(DomainEvent):
    """Somebody had a delivery that was given up tried again."""

    name = "delivery.retried"
    subject_type = "delivery"


class NotDead(Conflict):
    """Only a delivery that was given up is tried again by hand."""

    code = "not_dead"


class Later(Exception):
    """Not now, and by nobody's fault: a partner said when, or it is somebody else's turn. Counts as no try."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"in {seconds:.1f} s")
        self.seconds = seconds


def patience(age: timedelta, asked: float | None) -> float:
    """Seconds until a partner that is away is asked again: as many as it asked for, else the more the longer that what
    is to be done has waited.
    """
    return asked if asked is not None else min(max(SOONEST, age.total_seconds() / 2), LATEST)


class UnknownReaction(Exception):
    """The table of reactions does not name it: it was renamed, or this code is older than the delivery."""


@dataclass(frozen=True, kw_only=True)
class _Claimed:
    claim: uuid.UUID
    id: int
    event_id: int
    reaction: str
    subject_type: str
    subject_id: int
    attempts: int


def run(delivery_id: int) -> int:
    """Works off the delivery, if it is due and nobody has it, and those behind it; returns how many were run."""
    count = 0
    claimed = _claim("d.id = %(id)s", id=delivery_id)
    while claimed is not None:
        _attempt(claimed)
        count += 1
        claimed = _claim(
            "d.reaction = %(reaction)s AND d.subject_type = %(type)s AND d.subject_id = %(subject)s",
            reaction=claimed.reaction,
            type=claimed.subject_type,
            subject=claimed.subject_id,
        )
    return count


def run_due(*, limit: int, push_only: bool = False, waited: timedelta = timedelta(0)) -> int:
    """The relay: works off up to `limit` deliveries that are due and that nobody has; returns how many.

    `waited`: only those that should have been run this long ago.
    """
    count = 0
    which, names = ("d.reaction = ANY(%(names)s)", _push_names()) if push_only else ("TRUE", [])
    while count < limit and (claimed := _claim(which, names=names, waited=waited.total_seconds())) is not None:
        _attempt(claimed)
        count += 1
    return count


def retry(*, delivery_id: int, by: Actor, now: datetime) -> Delivery:
    """Has a delivery that was given up tried again, from the first try on. Raises NotFound, NotDead."""
    with transaction.atomic():
        delivery = Delivery.objects.visible_to(by).select_for_update().filter(pk=delivery_id).first()
        if delivery is None:
            raise NotFound
        if delivery.state != DeliveryState.DEAD:
            raise NotDead("Only a delivery that was given up is tried again.")
        delivery.state, delivery.attempts, delivery.due_at = DeliveryState.PENDING, 0, now
        delivery.leased_until = delivery.finished_at = None
        delivery.save(update_fields=["state", "attempts", "due_at", "leased_until", "finished_at"])
        emit(DeliveryRetried(subject_id=delivery.pk), by=by, at=now)
        transaction.on_commit(lambda: wakeup.wake([delivery.pk]))
    return delivery


def prune(*, now: datetime) -> int:
    """Deletes what was done a week ago or given up three months ago, in batches; returns how many."""
    old = Delivery.objects.filter(state=DeliveryState.DONE, finished_at__lte=now - DONE_KEPT_FOR)
    older = Delivery.objects.filter(state=DeliveryState.DEAD, finished_at__lte=now - DEAD_KEPT_FOR)
    deleted = 0
    for finished in (old, older):
        while batch := list(finished.values_list("pk", flat=True)[:PRUNE_BATCH]):
            deleted += Delivery.objects.filter(pk__in=batch).delete()[0]
    return deleted


def _claim(which: str, *, waited: float = 0.0, **given: Any) -> _Claimed | None:
    claim = uuid.uuid4()
    parameters: dict[str, Any] = {**given, "claim": claim, "lease": LEASE.total_seconds(), "waited": waited}
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM.format(which=which), parameters)
        row = cursor.fetchone()
    if row is None:
        return None
    names = ("id", "event_id", "reaction", "subject_type", "subject_id", "attempts")
    return _Claimed(claim=claim, **dict(zip(names, row, strict=True)))


def _attempt(claimed: _Claimed) -> None:
    """Runs the handler and marks what became of it. A process that dies in here leaves the lease to run out."""
    if claimed.attempts > TRIES:  # none of the tries lived to say that it failed
        _mark(claimed, state=DeliveryState.DEAD, finished_at=Now(), last_error="the process ended in every try")
        log.error("delivery given up", delivery=claimed.id, reaction=claimed.reaction, error="process ended")
        return
    try:
        _handle(claimed)
    except Later as later:
        _mark(claimed, due_at=Now() + timedelta(seconds=later.seconds), attempts=claimed.attempts - 1)
    except Exception as error:  # whatever it is, it must not stop what other subjects wait for
        _back_off(claimed, error)
    else:
        _mark(claimed, state=DeliveryState.DONE, finished_at=Now())


def _handle(claimed: _Claimed) -> None:
    row = Event.objects.get(pk=claimed.event_id)
    kind = event_class(row.name)
    if kind is None or claimed.reaction not in (handlers := _handlers(kind)):
        raise UnknownReaction
    by = system(claimed.reaction, origin=Door.TASK, request_id=row.request_id)
    occurrence = Occurrence(
        event=kind.from_row(row),
        event_id=row.pk,
        at=row.at,
        origin=Door(row.origin),
        by=by,
        key=f"{claimed.reaction}:{row.pk}",
    )
    with structlog.contextvars.bound_contextvars(request_id=row.request_id, delivery=claimed.id):
        handlers[claimed.reaction](occurrence, now=timezone.now())


def _back_off(claimed: _Claimed, error: Exception) -> None:
    kind = type(error).__name__
    log.exception("delivery failed", delivery=claimed.id, reaction=claimed.reaction, attempt=claimed.attempts)
    if claimed.attempts >= TRIES:
        log.error("delivery given up", delivery=claimed.id, reaction=claimed.reaction, error=kind)
        _mark(claimed, state=DeliveryState.DEAD, finished_at=Now(), last_error=kind)
        return
    pause = BACKOFF[claimed.attempts - 1] * random.uniform(1.0, 1.1)  # noqa: S311 - spreads rivals, no secret
    if isinstance(error, Unavailable) and error.retry_after is not None:
        pause = max(pause, float(error.retry_after))
    _mark(claimed, due_at=Now() + timedelta(seconds=pause), last_error=kind)


def _mark(claimed: _Claimed, **values: object) -> None:
    """Only while the claim is ours: who lost the lease has nothing more to say."""
    mine = Delivery.objects.pending().filter(pk=claimed.id, claim=claimed.claim)
    if not mine.update(claim=None, leased_until=None, **values):
        log.warning("delivery was taken over", delivery=claimed.id, reaction=claimed.reaction)


def _handlers(kind: type[DomainEvent]) -> dict[str, LaterHandler]:
    return {plan.name: plan.handler for plan in plans(kind)}


def _push_names() -> list[str]:
    return sorted({plan.name for kind in table() for plan in plans(kind) if plan.push})
