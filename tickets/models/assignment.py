"""Who works on what, and who did before."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from agents.enums import Scope
from agents.models import Agent
from supportdesk.core.actor import Actor
from tickets.enums import AssignmentReason, DecisionOutcome
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
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="assignments", db_index=False)
    previous_agent = models.ForeignKey(
        Agent, models.PROTECT, null=True, related_name="+", db_index=False, help_text="From whom it was transferred."
    )
    reason = models.CharField(max_length=16, choices=AssignmentReason.choices)
    transfer_reason = models.CharField(
        max_length=500, blank=True, db_default="", help_text="Why it was transferred, in words."
    )
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
            models.Index(fields=["agent", "assigned_at"], name="assignment_agent_time"),  # who got one last, and when
            models.Index(
                fields=["previous_agent", "assigned_at"],
                condition=Q(previous_agent__isnull=False),
                name="assignment_previous_time",
            ),
        ]

    def __str__(self) -> str:
        return f"ticket {self.ticket_id} with agent {self.agent_id}"


class AssignmentDecisionQuerySet(models.QuerySet["AssignmentDecision"]):
    def visible_to(self, actor: Actor) -> "AssignmentDecisionQuerySet":
        """Those of the tickets the actor sees."""
        if not actor.may(Scope.TICKETS_READ):
            return self.none()
        return self if actor.sees_everything else self.filter(ticket__in=Ticket.objects.visible_to(actor))


class AssignmentDecision(models.Model):
    """Why a ticket has the agent it has, or none: one row for every outcome, that nobody could take it included.

    `record` holds ids, numbers, codes and times only, see tickets.decisions; `assignment` is what came of it.
    """

    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="decisions", db_index=False)
    assignment = models.OneToOneField(Assignment, models.CASCADE, null=True, related_name="decision")
    outcome = models.CharField(max_length=16, choices=DecisionOutcome.choices)
    record = models.JSONField()
    decided_at = models.DateTimeField()

    objects = AssignmentDecisionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(outcome__in=[DecisionOutcome.NOBODY, DecisionOutcome.RELEASED], assignment__isnull=True)
                | Q(
                    outcome__in=[DecisionOutcome.AUTO, DecisionOutcome.MANUAL, DecisionOutcome.TRANSFER],
                    assignment__isnull=False,
                ),
                name="decision_assigns_or_says_why_not",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["ticket", "id"], name="decision_ticket"),
            models.Index(fields=["decided_at", "outcome"], name="decision_time"),
        ]

    def __str__(self) -> str:
        return f"{self.outcome} for ticket {self.ticket_id}"
