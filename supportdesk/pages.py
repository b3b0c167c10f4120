"""Failures outside the REST framework: a page for people in the admin, problem JSON for everybody else."""

from collections.abc import Callable

import structlog
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from supportdesk.core.api import exceptions
from supportdesk.core.observability.middleware import current_request_id

PAGES = {
    400: "That request could not be read.",
    403: "You may not do this.",
    404: "There is nothing at this address, or nothing that you may see.",
    500: "Something went wrong on our side. It has been logged; quote the id below when you report it.",
    503: "A part that we need does not answer. Try again in a moment.",
}
STALE_FORM = "This form is no longer good. Go back, load the page again and send it once more."

log = structlog.get_logger("supportdesk.errors")


class UnavailableMiddleware:
    """What cannot be done now is a 503 behind every door, and not a bug."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, raised: Exception) -> HttpResponse | None:
        error = exceptions.unavailable(raised)
        if error is None:
            return None
        return _page(request, error.status) or exceptions.problem(error)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 400) or exceptions.bad_request(request, exception)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 403) or exceptions.permission_denied(request, exception)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form that is older than the login it was shown to, or that another site sent."""
    return _page(request, 403, STALE_FORM) or exceptions.permission_denied(request, PermissionDenied())


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _page(request, 404) or exceptions.not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django calls this while it handles the exception, whichever part of a request raised it."""
    log.exception("unhandled")
    return _page(request, 500) or exceptions.server_error(request)


def _page(request: HttpRequest, status: int, text: str = "") -> HttpResponse | None:
    if not request.path.startswith("/admin/"):
        return None
    context = {"status": status, "text": text or PAGES[status], "request_id": current_request_id()}
    return render(request, "errors/page.html", context, status=status)
