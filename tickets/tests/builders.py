"""Tickets and messages for tests, made by the services."""

from typing import Any

from django.utils import timezone

from agents.tests.builders import SYSTEM
from customers.tests.builders import make_customer
from tickets.enums import Sender
from tickets.models import Ticket
from tickets.services import conversation, lifecycle


def make_ticket(**over: Any) -> Ticket:
    given = {"subject": "A question", "description": "How does this work?", **over}
    given.setdefault("customer", None)
    given["customer"] = given["customer"] or make_customer()
    return lifecycle.create_ticket(**{"by": SYSTEM, "now": timezone.now(), **given})


def say(ticket: Ticket, body: str = "Hello", **over: Any) -> conversation.Posted:
    """A customer's message unless `sender` says otherwise."""
    given = {"sender": Sender.CUSTOMER, "by": SYSTEM, "now": timezone.now(), **over}
    return conversation.add_message(ticket_id=ticket.pk, body=body, **given)


def change(ticket: Ticket, **changes: Any) -> Ticket:
    return lifecycle.update_ticket(ticket_id=ticket.pk, changes=changes, by=SYSTEM, now=timezone.now())
