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
