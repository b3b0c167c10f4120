"""Telling a worker that there is something to do. Only a hint: whoever misses it is found by the relay."""

import time
from collections.abc import Sequence
from typing import Any

import structlog
from celery import current_app
from django.conf import settings
from kombu.connection import Connection
from kombu.exceptions import OperationalError
from kombu.pools import producers

TASK = "core.deliver"
QUIET_SECONDS = 5.0  # without Redis, one hint in this time finds out about it, and the others cost nothing
TIMEOUT_SECONDS = 0.3

log = structlog.get_logger("supportdesk.wakeup")
_quiet_until = 0.0


def wake(ids: Sequence[int]) -> None:
    """Hints at these deliveries. Never raises, and takes at most 0.3 s when Redis does not answer."""
    if ids:
        hint(TASK, ids=list(ids))


def hint(task: str, **arguments: Any) -> None:
    """Has a worker run the task, if it hears of it. Never raises, and takes at most 0.3 s."""
    global _quiet_until
    if time.monotonic() < _quiet_until:
        return
    try:
        with producers[_connection()].acquire(block=True, timeout=TIMEOUT_SECONDS) as producer:
            current_app.send_task(task, kwargs=arguments, producer=producer, retry=False)
    except (OperationalError, OSError) as error:
        _quiet_until = time.monotonic() + QUIET_SECONDS
        log.warning("no wake-up", error=type(error).__name__)


def _connection() -> Any:
    """The broker with short timeouts; the worker's own connection waits long on purpose."""
    options = {
        **settings.CELERY_BROKER_TRANSPORT_OPTIONS,
        "socket_timeout": TIMEOUT_SECONDS,
        "socket_connect_timeout": TIMEOUT_SECONDS,
    }
    return Connection(settings.CELERY_BROKER_URL, transport_options=options)  # type: ignore[no-untyped-call]
