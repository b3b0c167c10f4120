"""Asking Redis for what can be had without it."""

import time
from collections.abc import Callable
from typing import Any

import structlog
from redis.exceptions import RedisError

from supportdesk.core.observability.metrics import REDIS_ERRORS

QUIET_SECONDS = 5.0  # after a failure of Redis, how long nothing more is asked of it
log = structlog.get_logger("supportdesk.redis")


class Asking:
    """Questions for one use, whose name stands in the figures and in the log."""

    def __init__(self, use: str) -> None:
        self.use = use
        self.quiet_until = 0.0

    def ask(self, question: Callable[[], Any]) -> Any:
        """What Redis answers. None when it does not; then, for a while, it is not asked again."""
        if time.monotonic() < self.quiet_until:
            return None
        try:
            return question()
        except RedisError as error:
            self.quiet_until = time.monotonic() + QUIET_SECONDS
            REDIS_ERRORS.labels(self.use).inc()
            log.warning("going on without redis", use=self.use, error=type(error).__name__)
            return None
