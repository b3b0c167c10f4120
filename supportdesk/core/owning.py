"""Working as the role that owns the tables, for what an application's role may not do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from django.conf import settings
from django.db import connection
from django.db.backends.utils import CursorWrapper

_ROLE_SETTINGS = ("USER", "PASSWORD", "HOST", "PORT")


def owner_settings() -> dict[str, Any]:
    """What makes settings of a connection those of the owner's."""
    owner = {name: settings.MIGRATION_DATABASE[name] for name in _ROLE_SETTINGS}
    return owner | {"HOST": unquote(str(owner["HOST"]))}


@contextmanager
def cursor_of_owner() -> Iterator[CursorWrapper]:
    """On a connection of its own, in no transaction."""
    owner = connection.copy()
    owner.settings_dict |= owner_settings()
    try:
        with owner.cursor() as cursor:
            yield cursor
    finally:
        owner.close()
