"""What an agent can be."""

from django.db import models


class Role(models.TextChoices):
    AGENT = "agent", "Agent"
    SENIOR = "senior", "Senior agent"
    SUPERVISOR = "supervisor", "Supervisor"
    ADMIN = "admin", "Administrator"


EVERY_ROLE = frozenset(Role.values)


class Scope(models.TextChoices):
    """What an API key may do. A scope that writes includes the one that reads the same things."""

    TICKETS_READ = "tickets:read", "Read tickets and their messages"
    TICKETS_WRITE = "tickets:write", "Open and change tickets, add customers' messages"
    NOTES_READ = "notes:read", "Read agents' notes on tickets"
    CUSTOMERS_READ = "customers:read", "Read customers"
    CUSTOMERS_WRITE = "customers:write", "Create and change customers"
    AGENTS_READ = "agents:read", "Read agents"


INCLUDED = {
    Scope.TICKETS_WRITE: Scope.TICKETS_READ,
    Scope.NOTES_READ: Scope.TICKETS_READ,
    Scope.CUSTOMERS_WRITE: Scope.CUSTOMERS_READ,
}


class Availability(models.TextChoices):
    ONLINE = "online", "Online"
    BUSY = "busy", "Busy"
    OFFLINE = "offline", "Offline"


class FeedKind(models.TextChoices):
    """What an agent's sockets are told."""

    NEW_TICKET = "new_ticket", "New ticket"
    TICKET_UPDATE = "ticket_update", "Ticket changed"
    SLA_WARNING = "sla_warning", "SLA warning"
    AGENT_STATUS = "agent_status", "Agent's status"
