"""Taking over page by page: whatever a run is broken off by, the next one goes on, and nothing is there twice."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.db import OperationalError, connection

from agents.tests.builders import SYSTEM
from customers.models import Customer
from integrations import syncing
from integrations.enums import SyncPhase
from integrations.models import Connection, SyncCursor
from integrations.reading import Unreadable
from integrations.syncing import Asked, DeadCursor, Held, Limits, Page, Source
from integrations.tests.builders import make_connection

pytestmark = pytest.mark.django_db
BEGAN = datetime(2026, 9, 1, tzinfo=UTC)
Record = tuple[int, datetime]


class Shelf:
    """A partner's records, on pages, and what it was asked for."""

    def __init__(self, count: int, *, newest_first: bool = False) -> None:
        self.records: list[Record] = [(number, BEGAN + timedelta(minutes=number)) for number in range(1, count + 1)]
        self.asked: list[Asked] = []
        self.newest_first = newest_first
        self.before_page: Callable[[int], None] = lambda number: None

    def page(self, known: Connection, asked: Asked) -> Page:
        self.asked.append(asked)
        self.before_page(len(self.asked))
        found = sorted(self.records, key=lambda one: (one[1], one[0]), reverse=self.newest_first)
        if asked.since and not self.newest_first:
            found = [one for one in found if one[1] >= asked.since]
        first = int(asked.after or 0)
        end = first + asked.size
        return Page(records=found[first:end], after=str(end) if end < len(found) else "")

    @property
    def source(self) -> Source:
        return Source(resource="things", page=self.page, key=key, write=write, newest_first=self.newest_first, size=10)


def key(record: Record) -> tuple[str, datetime]:
    return str(record[0]), record[1]


def write(known: Connection, record: Record, by: Any, now: datetime) -> bool:
    if record[0] < 0:
        raise Unreadable("no amount")
    return Customer.objects.get_or_create(name=f"{record[0]}")[1]


def take(shelf: Shelf, known: Connection, **over: Any) -> syncing.Progress:
    return syncing.run(known, shelf.source, by=SYSTEM, **over)


def names() -> list[int]:
    return sorted(int(name) for name in Customer.objects.values_list("name", flat=True))


@pytest.mark.parametrize("newest_first", [False, True])
def test_everything_is_taken_over_and_then_what_changed(newest_first: bool) -> None:
    shelf, known = Shelf(35, newest_first=newest_first), make_connection()
    assert take(shelf, known) == syncing.Progress(seen=35, written=35, skipped=0, failed=0, ended=True)
    row = SyncCursor.objects.get()
    assert (row.watermark, row.watermark_id, row.cursor) == (BEGAN + timedelta(minutes=35), "35", "")
    assert (row.phase, row.lease_owner) == (SyncPhase.INCREMENTAL, "")
    shelf.records[4] = (5, BEGAN + timedelta(hours=2))
    shelf.records.append((36, BEGAN + timedelta(hours=2)))
    shelf.asked.clear()
    again = take(shelf, known)
    assert (again.written, again.ended, names()) == (1, True, list(range(1, 37)))
    assert len(shelf.asked) == (2 if newest_first else 1)
    assert SyncCursor.objects.get().watermark_id == "36"


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_run_that_was_broken_off_goes_on_where_its_last_page_ended(newest_first: bool) -> None:
    shelf, known = Shelf(35, newest_first=newest_first), make_connection()

    def fail(number: int) -> None:
        if number == 3:
            raise ZeroDivisionError

    shelf.before_page = fail
    with pytest.raises(ZeroDivisionError):
        take(shelf, known)
    assert len(names()) == 20
    assert take(shelf, known) == syncing.Progress(seen=35, written=35, skipped=0, failed=0, ended=True)
    assert [one.after for one in shelf.asked] == ["", "10", "20", "20", "30"]
    assert SyncCursor.objects.get().watermark_id == "35"


def test_a_run_of_which_the_partner_forgot_the_place_is_found_by_time() -> None:
    shelf, known = Shelf(35), make_connection()
    take(shelf, known, limits=Limits(records=20))

    def forget(number: int) -> None:
        if number == 3:
            raise DeadCursor

    shelf.before_page = forget
    assert take(shelf, known).ended
    assert names() == list(range(1, 36))
    assert shelf.asked[3] == Asked(since=BEGAN + timedelta(minutes=15), after="", size=10)


def test_limits_stop_behind_a_page_and_a_restart_begins_anew() -> None:
    shelf, known = Shelf(35), make_connection()
    assert take(shelf, known, limits=Limits(records=15)).seen == 15
    assert take(shelf, known, limits=Limits(is_stopped=lambda: True)).seen == 25
    assert take(shelf, known, limits=Limits(seconds=0.0)).seen == 35
    since = BEGAN + timedelta(minutes=30)
    assert take(shelf, known, restart=True, since=since) == syncing.Progress(
        seen=6, written=0, skipped=6, failed=0, ended=True
    )
    assert take(shelf, known, since=since + timedelta(days=1)).seen == 6  # without a gap


def test_bad_records_are_counted_and_named_and_too_many_end_the_run() -> None:
    shelf, known = Shelf(200), make_connection()
    shelf.records[3:7] = [(-number, BEGAN + timedelta(minutes=number)) for number in range(4, 8)]
    assert take(shelf, known) == syncing.Progress(seen=200, written=196, skipped=0, failed=4, ended=True)
    assert SyncCursor.objects.get().failures[0] == {"id": "-4", "error": "no amount"}
    shelf.records[7] = (-8, BEGAN + timedelta(minutes=8))
    stopped = take(shelf, known, restart=True)
    assert (stopped.seen, stopped.failed, stopped.is_too_bad, stopped.ended) == (10, 5, True, False)


def test_a_dry_run_writes_nothing() -> None:
    shelf, known = Shelf(15), make_connection()
    assert take(shelf, known, dry=True) == syncing.Progress(seen=15, written=15, skipped=0, failed=0, ended=True)
    row = SyncCursor.objects.get()
    assert (names(), row.seen, row.watermark, row.phase) == ([], 0, None, SyncPhase.BACKFILL)


def test_a_page_that_met_a_rival_is_written_once_more(monkeypatch: pytest.MonkeyPatch) -> None:
    shelf, known, failed = Shelf(5), make_connection(), list[int]()

    def meet(connection: Connection, record: Record, by: Any, now: datetime) -> bool:
        if record[0] == 3 and not failed:
            failed.append(1)
            raise OperationalError("deadlock detected")
        return write(connection, record, by, now)

    source = Source(resource="things", page=shelf.page, key=key, write=meet)
    assert syncing.run(known, source, by=SYSTEM) == syncing.Progress(seen=5, written=5, skipped=0, failed=0, ended=True)


def test_one_run_at_a_time_which_is_named() -> None:
    shelf, known = Shelf(5), make_connection()
    take(shelf, known)
    row = SyncCursor.objects.get()
    given = connection.get_connection_params()
    given = {name: given[name] for name in ("dbname", "user", "password", "host", "port") if name in given}
    with psycopg.connect(**given, autocommit=True) as rival:
        rival.execute("SELECT pg_advisory_lock(%s, %s)", [syncing.LOCK, row.pk])
        SyncCursor.objects.update(lease_owner="other:7:1")
        with pytest.raises(Held, match="other:7:1"):
            take(shelf, known)
    assert take(shelf, known).ended


def test_a_run_that_lost_its_place_writes_nothing_more() -> None:
    shelf, known = Shelf(25), make_connection()

    def lose(number: int) -> None:
        if number == 2:
            SyncCursor.objects.update(lease_owner="other:7:1")

    shelf.before_page = lose
    with pytest.raises(Held):
        take(shelf, known)
    assert (len(names()), SyncCursor.objects.get().seen) == (10, 10)
