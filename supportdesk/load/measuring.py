"""What a way of asking costs: statements, and pages of the database that are touched.

Each request goes through the whole product, over Django's test client. What it read is then explained statement by
statement with `ANALYZE, BUFFERS`. Both figures are exact and the same on every machine, so growth is judged by them;
times are only told, and only one against another of the same run.
"""

import json
import re
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

FIRST_PIECES = 2  # of a streamed answer: its head, and what the first read brought
_CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")
_READS = ("SELECT", "WITH")
_WRITES = re.compile(r"\b(INSERT INTO|UPDATE|DELETE FROM|FOR (NO KEY )?UPDATE|pg_\w*advisory)\b")
_LOGIN = 'FROM "agents_loginsession"'
_FACT = 'INSERT INTO "core_event"'


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One request, besides the one statement that checks its token. `audit`: statements that state who was shown what;
    they are in none of the other figures.

    `statements` counts writes too. `milliseconds` is the time that the reads take in PostgreSQL, `plans` how it takes
    it.
    """

    statements: int
    audit: int
    buffers: int
    milliseconds: float
    rows: int
    reads: list[str] = field(default_factory=list)
    plans: list[str] = field(default_factory=list)


class NotTheirs(Exception):
    """The asker sees no such thing."""


class Asking:
    """Requests of one agent: with a token to the API, with a session to the admin."""

    def __init__(self, token: str) -> None:
        self.client = Client(headers={"Authorization": f"Bearer {token}"})

    def get(self, path: str) -> Any:
        """Raises NotTheirs."""
        response = self.client.get(path)
        if response.status_code == 404:
            raise NotTheirs(path)
        if response.status_code != 200:
            raise RuntimeError(f"{path} answered {response.status_code}: {response.content[:300]!r}")
        return response

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        response = self.client.post(path, json.dumps(body), content_type="application/json")
        if response.status_code != 201:
            raise RuntimeError(f"{path} answered {response.status_code}: {response.content[:300]!r}")
        return response

    def read(self, path: str) -> Measured:
        """What reading the path costs. Raises NotTheirs."""
        return self._measured(lambda: self.get(path))

    def written(self, path: str, body: Mapping[str, Any]) -> Measured:
        """What sending the body there costs."""
        self.post(path, body)  # the first one fills what a process keeps for good
        return self._measured(lambda: self.post(path, body))

    def _measured(self, ask: Callable[[], Any]) -> Measured:
        with CaptureQueriesContext(connection) as captured:
            response = ask()
            body = b"".join(islice(response, FIRST_PIECES)) if response.streaming else response.content
        sent = [query["sql"] for query in captured if not query["sql"].startswith(_CONTROL)]
        asked = [sql for sql in sent if _LOGIN not in sql]
        audit = [sql for sql in asked if sql.startswith(_FACT)] if response.status_code == 200 else []
        reads = [sql for sql in asked if sql.lstrip("( \n").startswith(_READS) and not _WRITES.search(sql)]
        explained = [explain(sql) for sql in reads]
        return Measured(
            statements=len(asked) - len(audit),
            audit=len(audit),
            buffers=sum(one.buffers for one in explained),
            milliseconds=sum(one.milliseconds for one in explained),
            rows=_rows(response, body),
            reads=reads,
            plans=[one.plan for one in explained],
        )


@dataclass(frozen=True, kw_only=True)
class Explained:
    buffers: int
    milliseconds: float
    plan: str


def explain(sql: str) -> Explained:
    """Runs the statement. `plan` is its outline: without costs, with the rows and buffers of each step."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {_verbatim(sql)}", [])
        found = cursor.fetchone()[0]
        whole = (json.loads(found) if isinstance(found, str) else found)[0]
    top = whole["Plan"]
    return Explained(
        buffers=_buffers(top), milliseconds=whole["Execution Time"], plan="\n".join(_outline(top, depth=0))
    )


def median(act: Callable[[], object], *, runs: int) -> float:
    """Of the milliseconds that it takes."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        act()
        times.append((time.perf_counter() - started) * 1_000)
    return statistics.median(times)


def run(sql: str, params: Mapping[str, Any] | None = None) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(sql if params else _verbatim(sql), params or [])
        return list(cursor.fetchall())


@contextmanager
def rolled_back() -> Iterator[None]:
    """Whatever measuring writes is gone afterwards."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def _verbatim(sql: str) -> str:
    return sql.replace("%", "%%")


def _rows(response: Any, body: bytes) -> int:
    if "json" not in response.headers["Content-Type"]:
        return body.count(b"\n")
    found = json.loads(body)
    return len(found["results"]) if "results" in found else 1


def _buffers(plan: Mapping[str, Any]) -> int:
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def _outline(plan: Mapping[str, Any], *, depth: int) -> Iterator[str]:
    name = plan["Node Type"] + (" backward" if plan.get("Scan Direction") == "Backward" else "")
    where = plan.get("Index Name") or plan.get("Relation Name") or plan.get("CTE Name") or ""
    figures = f"{plan['Actual Rows'] * plan['Actual Loops']:,.0f} rows, {_buffers(plan):,} buffers"
    yield f"{'  ' * depth}{name}{f' {where}' if where else ''}: {figures}"
    for inner in plan.get("Plans", []):
        yield from _outline(inner, depth=depth + 1)
