"""Re-encrypting what older keys of the ring encrypted, while everything keeps running.

Each value is replaced only if it is still what was read, so a write that comes between wins (and used the newest key
anyway). What is done is seen in the values themselves: a run that was stopped goes on where it left.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import connection, models

from supportdesk.core.crypto import DecryptionError, EncryptedTextField, decrypt, encrypt, encrypted_columns

BATCH = 500


@dataclass
class Progress:
    """Of one column: values re-encrypted, and the ids of rows whose value no key of the ring can read."""

    column: str
    done: int = 0
    unreadable: list[int] = field(default_factory=list)


def rotate() -> Iterator[Progress]:
    """Works through every encrypted column; yields after each batch."""
    for model, column in encrypted_columns():
        progress, last = Progress(column.context), 0
        while rows := _stale(model, column, after=last):
            last = rows[-1][0]
            _replace(model, column, rows, progress)
            yield progress


def key_ids(model: type[models.Model], column: EncryptedTextField) -> Counter[str]:
    """How many values of the column each key encrypted."""
    table, name = _quoted(model, column)
    return count_by_key(f"SELECT {name} FROM {table} WHERE {name} IS NOT NULL")  # noqa: S608


def count_by_key(question: str) -> Counter[str]:
    """Of the values that the question finds, each `key:…`, how many there are of each key; "" for those of none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT CASE WHEN strpos(value, ':') > 0 THEN split_part(value, ':', 1) ELSE '' END, count(*)"  # noqa: S608
            f" FROM ({question}) found (value) GROUP BY 1"
        )
        return Counter(dict(cursor.fetchall()))


def newest_is_readable(model: type[models.Model], column: EncryptedTextField) -> bool:
    """Whether the ring reads the value that was written last (true when there is none)."""
    table, name = _quoted(model, column)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {name} FROM (SELECT id, {name} FROM {table} ORDER BY id DESC LIMIT 100) newest"  # noqa: S608
            f" WHERE {name} IS NOT NULL LIMIT 1"
        )
        found = cursor.fetchone()
    try:
        return found is None or decrypt(found[0], context=column.context) is not None
    except DecryptionError:
        return False


def _stale(model: type[models.Model], column: EncryptedTextField, *, after: int) -> list[tuple[int, str]]:
    table, name = _quoted(model, column)
    newest = next(iter(settings.ENCRYPTION_KEYS))
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, {name} FROM {table}"  # noqa: S608
            f" WHERE id > %s AND {name} IS NOT NULL AND NOT starts_with({name}, %s) ORDER BY id LIMIT %s",
            [after, f"{newest}:", BATCH],
        )
        return list(cursor.fetchall())


def _replace(
    model: type[models.Model], column: EncryptedTextField, rows: list[tuple[int, str]], progress: Progress
) -> None:
    ids, before, after = [], [], []
    for row_id, stored in rows:
        try:
            text = decrypt(stored, context=column.context)
        except DecryptionError:
            progress.unreadable.append(row_id)
            continue
        ids.append(row_id)
        before.append(stored)
        after.append(encrypt(text, context=column.context))
    table, name = _quoted(model, column)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} t SET {name} = r.new"  # noqa: S608
            f" FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS r(id, old, new)"
            f" WHERE t.id = r.id AND t.{name} = r.old",
            [ids, before, after],
        )
        progress.done += cursor.rowcount


def _quoted(model: type[models.Model], column: Any) -> tuple[str, str]:
    quote = connection.ops.quote_name
    return quote(model._meta.db_table), quote(column.column)
