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
_LOCK = (7_211, 390_004)  # of one that runs; any two numbers of our own
_SETTINGS = """
    SET lock_timeout = 0; SET statement_timeout = 0;  -- broken off, it would leave an index behind that is not valid
    SET client_connection_check_interval = '5s'  -- and without us it is to break off
"""
# Whoever makes indexes anew by hand, vacuums, or runs this, holds one of these all the while.
_OTHERS = """
    SELECT pid, to_char(query_start AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') FROM pg_locks
    JOIN pg_stat_activity USING (pid)
    WHERE pid <> pg_backend_pid() AND granted AND backend_type = 'client backend'
    AND pg_locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (relation = %s::regclass AND mode = 'ShareUpdateExclusiveLock'
        OR locktype = 'advisory' AND (classid, objid) = (%s, %s))
    ORDER BY query_start LIMIT 1
"""
_INDEXES = """
    SELECT indexrelid::regclass::text, indisvalid, relname ~ '_cc(new|old)[0-9]*$'
    FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE indrelid = %s::regclass AND NOT indisexclusion ORDER BY relname
"""


class Command(BaseCommand):
    help = (
        "Makes the indexes of the tickets anew, one by one, as the role that owns the tables. Nobody waits for "
        "it; it waits for transactions that are older, and takes as much disk as one index once more while it runs."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        with cursor_of_owner() as cursor:
            cursor.execute(_SETTINGS)
            _alone(cursor)
            try:
                self._make_anew(cursor)
            except ProgrammingError as error:
                if not isinstance(error.__cause__, InsufficientPrivilege):
                    raise
                raise CommandError(
                    "This takes the role that owns the tables: set SUPPORTDESK_MIGRATION_DATABASE_URL, as for migrate."
                ) from error

    def _make_anew(self, cursor: CursorWrapper) -> None:
        before, started = _size(cursor), time.monotonic()
        cursor.execute(_INDEXES, [TABLE])
        for name, valid, left_behind in cursor.fetchall():
            if valid:
                cursor.execute(f"REINDEX INDEX CONCURRENTLY {name}")
            elif left_behind:
                # https://www.postgresql.org/docs/18/sql-reindex.html, "Rebuilding Indexes Concurrently"
                cursor.execute(f"DROP INDEX CONCURRENTLY {name}")
                self.stdout.write(f"Dropped {name}, which a run that was broken off had left.")
            else:
                self.stderr.write(f"{name} is not valid: whoever made it was broken off. It is left as it is.")
        took = time.monotonic() - started
        self.stdout.write(f"Indexes of the tickets: {before} before, {_size(cursor)} now, {took:.0f} s.")


def _alone(cursor: CursorWrapper) -> None:
    """Takes the lock that one run has. Raises CommandError while anybody else is at the table's upkeep: what theirs
    has not finished yet would be taken for left behind.
    """
    cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", _LOCK)
    (locked,) = cursor.fetchone()
    cursor.execute(_OTHERS, [TABLE, *_LOCK])
    other = cursor.fetchone()
    if other is not None:
        raise CommandError(f"The database's process {other[0]} works on this table, since {other[1]} UTC: wait for it.")
    if not locked:
        raise CommandError("Another run is just at its end: try again.")


def _size(cursor: CursorWrapper) -> str:
    cursor.execute("SELECT pg_size_pretty(pg_indexes_size(%s::regclass))", [TABLE])
    return str(cursor.fetchone()[0])
