"""By what an agent is known to be there."""

from typing import ClassVar

from django.db import models

from agents.models.agent import LoginSession
from supportdesk.core.actor import Actor, ActorKind


class TabQuerySet(models.QuerySet["Tab"]):
    def visible_to(self, actor: Actor) -> "TabQuerySet":
        """One's own."""
        if actor.kind == ActorKind.SYSTEM:
            return self
        return self.filter(session__agent_id=actor.id or 0) if actor.kind == ActorKind.PERSON else self.none()


class Tab(models.Model):
    """A window of a login that has, or lately had, a socket open. It is there until `seen_until`."""

    session = models.ForeignKey(LoginSession, models.CASCADE, related_name="tabs", db_index=False)
    key = models.UUIDField(help_text="Chosen by the client, the same over its reconnects.")
    connection = models.UUIDField(null=True, help_text="The socket that speaks for it; null while none is open.")
    seen_until = models.DateTimeField(db_index=True)

    objects = TabQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["session", "key"], name="tab_unique")]

    def __str__(self) -> str:
        return f"tab {self.pk} of login {self.session_id}"
