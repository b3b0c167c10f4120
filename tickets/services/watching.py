"""Saying that one has a ticket open, and so wants to hear of it."""

from django.db import transaction

from agents.models import Tab
from supportdesk.core.actor import Actor
from supportdesk.core.errors import Conflict
from tickets import selectors
from tickets.models import Watch

MOST_WATCHED = 20


class TooManyWatched(Conflict):
    """The agent has as many tickets open as one may have."""

    code = "too_many_watched"


def watch(*, ticket_id: int, tab: Tab, by: Actor) -> None:
    """Has the tab's agent told about the ticket for as long as the tab is there; again changes nothing.

    Raises NotFound, TooManyWatched.
    """
    selectors.seen(ticket_id, by)
    with transaction.atomic():
        tabs = Tab.objects.filter(session__agent_id=tab.session.agent_id).order_by("pk")
        list(tabs.select_for_update(of=("self",)))  # one count at a time
        others = Watch.objects.filter(tab__in=tabs)
        if others.exclude(tab=tab, ticket_id=ticket_id).count() >= MOST_WATCHED:
            raise TooManyWatched(f"At most {MOST_WATCHED} tickets may be watched at a time.")
        Watch.objects.get_or_create(tab=tab, ticket_id=ticket_id)


def unwatch(*, ticket_id: int, tab: Tab) -> None:
    """Takes that back; what was not watched is no fault."""
    Watch.objects.filter(tab=tab, ticket_id=ticket_id).delete()
