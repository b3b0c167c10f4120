"""One id and one log line per request."""

import re
import time
import uuid
from collections.abc import Callable

import structlog
from django.http import HttpRequest, HttpResponse

HEADER = "X-Request-ID"
_ACCEPTABLE = re.compile(r"[A-Za-z0-9-]{8,64}")
_QUIET_PATHS = frozenset({"/healthz", "/readyz"})

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
            if request.path not in _QUIET_PATHS:
                self._log(request, response, started)
        return response

    def _log(self, request: HttpRequest, response: HttpResponse, started: float) -> None:
        route = getattr(request.resolver_match, "route", None)
        log.info(
            "request",
            method=request.method,
            route=route or "(none)",
            status=response.status_code,
            milliseconds=round((time.monotonic() - started) * 1000, 1),
        )
