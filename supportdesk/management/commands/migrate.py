"""Django's `migrate`, by the role that owns the tables."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.core.management.commands import migrate
from django.db import connection

from supportdesk.core.devservices.postgres import DISCREET
from supportdesk.core.models import APPEND_ONLY
from supportdesk.core.owning import owner_settings

READ_ONLY = ("django_migrations",)


class Command(migrate.Command):
    """As Django's. With SUPPORTDESK_MIGRATION_DATABASE_URL it connects as that URL's role, and afterwards grants the
    role of DATABASE_URL what the product needs: rows, no tables, and of the append-only ones only new rows.

    Says so when the server's log would hold customers' data.
    """

    def handle(self, *args: Any, **options: Any) -> None:
        application = connection.settings_dict["USER"]
        if settings.MIGRATION_DATABASE["USER"] == application:
            super().handle(*args, **options)
        else:
            with _connected_as_owner():
                super().handle(*args, **options)
                _grant(application)
        talkative = _talkative()
        if talkative:
            names = ", ".join(talkative)
            self.stderr.write(f"PostgreSQL's log will hold customers' data: see docs/operations.md about {names}.")


def _talkative() -> list[str]:
    """Names of the server's settings by which values of statements get into its log."""
    wanted = dict(option.split("=") for option in DISCREET)
    with connection.cursor() as cursor:
        cursor.execute("SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(wanted)])
        return sorted(name for name, setting in cursor.fetchall() if setting != wanted[name])


@contextmanager
def _connected_as_owner() -> Iterator[None]:
    owner = owner_settings()
    kept = {name: connection.settings_dict[name] for name in owner}
    connection.close()
    connection.settings_dict.update(owner)
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict.update(kept)


def _grant(role: str) -> None:
    name = connection.ops.quote_name(role)
    with connection.cursor() as cursor:
        for statement in (
            f"GRANT USAGE ON SCHEMA public TO {name}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {name}",
            f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {name}",
            f"REVOKE UPDATE, DELETE ON {', '.join(APPEND_ONLY)} FROM {name}",
            f"REVOKE INSERT, UPDATE, DELETE ON {', '.join(READ_ONLY)} FROM {name}",
        ):
            cursor.execute(statement)
