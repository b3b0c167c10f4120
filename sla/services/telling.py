"""Who is told of a deadline: as tickets say, the ticket's agent and the supervisors of its department."""

from datetime import datetime

from sla.clock import State
from sla.enums import AlertKind
from sla.events import SLABreached
from sla.models import SLAClock
from supportdesk.core.events import Occurrence
from tickets.services import telling


def tell(occurrence: Occurrence, *, now: datetime) -> int:
    """Tells of a warning while its clock still runs, and of a breach while it is still open; returns how many."""
    event = occurrence.event
    breach = isinstance(event, SLABreached)
    kind, state = (AlertKind.BREACH, State.BREACHED) if breach else (AlertKind.WARNING, State.RUNNING)
    clock = SLAClock.objects.filter(ticket=event.subject_id, metric=event.metric, cycle=event.cycle, state=state)
    if not clock.exists():
        return 0
    details = {"alert": kind.value, "metric": event.metric, "cycle": event.cycle, "due_at": event.due_at}
    return telling.warn(occurrence, ticket_id=event.subject_id, details=details, now=now)
