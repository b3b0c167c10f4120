"""The product's own database role: rows and no tables, and of what happened only new rows."""

import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connection

from supportdesk.core.models import APPEND_ONLY
from supportdesk.management.commands import migrate

ROLE = "supportdesk_app"


@pytest.fixture
def application(transactional_db: None) -> Iterator[psycopg.Connection[Any]]:
    """A connection of the application's role, granted what `migrate` grants."""
    migrate._grant(ROLE)
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolcanlogin FROM pg_roles WHERE rolname = %s", [ROLE])
        assert cursor.fetchone() == (True,)
    database = connection.settings_dict
    host, port = database["HOST"], database["PORT"] or None
    with psycopg.connect(host=host, port=port, user=ROLE, dbname=database["NAME"], autocommit=True) as connected:
        yield connected


@pytest.mark.skipif("SUPPORTDESK_TEST_DATABASE_URL" in os.environ, reason="needs the embedded server's roles")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE core_event SET name = 'x'",
        "DELETE FROM core_event",
        "TRUNCATE core_event",
        "ALTER TABLE core_event DISABLE TRIGGER ALL",
        "DROP TRIGGER core_event_append_only ON core_event",
        "DROP FUNCTION core_event_refuse_change() CASCADE",
        "SET session_replication_role = replica",
        "CREATE TABLE mine (id int)",
        "DELETE FROM django_migrations",
        "GRANT UPDATE ON core_event TO supportdesk_app",
    ],
)
def test_the_application_cannot_change_what_happened(application: psycopg.Connection[Any], statement: str) -> None:
    if statement.startswith("GRANT"):
        application.execute(statement)  # PostgreSQL warns and grants nothing
        statement = "UPDATE core_event SET name = 'x'"
    with pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.UndefinedTable)) as raised:
        application.execute(statement)
    assert isinstance(raised.value, psycopg.errors.InsufficientPrivilege)


@pytest.mark.skipif("SUPPORTDESK_TEST_DATABASE_URL" in os.environ, reason="needs the embedded server's roles")
def test_the_application_can_do_its_work(application: psycopg.Connection[Any]) -> None:
    tables = application.execute(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'django_migrations'"
    ).fetchall()
    for (table,) in tables:
        rights = {"SELECT", "INSERT"} | (set() if table in APPEND_ONLY else {"UPDATE", "DELETE"})
        for right in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            found = application.execute("SELECT has_table_privilege(%s, %s)", [table, right]).fetchone()
            assert found == (right in rights,), f"{right} {table}"
    application.execute(
        "INSERT INTO core_event"
        " (name, subject_type, subject_id, payload, actor_kind, actor_name, origin, request_id, at)"
        " VALUES ('x', 'x', 1, '{}', 'system', '', 'task', '', now())"
    )


def test_the_owner_is_the_applications_role_unless_it_is_named() -> None:
    assert settings.MIGRATION_DATABASE["USER"] == settings.DATABASES["default"]["USER"]
