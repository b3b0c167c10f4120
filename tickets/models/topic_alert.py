"""What many customers write about just now."""

from datetime import datetime
from typing import Any, ClassVar

from django.db import models
from django.db.models import F, Q

from agents.enums import Scope
from agents.models import Agent, Department
from supportdesk.core.actor import Actor
from tickets.models.ticket import MAX_TAG_LENGTH


class TopicAlertQuerySet(models.QuerySet["TopicAlert"]):
    def visible_to(self, actor: Actor) -> "TopicAlertQuerySet":
        """Those for every department, and those for the actor's own."""
        if not actor.may(Scope.TICKETS_READ):
            return self.none()
        if actor.sees_everything:
            return self
        return self.filter(Q(department__isnull=True) | Q(department_id__in=actor.departments or ()))

    def running(self, at: datetime, department: Any) -> "TopicAlertQuerySet":
        """Those that may lift a ticket of the department, an id or an expression, or of none."""
        return self.filter(Q(department__isnull=True) | Q(department=department), ends_at__gt=at)


class TopicAlert(models.Model):
    """For a time, tickets with the tag, or with the phrase in their subject or in what their customer wrote, come
    earlier. Those of the department, where it names one.
    """

    phrase = models.CharField(max_length=100, blank=True)
    tag = models.CharField(max_length=MAX_TAG_LENGTH, blank=True)
    department = models.ForeignKey(Department, models.PROTECT, null=True, blank=True, related_name="+")
    minutes = models.PositiveIntegerField(help_text="How much earlier, as far as the weights allow.")
    ends_at = models.DateTimeField()
    created_by = models.ForeignKey(Agent, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()

    objects = TopicAlertQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(phrase="") & ~Q(tag="") | ~Q(phrase="") & Q(tag=""), name="topic_alert_phrase_or_tag"
            ),
            models.CheckConstraint(condition=Q(minutes__gte=1), name="topic_alert_lifts"),
            models.CheckConstraint(condition=Q(ends_at__gte=F("created_at")), name="topic_alert_ends_after_it_begins"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["ends_at"], name="topic_alert_end"),
            models.Index(fields=["created_at", "id"], name="topic_alert_created"),
        ]

    def __str__(self) -> str:
        return self.phrase or f"#{self.tag}"
