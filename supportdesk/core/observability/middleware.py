"""One id, one log line and one set of figures per request; and the few paths that are for insiders."""

import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.urls import resolve

from supportdesk.core.observability import metrics

HEADER = "X-Request-ID"
INSIDE = frozenset({"/healthz", "/readyz", "/metrics"})
_ACCEPTABLE = re.compile(r"[A-Za-z0-9-]{8,64}")

log = structlog.get_logger("supportdesk.request")


def current_request_id() -> str:
    """The id of the request being served, empty outside one."""
    return str(structlog.contextvars.get_contextvars().get("request_id", ""))


class RequestContextMiddleware:
    """Takes a caller's X-Request-ID if it is harmless, else makes one; every answer and log line carries it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        offered = request.headers.get(HEADER, "")
        request_id = offered if _ACCEPTABLE.fullmatch(offered) else uuid.uuid4().hex
        started = time.monotonic()
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            response = self.get_response(request)
            response[HEADER] = request_id
            if request.path not in INSIDE:
                self._log(request, response, started)
        return response

    def _log(self, request: HttpRequest, response: HttpResponse, started: float) -> None:
        route, method = metrics.where_of(request)
        log.info(
            "request",
            method=method,
            route=route,
            status=response.status_code,
            milliseconds=round((time.monotonic() - started) * 1000, 1),
        )


class MetricsMiddleware:
    """Counts and measures every answer by its route. What a streamed answer does after its beginning is not in it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path in INSIDE:
            return self.get_response(request)
        tally, started = metrics.Tally(), time.perf_counter()
        with connection.execute_wrapper(tally):
            response = self.get_response(request)
        seconds = time.perf_counter() - started
        metrics.count_request(request, status=response.status_code, seconds=seconds, tally=tally)
        return response


class InsideMiddleware:
    """Answers probes and scrapes before the Host header is looked at: they come to an address and not to a name."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if request.path not in INSIDE:
            return self.get_response(request)
        match = request.resolver_match = resolve(request.path)
        answer: HttpResponseBase = match.func(request, *match.args, **match.kwargs)
        return answer
