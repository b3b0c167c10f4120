"""A request that only asks changes nothing: under a guard that lets no other statement through."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, transaction

from supportdesk.tests.security import doors
from supportdesk.tests.security.matrix import Row, rows
from supportdesk.tests.security.world import World

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.vuln]
ASKING = [row for row in rows() if row.method == "GET"]
IN_ADMIN = [row for row in ASKING if row.route.startswith(doors.ADMIN) and "django_celery_beat" not in row.route]
# The audit of reads; and the operations' own notes: when a machine's key was last used, what was asked of Quimbi, and
# which of its drafts somebody was shown.
ALLOWED = re.compile(
    r'INSERT INTO "(core_event|quimbi_call|tickets_draft)" '
    r'|UPDATE "agents_apikey" SET "last_used_at" = \S+ WHERE |(\w+ )*SAVEPOINT '
)
_READING = re.compile(r"\s*(SELECT|SHOW|WITH(?!.*\b(INSERT|UPDATE|DELETE)\b))", re.S)
Execute = Callable[..., Any]


@contextmanager
def only_reading() -> Iterator[list[str]]:
    """Collects the statements that write; each one fails as in a database that is read only."""
    written: list[str] = []

    def guard(execute: Execute, sql: Any, params: Any, many: bool, context: Any) -> Any:
        if not _READING.match(str(sql)) and not ALLOWED.match(str(sql)):
            written.append(str(sql))
            raise AssertionError(f"writes: {sql}")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(guard):
        yield written


def written_by(row: Row, method: str, name: str, world: World) -> list[str]:
    with transaction.atomic(), only_reading() as written:
        response = doors.knock(row, world.callers[name][0], world, method=method)
        transaction.set_rollback(True)
    assert written or response.status_code < 500, response.content
    return written


@pytest.mark.parametrize("row", ASKING, ids=str)
def test_no_safe_method_writes(row: Row, world: World) -> None:
    in_api = row.route.startswith("api/")
    for method in ("GET", "HEAD", "OPTIONS") if in_api else ("GET", "OPTIONS"):
        for name in ("agent", "admin", "all") if in_api else ("admin",):
            assert written_by(row, method, name, world) == []


@pytest.mark.parametrize(
    "row", [row for row in ASKING if row.route.startswith(doors.ADMIN) and "celery" not in row.route], ids=str
)
def test_no_odd_method_writes_in_the_admin(row: Row, world: World) -> None:
    """It takes them for a GET, so they must be as harmless."""
    for method in ("PUT", "DELETE"):
        assert written_by(row, method, "admin", world) == []


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE tickets_ticket SET subject = 'x' WHERE false",
        "DELETE FROM core_event",
        "INSERT INTO customers_customer (name) SELECT name FROM customers_customer WHERE false",
        "WITH x AS (DELETE FROM agents_agent WHERE false RETURNING 1) SELECT * FROM x",
        "TRUNCATE core_event",
    ],
)
def test_the_guard_finds_what_writes(sql: str) -> None:
    with only_reading() as written, connection.cursor() as cursor, pytest.raises(AssertionError, match="writes"):
        cursor.execute(sql)
    assert written == [sql]


def test_answers_to_head_have_the_status_of_get_and_no_body(world: World) -> None:
    for row in (row for row in ASKING if row.route.startswith("api/")):
        for name in ("other", "admin"):
            caller = world.callers[name][0]
            get, head = (doors.knock(row, caller, world, method=method) for method in ("GET", "HEAD"))
            assert head.status_code == get.status_code, (row, name)
            assert head.streaming or head.content == b""
