"""Each agent's feed: what they are told, in a sequence of their own.

Positions are given under a lock on the agent's head and commit in order, so one that can be read is final: nothing ever
appears before it. Identity columns would not do, they commit out of order. Kept for a day; heads are kept for ever, so
that a position never means something else.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, connection, transaction

from agents import realtime
from agents.enums import FeedKind
from agents.models import FeedEntry, FeedHead
from agents.models.feed import FeedEntryQuerySet
from supportdesk.core.events import Occurrence

KEPT_FOR = timedelta(hours=24)
PRUNE_BATCH = 5_000

# Heads in the order of ids, so that two rivals with the same recipients wait for each other and never in turn.
_NEXT = """
INSERT INTO agents_feedhead AS head (agent_id, last_seq)
SELECT id, 1 FROM unnest(%s::bigint[]) AS id ORDER BY id
ON CONFLICT (agent_id) DO UPDATE SET last_seq = head.last_seq + 1
RETURNING agent_id, last_seq
"""


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where a reader begins. `resync` says why what it missed is not there any more; empty: it is."""

    position: int
    resync: str = ""


def append(
    *,
    kind: FeedKind,
    recipients: Iterable[int],
    occurrence: Occurrence,
    subject_id: int,
    version: int,
    changed: Sequence[str],
    now: datetime,
    details: Mapping[str, int | str] | None = None,
) -> int:
    """Puts the fact at the end of each recipient's feed, and hints at it once that is committed. Returns how many were
    told: none, if the fact was told as this kind before, or is older than what the feed keeps.
    """
    ids = sorted(set(recipients))
    if not ids or occurrence.at <= now - KEPT_FOR:
        return 0
    try:
        with transaction.atomic():
            if FeedEntry.objects.filter(event_id=occurrence.event_id, kind=kind).exists():
                return 0
            entries = [
                FeedEntry(
                    agent_id=agent_id,
                    seq=seq,
                    kind=kind,
                    event_id=occurrence.event_id,
                    subject_id=subject_id,
                    version=version,
                    changed=list(changed),
                    details=dict(details or {}),
                    at=occurrence.at,
                )
                for agent_id, seq in _next_positions(ids)
            ]
            FeedEntry.objects.bulk_create(entries)
            transaction.on_commit(lambda: realtime.nudge(ids))
    except IntegrityError as error:
        if "feed_entry_once" not in str(error):
            raise
        return 0  # a rival was faster; our positions went back with the transaction
    return len(ids)


def start(*, agent_id: int, last_seq: int | None) -> Start:
    """Where to go on after `last_seq`; without one, from now on."""
    head = FeedHead.objects.filter(agent_id=agent_id).values_list("last_seq", flat=True).first() or 0
    if last_seq is None or last_seq == head:
        return Start(position=head)
    if last_seq > head:
        return Start(position=head, resync="ahead")  # another's position, or the database is an older one
    if not FeedEntry.objects.filter(agent_id=agent_id, seq=last_seq + 1).exists():
        return Start(position=head, resync="too_old")
    return Start(position=last_seq)


def behind(position: int, *, agent_id: int) -> FeedEntryQuerySet:
    """What the agent was told after the position, in order."""
    return FeedEntry.objects.filter(agent_id=agent_id, seq__gt=position).order_by("seq")


def prune(*, now: datetime) -> int:
    """Deletes entries older than a day, in batches, the oldest first; returns how many."""
    deleted = 0
    old = FeedEntry.objects.filter(appended_at__lte=now - KEPT_FOR).order_by("appended_at", "pk")
    while batch := list(old.values_list("pk", flat=True)[:PRUNE_BATCH]):
        deleted += FeedEntry.objects.filter(pk__in=batch).delete()[0]
    return deleted


def _next_positions(ids: Sequence[int]) -> list[tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(_NEXT, [list(ids)])
        return list(cursor.fetchall())
