"""What agents were shown of Quimbi's drafts, and what they made of it."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from agents.models import Agent
from supportdesk.core.actor import Actor
from supportdesk.core.crypto import EncryptedTextField
from tickets.enums import DraftOutcome
from tickets.models.ticket import Ticket


class DraftQuerySet(models.QuerySet["Draft"]):
    def visible_to(self, actor: Actor) -> "DraftQuerySet":
        """Those for tickets that the actor sees."""
        return self if actor.sees_everything else self.filter(ticket__in=Ticket.objects.visible_to(actor))

    def open(self) -> "DraftQuerySet":
        return self.filter(outcome=DraftOutcome.OPEN)


class Draft(models.Model):
    """A text of Quimbi's that an agent was shown as an answer to the message at `position`. The text is kept until it
    is known what became of it; what stays are numbers.
    """

    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="drafts", db_index=False)
    position = models.PositiveIntegerField(help_text="Of the message that it answers.")
    agent = models.ForeignKey(Agent, models.PROTECT, related_name="drafts")
    tone = models.CharField(max_length=64, blank=True)
    text = EncryptedTextField(null=True)
    digest = models.CharField(max_length=64, editable=False, help_text="A keyed hash of the text.")
    outcome = models.CharField(max_length=16, choices=DraftOutcome.choices, default=DraftOutcome.OPEN)
    likeness = models.FloatField(null=True, help_text="Of the reply to it, from 0 to 1.")
    reply = models.PositiveIntegerField(null=True, help_text="Position of the agent's reply.")
    shown_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    objects = DraftQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["ticket", "position", "agent", "digest"], name="draft_shown_once"),
            models.CheckConstraint(condition=Q(outcome__in=DraftOutcome.values), name="draft_outcome_known"),
            models.CheckConstraint(
                condition=Q(outcome=DraftOutcome.OPEN, settled_at__isnull=True)
                | ~Q(outcome=DraftOutcome.OPEN) & Q(settled_at__isnull=False, text__isnull=True),
                name="draft_text_goes_when_settled",
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["shown_at"], include=["outcome", "likeness", "tone", "agent"], name="draft_shown"),
            models.Index(fields=["shown_at", "id"], condition=Q(outcome=DraftOutcome.OPEN), name="draft_open"),
        ]

    def __str__(self) -> str:
        return f"draft {self.pk} for ticket {self.ticket_id}"
