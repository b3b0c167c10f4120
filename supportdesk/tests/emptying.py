"""What a transactional test wrote, gone again: as Django's own `flush` does it, for a tenth of the price.

`flush` truncates each table, which makes each of its indexes anew, and then has permissions and content types made
again. Tests write little: here the rows are deleted where there are some, and permissions and content types stay.
"""

import time
from typing import Any

from django.db import OperationalError, connection, transaction
from django.test import TransactionTestCase
from psycopg import sql
from psycopg.errors import LockNotAvailable

KEPT = {"django_content_type", "auth_permission"}
# Beyond this a table is truncated, because what was deleted would be in the way of those who come after.
MOST_ROWS, MOST_BYTES = 2_000, 4 * 1024 * 1024
PATIENCE = 30.0  # seconds for those who are still reading
_flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]
_tables: list[str] = []


def install() -> None:
    """Has pytest-django's transactional tests end so."""
    TransactionTestCase._fixture_teardown = _empty  # type: ignore[attr-defined]


def _empty(case: Any) -> None:
    """Waits for whoever is still at work, as truncating does. Needs a superuser, whom neither foreign keys nor the
    triggers of what may not be deleted hold up; anybody else flushes.
    """
    if not _tables:
        names = connection.introspection.django_table_names(only_existing=True, include_views=False)
        _tables.extend(sorted(set(names) - KEPT))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if cursor.fetchone() == (True,):
            _lock()
            counts = [
                sql.SQL("SELECT {}, count(*) FROM (SELECT FROM {} LIMIT {}) AS few HAVING count(*) > 0").format(
                    sql.Literal(name), sql.Identifier(name), sql.Literal(MOST_ROWS + 1)
                )
                for name in _tables
            ]
            cursor.execute(sql.SQL(" UNION ALL ").join(counts))
            found: dict[str, int] = dict(cursor.fetchall())
            cursor.execute("SELECT max(pg_relation_size(name::regclass)) FROM unnest(%s::text[]) AS name", [_tables])
            if max(found.values(), default=0) <= MOST_ROWS and cursor.fetchone()[0] <= MOST_BYTES:
                cursor.execute("SET LOCAL session_replication_role = replica")
                for name in found:
                    cursor.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(name)))
                cursor.execute("DISCARD PLANS")  # as truncating does
                return
        _flush(case)


def _lock() -> None:
    """All tables or none: whoever waits for the next while it holds some, is in a deadlock with a reader of two."""
    lock = sql.SQL("LOCK TABLE {} NOWAIT").format(sql.SQL(", ").join(map(sql.Identifier, _tables)))
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            with transaction.atomic(), connection.cursor() as cursor:
                cursor.execute(lock)
            return
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable) or time.monotonic() > deadline:
                raise
            time.sleep(0.02)
