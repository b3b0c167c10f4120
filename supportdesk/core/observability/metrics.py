"""What is counted and measured, and the one list of it for whoever adds more.

To add a figure: one line here (or at the top of the module that counts, if it is an app's own), and `.labels(…).inc()`
or `.observe(…)` where it happens. Labels are routes, methods, states and names of our own code, each of which has few
values that we know; never an id, a path, a query or anything of a person. Gauges are not kept here but asked for at the
scrape: see `gauges.py`.
"""

import time
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from prometheus_client import Counter, Histogram, Summary

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
TASK_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60)

REQUESTS = Counter("supportdesk_requests_total", "Requests answered.", ["route", "method", "status"])
REQUEST_SECONDS = Histogram(
    "supportdesk_request_seconds", "Until the answer begins.", ["route", "method"], buckets=SECONDS
)
# Sums, not buckets: a scrape adds up what each process has of each route, and the averages of these two say enough.
REQUEST_DATABASE_SECONDS = Summary(
    "supportdesk_request_database_seconds", "Of a request, in the database.", ["route", "method"]
)
REQUEST_STATEMENTS = Summary("supportdesk_request_statements", "SQL statements of a request.", ["route", "method"])
LOGINS = Counter("supportdesk_logins_total", "Logins tried: ok, refused or limited.", ["outcome"])
LIMITED = Counter("supportdesk_limited_total", "What a limit turned away.", ["limit"])
REDIS_ERRORS = Counter("supportdesk_redis_errors_total", "Calls to Redis that failed, by what wanted it.", ["use"])
TASKS = Counter("supportdesk_tasks_total", "Tasks that ended: done, failed, retry, …", ["task", "outcome"])
TASK_TIME = Histogram("supportdesk_task_seconds", "Of a task's run.", ["task"], buckets=TASK_SECONDS)

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})
OTHER, NO_ROUTE = "(other)", "(none)"


class Tally:
    """For `connection.execute_wrapper`: the statements of a block, and how long they took."""

    def __init__(self) -> None:
        self.statements, self.seconds = 0, 0.0

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        started = time.perf_counter()
        try:
            return execute(sql, params, many, context)
        finally:
            self.statements += 1
            self.seconds += time.perf_counter() - started


def where_of(request: HttpRequest) -> tuple[str, str]:
    """Route and method. A client chooses neither: routes are templates of our table, and unknown methods are one."""
    route = getattr(request.resolver_match, "route", None) or NO_ROUTE
    return route, request.method if request.method in METHODS else OTHER


def count_request(request: HttpRequest, *, status: int, seconds: float, tally: Tally) -> None:
    where = where_of(request)
    REQUESTS.labels(*where, str(status)).inc()
    REQUEST_SECONDS.labels(*where).observe(seconds)
    REQUEST_DATABASE_SECONDS.labels(*where).observe(tally.seconds)
    REQUEST_STATEMENTS.labels(*where).observe(tally.statements)
