"""What a policy or a calendar would mean: when tickets that come in at ten instants would be due. Pure."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sla.clock import Metric, Targets
from sla.hours import Hours, end_of

TICKETS = 10
EVERY = timedelta(hours=7)  # no divisor of a day, so that ten of them fall on all its parts, in three days


@dataclass(frozen=True, kw_only=True)
class Example:
    """A ticket that comes in, and when each promise would end; in the calendar's own zone."""

    at: datetime
    due: dict[Metric, datetime]


def due_times(targets: Targets, hours: Hours, *, start: datetime) -> list[Example]:
    """Of tickets that come in from `start` on. Raises hours.NoWorkingTime."""
    promised = {metric: target for metric in Metric if (target := targets.of(metric)) is not None}
    arrivals = [start + number * EVERY for number in range(TICKETS)]
    return [
        Example(
            at=at.astimezone(hours.zone),
            due={metric: end_of(hours, at, target).astimezone(hours.zone) for metric, target in promised.items()},
        )
        for at in arrivals
    ]
