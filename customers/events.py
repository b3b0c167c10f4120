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
    """`fields` are the names of what changed, never the values; of attributes that a partner has a word for, also
    which: `attributes.shopify_note`.
    """

    name: ClassVar[str] = "customer.updated"
    fields: list[str]


@dataclass(frozen=True, kw_only=True)
class CustomerRead(CustomerEvent):
    """Somebody was shown the customer's data, or what the customer wrote. `through` says where: `record`, `orders`,
    `history`, `ticket`, `messages`, `notes`, `attachments`, `file`, `insights`, `draft`, `admin` or `export`.
    """

    name: ClassVar[str] = "customer.read"
    through: str
    ticket_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class CustomersListed(DomainEvent):
    """Somebody was shown a page of customers: which ones, and by which parameters, never by which values."""

    name: ClassVar[str] = "customers.listed"
    subject_type: ClassVar[str] = "customers"
    subject_id: int = 0
    through: str
    ids: list[int]
    parameters: list[str]


@dataclass(frozen=True, kw_only=True)
class CustomerErased(CustomerEvent):
    """Everything that told who this was is gone, here and (by what follows from this) in every other app."""

    name: ClassVar[str] = "customer.erased"


@dataclass(frozen=True, kw_only=True)
class OrderRecorded(CustomerEvent):
    """The shop told of an order that is new, or of a newer state of one."""

    name: ClassVar[str] = "customer.order_recorded"
    order_id: int
    new: bool


@dataclass(frozen=True, kw_only=True)
class OrderForgotten(CustomerEvent):
    """The shop deleted an order, or had it erased."""

    name: ClassVar[str] = "customer.order_forgotten"
    order_id: int


@dataclass(frozen=True, kw_only=True)
class CustomerIdentified(CustomerEvent):
    """The customer is known in another system from now on."""

    name: ClassVar[str] = "customer.identified"
    source: str
