"""Until when Shopify answers each version of its API: twelve months from its release.

One that is over is not refused: another is served in silence. So it is said before.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning
from django.utils import timezone

ENDS: Mapping[str, date] = {
    "2026-01": date(2027, 1, 1),
    "2026-04": date(2027, 4, 1),
    "2026-07": date(2027, 7, 1),
    "2026-10": date(2027, 10, 1),
    "2027-01": date(2028, 1, 1),
}
EARLY = timedelta(days=60)


def check_version(app_configs: object = None, **_: Any) -> list[CheckMessage]:
    """For Django's system checks."""
    return problems(settings.SHOPIFY_API_VERSION, today=timezone.now().date())


def problems(version: str, *, today: date) -> list[CheckMessage]:
    end = ENDS.get(version)
    hint = "Set SHOPIFY_API_VERSION to a newer one that the tests pass with."
    if end is None:
        return [Warning(f"Nobody knows when version {version} of Shopify's API ends.", hint=hint, id="shopify.W001")]
    if today >= end:
        return [Error(f"Version {version} of Shopify's API ended on {end}.", hint=hint, id="shopify.E001")]
    if today >= end - EARLY:
        return [Warning(f"Version {version} of Shopify's API ends on {end}.", hint=hint, id="shopify.W002")]
    return []
