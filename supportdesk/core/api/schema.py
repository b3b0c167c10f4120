"""The OpenAPI document: what each operation takes and answers, with an example, and every way in which it fails."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from supportdesk.core.api.exceptions import CONTENT_TYPE, TITLES, problem_body
from supportdesk.core.api.guards import BodyTooLarge
from supportdesk.core.api.idempotency import HEADER as IDEMPOTENCY_HEADER
from supportdesk.core.api.idempotency import InProgress, KeyReused
from supportdesk.core.api.permissions import ANYONE
from supportdesk.core.errors import (
    DomainError,
    FieldError,
    Forbidden,
    InvalidInput,
    NotAuthenticated,
    NotFound,
    StaleVersion,
    Unavailable,
)
from supportdesk.core.limits import TooManyRequests

Action = TypeVar("Action", bound=Callable[..., Any])


class NotAcceptable(DomainError):
    """The `Accept` header leaves out JSON, which is all we speak."""

    status = 406
    code = "not_acceptable"


class UnsupportedMediaType(DomainError):
    """The body is not `application/json`."""

    status = 415
    code = "unsupported_media_type"


class FieldProblem(serializers.Serializer[Any]):
    field = serializers.CharField(help_text="Path of the input, such as `customer_id` or `tags[2]`.")
    code = serializers.CharField()
    detail = serializers.CharField()


class Problem(serializers.Serializer[Any]):
    """Problem details (RFC 9457). Branch on `code`; `detail` is a sentence for people."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    errors = FieldProblem(many=True)  # type: ignore[assignment]
    request_id = serializers.CharField()


def operation(
    summary: str,
    *,
    returns: Any = None,
    example: Any = None,
    takes: Any = None,
    request_example: Any = None,
    status: int = 200,
    errors: Sequence[type[DomainError]] = (),
    description: str = "",
) -> Callable[[Action], Action]:
    """Documents an action. `errors` names the failures that are its own; the general ones are added by the schema."""
    examples = []
    if example is not None:
        examples.append(OpenApiExample("Answer", value=example, response_only=True, status_codes=[str(status)]))
    if request_example is not None:
        examples.append(OpenApiExample("Request", value=request_example, request_only=True))

    def documented(action: Action) -> Action:
        action.documented_errors = tuple(errors)  # type: ignore[attr-defined]
        return extend_schema(
            summary=summary,
            description=description,
            request=takes,
            responses=returns if isinstance(returns, dict) else {status: OpenApiResponse(returns, description=summary)},
            examples=examples,
        )(action)

    return documented


class ProblemAutoSchema(AutoSchema):
    """Adds the failures to each operation: those that its route can meet, and those that its action declares."""

    view: Any  # one of our own views, or the document's

    def get_override_parameters(self) -> list[Any]:
        """The headers that make a write safe."""
        if self.method == "POST" and not self._is_open():
            return [_header(IDEMPOTENCY_HEADER, "Sent again with the same body, it answers the same and does nothing.")]
        if self.method in {"PATCH", "DELETE"}:
            return [_header("If-Match", 'The ETag that was read, such as `"3"`: only while the object is still that.')]
        return []

    def _is_open(self) -> bool:
        return ANYONE in self.view.allowed.get(self.view.action, ())

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        for status, failures in _by_status(self._failures()).items():
            bodies[str(status)] = self._problem_response(status, failures)
        return bodies

    def _failures(self) -> list[type[DomainError]]:
        action = getattr(self.view, self.view.action or "", None)
        failures: list[type[DomainError]] = [InvalidInput, NotAcceptable, TooManyRequests, Unavailable]
        if not self._is_open():
            failures += [NotAuthenticated, Forbidden]
            if self.method == "POST":
                failures += [KeyReused, InProgress]
        if "{" in self.path:
            failures.append(NotFound)
        if self.method in {"POST", "PATCH"}:
            failures += [BodyTooLarge, UnsupportedMediaType]
        if self.method in {"PATCH", "DELETE"}:
            failures.append(StaleVersion)
        return [*failures, *getattr(action, "documented_errors", ())]

    def _problem_response(self, status: int, failures: list[type[DomainError]]) -> dict[str, Any]:
        component = self.resolve_serializer(Problem, "response")
        return {
            "description": TITLES[status],
            "content": {
                CONTENT_TYPE: {
                    "schema": component.ref,
                    "examples": {failure.code: {"value": _example(failure)} for failure in failures},
                }
            },
        }


def _header(name: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, description=description)


def _by_status(failures: list[type[DomainError]]) -> dict[int, list[type[DomainError]]]:
    grouped: dict[int, list[type[DomainError]]] = {}
    for failure in sorted(failures, key=lambda failure: failure.status):
        grouped.setdefault(failure.status, []).append(failure)
    return grouped


def _example(failure: type[DomainError]) -> dict[str, Any]:
    sentence = " ".join((failure.__doc__ or "").split())
    errors = (FieldError("page_size", "out_of_range", sentence),) if failure is InvalidInput else ()
    body = problem_body(status=failure.status, code=failure.code, detail=sentence, errors=errors)
    return body | {"request_id": "0f8fad5bd9cb469fa16570867728950e"}
