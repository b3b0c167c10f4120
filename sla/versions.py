"""Versions of policies and calendars as the arithmetic takes them.

What is not a draft never changes, so a process reads each once.
"""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from sla import clock
from sla.clock import Metric, Targets
from sla.hours import Hours
from sla.models import CalendarVersion, PolicyVersion

KEPT = 1_024


@lru_cache(maxsize=KEPT)
def policy(version_id: int) -> clock.Policy:
    """Of a version that is not a draft."""
    return policy_of(PolicyVersion.objects.get(pk=version_id))


@lru_cache(maxsize=KEPT)
def hours(version_id: int) -> Hours:
    return hours_of(CalendarVersion.objects.get(pk=version_id))


def policy_of(version: PolicyVersion) -> clock.Policy:
    return clock.Policy(
        targets={priority: targets_of(minutes) for priority, minutes in version.targets.items()},
        warn_at=version.warning_percent / 100,
        floor=timedelta(minutes=version.floor_minutes),
        pending_pauses_responses=version.pending_pauses_responses,
        on_hold_pauses=version.on_hold_pauses,
    )


def targets_of(minutes: Mapping[str, int | None]) -> Targets:
    given = {metric: minutes.get(metric) for metric in Metric}
    return Targets(**{metric.value: timedelta(minutes=n) for metric, n in given.items() if n is not None})


def hours_of(version: CalendarVersion) -> Hours:
    return build_hours(version.timezone, version.week, version.holidays)


def build_hours(zone: str, week: Sequence[Sequence[Sequence[int]]], holidays: Mapping[str, str]) -> Hours:
    return Hours(
        zone=ZoneInfo(zone),
        week=tuple(tuple((opens, closes) for opens, closes in day) for day in week),
        holidays=frozenset(date.fromisoformat(day) for day in holidays),
    )
