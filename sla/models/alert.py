"""That a promise came near its end, or was broken."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from agents.enums import Scope
from agents.models import Agent, Department
from sla.clock import Metric
from sla.enums import METRICS, AlertKind
from sla.models.calendar import CalendarVersion
from sla.models.policy import PolicyVersion
from supportdesk.core.actor import Actor
from tickets.enums import Priority
from tickets.models import Ticket

BREACH = Q(kind=AlertKind.BREACH)


class SLAAlertQuerySet(models.QuerySet["SLAAlert"]):
    def visible_to(self, actor: Actor) -> "SLAAlertQuerySet":
        """Those of the tickets the actor sees."""
        if not actor.may(Scope.TICKETS_READ):
            return self.none()
        return self if actor.sees_everything else self.filter(ticket__in=Ticket.objects.visible_to(actor))

    def breaches(self) -> "SLAAlertQuerySet":
        return self.filter(kind=AlertKind.BREACH)


class SLAAlert(models.Model):
    """The evidence: at most one warning and one breach per ticket, metric and cycle, whatever happens later.

    `at` is the instant at which it was due, `raised_at` when it was noticed; owner and priority are those of `at`.
    """

    kind = models.CharField(max_length=8, choices=AlertKind.choices)
    ticket = models.ForeignKey(Ticket, models.PROTECT, related_name="alerts", db_index=False)
    metric = models.CharField(max_length=16, choices=METRICS)
    cycle = models.PositiveIntegerField()
    at = models.DateTimeField()
    raised_at = models.DateTimeField()
    owner = models.ForeignKey(Agent, models.PROTECT, null=True, related_name="+", db_index=False)
    department = models.ForeignKey(Department, models.PROTECT, null=True, related_name="+", db_index=False)
    priority = models.CharField(max_length=16, choices=Priority.choices)
    policy_version = models.ForeignKey(PolicyVersion, models.PROTECT, related_name="+")
    calendar_version = models.ForeignKey(CalendarVersion, models.PROTECT, related_name="+")
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.ForeignKey(Agent, models.PROTECT, null=True, related_name="+")
    reason = models.CharField(max_length=500, blank=True)

    objects = SLAAlertQuerySet.as_manager()

    class Meta:
        verbose_name = "warning or breach"
        verbose_name_plural = "warnings and breaches"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["ticket", "metric", "cycle", "kind"], name="alert_once"),
            models.CheckConstraint(condition=Q(kind__in=AlertKind.values), name="alert_kind_known"),
            models.CheckConstraint(condition=Q(metric__in=[metric.value for metric in Metric]), name="alert_metric"),
            models.CheckConstraint(
                condition=Q(acknowledged_at__isnull=True, acknowledged_by__isnull=True, reason="")
                | Q(acknowledged_at__isnull=False) & ~Q(reason=""),
                name="alert_acknowledged_with_reason",
            ),
        ]
        # Each filter of the list of breaches ends in its order, newest first.
        indexes: ClassVar = [
            models.Index(fields=["at", "id"], condition=BREACH, name="alert_breach"),
            models.Index(
                fields=["at", "id"],
                condition=BREACH & Q(acknowledged_at__isnull=True),
                name="alert_unacknowledged",
            ),
            models.Index(fields=["department", "at", "id"], condition=BREACH, name="alert_department"),
            models.Index(fields=["owner", "at", "id"], condition=BREACH, name="alert_owner"),
            models.Index(fields=["priority", "at", "id"], condition=BREACH, name="alert_priority"),
            models.Index(fields=["metric", "at", "id"], condition=BREACH, name="alert_metric_at"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()}: {self.get_metric_display().lower()} of ticket {self.ticket_id}"
