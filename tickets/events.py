"""What can happen to a ticket. Each fact of its conversation and its assignment is a fact of the ticket."""

from dataclasses import dataclass
from typing import ClassVar

from supportdesk.core.events import DomainEvent


@dataclass(frozen=True, kw_only=True)
class TicketEvent(DomainEvent):
    subject_type: ClassVar[str] = "ticket"


@dataclass(frozen=True, kw_only=True)
class TicketCreated(TicketEvent):
    name: ClassVar[str] = "ticket.created"
    customer_id: int
    channel: str
    priority: str
    category: str
    follow_up_of: int | None = None


@dataclass(frozen=True, kw_only=True)
class TicketStatusChanged(TicketEvent):
    name: ClassVar[str] = "ticket.status_changed"
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class TicketPriorityChanged(TicketEvent):
    name: ClassVar[str] = "ticket.priority_changed"
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class TicketUpdated(TicketEvent):
    """`fields` are the names of what changed besides status and priority, which have facts of their own."""

    name: ClassVar[str] = "ticket.updated"
    fields: list[str]


@dataclass(frozen=True, kw_only=True)
class TicketArchived(TicketEvent):
    name: ClassVar[str] = "ticket.archived"


@dataclass(frozen=True, kw_only=True)
class TicketAssigned(TicketEvent):
    name: ClassVar[str] = "ticket.assigned"
    agent_id: int
    previous_agent_id: int | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class TicketUnassigned(TicketEvent):
    """Its agent has it no longer, and nobody else yet."""

    name: ClassVar[str] = "ticket.unassigned"
    agent_id: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class TicketQueued(TicketEvent):
    """Nobody could take it: it waits for the next agent who can."""

    name: ClassVar[str] = "ticket.queued"


@dataclass(frozen=True, kw_only=True)
class MessageAdded(TicketEvent):
    """`public_reply` is true for the one thing that answers a customer: a message that a person sent them."""

    name: ClassVar[str] = "ticket.message_added"
    message_id: int
    position: int
    sender: str
    public_reply: bool


@dataclass(frozen=True, kw_only=True)
class NoteAdded(TicketEvent):
    name: ClassVar[str] = "ticket.note_added"
    note_id: int
    mentions: list[int]


@dataclass(frozen=True, kw_only=True)
class FollowUpOpened(TicketEvent):
    """On the closed ticket: the customer wrote again and a new ticket took it up."""

    name: ClassVar[str] = "ticket.follow_up_opened"
    follow_up_id: int


@dataclass(frozen=True, kw_only=True)
class TicketsExported(DomainEvent):
    """A list of tickets left as a file: which columns, and by which parameters, never by which values."""

    name: ClassVar[str] = "tickets.exported"
    subject_type: ClassVar[str] = "tickets"
    subject_id: int = 0
    parameters: list[str]
    columns: list[str]


@dataclass(frozen=True, kw_only=True)
class TicketsSearched(DomainEvent):
    """Somebody looked for a person or their words among tickets: which were shown, and by which parameters."""

    name: ClassVar[str] = "tickets.searched"
    subject_type: ClassVar[str] = "tickets"
    subject_id: int = 0
    through: str
    ids: list[int]
    parameters: list[str]


@dataclass(frozen=True, kw_only=True)
class SavedViewChanged(DomainEvent):
    """`change` is created, updated or deleted."""

    name: ClassVar[str] = "saved_view.changed"
    subject_type: ClassVar[str] = "saved_view"
    change: str


@dataclass(frozen=True, kw_only=True)
class TopicAlertEvent(DomainEvent):
    subject_type: ClassVar[str] = "topic_alert"


@dataclass(frozen=True, kw_only=True)
class TopicAlertBegun(TopicAlertEvent):
    name: ClassVar[str] = "topic_alert.begun"


@dataclass(frozen=True, kw_only=True)
class TopicAlertEnded(TopicAlertEvent):
    """Before its time."""

    name: ClassVar[str] = "topic_alert.ended"


@dataclass(frozen=True, kw_only=True)
class TopicAlertFollowed(TopicAlertEvent):
    """Tickets up to id `through` follow its begin, or its end; the rest is to."""

    name: ClassVar[str] = "topic_alert.followed"
    through: int
    ended: bool


@dataclass(frozen=True, kw_only=True)
class AttachmentAdded(TicketEvent):
    name: ClassVar[str] = "ticket.attachment_added"
    attachment_id: int
    content_type: str
