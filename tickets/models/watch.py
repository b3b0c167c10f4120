"""Who has a ticket open."""

from typing import ClassVar

from django.db import models

from agents.models import Tab
from supportdesk.core.actor import Actor, ActorKind
from tickets.models.ticket import Ticket


class WatchQuerySet(models.QuerySet["Watch"]):
    def visible_to(self, actor: Actor) -> "WatchQuerySet":
        """One's own."""
        if actor.kind == ActorKind.SYSTEM:
            return self
        own = self.filter(tab__session__agent_id=actor.id or 0)
        return own if actor.kind == ActorKind.PERSON else self.none()


class Watch(models.Model):
    """A tab that shows the ticket. Counts as long as the tab does, and goes with it."""

    tab = models.ForeignKey(Tab, models.CASCADE, related_name="watches", db_index=False)
    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="watches")

    objects = WatchQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "watches"
        constraints: ClassVar = [models.UniqueConstraint(fields=["tab", "ticket"], name="watch_unique")]

    def __str__(self) -> str:
        return f"ticket {self.ticket_id} in tab {self.tab_id}"
