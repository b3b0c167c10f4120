"""What Quimbi is told of a ticket, to write an answer or to say what to do: what the customer sees; never a note."""

from collections.abc import Sequence
from datetime import datetime

from customers import insights
from quimbi.types import Conversation, Line
from supportdesk.core.actor import Actor
from supportdesk.core.errors import NotFound
from tickets.enums import Sender, Status
from tickets.models import Message, Ticket

NEWEST = 30  # messages that are told; the rest would only make it slower
MOST_CHARACTERS = 4_000  # of each


def conversation_of(*, ticket_id: int, actor: Actor, channel: str | None = None) -> Conversation:
    """The ticket as the actor sees it, in at most five statements. Raises NotFound."""
    ticket = Ticket.objects.visible_to(actor).select_related("customer").filter(pk=ticket_id).first()
    if ticket is None:
        raise NotFound
    known = insights.profiles([ticket.customer_id])
    return Conversation(
        ticket=ticket.pk,
        last_message=ticket.last_position,
        subject=ticket.subject,
        priority=ticket.priority,
        channel=channel or ticket.channel,
        status=ticket.status,
        category=ticket.category,
        lines=tuple(map(_line, _newest(ticket))),
        profile=known[0] if known else None,
    )


def has_something_to_answer(conversation: Conversation) -> bool:
    """Whether the customer spoke last, is still somebody, and can be answered."""
    open_ended = conversation.status != Status.CLOSED and conversation.profile is not None
    return open_ended and bool(conversation.lines) and conversation.lines[-1].from_customer


def _newest(ticket: Ticket) -> Sequence[Message]:
    """Those of people, the oldest of them first; what the system says by itself is no part of a conversation."""
    said = ticket.messages.filter(sender__in=[Sender.CUSTOMER, Sender.AGENT], automated=False)
    return list(said.order_by("-position")[:NEWEST])[::-1]


def _line(message: Message) -> Line:
    at: datetime = message.created_at
    return Line(from_customer=message.sender == Sender.CUSTOMER, content=message.body[:MOST_CHARACTERS], created_at=at)
