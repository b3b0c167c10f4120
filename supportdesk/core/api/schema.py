"""The OpenAPI document: what each operation takes and answers, with an example, and every way in which it fails."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import force_instance, get_doc
from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers

from supportdesk.core.api import idempotency, trimming
from supportdesk.core.api.exceptions import CONTENT_TYPE, TITLES, Undecryptable, problem_body
from supportdesk.core.api.fields import Documented, StrictSerializer
from supportdesk.core.api.guards import BodyTooLarge, LengthRequired
from supportdesk.core.api.idempotency import InProgress, KeyReused
from supportdesk.core.api.permissions import ANYONE
from supportdesk.core.api.views import VERSION, VERSION_HEADER
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
BY_COMMAS: dict[str, Any] = {"style": "form", "explode": False}
IDEMPOTENCY_DESCRIPTION = "Sent again with the same body, it answers the same and does nothing."
VERSION_DESCRIPTION = 'The ETag that was read, such as `"3"`: only while the object is still that.'
TRIMMING_DESCRIPTION = (
    "Only these members of the object, or of each item, by commas; members of a member as in `customer.name`. The "
    "others are left out, those that are always there without it too."
)
PROBLEM_HEADERS = {
    401: {"WWW-Authenticate": {"schema": {"type": "string", "enum": ["Bearer"]}, "required": True}},
    429: {
        "Retry-After": {
            "schema": {"type": "integer", "minimum": 1},
            "description": "Seconds until it is worth trying again.",
            "required": True,
        }
    },
}


class NotAcceptable(DomainError):
    """The `Accept` header leaves out JSON, which is all we speak."""

    status = 406
    code = "not_acceptable"


class Unparsable(DomainError):
    """The body is not a JSON object in UTF-8, names a member twice, or is nested too deeply."""

    code = "parse_error"


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
    filtered: bool | None = None,
    trims: Sequence[str] | None = None,
    operation_id: str | None = None,
) -> Callable[[Action], Action]:
    """Documents an action. `errors` names the failures that are its own; the general ones are added by the schema.

    `filtered`: whether it takes the filters of its view; lists do unless told otherwise. `trims`: what `?fields=` may
    name where that is not the members of the answer. `operation_id`: where its path and another's make the same one.
    """
    examples = []
    if example is not None:
        examples.append(OpenApiExample("Answer", value=example, response_only=True, status_codes=[str(status)]))
    if request_example is not None:
        examples.append(OpenApiExample("Request", value=request_example, request_only=True))

    def documented(action: Action) -> Action:
        action.documented_errors = tuple(errors)  # type: ignore[attr-defined]
        action.filtered, action.trims = filtered, trims  # type: ignore[attr-defined]
        return extend_schema(
            operation_id=operation_id,
            summary=summary,
            description=description,
            request=takes,
            responses=returns if isinstance(returns, dict) else {status: OpenApiResponse(returns, description=summary)},
            examples=examples,
        )(action)

    return documented


class ProblemAutoSchema(AutoSchema):
    """Says of each operation all that it takes and every way in which it fails: those that its route can meet, and
    those that its action declares.
    """

    view: Any  # one of our own views, or the document's

    def get_description(self) -> str:  # type: ignore[override]
        """Of the action itself: what its class says is for readers of the code."""
        return get_doc(self._action) if self._action else ""

    def get_override_parameters(self) -> list[Any]:
        """The headers that make a write safe, `?fields=`, and the headers of good answers."""
        parameters = []
        if self._takes_idempotency_key():
            parameters.append(_header(idempotency.HEADER, idempotency.KEY, IDEMPOTENCY_DESCRIPTION))
        if self.method in {"PATCH", "DELETE"} and self._is_versioned:
            parameters.append(_header(VERSION_HEADER, VERSION, VERSION_DESCRIPTION))
        if names := self._trims():
            parameters.append(_names(trimming.PARAMETER, names, TRIMMING_DESCRIPTION))
        if self._is_versioned and self.view.action in {"create", "retrieve", "partial_update"}:
            parameters.append(_answered("ETag", '^"[0-9]+"$', "The version, for `If-Match`.", on=[200, 201]))
        return parameters

    @property
    def _action(self) -> Any:
        return getattr(self.view, self.view.action or "", None)

    @property
    def _is_versioned(self) -> bool:
        rows = self.view.queryset
        return rows is not None and "version" in {field.name for field in rows.model._meta.fields}

    def _takes_idempotency_key(self) -> bool:
        return self.method == "POST" and not self._is_open() and self.view.action not in self.view.credentials

    def _is_open(self) -> bool:
        return ANYONE in self.view.allowed.get(self.view.action, ())

    def _trims(self) -> list[str]:
        if self._action.trims is not None:
            return list(self._action.trims)
        if self.view.action not in {"list", "retrieve"}:
            return []
        answers: Any = self.get_response_serializers()
        return trimming.choices(_instance(answers[200].response))

    def get_filter_backends(self) -> list[Any]:
        filtered = self._action.filtered
        return list(self.view.filter_backends) if filtered or (filtered is None and self._is_list_view()) else []

    def _get_filter_parameters(self) -> list[dict[str, Any]]:
        """A parameter that takes several values takes them by commas."""
        parameters: list[dict[str, Any]] = super()._get_filter_parameters()  # type: ignore[no-untyped-call]
        return [
            parameter | BY_COMMAS if parameter["schema"]["type"] == "array" else parameter for parameter in parameters
        ]

    def _map_basic_serializer(self, serializer: Any, direction: Any) -> dict[str, Any]:
        schema: dict[str, Any] = super()._map_basic_serializer(serializer, direction)  # type: ignore[no-untyped-call]
        if not type(_instance(serializer)).__doc__:
            schema.pop("description", None)  # that of a base class
        if direction == "request" and isinstance(_instance(serializer), StrictSerializer):
            schema["additionalProperties"] = False
        return schema

    def _map_serializer_field(self, field: Any, direction: Any, bypass_extensions: bool = False) -> Any:
        schema = super()._map_serializer_field(field, direction, bypass_extensions)  # type: ignore[no-untyped-call]
        if direction == "request" and isinstance(field, Documented):
            schema |= field.documented
        if direction == "request" and isinstance(field, serializers.ListSerializer):
            limits = {"minItems": field.min_length, "maxItems": field.max_length}  # type: ignore[attr-defined]
            schema |= {name: limit for name, limit in limits.items() if limit is not None}
        return schema

    def _get_response_bodies(self, direction: Any = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        for status, failures in _by_status(self._failures()).items():
            bodies[str(status)] = self._problem_response(status, failures)
        return bodies

    def _failures(self) -> list[type[DomainError]]:
        failures: list[type[DomainError]] = [InvalidInput, NotAcceptable, TooManyRequests, Unavailable, Undecryptable]
        if not self._is_open():
            failures += [NotAuthenticated, Forbidden]
            failures += [one for way_in in self.view.get_authenticators() for one in way_in.failures]
        if self._takes_idempotency_key():
            failures += [KeyReused, InProgress]
        if "{" in self.path:
            failures.append(NotFound)
        if self.method in {"POST", "PATCH"}:
            failures += [Unparsable, LengthRequired, BodyTooLarge, UnsupportedMediaType]
        if self.method in {"PATCH", "DELETE"} and self._is_versioned:
            failures.append(StaleVersion)
        return [*failures, *self._action.documented_errors]

    def _problem_response(self, status: int, failures: list[type[DomainError]]) -> dict[str, Any]:
        component = self.resolve_serializer(Problem, "response")
        return {
            "description": TITLES[status],
            "headers": PROBLEM_HEADERS.get(status, {}),
            "content": {
                CONTENT_TYPE: {
                    "schema": component.ref,
                    "examples": {failure.code: {"value": _example(failure)} for failure in failures},
                }
            },
        }


def _instance(serializer: Any) -> serializers.BaseSerializer[Any]:
    instance: serializers.BaseSerializer[Any] = force_instance(serializer)  # type: ignore[no-untyped-call]
    return instance


def _header(name: str, pattern: str, description: str) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, pattern=f"^({pattern})$", description=description)


def _answered(name: str, pattern: str, description: str, *, on: list[int]) -> OpenApiParameter:
    return OpenApiParameter(
        name, str, OpenApiParameter.HEADER, pattern=pattern, description=description, response=on, required=True
    )


def _names(name: str, known: Sequence[str], description: str) -> OpenApiParameter:
    schema = {"type": "array", "minItems": 1, "items": {"type": "string", "enum": list(known)}}
    return OpenApiParameter(name, schema, description=description, **BY_COMMAS)


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
