"""What can be promised: targets that mean something and that a calendar can hold."""

from collections.abc import Mapping
from datetime import timedelta

from sla.clock import Metric
from sla.enums import VersionState
from sla.hours import Hours, least
from supportdesk.core.errors import FieldError, InvalidInput
from tickets.enums import Priority

Targets = Mapping[str, Mapping[str, int | None]]
MOST_MINUTES = 366 * 24 * 60
OPEN_STATES = (VersionState.DRAFT, VersionState.ACTIVE)


def check_targets(targets: Targets) -> None:
    """Minutes of working time. What one priority promises every priority does, so that a change of priority neither
    makes a clock nor loses one. Raises InvalidInput naming each target that is wrong.
    """
    given = {priority: targets.get(priority.value) or {} for priority in Priority}
    promised = {metric for metric in Metric if any(minutes.get(metric) is not None for minutes in given.values())}
    errors = [] if promised else [FieldError("targets", "required", "Promise at least one thing.")]
    for priority, minutes in given.items():
        for metric in promised:
            field, value = f"targets.{priority.value}.{metric.value}", minutes.get(metric)
            if value is None:
                errors.append(FieldError(field, "required", "Must be promised at every priority, or at none."))
            elif not 1 <= value <= MOST_MINUTES:
                errors.append(FieldError(field, "out_of_range", f"Must be 1 to {MOST_MINUTES:,} minutes."))
    if errors:
        raise InvalidInput(errors[0].detail, errors=sorted(errors, key=lambda error: error.field))


def refuse_too_much(targets: Targets, floor_minutes: int, hours: Hours, *, of: str, field: str) -> None:
    """Raises InvalidInput on the field when the calendar does not hold, in ten years, what is promised of it."""
    longest = max([floor_minutes, *(value or 0 for given in targets.values() for value in given.values())])
    if timedelta(minutes=longest) > least(hours):
        detail = f"The calendar opens too rarely for what the policy “{of}” promises: {longest:,} minutes."
        raise InvalidInput.on(field, detail, "too_few_hours")
