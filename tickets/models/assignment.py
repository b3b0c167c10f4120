"""Who works on what, and who did before."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from agents.enums import Scope
from agents.models import Agent
from supportdesk.core.actor import Actor
from tickets.enums import AssignmentReason
from tickets.models.ticket import Ticket


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    def visible_to(self, actor: Actor) -> "AssignmentQuerySet":
        """Those of the tickets the actor sees."""
        if not actor.may(Scope.TICKETS_READ):
            return self.none()
        return self if actor.sees_everything else self.filter(ticket__in=Ticket.objects.visible_to(actor))


class Assignment(models.Model):
    """One stretch of one agent's work on a ticket. The open one, if any, agrees with `Ticket.assignee`."""

    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="assignments")
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="assignments")
    reason = models.CharField(max_length=16, choices=AssignmentReason.choices)
    assigned_by = models.ForeignKey(Agent, models.PROTECT, null=True, blank=True, related_name="+")
    assigned_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = AssignmentQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["ticket"], condition=Q(ended_at__isnull=True), name="assignment_one_open_per_ticket"
            ),
            models.CheckConstraint(condition=Q(reason__in=AssignmentReason.values), name="assignment_reason_known"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["agent"], condition=Q(ended_at__isnull=True), name="assignment_open_by_agent"),
        ]

    def __str__(self) -> str:
        return f"ticket {self.ticket_id} with agent {self.agent_id}"
