"""Telling a worker that there is something to do. Only a hint: whoever misses it is found by the relay."""

from collections.abc import Sequence
from typing import Any

from celery import current_app
from django.conf import settings
from kombu.connection import Connection
from kombu.exceptions import OperationalError
from kombu.pools import producers

from supportdesk.core.asking import Asking

TASK = "core.deliver"
TIMEOUT_SECONDS = 0.3

_redis = Asking("wakeup", OperationalError, OSError)


def wake(ids: Sequence[int]) -> None:
    """Hints at these deliveries. Never raises, and takes at most 0.3 s when Redis does not answer."""
    if ids:
        hint(TASK, ids=list(ids))


def hint(task: str, **arguments: Any) -> None:
    """Has a worker run the task, if it hears of it. Never raises, and takes at most 0.3 s."""
    _redis.ask(lambda: _send(task, arguments))


def _send(task: str, arguments: dict[str, Any]) -> None:
    with producers[_connection()].acquire(block=True, timeout=TIMEOUT_SECONDS) as producer:
        current_app.send_task(task, kwargs=arguments, producer=producer, retry=False)


def _connection() -> Any:
    """The broker with short timeouts; the worker's own connection waits long on purpose."""
    options = {
        **settings.CELERY_BROKER_TRANSPORT_OPTIONS,
        "socket_timeout": TIMEOUT_SECONDS,
        "socket_connect_timeout": TIMEOUT_SECONDS,
    }
    return Connection(settings.CELERY_BROKER_URL, transport_options=options)  # type: ignore[no-untyped-call]
