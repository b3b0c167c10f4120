"""Lists that agents keep."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from agents.models import Agent
from supportdesk.core.actor import Actor, ActorKind


class SavedViewQuerySet(models.QuerySet["SavedView"]):
    def visible_to(self, actor: Actor) -> "SavedViewQuerySet":
        """One's own, and those that supervisors share; none for machines."""
        if actor.kind == ActorKind.SYSTEM:
            return self
        return self.filter(Q(owner_id=actor.id) | Q(shared=True)) if actor.kind == ActorKind.PERSON else self.none()


class SavedView(models.Model):
    """A filter and an order under a name. It holds no tickets: each reader sees what they may see through it."""

    name = models.CharField(max_length=100)
    owner = models.ForeignKey(Agent, models.CASCADE, related_name="saved_views")
    shared = models.BooleanField(default=False, help_text="Seen by everybody; supervisors and administrators share.")
    query = models.JSONField(help_text="Parameters of the list of tickets.")
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    objects = SavedViewQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["shared"], condition=Q(shared=True), name="saved_view_shared"),
        ]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["owner", "name"], name="saved_view_name_unique"),
        ]

    def __str__(self) -> str:
        return self.name
