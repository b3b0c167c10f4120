from django.apps import AppConfig


class TicketsConfig(AppConfig):
    """The work: tickets, conversation, notes, assignment and the order in which to do it."""

    name = "tickets"
