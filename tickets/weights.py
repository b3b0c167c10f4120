"""The weights of the order of work: read, checked, and those in force. See RANK_WEIGHTS in the settings."""

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from django.conf import settings

from supportdesk.core.errors import FieldError, InvalidInput
from tickets.enums import Priority
from tickets.ordering import Weights

MOST_PATIENCE = 365 * 24 * 60
MOST_HEAD_START = 7 * 24 * 60
MOST_VERSION = 32_767
HEAD_STARTS = ("vip", "alert", "churn", "sentiment", "most")
UNLESS_GIVEN = {"churn": 0, "sentiment": 0}  # what Quimbi says counts where it is given a weight


def current() -> Weights:
    """Those that ranks are written by. Raises InvalidInput when the settings hold none."""
    return _of(json.dumps(settings.RANK_WEIGHTS, sort_keys=True))


def load(path: Path) -> Weights:
    """Of a JSON file. Raises InvalidInput naming what is wrong in it, OSError."""
    try:
        data = json.loads(path.read_text())
    except ValueError as error:
        raise InvalidInput(f"{path} holds no JSON: {error}.") from None
    return read(data)


def read(data: Any) -> Weights:
    """Of `{version, patience: {urgent, high, normal, low}, vip, alert, churn, sentiment, most}` in minutes. Raises
    InvalidInput naming each member that is missing, is not known, or cannot be. `churn` and `sentiment` are 0 unless
    given.

    A higher priority must not be given more patience: raising one would lower its ticket.
    """
    given: Mapping[str, Any] = data if isinstance(data, dict) else {}
    patience = given.get("patience")
    numbers = {name: given.get(name, UNLESS_GIVEN.get(name)) for name in ("version", *HEAD_STARTS)}
    numbers |= {f"patience.{name}": patience.get(name) for name in Priority} if isinstance(patience, dict) else {}
    unknown = [name for name in given if name not in {"version", "patience", *HEAD_STARTS}]
    errors = [FieldError(name, "unknown_field", "There is no such weight.") for name in unknown]
    if not isinstance(patience, dict) or set(patience) != set(Priority.values):
        detail = f"Must have one number for each of {', '.join(Priority.values)}, and no other."
        errors.append(FieldError("patience", "required", detail))
    errors += [error for name, value in numbers.items() if (error := _fault(name, value))]
    if not errors:
        errors = _contradictions(numbers)
    if errors:
        raise InvalidInput(f"{errors[0].field}: {errors[0].detail}", errors=errors)
    spans = {
        name: timedelta(minutes=value) for name, value in numbers.items() if name != "version" and value is not None
    }
    return Weights(
        version=given["version"],
        patience={priority: spans[f"patience.{priority.value}"] for priority in Priority},
        **{name: spans[name] for name in HEAD_STARTS},
    )


def _fault(name: str, value: Any) -> FieldError | None:
    low = 0 if name in HEAD_STARTS else 1
    high = {"version": MOST_VERSION, **dict.fromkeys(HEAD_STARTS, MOST_HEAD_START)}.get(name, MOST_PATIENCE)
    if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
        return None
    return FieldError(name, "out_of_range", f"Must be a whole number from {low} to {high:,}.")


def _contradictions(numbers: Mapping[str, Any]) -> list[FieldError]:
    errors = [
        FieldError(name, "out_of_range", "Must not be more than all head starts together (most).")
        for name in HEAD_STARTS
        if numbers[name] > numbers["most"]
    ]
    ordered = [f"patience.{priority.value}" for priority in Priority]  # the most urgent first
    errors += [
        FieldError(higher, "out_of_range", "Must not be longer than that of a lower priority.")
        for higher, lower in pairwise(ordered)
        if numbers[higher] > numbers[lower]
    ]
    return errors


@lru_cache(maxsize=8)
def _of(text: str) -> Weights:
    return read(json.loads(text))
