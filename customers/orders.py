"""What customers bought, as their shops tell it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction

from customers.events import OrderForgotten, OrderRecorded
from customers.models import Customer, Order
from customers.services import refuse_erased
from supportdesk.core.actor import Actor
from supportdesk.core.errors import InvalidInput, NotFound
from supportdesk.core.events import emit

MOST_ITEMS = 250  # of which the rest is left out: a shop sends as many in one piece
LARGEST = Decimal(10) ** 15


@dataclass(frozen=True, kw_only=True)
class OrderItem:
    """`price` is that of one, in the currency of the order; None where the shop did not tell it."""

    name: str
    quantity: int
    product_id: str | None = None
    category: str | None = None
    price: Decimal | None = None


@dataclass(frozen=True, kw_only=True)
class Parcel:
    carrier: str = ""
    number: str = ""
    url: str = ""


@dataclass(frozen=True, kw_only=True)
class OrderTold:
    """An order as a shop tells it at `told_at`. None is what it leaves out, and never empties what is known."""

    source: str
    external_id: str
    total: Decimal
    currency: str
    ordered_at: datetime
    told_at: datetime
    number: str | None = None
    payment: str | None = None
    fulfilment: str | None = None
    cancelled_at: datetime | None = None
    items: Sequence[OrderItem] | None = None
    parcels: Sequence[Parcel] | None = None


def record_order(*, customer_id: int, told: OrderTold, by: Actor, now: datetime) -> Order:
    """Keeps the order, whoever it was of before. An older telling than the last one changes nothing, nor does the same
    one again.

    Raises NotFound (no such customer), Erased, InvalidInput (an amount that is none, a currency that is no code).
    """
    _check(told)
    with transaction.atomic():
        customer = Customer.objects.select_for_update(of=("self",), no_key=True).filter(pk=customer_id).first()
        if customer is None:
            raise NotFound
        refuse_erased(customer)
        found = Order.objects.select_for_update().filter(source=told.source, external_id=told.external_id).first()
        if found is not None and not _is_news(told, customer_id, found):
            return found
        owners = dict.fromkeys([customer.pk, *([found.customer_id] if found else [])])
        order = found or Order(source=told.source, external_id=told.external_id)
        order.customer = customer
        for name, value in _values(told).items():
            setattr(order, name, value)
        order.save()
        emit(
            *(OrderRecorded(subject_id=owner, order_id=order.pk, new=found is None) for owner in owners), by=by, at=now
        )
    return order


def forget_order(*, source: str, external_id: str, by: Actor, now: datetime) -> bool:
    """The shop deleted it; whether it was known. What was said about it in tickets stays."""
    with transaction.atomic():
        found = Order.objects.select_for_update().filter(source=source, external_id=external_id).first()
        if found is None:
            return False
        emit(OrderForgotten(subject_id=found.customer_id, order_id=found.pk), by=by, at=now)
        found.delete()
    return True


def _is_news(told: OrderTold, customer_id: int, found: Order) -> bool:
    """Of two tellings at one instant, only whose order it is can be news: the shop joined two of its customers."""
    return told.told_at > found.told_at or (told.told_at == found.told_at and found.customer_id != customer_id)


def _values(told: OrderTold) -> dict[str, Any]:
    values: dict[str, Any] = {
        "number": told.number,
        "payment": told.payment,
        "fulfilment": told.fulfilment,
        "cancelled_at": told.cancelled_at,
        "items": None if told.items is None else [_item(item) for item in told.items[:MOST_ITEMS]],
        "parcels": None if told.parcels is None else [_parcel(parcel) for parcel in told.parcels],
    }
    always = {name: getattr(told, name) for name in ("total", "currency", "ordered_at", "told_at")}
    return always | {name: value for name, value in values.items() if value is not None}


def _item(item: OrderItem) -> dict[str, Any]:
    return {
        "name": item.name,
        "quantity": item.quantity,
        "product_id": item.product_id,
        "category": item.category,
        "price": None if item.price is None else str(item.price),
    }


def _parcel(parcel: Parcel) -> dict[str, str]:
    return {"carrier": parcel.carrier, "number": parcel.number, "url": parcel.url}


def _check(told: OrderTold) -> None:
    if not told.total.is_finite() or abs(told.total) >= LARGEST:
        raise InvalidInput.on("total", "Must be an amount of money.", "out_of_range")
    prices = [item.price for item in told.items or () if item.price is not None]
    if any(not price.is_finite() or abs(price) >= LARGEST for price in prices):
        raise InvalidInput.on("items", "Each price must be an amount of money.", "out_of_range")
    if not re.fullmatch("[A-Z]{3}", told.currency):
        raise InvalidInput.on("currency", "Must be a code of three letters such as EUR.", "invalid_currency")
