"""What a ticket is found by."""

from typing import ClassVar

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from supportdesk.core.actor import Actor
from tickets.models.ticket import Ticket


class TicketTextQuerySet(models.QuerySet["TicketText"]):
    def visible_to(self, actor: Actor) -> "TicketTextQuerySet":
        """Those of the tickets the actor sees."""
        return self if actor.sees_everything else self.filter(ticket__in=Ticket.objects.visible_to(actor))


class TicketText(models.Model):
    """The words of a ticket, in the dictionary of its language. Written by the database itself (triggers of the first
    migration that names this table), so that no way of writing a message leaves it out.

    One row per ticket, so that PostgreSQL knows how common a word is and can choose between reading the few tickets
    that have it and walking the order of work until a page is full.
    """

    ticket = models.OneToOneField(Ticket, models.CASCADE, primary_key=True, related_name="text")
    public = SearchVectorField(help_text="Subject and messages.")
    notes = SearchVectorField(null=True, help_text="Agents' notes.")

    objects = TicketTextQuerySet.as_manager()

    class Meta:
        indexes: ClassVar = [
            GinIndex(fields=["public"], name="ticket_text_public"),
            GinIndex(fields=["notes"], name="ticket_text_notes"),
        ]

    def __str__(self) -> str:
        return f"words of ticket {self.ticket_id}"
