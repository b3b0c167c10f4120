"""What can happen to connections and to what came over them."""

from dataclasses import dataclass
from typing import ClassVar

from supportdesk.core.events import DomainEvent


@dataclass(frozen=True, kw_only=True)
class ConnectionEvent(DomainEvent):
    subject_type: ClassVar[str] = "connection"


@dataclass(frozen=True, kw_only=True)
class ConnectionCreated(ConnectionEvent):
    name: ClassVar[str] = "connection.created"
    provider: str


@dataclass(frozen=True, kw_only=True)
class ConnectionChanged(ConnectionEvent):
    """`fields` are the names of what changed, never the values."""

    name: ClassVar[str] = "connection.changed"
    fields: list[str]


@dataclass(frozen=True, kw_only=True)
class ConnectionStatusChanged(ConnectionEvent):
    name: ClassVar[str] = "connection.status_changed"
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class ReceiptReplayed(DomainEvent):
    """Somebody had a delivery worked off again."""

    name: ClassVar[str] = "receipt.replayed"
    subject_type: ClassVar[str] = "receipt"


@dataclass(frozen=True, kw_only=True)
class PrivacyDelivered(DomainEvent):
    """Somebody gave an export to whom it is for."""

    name: ClassVar[str] = "privacy.delivered"
    subject_type: ClassVar[str] = "privacy_request"
