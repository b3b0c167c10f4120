"""The words a ticket is described with, as stored and as spoken by the API."""

from django.db import models


class Status(models.TextChoices):
    OPEN = "open", "Open"
    PENDING = "pending", "Pending (customer)"
    ON_HOLD = "on_hold", "On hold (third party)"
    RESOLVED = "resolved", "Resolved"
    CLOSED = "closed", "Closed"


class Priority(models.TextChoices):
    URGENT = "urgent", "Urgent"
    HIGH = "high", "High"
    NORMAL = "normal", "Normal"
    LOW = "low", "Low"


class Channel(models.TextChoices):
    EMAIL = "email", "E-mail"
    CHAT = "chat", "Chat"
    PHONE = "phone", "Phone"
    SMS = "sms", "SMS"
    WEB = "web", "Web form"
    SOCIAL = "social", "Social media"


class Category(models.TextChoices):
    GENERAL = "general", "General"
    TECHNICAL = "technical", "Technical"
    BILLING = "billing", "Billing"
    REFUND = "refund", "Refund"
    CANCELLATION = "cancellation", "Cancellation"
    PRODUCT = "product", "Product question"
    ORDER = "order", "Order"
    SHIPPING = "shipping", "Shipping"
    ACCOUNT = "account", "Account"


class Sender(models.TextChoices):
    CUSTOMER = "customer", "Customer"
    AGENT = "agent", "Agent"
    SYSTEM = "system", "System"


class AssignmentReason(models.TextChoices):
    MANUAL = "manual", "Manual"
    AUTO = "auto", "Automatic"
    TRANSFER = "transfer", "Transfer"


class DecisionOutcome(models.TextChoices):
    AUTO = "auto", "Assigned automatically"
    MANUAL = "manual", "Assigned by hand"
    TRANSFER = "transfer", "Transferred"
    NOBODY = "nobody", "Left waiting"
    RELEASED = "released", "Taken from its agent"


class Trigger(models.TextChoices):
    """What led to a decision about who works on a ticket."""

    REQUEST = "request", "somebody asked for it"
    CREATED = "created", "the ticket is new"
    ANSWERED = "answered", "the customer wrote"
    REOPENED = "reopened", "the ticket was reopened"
    OWNER_AWAY = "owner_away", "its agent is offline"
    OWNER_GONE = "owner_gone", "its agent is no longer active"
    MOVED = "moved", "it moved to another department"
    ROOM = "room", "somebody became free"
    VALUED = "valued", "its customer turned out to be a VIP"


class DraftOutcome(models.TextChoices):
    """What an agent made of a draft that they were shown."""

    OPEN = "open", "Not answered yet"
    SENT = "sent", "Sent as it was"
    EDITED = "edited", "Changed, and sent"
    DISCARDED = "discarded", "Not used"
