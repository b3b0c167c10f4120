"""Every failure leaves as problem JSON (RFC 9457) with the same seven members."""

from collections.abc import Iterator
from typing import Any

import structlog
from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions
from rest_framework.exceptions import ErrorDetail
from rest_framework.response import Response

from supportdesk.core.crypto import DecryptionError
from supportdesk.core.errors import DomainError, FieldError, Forbidden, InvalidInput, NotFound, Unavailable
from supportdesk.core.observability.middleware import current_request_id

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 5
TITLES = {
    400: "Bad request",
    401: "Not authenticated",
    403: "Forbidden",
    404: "Not found",
    405: "Method not allowed",
    406: "Not acceptable",
    409: "Conflict",
    411: "Length required",
    412: "Precondition failed",
    413: "Content too large",
    415: "Unsupported media type",
    421: "Misdirected request",
    422: "Unprocessable content",
    429: "Too many requests",
    500: "Internal error",
    503: "Unavailable",
}

log = structlog.get_logger("supportdesk.errors")


class Undecryptable(Unavailable):
    """Stored data cannot be read with the keys that we hold; somebody must look after them."""

    code = "decryption_failed"


def problem_body(*, status: int, code: str, detail: str, errors: tuple[FieldError, ...] = ()) -> dict[str, Any]:
    return {
        "type": f"urn:supportdesk:problem:{code}",
        "title": TITLES.get(status, "Error"),
        "status": status,
        "detail": detail,
        "code": code,
        "errors": [{"field": error.field, "code": error.code, "detail": error.detail} for error in errors],
        "request_id": current_request_id(),
    }


def problem(error: DomainError) -> JsonResponse:
    """The answer to a domain error outside the REST framework."""
    body = problem_body(status=error.status, code=error.code, detail=error.detail, errors=error.errors) | error.more
    return JsonResponse(body, status=error.status, content_type=CONTENT_TYPE, headers=_headers(error))


def problem_response(raised: Exception, context: dict[str, Any]) -> Response | None:
    """The REST framework's exception handler. None leaves the exception to `server_error`."""
    error = as_domain_error(raised)
    if error is None:
        return None
    body = problem_body(status=error.status, code=error.code, detail=error.detail, errors=error.errors) | error.more
    response = Response(body, status=error.status, content_type=CONTENT_TYPE, headers=_headers(error))
    if error.status == 401:
        response["WWW-Authenticate"] = "Bearer"
    return response


def unavailable(raised: Exception) -> DomainError | None:
    """The 503 that an exception means outside the REST framework; None when it means something else."""
    error = as_domain_error(raised)
    return error if error is not None and error.status == 503 else None


def bad_request(request: HttpRequest, exception: Exception) -> JsonResponse:
    """handler400."""
    return problem(InvalidInput("The request could not be read."))


def permission_denied(request: HttpRequest, exception: Exception) -> JsonResponse:
    """handler403."""
    return problem(Forbidden("You may not do this."))


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    """handler404."""
    return problem(NotFound("There is nothing at this address."))


def server_error(request: HttpRequest) -> JsonResponse:
    """handler500. Says nothing about the cause; the log does, under the same request id."""
    detail = "Something went wrong on our side. Quote the request id when you report it."
    body = problem_body(status=500, code="internal_error", detail=detail)
    return JsonResponse(body, status=500, content_type=CONTENT_TYPE)


def _headers(error: DomainError) -> dict[str, str]:
    return {} if error.retry_after is None else {"Retry-After": str(error.retry_after)}


def as_domain_error(raised: Exception) -> DomainError | None:
    """What a caller is told of a failure, through whichever door; None when it is a bug of ours."""
    match raised:
        case DomainError():
            return raised
        case Http404():
            return NotFound("There is nothing at this address.")
        case PermissionDenied():
            return Forbidden("You may not do this.")
        case OperationalError() | InterfaceError():
            log.exception("database unavailable")
            return Unavailable("The database does not answer. Try again soon.", retry_after=RETRY_AFTER_SECONDS)
        case DecryptionError():
            log.error("decryption failed", reason=str(raised))
            return Undecryptable("Stored data cannot be read with the keys we hold.")
        case exceptions.PermissionDenied():
            return Forbidden(str(raised.detail))
        case exceptions.ValidationError():
            return _validation(raised)
        case exceptions.APIException():
            return _from_api_exception(raised)
    return None


def _validation(raised: exceptions.ValidationError) -> InvalidInput:
    errors = tuple(_flattened(raised.detail, ""))
    named = ", ".join(dict.fromkeys(error.field for error in errors if error.field))
    if len(errors) == 1:
        detail = f"{errors[0].field}: {errors[0].detail}" if errors[0].field else errors[0].detail
    else:
        detail = f"{len(errors)} things are wrong with the input: {named}."
    return InvalidInput(detail, errors=errors)


def _flattened(detail: Any, path: str) -> Iterator[FieldError]:
    if isinstance(detail, dict):
        for name, inner in detail.items():
            yield from _flattened(inner, _joined(path, name))
    elif isinstance(detail, list) and any(isinstance(inner, dict | list) for inner in detail):
        for index, inner in enumerate(detail):
            yield from _flattened(inner, f"{path}[{index}]")
    elif isinstance(detail, list):
        for inner in detail:
            yield from _flattened(inner, path)
    else:
        code = detail.code if isinstance(detail, ErrorDetail) else "invalid"
        yield FieldError(path, code or "invalid", str(detail))


def _joined(path: str, name: object) -> str:
    if name == "non_field_errors":
        return path
    if isinstance(name, int):
        return f"{path}[{name}]"
    return f"{path}.{name}" if path else str(name)


def _from_api_exception(raised: exceptions.APIException) -> DomainError:
    codes = raised.get_codes()
    own_words = isinstance(raised, exceptions.MethodNotAllowed)  # theirs repeat whatever stood there for a method
    detail = "There is no such method at this address." if own_words else str(raised.detail)
    error = DomainError(detail, code=codes if isinstance(codes, str) else "error")
    error.status = raised.status_code  # type: ignore[misc]
    wait = getattr(raised, "wait", None)
    error.retry_after = None if wait is None else max(1, round(wait))
    return error
