"""What an update has in common whatever it updates."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Model

from supportdesk.core.errors import FieldError, StaleVersion

SHOWN = 100  # characters of a present value that a refusal repeats


def differing(instance: Model, changes: Mapping[str, Any]) -> set[str]:
    """Names of the fields whose new value is not the present one."""
    return {name for name, value in changes.items() if getattr(instance, name) != value}


def check_version(instance: Any, expected: int | None, changes: Mapping[str, Any] | None = None) -> None:
    """Raises StaleVersion unless the caller saw the present version or named none.

    The refusal holds the present `version`, and one error for each of `changes` that differs from what is there now.
    """
    present = instance.version
    if expected is None or expected == present:
        return
    errors = [
        FieldError(name, "differs", _present_value(getattr(instance, name)))
        for name in sorted(differing(instance, changes or {}))
    ]
    detail = f"You changed version {expected}; it is version {present} now. Read it again."
    raise StaleVersion(detail, errors=errors, more={"version": present})


def _present_value(value: Any) -> str:
    text = "empty" if value in (None, "") else str(value)
    return f"Is {text} now." if len(text) <= SHOWN else "Has another value now."
