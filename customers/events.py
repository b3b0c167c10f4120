"""What can happen to a customer."""

from dataclasses import dataclass
from typing import ClassVar

from supportdesk.core.events import DomainEvent


@dataclass(frozen=True, kw_only=True)
class CustomerEvent(DomainEvent):
    subject_type: ClassVar[str] = "customer"


@dataclass(frozen=True, kw_only=True)
class CustomerCreated(CustomerEvent):
    name: ClassVar[str] = "customer.created"


@dataclass(frozen=True, kw_only=True)
class CustomerUpdated(CustomerEvent):
    """`fields` are the names of what changed, never the values."""

    name: ClassVar[str] = "customer.updated"
    fields: list[str]
