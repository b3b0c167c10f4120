"""JSON in, and nothing that only some readers would take for JSON."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework.exceptions import ErrorDetail, ParseError, ValidationError
from rest_framework.parsers import JSONParser

from supportdesk.core.api.guards import body_too_large

MAX_DEPTH = 20


class StrictJSONParser(JSONParser):
    """UTF-8 JSON objects up to settings.MAX_BODY_BYTES and 20 levels; no NaN, no repeated keys, no NUL, no half of a
    surrogate pair. Each refusal is a 400 (413 for size) that says where.
    """

    def parse(
        self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        raw = stream.read(settings.MAX_BODY_BYTES + 1)
        if len(raw) > settings.MAX_BODY_BYTES:
            raise body_too_large(settings.MAX_BODY_BYTES)
        if not raw.strip():
            return {}
        try:
            return strict_object(raw.decode("utf-8"))
        except UnicodeDecodeError:
            raise ParseError("The body is not UTF-8.") from None


def strict_object(text: str) -> dict[str, Any]:
    """The JSON object that the text is. Raises ParseError and ValidationError, see StrictJSONParser."""
    try:
        data = json.loads(text, parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_object)
    except RecursionError:
        raise _too_deep() from None
    except ValueError as error:
        raise ParseError(f"The body is not valid JSON: {error}") from None
    if not isinstance(data, dict):
        raise ParseError("The body must be a JSON object.")
    _check(data, "", 1)
    return data


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:20]} is too large for a number")
    return number


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    data = dict(pairs)
    if len(data) != len(pairs):
        raise ValueError("an object names a member twice")
    return data


def _too_deep() -> ParseError:
    return ParseError(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _check(value: Any, path: str, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise _too_deep()
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
            detail = "Must be text without NUL characters and without halves of surrogate pairs."
            raise ValidationError({path: [ErrorDetail(detail, code="invalid_text")]})
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check(key, path or "(member name)", depth)
            _check(inner, f"{path}.{key}" if path else key, depth + 1)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            _check(inner, f"{path}[{index}]", depth + 1)
