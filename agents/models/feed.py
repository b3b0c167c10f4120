"""What each agent is told: a sequence of their own, kept for a day, and the passes that open a socket to it."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agents.enums import FeedKind
from agents.models.agent import Agent, LoginSession
from supportdesk.core.actor import Actor, ActorKind
from supportdesk.core.models import Event


class FeedHeadQuerySet(models.QuerySet["FeedHead"]):
    def visible_to(self, actor: Actor) -> "FeedHeadQuerySet":
        """One's own."""
        if actor.kind == ActorKind.SYSTEM:
            return self
        return self.filter(agent_id=actor.id or 0) if actor.kind == ActorKind.PERSON else self.none()


class FeedHead(models.Model):
    """The last position of an agent's feed. Its row is locked while a position is given, so positions commit in order:
    whoever sees one sees all before it.
    """

    agent = models.OneToOneField(Agent, models.CASCADE, primary_key=True, related_name="feed_head")
    last_seq = models.BigIntegerField()

    objects = FeedHeadQuerySet.as_manager()

    def __str__(self) -> str:
        return f"feed of agent {self.agent_id} at {self.last_seq}"


class FeedEntryQuerySet(models.QuerySet["FeedEntry"]):
    def visible_to(self, actor: Actor) -> "FeedEntryQuerySet":
        """One's own. Whether its subject may still be seen is asked when an entry is delivered."""
        if actor.kind == ActorKind.SYSTEM:
            return self
        return self.filter(agent_id=actor.id or 0) if actor.kind == ActorKind.PERSON else self.none()


class FeedEntry(models.Model):
    """One thing an agent is told, at a position without gaps. Ids, names of what changed and enumerated values only."""

    agent = models.ForeignKey(Agent, models.CASCADE, related_name="feed", db_index=False)
    seq = models.BigIntegerField()
    kind = models.CharField(max_length=16, choices=FeedKind.choices)
    event = models.ForeignKey(Event, models.PROTECT, related_name="+", db_index=False)
    subject_id = models.BigIntegerField(help_text="The ticket, or the agent whose status it is.")
    version = models.PositiveIntegerField(help_text="Of the subject, when this was written.")
    changed = ArrayField(models.CharField(max_length=64), default=list, help_text="Names of what changed.")
    details = models.JSONField(default=dict, help_text="Ids and enumerated values that go with it.")
    at = models.DateTimeField(help_text="When it happened.")
    appended_at = models.DateTimeField(db_default=Now(), db_index=True)

    objects = FeedEntryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "feed entries"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["agent", "seq"], name="feed_entry_position"),
            models.UniqueConstraint(fields=["event", "kind", "agent"], name="feed_entry_once"),
            models.CheckConstraint(condition=Q(kind__in=FeedKind.values), name="feed_entry_kind_known"),
            models.CheckConstraint(condition=Q(seq__gte=1), name="feed_entry_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.seq} of agent {self.agent_id}"


class SocketPassQuerySet(models.QuerySet["SocketPass"]):
    def visible_to(self, actor: Actor) -> "SocketPassQuerySet":
        """None: a pass is found by its text, and by nobody who does not have that."""
        return self if actor.kind == ActorKind.SYSTEM else self.none()


class SocketPass(models.Model):
    """What opens one socket or stream, once; only a hash of it is kept. The API calls it a ws-ticket."""

    digest = models.CharField(max_length=64, unique=True, editable=False, help_text="SHA-256 of the text.")
    session = models.ForeignKey(LoginSession, models.CASCADE, related_name="+")
    token_version = models.PositiveIntegerField(help_text="The agent's, when the pass was made.")
    origin = models.CharField(max_length=255, blank=True, help_text="The page it was made for; empty: no page.")
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)

    objects = SocketPassQuerySet.as_manager()

    def __str__(self) -> str:
        return f"pass {self.pk}"
