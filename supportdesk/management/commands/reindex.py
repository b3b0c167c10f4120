"""The indexes of the tickets made anew, while everybody works."""

import time
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import ProgrammingError
from django.db.backends.utils import CursorWrapper
from psycopg.errors import InsufficientPrivilege

from supportdesk.core.owning import cursor_of_owner
from tickets.models import Ticket

TABLE = f'"{Ticket._meta.db_table}"'
_LOCK = 7_211_390_004  # of one that runs; any number of our own
# What a run that was broken off leaves behind: https://www.postgresql.org/docs/18/sql-reindex.html
_LEFT_BEHIND = """
    SELECT quote_ident(relname) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = %s::regclass AND NOT indisvalid AND relname ~ '_cc(new|old)[0-9]*$' ORDER BY relname
"""


class Command(BaseCommand):
    help = (
        "Makes the indexes of the tickets anew, as the role that owns the tables. Nobody waits for it; it waits for "
        "transactions that are older, and takes as much disk as the indexes once more while it runs."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with cursor_of_owner() as cursor:
            # Broken off, it would leave half an index behind.
            cursor.execute("SET lock_timeout = 0; SET statement_timeout = 0")
            cursor.execute("SELECT pg_try_advisory_lock(%s)", [_LOCK])
            if cursor.fetchone() != (True,):
                raise CommandError("Somebody makes them anew already.")
            try:
                self._make_anew(cursor)
            except ProgrammingError as error:
                if not isinstance(error.__cause__, InsufficientPrivilege):
                    raise
                raise CommandError(
                    "This takes the role that owns the tables: set SUPPORTDESK_MIGRATION_DATABASE_URL, as for migrate."
                ) from error

    def _make_anew(self, cursor: CursorWrapper) -> None:
        cursor.execute(_LEFT_BEHIND, [TABLE])
        for (name,) in cursor.fetchall():
            cursor.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            self.stdout.write(f"Dropped {name}, which a run that was broken off had left.")
        before, started = _size(cursor), time.monotonic()
        cursor.execute(f"REINDEX TABLE CONCURRENTLY {TABLE}")
        took = time.monotonic() - started
        self.stdout.write(f"Indexes of the tickets: {before} before, {_size(cursor)} now, {took:.0f} s.")


def _size(cursor: CursorWrapper) -> str:
    cursor.execute("SELECT pg_size_pretty(pg_indexes_size(%s::regclass))", [TABLE])
    return str(cursor.fetchone()[0])
