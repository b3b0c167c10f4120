"""Two probes: is the process alive, and can it do its work."""

from collections.abc import Callable

import structlog
from django.core.cache import cache
from django.db import Error as DatabaseError
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe
from redis.exceptions import RedisError

from supportdesk.core import rotation
from supportdesk.core.crypto import DecryptionError, encrypted_columns

log = structlog.get_logger("supportdesk.health")


@require_safe
def alive(request: HttpRequest) -> JsonResponse:
    """200 as long as the process answers; touches no other part, so a lost database does not restart us."""
    return JsonResponse({"status": "ok"})


@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """200 when the database and Redis answer and our keys read what is stored; else 503 naming what does not."""
    found = parts()
    answers = all(found.values())
    body = {
        "status": "ok" if answers else "unavailable",
        "parts": {name: "ok" if works else "unavailable" for name, works in found.items()},
    }
    return JsonResponse(body, status=200 if answers else 503)


def parts() -> dict[str, bool]:
    """Whether each part that we need does its work. A lost database is waited for once."""
    database = _works(_ask_database)
    return {
        "database": database,
        "redis": _works(_ask_redis),
        "encryption": database and _works(_ask_encryption),
    }


def _works(ask: Callable[[], object]) -> bool:
    try:
        ask()
    except (DatabaseError, RedisError, OSError, DecryptionError) as error:
        log.warning("not ready", part=ask.__name__.removeprefix("_ask_"), error=type(error).__name__)
        return False
    return True


def _ask_database() -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")


def _ask_encryption() -> None:
    """The newest values, with the keys we hold: a wrong or a lost key shows before the first customer does."""
    for model, column in encrypted_columns():
        if not rotation.newest_is_readable(model, column):
            raise DecryptionError(f"{column.context}: no key of SUPPORTDESK_ENCRYPTION_KEYS reads it.")


def _ask_redis() -> None:
    cache.get("readyz")
