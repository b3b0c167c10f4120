"""`manage.py reindex`: indexes made anew, and nothing left of runs that were broken off."""

import os
from collections.abc import Iterator
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import IntegrityError, connection

from supportdesk.core.owning import cursor_of_owner
from supportdesk.management.commands import migrate, reindex
from tickets.models import Ticket
from tickets.tests.builders import make_ticket

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


def files() -> dict[str, int]:
    """Where each index of the tickets lies; an index that is made anew lies elsewhere."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, pg_relation_filenode(indexrelid) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
            " WHERE indrelid = %s::regclass AND indisvalid",
            [Ticket._meta.db_table],
        )
        return dict(cursor.fetchall())


def run() -> str:
    told = StringIO()
    call_command("reindex", stdout=told)
    return told.getvalue()


@pytest.fixture
def broken_off() -> Iterator[str]:
    """An index that is not valid, of the kind that a run leaves which was broken off."""
    make_ticket(), make_ticket()
    name = "ticket_rank_ccnew1"
    with cursor_of_owner() as cursor:
        with pytest.raises(IntegrityError):
            cursor.execute(f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON tickets_ticket (channel)")
        yield name
        cursor.execute(f"DROP INDEX IF EXISTS {name}")


def test_every_index_is_made_anew_and_told() -> None:
    before = files()
    assert "ticket_rank" in before
    told = run()
    after = files()
    assert before.keys() == after.keys()
    assert not [name for name in before if before[name] == after[name]]
    assert told.startswith("Indexes of the tickets: ")


def test_what_a_run_left_that_was_broken_off_is_dropped_and_not_made_anew(broken_off: str) -> None:
    assert f"Dropped {broken_off}" in run()
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regclass(%s)", [broken_off])
        assert cursor.fetchone() == (None,)
    assert "Dropped" not in run()


def test_two_at_once_are_one() -> None:
    before = files()
    with cursor_of_owner() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [reindex._LOCK])
        with pytest.raises(CommandError, match="already"):
            run()
    assert files() == before


@pytest.mark.skipif("SUPPORTDESK_TEST_DATABASE_URL" in os.environ, reason="needs the embedded server's roles")
def test_a_role_that_owns_nothing_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    migrate._grant("supportdesk_app")
    before = files()
    monkeypatch.setattr(
        settings, "MIGRATION_DATABASE", settings.MIGRATION_DATABASE | {"USER": "supportdesk_app"}, raising=True
    )
    with pytest.raises(CommandError, match="SUPPORTDESK_MIGRATION_DATABASE_URL"):
        run()
    assert files() == before
