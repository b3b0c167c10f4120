"""`manage.py reindex`: indexes made anew, and nothing left of runs that were broken off."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError, connection

from supportdesk.core.owning import cursor_of_owner
from supportdesk.management.commands import migrate, reindex
from supportdesk.tests.sockets import wait_for
from tickets.models import Ticket
from tickets.tests.builders import make_ticket

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]
TABLE = Ticket._meta.db_table
STRAY = "ticket_rank_ccnew1"  # named as what a run makes


def files() -> dict[str, int]:
    """Where each index of the tickets lies; an index that is made anew lies elsewhere."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexrelid::regclass::text, pg_relation_filenode(indexrelid) FROM pg_index"
            " WHERE indrelid = %s::regclass",
            [TABLE],
        )
        return dict(cursor.fetchall())


def run() -> tuple[str, str]:
    told, warned = StringIO(), StringIO()
    call_command("reindex", stdout=told, stderr=warned)
    return told.getvalue(), warned.getvalue()


def run_in_a_thread() -> None:
    try:
        run()
    finally:
        connection.close()


@contextmanager
def index(definition: str, *, name: str = STRAY) -> Iterator[None]:
    """An index for a while. A unique one is not valid, because two tickets are alike."""
    make_ticket(), make_ticket()
    with cursor_of_owner() as cursor:
        if "UNIQUE" in definition:
            with pytest.raises(IntegrityError):
                cursor.execute(definition)
        else:
            cursor.execute(definition)
        yield
        cursor.execute(f"DROP INDEX IF EXISTS public.{name}")


@contextmanager
def a_transaction(statement: str) -> Iterator[int]:
    """Of somebody else, as long as this lasts; the process of the database that it is."""
    with cursor_of_owner() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(statement)
        cursor.execute("SELECT pg_backend_pid()")
        yield cursor.fetchone()[0]
        cursor.execute("ROLLBACK")


def waiting() -> list[int]:
    """Processes of the database that wait in REINDEX for somebody."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
            " AND query LIKE 'REINDEX%%' AND wait_event_type = 'Lock'"
        )
        return [pid for (pid,) in cursor.fetchall()]


def test_every_index_is_made_anew_and_told() -> None:
    before = files()
    assert "ticket_rank" in before
    told, warned = run()
    after = files()
    assert before.keys() == after.keys()
    assert not [name for name in before if before[name] == after[name]]
    assert told.startswith("Indexes of the tickets: ")
    assert not warned


def test_what_a_run_left_that_was_broken_off_is_dropped_by_the_next() -> None:
    before = files()
    with ThreadPoolExecutor(1) as threads, a_transaction(f"LOCK TABLE {TABLE} IN ROW EXCLUSIVE MODE"):
        broken_off = threads.submit(run_in_a_thread)
        wait_for(lambda: bool(waiting()))
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s)", waiting())
        with pytest.raises(OperationalError):
            broken_off.result()
    (left,) = files().keys() - before.keys()
    assert f"Dropped {left}" in run()[0]
    assert files().keys() == before.keys()


def test_of_the_same_name_elsewhere_nothing_is_dropped() -> None:
    with connection.cursor() as cursor, index(f"CREATE UNIQUE INDEX CONCURRENTLY {STRAY} ON {TABLE} (channel)"):
        cursor.execute("SELECT current_user")
        elsewhere = connection.ops.quote_name(cursor.fetchone()[0])  # what PostgreSQL looks through first
        cursor.execute(f"CREATE SCHEMA {elsewhere}; CREATE TABLE {elsewhere}.mine (id int)")
        try:
            cursor.execute(f"CREATE INDEX {STRAY} ON {elsewhere}.mine (id)")
            assert f"Dropped public.{STRAY}" in run()[0]
            cursor.execute("SELECT to_regclass(%s) IS NOT NULL", [f"{elsewhere}.{STRAY}"])
            assert cursor.fetchone() == (True,)
        finally:
            cursor.execute(f"DROP SCHEMA {elsewhere} CASCADE")
    assert STRAY not in files()


def test_what_is_good_stays_whatever_its_name() -> None:
    with index(f"CREATE INDEX {STRAY} ON {TABLE} (channel)"):
        assert "Dropped" not in run()[0]
        assert STRAY in files()


def test_what_was_not_made_to_its_end_by_another_is_told_and_left() -> None:
    with index(f"CREATE UNIQUE INDEX CONCURRENTLY unfinished ON {TABLE} (channel)", name="unfinished"):
        before = files()
        assert run()[1].startswith("unfinished is not valid")
        assert files()["unfinished"] == before["unfinished"]


@pytest.mark.parametrize(
    "statement",
    [
        f"SELECT pg_advisory_lock({reindex._LOCK[0]}, {reindex._LOCK[1]})",
        f"LOCK TABLE {TABLE} IN SHARE UPDATE EXCLUSIVE MODE",
    ],
    ids=["another run", "by hand"],
)
def test_while_somebody_else_is_at_it_nothing_is_touched(statement: str) -> None:
    before = files()
    with a_transaction(statement) as other, pytest.raises(CommandError, match=f"process {other} works"):
        run()
    assert files() == before


@pytest.mark.skipif("SUPPORTDESK_TEST_DATABASE_URL" in os.environ, reason="needs the embedded server's roles")
def test_a_role_that_owns_nothing_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    migrate._grant("supportdesk_app")
    before = files()
    monkeypatch.setattr(settings, "MIGRATION_DATABASE", settings.MIGRATION_DATABASE | {"USER": "supportdesk_app"})
    with pytest.raises(CommandError, match="SUPPORTDESK_MIGRATION_DATABASE_URL"):
        run()
    assert files() == before
