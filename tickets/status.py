"""Which status may follow which: one table, and the one function that consults it.

The database holds the same table in a trigger, so a write that walks around this function is refused as well.
"""

from supportdesk.core.errors import Conflict, FieldError
from tickets.enums import Status

TRANSITIONS: dict[Status, frozenset[Status]] = {
    Status.OPEN: frozenset({Status.PENDING, Status.ON_HOLD, Status.RESOLVED, Status.CLOSED}),
    Status.PENDING: frozenset({Status.OPEN, Status.ON_HOLD, Status.RESOLVED, Status.CLOSED}),
    Status.ON_HOLD: frozenset({Status.OPEN, Status.PENDING, Status.RESOLVED, Status.CLOSED}),
    Status.RESOLVED: frozenset({Status.OPEN, Status.CLOSED}),
    Status.CLOSED: frozenset(),  # final: a customer who writes again gets a follow-up ticket
}
DONE = frozenset({Status.RESOLVED, Status.CLOSED})
REOPENED_BY_CUSTOMER = frozenset({Status.PENDING, Status.ON_HOLD, Status.RESOLVED})


class IllegalTransition(Conflict):
    """The ticket's present status does not lead to the wanted one."""

    code = "illegal_transition"


def check_transition(before: Status, after: Status) -> None:
    """Returns when `before` may become `after`. Raises IllegalTransition, naming what would be allowed."""
    if after in TRANSITIONS[before]:
        return
    allowed = ", ".join(status.value for status in Status if status in TRANSITIONS[before])
    rest = f"it can become {allowed}." if allowed else "that is final."
    detail = f"A ticket that is {before.value} cannot become {after.value}; {rest}"
    raise IllegalTransition(detail, errors=[FieldError("status", IllegalTransition.code, detail)])
