"""What agents do about their own events."""

from datetime import datetime

from agents import telling
from supportdesk.core.events import Occurrence


def tell_availability(occurrence: Occurrence, *, now: datetime) -> None:
    telling.tell_availability(occurrence, now=now)
