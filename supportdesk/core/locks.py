"""Turns that are no row's."""

from django.db import connection


def hold(key: str) -> None:
    """Until the caller's transaction ends, nobody else holds the same key; who wants to, waits."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", [key])
