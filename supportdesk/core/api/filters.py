"""Query parameters: each one known, each value sound, or a 400 that names it."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend
from django_filters.utils import translate_validation
from drf_spectacular.utils import extend_schema_field
from rest_framework.request import Request

from supportdesk.core.api.fields import MAX_ID, ONE_LINE
from supportdesk.core.api.pagination import PARAMETERS
from supportdesk.core.errors import FieldError, InvalidInput

MAX_TEXT = 200
SOME_TEXT = r"^[^\x00\ufffd]*[^\x00\ufffd\s][^\x00\ufffd]*$"  # not blank, and what the guard lets in


class StrictFilterBackend(DjangoFilterBackend):
    """As django-filter, and refuses parameters that the list does not know and ones given twice."""

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        return self.filter_parts(request, [queryset], view)[0]

    def filter_parts(self, request: Request, parts: Sequence[QuerySet[Any]], view: Any) -> list[QuerySet[Any]]:
        """The same filters on each of several querysets of one model."""
        filterset_class = self.get_filterset_class(view, parts[0])
        known = PARAMETERS | set(filterset_class.base_filters if filterset_class else ())
        refuse_unknown(request, known)
        filterset = self.get_filterset(request, parts[0], view)
        if filterset is None:
            return list(parts)
        if not filterset.is_valid():
            raise translate_validation(filterset.errors)
        return [filterset.filter_queryset(part) for part in parts]


def read_parameters(request: Request, parameters: type[django_filters.FilterSet]) -> dict[str, Any]:
    """The values of a set of parameters that filters no list. Raises InvalidInput and ValidationError naming each."""
    refuse_unknown(request, parameters.base_filters)
    given = parameters(request.query_params, queryset=parameters._meta.model._default_manager.none())
    if not given.is_valid():
        raise translate_validation(given.errors)
    return {name: given.form.cleaned_data[name] for name in parameters.base_filters}


def refuse_unknown(request: Request, known: Iterable[str]) -> None:
    """Raises InvalidInput naming each query parameter that is not among `known`, given more than once, or empty.

    An empty one is no filter that shows everything: more likely the caller forgot to fill it in.
    """
    known = frozenset(known)
    errors = []
    for name, values in request.query_params.lists():
        if name not in known:
            errors.append(FieldError(name, "unknown_parameter", "There is no such parameter here."))
        elif len(values) > 1:
            errors.append(FieldError(name, "repeated_parameter", "Must be given once; separate values by commas."))
        elif not values[0].strip():
            errors.append(FieldError(name, "empty_parameter", "Must have a value; leave it out for all."))
    if errors:
        names = ", ".join(error.field for error in errors)
        raise InvalidInput(f"These parameters are wrong: {names}.", errors=errors)


class Parameter(django_filters.Filter):
    """A filter that documents itself: its schema, of which an array means a list by commas, and its help text."""

    schema: dict[str, object] = {"type": "string"}

    def __init__(self, *, help_text: str, **kwargs: Any) -> None:
        super().__init__(help_text=help_text, **kwargs)
        extend_schema_field({**self.schema, "description": help_text})(self)

    @property
    def text_schema(self) -> dict[str, object]:
        """The schema of the value as text, as a saved view keeps it."""
        match self.schema:
            case {"type": "array", "items": {"enum": list(choices)}}:
                one = "|".join(choices)
                return {"type": "string", "pattern": f"^({one})(,({one}))*$"}
            case {"type": "integer"}:
                return {"type": "string", "pattern": "^[1-9][0-9]{0,17}$"}
        return self.schema


class _ChoicesField(forms.CharField):
    def __init__(self, *, allowed: list[str], **kwargs: Any) -> None:
        self.allowed = allowed
        super().__init__(**kwargs)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        names = text.split(",")
        if any(name not in self.allowed for name in names):
            raise ValidationError(f"Must be one or more of: {', '.join(self.allowed)}.", code="invalid_choice")
        return names


class Choices(Parameter):
    """One of the values, or several separated by commas."""

    field_class = _ChoicesField

    def __init__(self, field_name: str, *, choices: list[str]) -> None:
        help_text = f"One or more of {', '.join(f'`{choice}`' for choice in choices)}, separated by commas."
        self.schema = {"type": "array", "minItems": 1, "items": {"type": "string", "enum": choices}}
        super().__init__(field_name=field_name, allowed=choices, help_text=help_text)

    def filter(self, queryset: QuerySet[Any], value: list[str] | None) -> QuerySet[Any]:
        if value is None:
            return queryset
        if len(value) == 1:
            return queryset.filter(**{self.field_name: value[0]})
        return queryset.filter(**{f"{self.field_name}__in": value})


class _InstantField(forms.CharField):
    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        return parse_instant(text) if text else None


def parse_instant(text: str) -> datetime:
    """Raises ValidationError unless the text is a time."""
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=UTC)
        return instant.astimezone(UTC)
    except (ValueError, OverflowError):
        raise ValidationError("Must be a time such as 2026-01-31T12:00:00Z.", code="invalid_time") from None


class Since(Parameter):
    """At or after an instant (ISO 8601; UTC unless it says otherwise)."""

    field_class = _InstantField
    schema = {"type": "string", "format": "date-time"}

    def __init__(self, field_name: str, *, never_after: str | None = None) -> None:
        """`never_after`: a column whose time is never before this one's. It is bounded as well, which leaves out
        nothing, and lets a list in its order begin there.
        """
        super().__init__(field_name=field_name, lookup_expr="gte", help_text="At or after this time.")
        self.bounded = [field_name] if never_after is None else [field_name, never_after]

    def filter(self, queryset: QuerySet[Any], value: datetime | None) -> QuerySet[Any]:
        return queryset.filter(**{f"{name}__gte": value for name in self.bounded}) if value else queryset


class _IdField(forms.CharField):
    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        return parse_id(text) if text else None


def parse_id(text: str) -> int:
    """Raises ValidationError unless the text is a positive bigint."""
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and 1 <= int(text) <= MAX_ID):
        raise ValidationError("Must be an id.", code="invalid_id")
    return int(text)


class Id(Parameter):
    field_class = _IdField
    schema = {"type": "integer", "format": "int64", "minimum": 1, "maximum": MAX_ID}


class _TextField(forms.CharField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=MAX_TEXT, **kwargs)


class Text(Parameter):
    field_class = _TextField
    schema = {"type": "string", "maxLength": MAX_TEXT, "pattern": SOME_TEXT}

    @property
    def text_schema(self) -> dict[str, object]:
        return self.schema | {"pattern": ONE_LINE}
