"""What is promised, and to whom."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from agents.enums import Scope
from agents.models import Agent
from sla.enums import JobState, VersionState
from sla.models.calendar import Calendar, CalendarVersion
from supportdesk.core.actor import Actor


class PolicyQuerySet(models.QuerySet["Policy"]):
    def visible_to(self, actor: Actor) -> "PolicyQuerySet":
        """All of them: who works on promises may know them."""
        return self if actor.may(Scope.TICKETS_READ) else self.none()


class Policy(models.Model):
    """A set of promises in an ordered list. A ticket gets the first active one whose conditions it meets, else the
    default; there is exactly one of those.
    """

    name = models.CharField(max_length=100)
    position = models.PositiveIntegerField(help_text="Its place in the list, lowest first; the default is always last.")
    is_default = models.BooleanField(default=False)
    active = models.BooleanField(default=False, help_text="Whether new tickets may get it.")
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    objects = PolicyQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "policies"
        constraints: ClassVar = [
            models.UniqueConstraint(Lower("name"), name="policy_name_unique"),
            models.UniqueConstraint(fields=["is_default"], condition=Q(is_default=True), name="policy_one_default"),
            models.CheckConstraint(condition=Q(is_default=False) | Q(active=True), name="policy_default_is_active"),
        ]
        indexes: ClassVar = [models.Index(fields=["position", "id"], name="policy_order")]

    def __str__(self) -> str:
        return self.name


class PolicyVersionQuerySet(models.QuerySet["PolicyVersion"]):
    def visible_to(self, actor: Actor) -> "PolicyVersionQuerySet":
        return self if actor.may(Scope.TICKETS_READ) else self.none()


class PolicyVersion(models.Model):
    """A policy's words. The database refuses to change one that is not a draft (a trigger of the first migration)."""

    policy = models.ForeignKey(Policy, models.PROTECT, related_name="versions", db_index=False)
    number = models.PositiveIntegerField()
    state = models.CharField(max_length=8, choices=VersionState.choices, default=VersionState.DRAFT)
    conditions = models.JSONField(default=dict, help_text="See sla.conditions; empty: every ticket.")
    targets = models.JSONField(help_text="Priority to metric to minutes of working time.")
    warning_percent = models.PositiveSmallIntegerField(default=80, help_text="Share of a target that is a warning.")
    floor_minutes = models.PositiveIntegerField(default=10, help_text="Left at least when a target moves.")
    pending_pauses_responses = models.BooleanField(default=False)
    on_hold_pauses = models.BooleanField(default=False)
    calendar = models.ForeignKey(Calendar, models.PROTECT, related_name="policy_versions")
    created_by = models.ForeignKey(Agent, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    activated_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)

    objects = PolicyVersionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["policy", "number"], name="policy_version_number_unique"),
            models.UniqueConstraint(
                fields=["policy"], condition=Q(state=VersionState.ACTIVE), name="policy_one_active_version"
            ),
            models.UniqueConstraint(fields=["policy"], condition=Q(state=VersionState.DRAFT), name="policy_one_draft"),
            models.CheckConstraint(condition=Q(state__in=VersionState.values), name="policy_version_state_known"),
            models.CheckConstraint(condition=Q(warning_percent__range=(1, 100)), name="policy_version_warning_range"),
            models.CheckConstraint(condition=Q(floor_minutes__lte=1440), name="policy_version_floor_range"),
        ]

    def __str__(self) -> str:
        return f"{self.policy} {self.number}"


class PolicyApplicationQuerySet(models.QuerySet["PolicyApplication"]):
    def visible_to(self, actor: Actor) -> "PolicyApplicationQuerySet":
        return self if actor.may(Scope.TICKETS_READ) else self.none()


class PolicyApplication(models.Model):
    """The work of giving a policy's open tickets its present version, or (`preview`) of counting what that would do.

    Worked in batches in the order of the tickets' ids; `through` is the last one that is done.
    """

    policy_version = models.ForeignKey(PolicyVersion, models.PROTECT, related_name="applications")
    calendar_version = models.ForeignKey(CalendarVersion, models.PROTECT, related_name="+")
    preview = models.BooleanField()
    state = models.CharField(max_length=16, choices=JobState.choices, default=JobState.PENDING)
    through = models.BigIntegerField(default=0)
    tickets = models.PositiveIntegerField(default=0, help_text="Open tickets looked at so far that have another one.")
    earlier = models.PositiveIntegerField(default=0, help_text="Of them, with a clock that is due earlier.")
    later = models.PositiveIntegerField(default=0, help_text="With a clock that is due later.")
    breached = models.PositiveIntegerField(default=0, help_text="With a clock that is breached by the change alone.")
    created_by = models.ForeignKey(Agent, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    objects = PolicyApplicationQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(state__in=JobState.values), name="application_state_known"),
        ]

    def __str__(self) -> str:
        return f"{'preview' if self.preview else 'application'} {self.pk}"
