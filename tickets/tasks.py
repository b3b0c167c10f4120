"""Periodic work on tickets; when it runs stands in supportdesk/schedule.py."""

from celery import shared_task
from django.utils import timezone

from supportdesk.core.actor import Door, system
from tickets.services import advising, drafts, ranking, topic_alerts, waiting

AT_ONCE = 10_000


@shared_task(name="tickets.assign_waiting")  # type: ignore[untyped-decorator]
def assign_waiting() -> int:
    """Gives out what waits: what the events missed, and what nobody with the skill took in time."""
    by, now = system("tickets.assign_waiting", origin=Door.TASK), timezone.now()
    return waiting.release_from_inactive(by=by, now=now) + waiting.assign_waiting(by=by, now=now)


@shared_task(name="tickets.drop_expired_lifts")  # type: ignore[untyped-decorator]
def drop_expired_lifts() -> int:
    """Ranks anew what topic alerts lifted that are over."""
    return topic_alerts.drop_expired(now=timezone.now(), limit=AT_ONCE)


@shared_task(name="tickets.meet_queues")  # type: ignore[untyped-decorator]
def meet_queues() -> int:
    """Has Quimbi asked about what agents will open next."""
    return advising.meet_queues(by=system("tickets.meet_queues", origin=Door.TASK), now=timezone.now())


@shared_task(name="tickets.drop_expired_advice")  # type: ignore[untyped-decorator]
def drop_expired_advice() -> int:
    """Ranks anew tickets of which Quimbi said something too long ago."""
    return ranking.drop_expired_advice(now=timezone.now(), limit=AT_ONCE)


@shared_task(name="tickets.discard_drafts")  # type: ignore[untyped-decorator]
def discard_drafts() -> int:
    """Gives up drafts that nobody answered with."""
    return drafts.discard_unused(now=timezone.now())
