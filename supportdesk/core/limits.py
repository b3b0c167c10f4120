"""How often something may happen: one atomic count per subject and window, shared by all processes.

Counted in Redis. A strict limit falls back to PostgreSQL when Redis does not answer, and fails closed when that is gone
too; a lenient one lets through and raises an alarm in the log. Subjects are hashed, so no address is kept anywhere.
"""

from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

import structlog
from django.conf import settings
from django.db import connection
from redis import Redis, RedisError

from supportdesk.core.crypto import blind_index
from supportdesk.core.errors import DomainError
from supportdesk.core.models import RateWindow
from supportdesk.core.observability.metrics import LIMITED, REDIS_ERRORS

# KEYS[1] the window; ARGV[1] its length in ms. Answers the count and the milliseconds that are left.
_COUNT = """
local count = redis.call('INCR', KEYS[1])
if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
return {count, redis.call('PTTL', KEYS[1])}
"""
_COUNT_ROW = """
WITH clock AS (SELECT clock_timestamp() AS now, make_interval(secs => %(seconds)s) AS length)
INSERT INTO core_ratewindow AS w (key, count, ends_at) SELECT %(key)s, 1, now + length FROM clock
ON CONFLICT (key) DO UPDATE SET
    count = CASE WHEN w.ends_at <= clock_timestamp() THEN 1 ELSE w.count + 1 END,
    ends_at = CASE WHEN w.ends_at <= clock_timestamp() THEN excluded.ends_at ELSE w.ends_at END
RETURNING count, greatest(0, extract(epoch FROM ends_at - clock_timestamp()) * 1000)
"""

log = structlog.get_logger("supportdesk.limits")


class TooManyRequests(DomainError):
    """The limit of requests is reached; Retry-After says when there is room again."""

    status = 429
    code = "too_many_requests"


@dataclass(frozen=True, kw_only=True)
class Limit:
    """At most `allowed` in each window of `seconds`, which begins at the first. `strict`: never without a count."""

    name: str
    allowed: int
    seconds: int
    strict: bool


def take(limit: Limit, subject: str) -> int:
    """Counts one more; 0 when it is within the limit, else the seconds until the window ends (at least 1)."""
    key = _key(limit, subject)
    try:
        count, left = _redis_script()(keys=[key], args=[limit.seconds * 1000])
    except RedisError as error:
        log.error("limits without redis", limit=limit.name, strict=limit.strict, error=type(error).__name__)
        REDIS_ERRORS.labels("limits").inc()
        if not limit.strict:
            return 0
        count, left = _count_row(key, limit.seconds)
    if int(count) <= limit.allowed:
        return 0
    LIMITED.labels(limit.name).inc()
    return max(1, -(-int(left) // 1000))


def clear(limit: Limit, subject: str) -> None:
    """Forgets what was counted."""
    key = _key(limit, subject)
    try:
        _redis().delete(key)
    except RedisError:
        REDIS_ERRORS.labels("limits").inc()
        with connection.cursor() as cursor:
            cursor.execute("DELETE FROM core_ratewindow WHERE key = %s", [key])


def give_back(limit: Limit, subject: str) -> None:
    """Takes one off the count."""
    key = _key(limit, subject)
    try:
        if int(_redis().decr(key)) < 1:
            _redis().delete(key)
    except RedisError:
        REDIS_ERRORS.labels("limits").inc()
        with connection.cursor() as cursor:
            cursor.execute("UPDATE core_ratewindow SET count = greatest(count - 1, 0) WHERE key = %s", [key])


def prune(*, now: datetime) -> int:
    """Deletes the rows of windows that are over; returns how many."""
    return RateWindow.objects.filter(ends_at__lte=now).delete()[0]


def _key(limit: Limit, subject: str) -> str:
    return f"limit:{limit.name}:{blind_index(subject, context='limit')}"


def _count_row(key: str, seconds: int) -> tuple[int, float]:
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_ROW, {"key": key, "seconds": seconds})
        count, left = cursor.fetchone()
    return count, float(left)


@cache
def _redis() -> Redis:
    return Redis.from_url(settings.REDIS_URL, socket_timeout=0.3, socket_connect_timeout=0.3)


@cache
def _redis_script() -> Any:
    return _redis().register_script(_COUNT)
