"""Reading tickets, within what the actor may see."""

from dataclasses import dataclass

from django.db.models import QuerySet

from customers.models import Customer
from supportdesk.core.actor import Actor
from supportdesk.core.errors import NotFound
from supportdesk.core.models import Event
from tickets.models import Assignment, Message, Note, Ticket
from tickets.models.ticket import TicketQuerySet


@dataclass(frozen=True, kw_only=True)
class Detail:
    """A ticket with what stands beside it; `assignment` is the open one, `description` the first message."""

    ticket: Ticket
    description: str
    assignment: Assignment | None


def listed(actor: Actor) -> TicketQuerySet:
    """Rows for any list of tickets: with names of customer, assignee and department, in one statement."""
    return Ticket.objects.visible_to(actor).select_related("customer", "assignee", "department")


def detail(*, ticket_id: int, actor: Actor) -> Detail:
    """Raises NotFound."""
    ticket = listed(actor).prefetch_related("customer__identities").filter(pk=ticket_id).first()
    if ticket is None:
        raise NotFound
    return beside(ticket)


def beside(ticket: Ticket) -> Detail:
    """What stands beside a ticket that the actor was allowed to have in hand."""
    first = Message.objects.filter(ticket=ticket, position=1).values_list("body", flat=True).first()
    current = Assignment.objects.select_related("agent").filter(ticket=ticket, ended_at__isnull=True).first()
    return Detail(ticket=ticket, description=first or "", assignment=current)


def history(*, customer_id: int, actor: Actor) -> TicketQuerySet:
    """Every ticket of a customer that the actor sees, archived ones too. Raises NotFound."""
    if not Customer.objects.visible_to(actor).filter(pk=customer_id).exists():
        raise NotFound
    return listed(actor).filter(customer_id=customer_id)


def messages(*, ticket_id: int, actor: Actor) -> QuerySet[Message]:
    """The conversation. Raises NotFound."""
    return Message.objects.filter(ticket=_seen(ticket_id, actor)).select_related("agent")


def notes(*, ticket_id: int, actor: Actor) -> QuerySet[Note]:
    """The agents' notes. Raises NotFound."""
    return Note.objects.filter(ticket=_seen(ticket_id, actor)).select_related("author").prefetch_related("mentions")


def timeline(*, ticket_id: int, actor: Actor) -> QuerySet[Event]:
    """Everything that happened to the ticket. Raises NotFound."""
    return Event.objects.filter(subject_type="ticket", subject_id=_seen(ticket_id, actor))


def _seen(ticket_id: int, actor: Actor) -> int:
    if not Ticket.objects.visible_to(actor).filter(pk=ticket_id).exists():
        raise NotFound
    return ticket_id
