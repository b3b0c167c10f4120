"""What was said: messages the customer sees, and notes they never see."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from agents.enums import Scope
from agents.models import Agent
from supportdesk.core.actor import Actor
from tickets.enums import Channel, Sender
from tickets.models.ticket import Ticket

MAX_BODY = 65_536  # characters of a message or a note, wherever it comes from


class MessageQuerySet(models.QuerySet["Message"]):
    def visible_to(self, actor: Actor) -> "MessageQuerySet":
        """Those of the tickets the actor sees."""
        if not actor.may(Scope.TICKETS_READ):
            return self.none()
        return self if actor.sees_everything else self.filter(ticket__in=Ticket.objects.visible_to(actor))


class Message(models.Model):
    """A line of the conversation with the customer. Its position counts from 1 within the ticket, without gaps."""

    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="messages", db_index=False)
    position = models.PositiveIntegerField()
    sender = models.CharField(max_length=16, choices=Sender.choices)
    agent = models.ForeignKey(Agent, models.PROTECT, null=True, blank=True, related_name="messages")
    system_name = models.CharField(max_length=64, blank=True, help_text="Who speaks, when the sender is the system.")
    body = models.TextField()
    channel = models.CharField(max_length=16, choices=Channel.choices)
    automated = models.BooleanField(default=False, help_text="An automatic reply; never counts as a response.")
    source = models.CharField(max_length=32, blank=True)
    external_id = models.CharField(max_length=191, null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = MessageQuerySet.as_manager()

    class Meta:
        ordering: ClassVar = ["ticket", "position"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["ticket", "position"], name="message_position_unique"),
            models.UniqueConstraint(
                fields=["source", "external_id"],
                condition=Q(external_id__isnull=False),
                name="message_external_id_unique",
            ),
            models.CheckConstraint(
                condition=Q(sender=Sender.AGENT, agent__isnull=False)
                | Q(sender__in=[Sender.CUSTOMER, Sender.SYSTEM], agent__isnull=True),
                name="message_agent_iff_sent_by_one",
            ),
            models.CheckConstraint(condition=Q(position__gte=1), name="message_position_from_one"),
        ]

    def __str__(self) -> str:
        return f"message {self.position} of ticket {self.ticket_id}"


class NoteQuerySet(models.QuerySet["Note"]):
    def visible_to(self, actor: Actor) -> "NoteQuerySet":
        """Those of the tickets the actor sees."""
        if not actor.may(Scope.NOTES_READ):
            return self.none()
        return self if actor.sees_everything else self.filter(ticket__in=Ticket.objects.visible_to(actor))


class Note(models.Model):
    """A remark among agents. In a table of its own, so that nothing made for customers can reach one by mistake."""

    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="notes", db_index=False)
    author = models.ForeignKey(Agent, models.PROTECT, null=True, related_name="notes")
    system_name = models.CharField(
        max_length=64, blank=True, db_default="", help_text="Who remarks it, when no agent does."
    )
    body = models.TextField()
    mentions = models.ManyToManyField(Agent, related_name="mentioned_in", blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    objects = NoteQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=Q(author__isnull=False, system_name="") | Q(author__isnull=True) & ~Q(system_name=""),
                name="note_has_one_author",
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["ticket", "id"], name="note_ticket")]

    def __str__(self) -> str:
        return f"note {self.pk} on ticket {self.ticket_id}"
