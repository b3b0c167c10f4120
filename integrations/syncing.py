"""Taking over what a partner has, page by page: what is written and how far it went are one transaction.

A run that is killed anywhere is gone on with where its last page ended; what was read twice is written once, because
whoever writes a record compares it. One run at a time for each resource of a connection, or for the connection as a
whole: it holds a lock of the database, which ends with the process, and writes nothing more once somebody else has it.
Names no provider.
"""

import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from celery.exceptions import SoftTimeLimitExceeded
from django.db import DataError, InterfaceError, OperationalError, connection, transaction
from django.utils import timezone

from integrations.enums import SyncPhase
from integrations.models import Connection, SyncCursor
from integrations.reading import Unreadable
from supportdesk.core.actor import Actor
from supportdesk.core.errors import Conflict, DomainError

LOCK, WHOLE_LOCK = 5_220_639, 5_220_640  # of the database, beside the number of the cursor or of the connection
OVERLAP = timedelta(minutes=5)  # what partners find by time lags behind what they hold
MOST_BAD, FEW_BAD = 0.05, 4  # of what was seen; as many are none too many
FAILURES_KEPT = 50
WRITE_TRIES = 3  # of a page that met a rival

BAD = (DomainError, Unreadable, DataError, ValueError, TypeError, KeyError, ArithmeticError)
# What tells nothing of what was at hand: it is to be taken up again.
PASSING = (OperationalError, InterfaceError, SoftTimeLimitExceeded)
log = structlog.get_logger("supportdesk.syncing")


class Held(Conflict):
    """Somebody else is at it. The detail names them."""

    code = "sync_held"


class DeadCursor(Exception):
    """The partner does not know its place any more: a page is to be found by time."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Which page is wanted: of what was changed since then, if anything is named, behind the partner's own place; ""
    for the first. `seconds` for each request it takes, as the source thinks right if none are named.
    """

    since: datetime | None
    after: str
    size: int
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Page:
    """`after` is the partner's place behind it; "" for the last one."""

    records: Sequence[Any]
    after: str


@dataclass(frozen=True, kw_only=True)
class Source:
    """One resource of a provider.

    `page` asks the partner, outside of any transaction; it may raise DeadCursor and what http raises. `key` is the id
    of a record and when it was changed last. `write` takes one over in the transaction of its page, and answers
    whether it changed anything here; what it raises of BAD is a bad record, which is counted and left out. `count` is
    how many there are since then, and whether exactly.

    `newest_first`: pages go back in time, and end behind a page that is older than what is wanted. `whole`: no other
    resource of the connection is taken over at the same time, because they would spend the same points. `window`: how
    many records behind one another are asked for by the partner's place; then the next window begins with the time of
    the newest, since partners lead no further than some depth.
    """

    resource: str
    page: Callable[[Connection, Asked], Page]
    key: Callable[[Any], tuple[str, datetime]]
    write: Callable[[Connection, Any, Actor, datetime], bool]
    count: Callable[[Connection, datetime | None], tuple[int, bool]] | None = None
    newest_first: bool = False
    whole: bool = False
    window: int | None = None
    size: int = 100


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Counts of a run, with those of the runs that it goes on from. `ended`: nothing is left of it."""

    seen: int
    written: int
    skipped: int
    failed: int
    ended: bool = False

    @property
    def is_too_bad(self) -> bool:
        return self.failed > max(FEW_BAD, MOST_BAD * self.seen)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Where a run stops by itself. `is_stopped` is asked after each page, as is the time; a request has its own."""

    records: int | None = None
    seconds: float | None = None
    request_seconds: float | None = None
    is_stopped: Callable[[], bool] = lambda: False


@dataclass(frozen=True, kw_only=True)
class _Place:
    """How far a run is: since when it asks, the partner's place, and the newest that it saw."""

    since: datetime | None = None
    after: str = ""
    newest: datetime | None = None
    newest_id: str = ""
    depth: int = 0  # records since the window began

    def text(self) -> str:
        return json.dumps(asdict(self), default=datetime.isoformat)

    @classmethod
    def of(cls, text: str) -> "_Place":
        held = json.loads(text)
        instants = {name: held[name] and datetime.fromisoformat(held[name]) for name in ("since", "newest")}
        return cls(**(held | instants))


@dataclass(kw_only=True)
class _Run:
    known: Connection
    source: Source
    by: Actor
    owner: str
    row: SyncCursor
    place: _Place
    dry: bool
    failures: list[dict[str, str]] = field(default_factory=list)

    @property
    def progress(self) -> Progress:
        row = self.row
        return Progress(seen=row.seen, written=row.written, skipped=row.skipped, failed=row.failed)


class _DryRun(Exception):
    """Takes everything back."""


class _Taken(Held):
    """The run lost its place to another."""


def run(
    known: Connection,
    source: Source,
    *,
    by: Actor,
    since: datetime | None = None,
    restart: bool = False,
    size: int | None = None,
    limits: Limits | None = None,
    dry: bool = False,
    tell: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Goes on with the run that was broken off, or begins one: of everything the first time, then of what changed.

    `restart` begins anew, with everything since `since`. Ends early by `limits`, and when too much is bad
    (`Progress.is_too_bad`). `tell` hears of each page. Raises Held, and what the partner's page raises; what was
    written by then stays.
    """
    limits = limits or Limits()
    row, _ = SyncCursor.objects.get_or_create(connection=known, resource=source.resource)
    with _alone(row, whole=source.whole) as owner:
        row.refresh_from_db()
        state = _Run(
            known=known, source=source, by=by, owner=owner, row=row, place=_place(row, since, restart), dry=dry
        )
        return _run(state, size=size or source.size, limits=limits, tell=tell)


def _run(state: _Run, *, size: int, limits: Limits, tell: Callable[[Progress], None]) -> Progress:
    until = None if limits.seconds is None else time.monotonic() + limits.seconds
    left, revived = limits.records, False
    while True:
        wanted = size if left is None else min(size, left)
        try:
            place, seconds = state.place, limits.request_seconds
            asked = Asked(since=place.since, after=place.after, size=wanted, seconds=seconds)
            page = state.source.page(state.known, asked)
        except DeadCursor:
            if revived:
                raise
            revived, state.place = True, _by_time(state)
            continue
        ended = _is_last(state, page)
        _write(state, page, ended=ended)
        revived = False
        left = None if left is None else left - len(page.records)
        progress = replace(state.progress, ended=ended)
        tell(progress)
        late = until is not None and time.monotonic() >= until
        if ended or progress.is_too_bad or left == 0 or late or limits.is_stopped():
            return progress


def _place(row: SyncCursor, since: datetime | None, restart: bool) -> _Place:
    if row.cursor and not restart:
        return _Place.of(row.cursor)
    row.seen = row.written = row.skipped = row.failed = 0
    row.failures = []
    if restart or row.watermark is None:
        row.phase, row.watermark, row.watermark_id = SyncPhase.BACKFILL, None, ""
        return _Place(since=since)
    lagging = row.watermark - OVERLAP
    return _Place(since=min(since, lagging) if since else lagging)  # else there would be a gap


def _by_time(state: _Run) -> _Place:
    """The place without the partner's own word for it."""
    place = replace(state.place, after="")
    if state.source.newest_first or state.row.watermark is None:
        return place
    return replace(place, since=state.row.watermark - OVERLAP)


def _is_last(state: _Run, page: Page) -> bool:
    since = state.place.since
    if not page.after:
        return True
    if not state.source.newest_first or since is None:
        return False
    keys = list(_keys(state, page))
    return bool(keys) and all(at < since for at, _ in keys)


def _write(state: _Run, page: Page, *, ended: bool) -> None:
    """The page and the place behind it. Raises Held when another run has it."""
    place, before = _behind(state, page), _counts(state.row)
    for attempt in range(1, WRITE_TRIES + 1):
        try:
            with suppress(_DryRun), transaction.atomic():
                _take(state, page)
                _move(state, place, ended=ended)
                if state.dry:
                    raise _DryRun
        except OperationalError:
            if attempt == WRITE_TRIES:
                raise
            for name, value in before.items():
                setattr(state.row, name, value)
        else:
            state.place = place
            return


def _take(state: _Run, page: Page) -> None:
    row, now = state.row, timezone.now()
    for record in page.records:
        row.seen += 1
        try:
            with transaction.atomic():
                changed = state.source.write(state.known, record, state.by, now)
        except PASSING:
            raise
        except Exception as problem:  # one record must not keep back all that come after it
            if not isinstance(problem, BAD):
                log.exception("a record could not be taken over", resource=row.resource, connection=row.connection_id)
            row.failed += 1
            row.failures = [*row.failures, _failure(state, record, problem)][-FAILURES_KEPT:]
        else:
            row.written += changed
            row.skipped += not changed


def _move(state: _Run, place: _Place, *, ended: bool) -> None:
    row = state.row
    if not state.source.newest_first or ended:
        row.watermark, row.watermark_id = place.newest or row.watermark, place.newest_id or row.watermark_id
    row.cursor = "" if ended else place.text()
    if ended:
        row.phase, row.last_full_at = SyncPhase.INCREMENTAL, timezone.now()
    values = {name: getattr(row, name) for name in (*_COUNTS, "failures", "cursor", "watermark", "watermark_id")}
    values |= {"phase": row.phase, "last_full_at": row.last_full_at, "lease_until": timezone.now()}
    mine = SyncCursor.objects.filter(pk=row.pk, lease_owner=state.owner)
    if not mine.update(**values):
        raise _Taken("Another run took over.")


def _behind(state: _Run, page: Page) -> _Place:
    """The newest is of what was changed last, and of the greater id within one instant."""
    place = replace(state.place, after=page.after)
    known = [] if place.newest is None else [(place.newest, place.newest_id)]
    seen = [*known, *_keys(state, page)]
    if not seen:
        return place
    newest, newest_id = max(seen, key=lambda one: (one[0], len(one[1]), one[1]))
    place = replace(place, newest=newest, newest_id=newest_id, depth=place.depth + len(page.records))
    is_deep = state.source.window is not None and place.depth >= state.source.window
    if is_deep and (place.since is None or newest > place.since):
        return replace(place, since=newest, after="", depth=0)
    return place


def _keys(state: _Run, page: Page) -> list[tuple[datetime, str]]:
    """When each record was changed, and its id; of those that can be read."""
    found = []
    for record in page.records:
        with suppress(*BAD):
            number, at = state.source.key(record)
            found.append((at, number))
    return found


def _failure(state: _Run, record: Any, problem: Exception) -> dict[str, str]:
    """Which record, and what about it, without anything of what it says."""
    try:
        number = state.source.key(record)[0]
    except BAD:
        number = ""
    fields = ",".join(f"{one.field}:{one.code}" for one in problem.errors) if isinstance(problem, DomainError) else ""
    error = fields or (str(problem) if isinstance(problem, Unreadable) else type(problem).__name__)
    log.warning("record of a partner left out", connection=state.known.pk, resource=state.source.resource, error=error)
    return {"id": number, "error": error[:200]}


_COUNTS = ("seen", "written", "skipped", "failed")


def _counts(row: SyncCursor) -> dict[str, Any]:
    return {name: getattr(row, name) for name in (*_COUNTS, "failures")}


@contextmanager
def _alone(row: SyncCursor, *, whole: bool) -> Iterator[str]:
    """Who we are, while nobody else may. Raises Held."""
    owner = f"{socket.gethostname()[:60]}:{os.getpid()}:{time.time():.0f}"
    lock = [WHOLE_LOCK, row.connection_id] if whole else [LOCK, row.pk]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", lock)
        if not cursor.fetchone()[0]:
            raise Held(_holder(row, whole=whole))
    SyncCursor.objects.filter(pk=row.pk).update(lease_owner=owner, lease_until=timezone.now())
    try:
        yield owner
    finally:
        _release(row, owner, lock)


def _holder(row: SyncCursor, *, whole: bool) -> str:
    """Who is at what. Whoever was killed left their name, so the newest counts."""
    rivals = SyncCursor.objects.filter(connection=row.connection_id) if whole else SyncCursor.objects.filter(pk=row.pk)
    found = rivals.exclude(lease_owner="").order_by("-lease_until").first()
    who = found.lease_owner if found else "another process"
    return f"{found.resource if found else row.resource} of this connection is taken over by {who}."


def _release(row: SyncCursor, owner: str, lock: Sequence[int]) -> None:
    """Unless the database is gone, and the lock with it."""
    try:
        SyncCursor.objects.filter(pk=row.pk, lease_owner=owner).update(lease_owner="", lease_until=None)
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s, %s)", lock)
    except OperationalError:
        log.warning("the lock of a run was not given back", resource=row.resource)
