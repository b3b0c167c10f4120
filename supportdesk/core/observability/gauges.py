"""What is asked for at the moment of a scrape: parts that answer, connections in use, work that waits."""

from collections.abc import Iterator
from functools import cache

from celery import current_app
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import connection
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from redis import Redis, RedisError

from supportdesk.core.observability import health
from supportdesk.core.observability.metrics import REDIS_ERRORS

TAKEN = "unacked"  # where kombu keeps what workers took and did not finish
# Of our own role, in all processes: what the server's limit, and ours, counts.
_CONNECTIONS = """
SELECT coalesce(state, 'unknown'), count(*) FROM pg_stat_activity
WHERE usename = current_user AND datname = current_database() GROUP BY 1
"""


class Parts(Collector):
    """Whether each part that /readyz asks for answers. Never fails, whatever is down."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        parts = health.parts()
        up = GaugeMetricFamily("supportdesk_part_up", "1 for a part that answers, else 0.", labels=["part"])
        for part, answers in parts.items():
            up.add_metric([part], answers)
        yield up
        yield GaugeMetricFamily(
            "supportdesk_database_connections_limit",
            "Connections that all processes together may open.",
            value=settings.DATABASE_CONNECTIONS,
        )
        if parts["database"]:
            yield from _connections()
        if parts["redis"]:
            yield from _queues()


def _connections() -> Iterator[GaugeMetricFamily]:
    found = GaugeMetricFamily("supportdesk_database_connections", "Open connections, by state.", labels=["state"])
    try:
        with connection.cursor() as cursor:
            cursor.execute(_CONNECTIONS)
            for state, number in cursor.fetchall():
                found.add_metric([state], number)
    except DatabaseError:
        return  # `supportdesk_part_up` says so at the next scrape
    yield found


def _queues() -> Iterator[GaugeMetricFamily]:
    waiting = GaugeMetricFamily("supportdesk_queue_length", "Tasks that wait for a worker.", labels=["queue"])
    taken = GaugeMetricFamily("supportdesk_queue_taken", "Tasks that workers took and did not finish.")
    try:
        for queue in current_app.amqp.queues:
            waiting.add_metric([queue], _redis().llen(queue))
        taken.add_metric([], _redis().hlen(TAKEN))
    except RedisError:
        REDIS_ERRORS.labels("metrics").inc()
        return
    yield waiting
    yield taken


@cache
def _redis() -> Redis:
    return Redis.from_url(settings.CELERY_BROKER_URL, socket_timeout=0.3, socket_connect_timeout=0.3)
