"""Refusals that need no knowledge of the route: what no part of us could ever store or route."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from supportdesk.core.api.exceptions import problem
from supportdesk.core.errors import DomainError, FieldError, InvalidInput

UPLOADS = "/attachments"  # how the path of the one route ends that takes files
WEBHOOKS = "/api/integrations/"  # how paths begin at which partners send what happened


class BodyTooLarge(DomainError):
    """The body is larger than the API takes: 1 MiB, for a file 10 MiB more, of a partner 8 MiB."""

    status = 413
    code = "body_too_large"


class LengthRequired(DomainError):
    """The body comes in chunks, without a `Content-Length` that says how large it is."""

    status = 411
    code = "length_required"


class RequestGuardMiddleware:
    """Refuses a body that is announced as too large, or not announced, before a byte of it is read, and NUL or broken
    text in path and query.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        try:
            _check_length(request)
            _check_text(request)
        except DomainError as error:
            return problem(error)
        return self.get_response(request)


def body_too_large(limit: int) -> BodyTooLarge:
    return BodyTooLarge(f"The body is larger than {limit} bytes.")


def _check_length(request: HttpRequest) -> None:
    if "HTTP_TRANSFER_ENCODING" in request.META:
        raise LengthRequired("The body comes in chunks. Send it whole, with its Content-Length.")
    announced = request.META.get("CONTENT_LENGTH") or "0"
    limit = settings.MAX_BODY_BYTES
    if request.path.endswith(UPLOADS) and request.content_type == "multipart/form-data":
        limit += settings.MAX_UPLOAD_BYTES
    elif request.path.startswith(WEBHOOKS):
        limit = settings.MAX_WEBHOOK_BYTES
    if announced.isdecimal() and int(announced) > limit:
        raise body_too_large(limit)


def _check_text(request: HttpRequest) -> None:
    if _unstorable(request.path):
        raise InvalidInput("The path holds characters that cannot be text.")
    for name, values in request.GET.lists():
        if _unstorable(name) or any(_unstorable(value) for value in values):
            detail = "The value holds characters that cannot be text (NUL or broken UTF-8)."
            raise InvalidInput(detail, errors=[FieldError("" if _unstorable(name) else name, "invalid", detail)])


def _unstorable(text: str) -> bool:
    return "\0" in text or "\ufffd" in text or any("\ud800" <= character <= "\udfff" for character in text)
