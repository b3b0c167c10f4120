"""When the desk is open."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from agents.enums import Scope
from agents.models import Agent
from sla.enums import VersionState
from supportdesk.core.actor import Actor


class CalendarQuerySet(models.QuerySet["Calendar"]):
    def visible_to(self, actor: Actor) -> "CalendarQuerySet":
        """All of them: when the desk is open is no secret among those who work there."""
        return self if actor.may(Scope.TICKETS_READ) else self.none()


class Calendar(models.Model):
    """A name for working hours; what they are stands in its versions, one of which is active."""

    name = models.CharField(max_length=100)
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    objects = CalendarQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("name"), name="calendar_name_unique"),
        ]

    def __str__(self) -> str:
        return self.name


class CalendarVersionQuerySet(models.QuerySet["CalendarVersion"]):
    def visible_to(self, actor: Actor) -> "CalendarVersionQuerySet":
        return self if actor.may(Scope.TICKETS_READ) else self.none()


class CalendarVersion(models.Model):
    """Working hours as they were at one time. The database refuses to change one (a trigger of the first migration)."""

    calendar = models.ForeignKey(Calendar, models.PROTECT, related_name="versions", db_index=False)
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=8, choices=VersionState.choices, default=VersionState.ACTIVE)
    timezone = models.CharField(max_length=64, help_text="IANA name such as Europe/Berlin.")
    week = models.JSONField(help_text="Per weekday, Monday first, pairs of minutes from midnight: [[[540, 1020]], …].")
    holidays = models.JSONField(default=dict, help_text="Date to name.")
    created_by = models.ForeignKey(Agent, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    retired_at = models.DateTimeField(null=True)

    objects = CalendarVersionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["calendar", "number"], name="calendar_version_number_unique"),
            models.UniqueConstraint(
                fields=["calendar"], condition=Q(state=VersionState.ACTIVE), name="calendar_one_active_version"
            ),
            models.CheckConstraint(condition=Q(state__in=VersionState.values), name="calendar_version_state_known"),
        ]

    def __str__(self) -> str:
        return f"{self.calendar} {self.number}"
