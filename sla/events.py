"""What can happen to promises. What happens to those of one ticket is a fact of the ticket."""

from dataclasses import dataclass
from typing import ClassVar

from supportdesk.core.events import DomainEvent
from tickets.events import TicketEvent


@dataclass(frozen=True, kw_only=True)
class DeadlineEvent(TicketEvent):
    """Happened at the instant at which it was due, which may be long before anybody noticed.

    `due_at` is when the promise ends, or ended; None when its clock stopped or stands still meanwhile.
    """

    metric: str
    cycle: int
    due_at: str | None


@dataclass(frozen=True, kw_only=True)
class SLAWarned(DeadlineEvent):
    """A promise comes near its end."""

    name: ClassVar[str] = "sla.warned"


@dataclass(frozen=True, kw_only=True)
class SLABreached(DeadlineEvent):
    """A promise was broken."""

    name: ClassVar[str] = "sla.breached"


@dataclass(frozen=True, kw_only=True)
class SLAStarted(TicketEvent):
    """The clocks of a ticket that came from elsewhere begin here, from what it is like now.

    `answered`: it was answered there. `waiting`: its customer waits.
    """

    name: ClassVar[str] = "sla.started"
    priority: str
    status: str
    answered: bool
    waiting: bool


@dataclass(frozen=True, kw_only=True)
class SLAPolicyApplied(TicketEvent):
    """The open ticket got another version of its policy, or of its calendar."""

    name: ClassVar[str] = "sla.policy_applied"
    policy_version_id: int
    calendar_version_id: int


@dataclass(frozen=True, kw_only=True)
class SLABreachAcknowledged(TicketEvent):
    name: ClassVar[str] = "sla.breach_acknowledged"
    breach_id: int


@dataclass(frozen=True, kw_only=True)
class PolicyEvent(DomainEvent):
    subject_type: ClassVar[str] = "sla_policy"


@dataclass(frozen=True, kw_only=True)
class PolicyCreated(PolicyEvent):
    name: ClassVar[str] = "sla_policy.created"


@dataclass(frozen=True, kw_only=True)
class PolicyUpdated(PolicyEvent):
    """`fields` are the names of what changed; of a version, in its draft."""

    name: ClassVar[str] = "sla_policy.updated"
    fields: list[str]


@dataclass(frozen=True, kw_only=True)
class PolicyActivated(PolicyEvent):
    name: ClassVar[str] = "sla_policy.activated"
    number: int


@dataclass(frozen=True, kw_only=True)
class ApplicationBegun(PolicyEvent):
    """Work on the open tickets of a policy is to be done, or to be gone on with after ticket `through`."""

    name: ClassVar[str] = "sla_policy.application_begun"
    application_id: int
    preview: bool
    through: int


@dataclass(frozen=True, kw_only=True)
class SimulationBegun(PolicyEvent):
    """What another version would have meant is to be found out, or to be gone on with after ticket `through`."""

    name: ClassVar[str] = "sla_policy.simulation_begun"
    simulation_id: int
    through: int


@dataclass(frozen=True, kw_only=True)
class CalendarEvent(DomainEvent):
    subject_type: ClassVar[str] = "sla_calendar"


@dataclass(frozen=True, kw_only=True)
class CalendarCreated(CalendarEvent):
    name: ClassVar[str] = "sla_calendar.created"


@dataclass(frozen=True, kw_only=True)
class CalendarUpdated(CalendarEvent):
    """`number` is its version now."""

    name: ClassVar[str] = "sla_calendar.updated"
    fields: list[str]
    number: int
