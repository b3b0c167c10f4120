from django.apps import AppConfig
from django.core.exceptions import ImproperlyConfigured

from supportdesk.core.errors import InvalidInput
from tickets import weights


class TicketsConfig(AppConfig):
    """The work: tickets, conversation, notes, assignment and the order in which to do it."""

    name = "tickets"

    def ready(self) -> None:
        """Refuses to begin with an order of work that is none."""
        try:
            weights.current()
        except InvalidInput as wrong:
            raise ImproperlyConfigured(f"RANK_WEIGHTS: {wrong.detail}") from None
