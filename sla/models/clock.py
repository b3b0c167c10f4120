"""A ticket's promises as they stand: a copy of what sla.clock answers, kept to be found by time."""

from collections.abc import Sequence
from typing import ClassVar

from django.contrib.postgres.constraints import ExclusionConstraint
from django.contrib.postgres.fields import DateTimeRangeField, RangeBoundary, RangeOperators
from django.db import models
from django.db.models import F, Func, Q
from django.db.models.functions import Coalesce

from agents.enums import Scope
from sla.clock import Metric, State
from sla.enums import METRICS, STATES
from sla.models.calendar import CalendarVersion
from sla.models.policy import PolicyVersion
from supportdesk.core.actor import Actor
from tickets.models import Ticket

STOPPED = [State.MET, State.MISSED, State.CANCELLED]


class TicketSLAQuerySet(models.QuerySet["TicketSLA"]):
    def visible_to(self, actor: Actor) -> "TicketSLAQuerySet":
        """Those of the tickets the actor sees."""
        if not actor.may(Scope.TICKETS_READ):
            return self.none()
        return self if actor.sees_everything else self.filter(ticket__in=Ticket.objects.visible_to(actor))


class TicketSLA(models.Model):
    """What a ticket was promised: chosen when it began, kept whatever becomes of the policy and the calendar.

    `begun` are its clocks where they were just started, so that the answer to that need not ask for them.
    """

    begun: "Sequence[SLAClock] | None" = None
    ticket = models.OneToOneField(Ticket, models.CASCADE, primary_key=True, related_name="sla")
    policy_version = models.ForeignKey(PolicyVersion, models.PROTECT, related_name="+", db_index=False)
    calendar_version = models.ForeignKey(CalendarVersion, models.PROTECT, related_name="+")
    started_at = models.DateTimeField()

    objects = TicketSLAQuerySet.as_manager()

    class Meta:
        verbose_name = "SLA of a ticket"
        indexes: ClassVar = [models.Index(fields=["policy_version", "ticket"], name="ticket_sla_policy")]

    def __str__(self) -> str:
        return f"SLA of ticket {self.ticket_id}"


class SLAClockQuerySet(models.QuerySet["SLAClock"]):
    def visible_to(self, actor: Actor) -> "SLAClockQuerySet":
        """Those of the tickets the actor sees."""
        if not actor.may(Scope.TICKETS_READ):
            return self.none()
        return self if actor.sees_everything else self.filter(ticket__in=Ticket.objects.visible_to(actor))


class SLAClock(models.Model):
    """One promise about one ticket; the columns up to `stopped_at` are those of sla.clock.Clock.

    `next_check_at` is the earliest instant, past or to come, at which a warning or a breach is to be raised that was
    not yet. Whoever writes a row holds the lock on its ticket.
    """

    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="clocks", db_index=False)
    metric = models.CharField(max_length=16, choices=METRICS)
    cycle = models.PositiveIntegerField()
    started_at = models.DateTimeField()
    state = models.CharField(max_length=16, choices=STATES)
    target = models.DurationField(help_text="Working time allowed.")
    counted = models.DurationField(help_text="Working time used before `running_since`.")
    running_since = models.DateTimeField(null=True, help_text="Null while it stands still.")
    cause = models.CharField(max_length=16, help_text="What the target comes from.")
    due_at = models.DateTimeField(null=True)
    warn_at = models.DateTimeField(null=True)
    warned_at = models.DateTimeField(null=True)
    breached_at = models.DateTimeField(null=True)
    stopped_at = models.DateTimeField(null=True)
    warning_raised = models.BooleanField(default=False)
    breach_raised = models.BooleanField(default=False)
    next_check_at = models.DateTimeField(null=True)

    objects = SLAClockQuerySet.as_manager()

    class Meta:
        verbose_name = "SLA clock"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["ticket", "metric", "cycle"], name="clock_unique"),
            models.UniqueConstraint(
                fields=["ticket", "metric"], condition=Q(stopped_at__isnull=True), name="clock_one_open_per_metric"
            ),
            models.CheckConstraint(condition=Q(metric__in=[metric.value for metric in Metric]), name="clock_metric"),
            models.CheckConstraint(condition=Q(state__in=[state.value for state in State]), name="clock_state_known"),
            models.CheckConstraint(
                condition=Q(state__in=[state.value for state in STOPPED], stopped_at__isnull=False)
                | Q(stopped_at__isnull=True) & ~Q(state__in=[state.value for state in STOPPED]),
                name="clock_stopped_at_once_stopped",
            ),
            models.CheckConstraint(
                condition=~Q(state__in=[State.BREACHED.value, State.MISSED.value]) | Q(breached_at__isnull=False),
                name="clock_breached_at_once_breached",
            ),
            models.CheckConstraint(
                condition=~Q(state=State.RUNNING.value) | Q(running_since__isnull=False, due_at__isnull=False),
                name="clock_running_is_due",
            ),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["next_check_at", "id"], condition=Q(next_check_at__isnull=False), name="clock_next_check"
            ),
            models.Index(
                fields=["due_at", "id"],
                condition=Q(state=State.RUNNING.value, warned_at__isnull=False),
                name="clock_at_risk",
            ),
            models.Index(fields=["due_at"], condition=Q(state=State.BREACHED.value), name="clock_overdue"),
            models.Index(
                Coalesce("breached_at", "stopped_at"),
                condition=Q(breached_at__isnull=False) | Q(state=State.MET.value),
                name="clock_decided",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.metric} {self.cycle} of ticket {self.ticket_id}"


class SLAPauseQuerySet(models.QuerySet["SLAPause"]):
    def visible_to(self, actor: Actor) -> "SLAPauseQuerySet":
        """Those of the tickets the actor sees."""
        if not actor.may(Scope.TICKETS_READ):
            return self.none()
        return self if actor.sees_everything else self.filter(clock__ticket__in=Ticket.objects.visible_to(actor))


class TsTzRange(Func):
    function = "TSTZRANGE"
    output_field = DateTimeRangeField()


class SLAPause(models.Model):
    """A stretch in which a clock stood still. Two of one clock cannot overlap."""

    clock = models.ForeignKey(SLAClock, models.CASCADE, related_name="pauses", db_index=False)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    objects = SLAPauseQuerySet.as_manager()

    class Meta:
        verbose_name = "SLA pause"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["clock", "started_at"], name="pause_unique"),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gt=F("started_at")), name="pause_ends_after_it_begins"
            ),
            ExclusionConstraint(
                name="pause_no_overlap",
                expressions=[
                    (TsTzRange("started_at", "ended_at", RangeBoundary()), RangeOperators.OVERLAPS),
                    ("clock", RangeOperators.EQUAL),
                ],
            ),
        ]

    def __str__(self) -> str:
        return f"pause of clock {self.clock_id}"
