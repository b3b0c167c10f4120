"""Reading tickets, within what the actor may see."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, ExpressionWrapper, F, FilteredRelation, OuterRef, Q, QuerySet, Subquery

from agents.enums import Availability, Scope
from agents.models import Agent, AgentQuerySet
from customers.models import Customer, identities_of
from supportdesk.core.actor import Actor
from supportdesk.core.errors import NotFound
from supportdesk.core.models import Event
from tickets.models import Assignment, Attachment, Message, Note, Ticket
from tickets.models.ticket import TicketQuerySet

# Promises stand to the right of this app, and are reached through the relation they declare.
PROMISED = ExpressionWrapper(Q(sla__isnull=False), BooleanField())


@dataclass(frozen=True, kw_only=True)
class Detail:
    """A ticket with what stands beside it; `assignment` is the open one, `description` the first message, `promised`
    whether it may have promises.
    """

    ticket: Ticket
    description: str
    assignment: Assignment | None
    promised: bool = True


@dataclass(frozen=True, kw_only=True)
class Ranked:
    """A ticket with those right before and right after it."""

    ticket: Ticket
    ahead: Ticket | None
    behind: Ticket | None


def with_names() -> TicketQuerySet:
    """Rows for any list of tickets: with names of customer, assignee and department, in one statement."""
    return Ticket.objects.select_related("customer", "assignee", "department")


def listed(actor: Actor) -> TicketQuerySet:
    """Those that the actor sees."""
    return with_names().visible_to(actor)


def detail(*, ticket_id: int, actor: Actor, identities: bool = True) -> Detail:
    """Raises NotFound. `identities`: whether the customer's are read as well."""
    return _beside(listed(actor).filter(pk=ticket_id), identities=identities)


def detail_after_change(ticket: Ticket) -> Detail:
    """The detail of a ticket that the actor just changed, even when the change took it out of their sight."""
    return _beside(with_names().filter(pk=ticket.pk))


def _beside(tickets: TicketQuerySet, *, identities: bool = True) -> Detail:
    first_message = Message.objects.filter(ticket=OuterRef("pk"), position=1).values("body")
    current = FilteredRelation("assignments", condition=Q(assignments__ended_at__isnull=True))
    if identities:
        tickets = tickets.annotate(known_as=identities_of("customer_id"))
    ticket: Any = (
        tickets.annotate(description=Subquery(first_message), current=current, promised=PROMISED)
        .select_related("customer", "assignee", "department", "current__agent")  # type: ignore[misc]
        .first()
    )
    if ticket is None:
        raise NotFound
    if identities:
        ticket.customer.identities_read = ticket.known_as
    assignment = getattr(ticket, "current", None)
    return Detail(ticket=ticket, description=ticket.description, assignment=assignment, promised=ticket.promised)


def unassigned(actor: Actor) -> TicketQuerySet:
    """Unfinished tickets that nobody has, as far as the actor sees them."""
    return listed(actor).unfinished().filter(assignee__isnull=True)


def queue_of(*, agent_id: int, actor: Actor) -> TicketQuerySet:
    """The agent's unfinished tickets, as far as the actor sees them. Raises NotFound unless the queue is the actor's
    own, or that of an agent whose record they may read.
    """
    if not Agent.objects.visible_to(actor).filter(pk=agent_id).exists():
        raise NotFound
    return listed(actor).unfinished().filter(assignee_id=agent_id)


def assignments(*, ticket_id: int, actor: Actor) -> QuerySet[Assignment]:
    """Who works on the ticket and who did before, each with the decision it came from. Raises NotFound."""
    entries = Assignment.objects.filter(ticket=seen(ticket_id, actor))
    return entries.select_related("agent", "previous_agent", "assigned_by").prefetch_related("decision")


def available_agents(actor: Actor, ids: Iterable[int]) -> AgentQuerySet:
    """Of these agents, those whose record the actor may read and who are online still."""
    agents = Agent.objects.visible_to(actor).filter(pk__in=ids, is_active=True, availability=Availability.ONLINE)
    return agents.select_related("department").prefetch_related("specializations")


def history(*, customer_id: int, actor: Actor) -> TicketQuerySet:
    """Every ticket of a customer that the actor sees, archived ones too. Raises NotFound."""
    if not Customer.objects.visible_to(actor).filter(pk=customer_id).exists():
        raise NotFound
    return Ticket.objects.visible_to(actor).filter(customer_id=customer_id)


def messages(*, ticket_id: int, actor: Actor) -> QuerySet[Message]:
    """The conversation, each message with its `customer_id`. Raises NotFound."""
    said = Message.objects.filter(ticket=seen(ticket_id, actor)).annotate(customer_id=F("ticket__customer_id"))
    return said.select_related("agent").prefetch_related("attachments")


def notes(*, ticket_id: int, actor: Actor) -> QuerySet[Note]:
    """The agents' notes, each with its `customer_id`. Raises NotFound."""
    if not actor.may(Scope.NOTES_READ):
        raise NotFound
    written = Note.objects.filter(ticket=seen(ticket_id, actor)).annotate(customer_id=F("ticket__customer_id"))
    return written.select_related("author").prefetch_related("mentions")


def attachments(*, ticket_id: int, actor: Actor) -> QuerySet[Attachment]:
    """The ticket's files, each with its `customer_id`. Raises NotFound."""
    files = Attachment.objects.filter(ticket=seen(ticket_id, actor)).annotate(customer_id=F("ticket__customer_id"))
    return files.select_related("uploaded_by")


def timeline(*, ticket_id: int, actor: Actor) -> QuerySet[Event]:
    """Everything that happened to the ticket. Raises NotFound."""
    return Event.objects.filter(subject_type="ticket", subject_id=seen(ticket_id, actor))


def ranked(*, ticket_id: int, actor: Actor) -> Ranked:
    """A ticket with its neighbours in the order of work, of those that the actor sees. Raises NotFound."""
    tickets = Ticket.objects.visible_to(actor)
    ticket = tickets.filter(pk=ticket_id).first()
    if ticket is None:
        raise NotFound
    before = Q(rank_at__lt=ticket.rank_at) | Q(pk__lt=ticket.pk)
    after = Q(rank_at__gt=ticket.rank_at) | Q(pk__gt=ticket.pk)
    live = tickets.live().order_by("rank_at", "pk")
    return Ranked(
        ticket=ticket,
        ahead=live.filter(before, rank_at__lte=ticket.rank_at).last(),
        behind=live.filter(after, rank_at__gte=ticket.rank_at).first(),
    )


def customer_of(ticket_id: int, actor: Actor) -> int:
    """Whose ticket it is. Raises NotFound."""
    customer_id = Ticket.objects.visible_to(actor).filter(pk=ticket_id).values_list("customer_id", flat=True).first()
    if customer_id is None:
        raise NotFound
    return customer_id


def seen(ticket_id: int, actor: Actor) -> int:
    """The id, once it is certain that the actor sees the ticket. Raises NotFound."""
    if not Ticket.objects.visible_to(actor).filter(pk=ticket_id).exists():
        raise NotFound
    return ticket_id
