"""What is told in Slack of tickets and their promises."""

from datetime import datetime

from django.conf import settings

from integrations.enums import NoticeKind
from integrations.slack import notices
from sla.events import SLABreached
from supportdesk.core.events import Occurrence
from tickets.models import Ticket


def tell_deadline(occurrence: Occurrence, *, now: datetime) -> None:
    event = occurrence.event
    notices.tell(
        kind=NoticeKind.BREACH if isinstance(event, SLABreached) else NoticeKind.WARNING,
        ticket_id=event.subject_id,
        subject=f"ticket:{event.subject_id}:{event.metric}:{event.cycle}",
        details={"metric": event.metric, "cycle": event.cycle, "due_at": event.due_at},
        at=occurrence.at,
        by=occurrence.by,
        now=now,
    )


def tell_new(occurrence: Occurrence, *, now: datetime) -> None:
    if occurrence.event.priority in settings.SLACK_ALERT_PRIORITIES:
        _tell_ticket(occurrence, now)


def tell_priority(occurrence: Occurrence, *, now: datetime) -> None:
    """Of a ticket that came to a priority that is told of; else what was told is brought up to date."""
    if occurrence.event.after in settings.SLACK_ALERT_PRIORITIES:
        _tell_ticket(occurrence, now)
    notices.follow(ticket_id=occurrence.event.subject_id, by=occurrence.by, now=now)


def tell_mention(occurrence: Occurrence, *, now: datetime) -> None:
    event = occurrence.event
    if event.mentions:
        notices.tell(
            kind=NoticeKind.MENTION,
            ticket_id=event.subject_id,
            subject=f"note:{event.note_id}",
            details={"note_id": event.note_id, "mentions": event.mentions},
            at=occurrence.at,
            by=occurrence.by,
            now=now,
        )


def follow_ticket(occurrence: Occurrence, *, now: datetime) -> None:
    notices.follow(ticket_id=occurrence.event.subject_id, by=occurrence.by, now=now)


def follow_erased(occurrence: Occurrence, *, now: datetime) -> None:
    """Of an erased customer: what was told of their tickets says what is left of them."""
    theirs = Ticket.objects.filter(customer=occurrence.event.subject_id).values_list("pk", flat=True)
    notices.forget(ticket_ids=list(theirs), by=occurrence.by, now=now)


def _tell_ticket(occurrence: Occurrence, now: datetime) -> None:
    ticket_id = occurrence.event.subject_id
    notices.tell(
        kind=NoticeKind.TICKET,
        ticket_id=ticket_id,
        subject=f"ticket:{ticket_id}",
        at=occurrence.at,
        by=occurrence.by,
        now=now,
    )
