"""Asking Redis for what can be had without it."""

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import structlog
from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

from supportdesk.core.observability.metrics import REDIS_ERRORS

TIMEOUT_SECONDS = 0.3
QUIET_SECONDS = 5.0  # after a failure of Redis, how long nothing more is asked of it
log = structlog.get_logger("supportdesk.redis")


@cache
def redis() -> Redis:
    """This process's connections, whose answers are text."""
    return Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        decode_responses=True,
    )


class Asking:
    """Questions for one use, whose name stands in the figures and in the log. `failures` are what a client raises."""

    def __init__(self, use: str, *failures: type[Exception]) -> None:
        self.use = use
        self.failures = failures or (RedisError,)
        self.quiet_until = 0.0

    @property
    def quiet(self) -> bool:
        return time.monotonic() < self.quiet_until

    def ask(self, question: Callable[[], Any]) -> Any:
        """What Redis answers. None when it does not; then, for a while, it is not asked again."""
        if self.quiet:
            return None
        answer, failed = self._ask(question)
        if failed:
            self.quiet_until = time.monotonic() + QUIET_SECONDS
        return answer

    def run(self, script: str, keys: list[str], *arguments: Any) -> Any:
        """What a script answers; None without Redis, as above."""
        return self.ask(lambda: redis().eval(script, len(keys), *keys, *arguments))

    def succeeds(self, question: Callable[[], Any]) -> bool:
        """Whether Redis answers: asked whatever happened before, and without a consequence for who asks next."""
        return not self._ask(question)[1]

    def _ask(self, question: Callable[[], Any]) -> tuple[Any, bool]:
        try:
            return question(), False
        except self.failures as error:
            REDIS_ERRORS.labels(self.use).inc()
            log.warning("going on without redis", use=self.use, error=type(error).__name__)
            return None, True
