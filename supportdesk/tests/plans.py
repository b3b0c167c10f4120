"""How PostgreSQL would answer, by rows that it has looked at and not by what other tests left in the statistics."""

from collections.abc import Sequence
from typing import Any

from django.db import connection
from django.db.models import Model, QuerySet


def look_at(rows: Sequence[Model]) -> None:
    """Saves the rows, all of one model, and has PostgreSQL look at their table. What they refer to need not be there,
    and no trigger follows from them. For a test in a transaction.
    """
    model: Any = type(rows[0])
    table = model._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        model._base_manager.bulk_create(rows)
        cursor.execute("SET LOCAL session_replication_role = origin")
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # nothing may be pending on what is made anew
        cursor.execute(f'REINDEX TABLE "{table}"')  # what other tests wrote and took back makes indexes look dear
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        cursor.execute(f'ANALYZE "{table}"')


def forget_plans() -> None:
    """Of this connection, its triggers' too. They were made when tables were empty, and nothing tells PostgreSQL that
    they grew: what a test writes is gone before anybody counts it.
    """
    with connection.cursor() as cursor:
        cursor.execute("DISCARD PLANS")


def plan(queryset: QuerySet[Any], *, in_order: bool = False) -> str:
    """Of a list; see `explained`."""
    _rule_out_scans(in_order=in_order)
    return queryset.explain()


def explained(statement: str, *, in_order: bool = False) -> str:
    """With sequential scans out of the question; `in_order`: without bitmaps too, which lose the order of an index."""
    _rule_out_scans(in_order=in_order)
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN {statement}")
        return "\n".join(line for (line,) in cursor.fetchall())


def _rule_out_scans(*, in_order: bool) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"SET LOCAL enable_bitmapscan = {'off' if in_order else 'on'}")
