"""What an update has in common whatever it updates."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Model

from supportdesk.core.errors import StaleVersion


def differing(instance: Model, changes: Mapping[str, Any]) -> set[str]:
    """Names of the fields whose new value is not the present one."""
    return {name for name, value in changes.items() if getattr(instance, name) != value}


def check_version(present: int, expected: int | None) -> None:
    """Raises StaleVersion unless the caller saw the present version or named none."""
    if expected is not None and expected != present:
        raise StaleVersion(f"You changed version {expected}; it is version {present} now. Read it again.")
