"""Files that belong to a conversation."""

from django.db import models

from agents.enums import Scope
from agents.models import Agent
from supportdesk.core.actor import Actor
from tickets.models.conversation import Message
from tickets.models.ticket import Ticket


class AttachmentQuerySet(models.QuerySet["Attachment"]):
    def visible_to(self, actor: Actor) -> "AttachmentQuerySet":
        """Those of the tickets the actor sees."""
        if not actor.may(Scope.TICKETS_READ):
            return self.none()
        return self if actor.sees_everything else self.filter(ticket__in=Ticket.objects.visible_to(actor))


class Attachment(models.Model):
    """A file on a ticket; with a message it is part of the conversation, without one only agents have it.

    The file lies in the storage `attachments` under a random name. What it was called is only ever shown.
    """

    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="attachments")
    message = models.ForeignKey(Message, models.CASCADE, null=True, related_name="attachments")
    uploaded_by = models.ForeignKey(Agent, models.PROTECT, null=True, related_name="+")
    name = models.CharField(max_length=200)
    content_type = models.CharField(max_length=100, help_text="By what the file begins with, never by its name.")
    size = models.PositiveIntegerField(help_text="Bytes.")
    sha256 = models.CharField(max_length=64)
    stored_as = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField()

    objects = AttachmentQuerySet.as_manager()

    def __str__(self) -> str:
        return f"attachment {self.pk} of ticket {self.ticket_id}"
