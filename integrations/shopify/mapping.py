"""Customers and orders in Shopify's words, of both kinds, and what they are in ours.

GraphQL and webhooks tell the same in other shapes: names, enums, lists as texts. What is left out, and what is null of
a person, is None here and changes nothing: webhooks have told less since 2025-01, and null stands where our app may not
read. Money is Decimal, in the shop's currency; ids are texts.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from itertools import zip_longest
from typing import Any

from django.conf import settings
from django.utils.dateparse import parse_datetime

from customers.identity import normalised_email, normalised_phone
from customers.orders import OrderItem, OrderTold, Parcel
from integrations.enums import Provider
from integrations.reading import Unreadable, external_id
from supportdesk.core.errors import InvalidInput

MOST_NAME, MOST_ADDRESS, MOST_TEXT = 200, 1_000, 1_000
DEAD_PARCELS = frozenset({"cancelled", "error", "failure"})
WORDS = {"partial": "partially_fulfilled"}  # of webhooks, in those of GraphQL
# What of a customer Shopify alone has words for, as names of attributes.
NOTE, TAGS, STATE, SPENT, CURRENCY, ORDERS = (
    *("shopify_note", "shopify_tags", "shopify_state", "shopify_spent", "shopify_currency", "shopify_orders"),
)


@dataclass(frozen=True, kw_only=True)
class CustomerTold:
    """`told_at` is None when it is not dated. `is_verified`: the address is the person's, as far as Shopify knows."""

    external_id: str
    told_at: datetime | None = None
    name: str | None = None
    email: str | None = None
    phone: str | None = None
    address: str | None = None
    language: str | None = None
    is_verified: bool = False
    note: str | None = None
    tags: Sequence[str] | None = None
    state: str | None = None
    spent: Decimal | None = None
    currency: str | None = None
    orders: int | None = None


def customer_of_webhook(body: Mapping[str, Any]) -> CustomerTold:
    """Raises Unreadable."""
    address = body.get("default_address")
    note = body.get("note")
    return CustomerTold(
        external_id=external_id(body.get("id")),
        told_at=instant(body.get("updated_at")),
        name=_name(body.get("first_name"), body.get("last_name")),
        email=_email(body.get("email")),
        phone=_phone(body.get("phone")),
        address=_address(address) if isinstance(address, Mapping) else None,
        is_verified=body.get("verified_email") is True,
        note=_text(note) or "" if "note" in body else None,
        state=_word(body.get("state")),
    )


def customer_of_node(node: Mapping[str, Any]) -> CustomerTold:
    """Raises Unreadable."""
    spent = _object(node.get("amountSpent"))
    address = node.get("defaultAddress")
    tags = node.get("tags")
    return CustomerTold(
        external_id=external_id(node.get("id")),
        told_at=instant(node.get("updatedAt")),
        name=_name(node.get("firstName"), node.get("lastName")),
        email=_email(_object(node.get("defaultEmailAddress")).get("emailAddress")),
        phone=_phone(_object(node.get("defaultPhoneNumber")).get("phoneNumber")),
        address=_address(address) if isinstance(address, Mapping) else None,
        language=_language(node.get("locale")),
        is_verified=node.get("verifiedEmail") is True,
        note=_text(node.get("note")) or "" if "note" in node else None,
        tags=tags_of(tags) if isinstance(tags, list) else None,
        state=_word(node.get("state")),
        spent=_amount(spent.get("amount")),
        currency=_code(spent.get("currencyCode")),
        orders=_count(node.get("numberOfOrders")),
    )


def tags_of(value: object) -> list[str]:
    """Of a list, or of one text with commas; each once, in order of the alphabet."""
    given = value.split(",") if isinstance(value, str) else value if isinstance(value, list) else []
    return sorted({found for one in given if isinstance(one, str) and (found := _line(one, 255).replace(",", " "))})


def order_of_webhook(body: Mapping[str, Any], *, received_at: datetime) -> OrderTold:
    """Raises Unreadable."""
    total = _amount(body.get("current_total_price"))
    if total is None:
        total = _amount(body.get("total_price"))
    items, parcels = body.get("line_items"), body.get("fulfillments")
    fulfilment = body.get("fulfillment_status", "")
    return OrderTold(
        source=Provider.SHOPIFY.value,
        external_id=external_id(body.get("id")),
        total=_there(total, "no total"),
        currency=_there(_code(body.get("currency")), "no currency"),
        ordered_at=_there(instant(body.get("processed_at")) or instant(body.get("created_at")), "no date"),
        told_at=instant(body.get("updated_at")) or received_at,
        number=_line(body.get("name"), 64) or None,
        payment=_word(body.get("financial_status")),
        fulfilment="unfulfilled" if fulfilment is None else _word(fulfilment),
        cancelled_at=instant(body.get("cancelled_at")),
        items=[_webhook_item(one) for one in _objects(items)] if isinstance(items, list) else None,
        parcels=_webhook_parcels(parcels) if isinstance(parcels, list) else None,
    )


def order_of_node(node: Mapping[str, Any], *, received_at: datetime) -> OrderTold:
    """Raises Unreadable."""
    money = _object(_object(node.get("currentTotalPriceSet") or node.get("totalPriceSet")).get("shopMoney"))
    items, parcels = _object(node.get("lineItems")).get("nodes"), node.get("fulfillments")
    return OrderTold(
        source=Provider.SHOPIFY.value,
        external_id=external_id(node.get("id")),
        total=_there(_amount(money.get("amount")), "no total"),
        currency=_there(_code(money.get("currencyCode")), "no currency"),
        ordered_at=_there(instant(node.get("processedAt")) or instant(node.get("createdAt")), "no date"),
        told_at=instant(node.get("updatedAt")) or received_at,
        number=_line(node.get("name"), 64) or None,
        payment=_word(node.get("displayFinancialStatus")),
        fulfilment=_word(node.get("displayFulfillmentStatus")),
        cancelled_at=instant(node.get("cancelledAt")),
        items=[_node_item(one) for one in _objects(items)] if isinstance(items, list) else None,
        parcels=_node_parcels(parcels) if isinstance(parcels, list) else None,
    )


def product_of_node(node: Mapping[str, Any]) -> dict[str, Any]:
    """As the API shows it, but for the shop. Raises Unreadable."""
    variants = _objects(_object(node.get("variants")).get("nodes"))
    image = _object(_object(_object(node.get("featuredMedia")).get("preview")).get("image")).get("url")
    return {
        "id": external_id(node.get("id")),
        "title": _line(node.get("title"), 255) or "Product",
        "handle": _line(node.get("handle"), 255) or None,
        "status": _word(node.get("status")),
        "vendor": _line(node.get("vendor"), 255) or None,
        "type": _line(node.get("productType"), 255) or None,
        "tags": tags_of(node.get("tags")),
        "image": image if isinstance(image, str) and image.startswith("https://") else None,
        "variants": [_variant(one) for one in variants],
    }


def instant(value: object) -> datetime | None:
    """A date that names no offset is of UTC."""
    if not isinstance(value, str):
        return None
    with suppress(ValueError, OverflowError):
        found = parse_datetime(value)
        if found is not None:
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    return None


def gid(kind: str, number: str) -> str:
    return f"gid://shopify/{kind}/{number}"


def number_of(value: object) -> str | None:
    """An id, where there is one."""
    with suppress(Unreadable):
        return external_id(value)
    return None


def email_of(value: object) -> str | None:
    return _email(value)


def phone_of(value: object) -> str | None:
    return _phone(value)


def amount_of(value: object) -> Decimal | None:
    return _amount(value)


def currency_of(value: object) -> str | None:
    return _code(value)


def count_of(value: object) -> int | None:
    return _count(value)


def _variant(node: Mapping[str, Any]) -> dict[str, Any]:
    price = _amount(node.get("price"))
    return {
        "id": external_id(node.get("id")),
        "sku": _line(node.get("sku"), 255) or None,
        "title": _line(node.get("title"), 255) or None,
        "price": None if price is None else str(price),
    }


def _webhook_item(item: Mapping[str, Any]) -> OrderItem:
    money = _object(_object(item.get("price_set")).get("shop_money"))
    price = _amount(money.get("amount"))
    return OrderItem(
        name=_line(item.get("name"), MOST_NAME) or _line(item.get("title"), MOST_NAME) or "Item",
        quantity=_quantity(item.get("current_quantity"), item.get("quantity")),
        product_id=number_of(item.get("product_id")),
        price=_amount(item.get("price")) if price is None else price,
    )


def _node_item(item: Mapping[str, Any]) -> OrderItem:
    product = _object(item.get("product"))
    money = _object(_object(item.get("originalUnitPriceSet")).get("shopMoney"))
    return OrderItem(
        name=_line(item.get("name"), MOST_NAME) or "Item",
        quantity=_quantity(item.get("currentQuantity"), item.get("quantity")),
        product_id=number_of(product.get("id")),
        category=_line(product.get("productType"), MOST_NAME) or None,
        price=_amount(money.get("amount")),
    )


def _webhook_parcels(fulfilments: Sequence[Any]) -> list[Parcel]:
    """Every number of every one that is on its way: an order that was split has several."""
    found = []
    for one in _objects(fulfilments):
        if _word(one.get("status")) in DEAD_PARCELS:
            continue
        numbers = one.get("tracking_numbers") or [one.get("tracking_number")]
        urls = one.get("tracking_urls") or [one.get("tracking_url")]
        if isinstance(numbers, list) and isinstance(urls, list):
            carrier = one.get("tracking_company")
            found += [_parcel(carrier, number, url) for number, url in zip_longest(numbers, urls)]
    return [parcel for parcel in found if parcel.number or parcel.url]


def _node_parcels(fulfilments: Sequence[Any]) -> list[Parcel]:
    found = []
    for one in _objects(fulfilments):
        if _word(one.get("status")) in DEAD_PARCELS:
            continue
        told = one.get("trackingInfo")
        found += [_parcel(info.get("company"), info.get("number"), info.get("url")) for info in _objects(told)]
    return [parcel for parcel in found if parcel.number or parcel.url]


def _parcel(carrier: object, number: object, url: object) -> Parcel:
    address = _line(url, MOST_TEXT)
    return Parcel(
        carrier=_line(carrier, 100),
        number=_line(number, 100),
        url=address if address.startswith(("https://", "http://")) else "",  # nothing that a click would run
    )


def _address(told: Mapping[str, Any]) -> str | None:
    names = ("address1", "address2", "zip", "city", "province", "country")
    return ", ".join(filter(None, (_line(told.get(name)) for name in names)))[:MOST_ADDRESS] or None


def _name(first: object, last: object) -> str | None:
    return " ".join(filter(None, [_line(first, 100), _line(last, 100)]))[:MOST_NAME] or None


def _email(value: object) -> str | None:
    """None for what is no address: it would be of no use to anybody."""
    text = _line(value)
    with suppress(InvalidInput):
        return text if text and normalised_email(text) else None
    return None


def _phone(value: object) -> str | None:
    text = _line(value)
    with suppress(InvalidInput):
        return normalised_phone(text, region=settings.PHONE_REGION) if text else None
    return None


def _language(value: object) -> str | None:
    text = _line(value, 16).lower()
    return text or None


def _line(value: object, most: int = MOST_TEXT) -> str:
    """One line, without what is no text; "" for anything else."""
    return (
        " ".join("".join(one if one.isprintable() else " " for one in value).split())[:most]
        if isinstance(value, str)
        else ""
    )


def _text(value: object) -> str | None:
    return value.strip()[:MOST_TEXT] if isinstance(value, str) else None


def _word(value: object) -> str | None:
    """An enum, in lower case; None when there is none."""
    text = _line(value, 32).lower()
    return WORDS.get(text, text) or None


def _code(value: object) -> str | None:
    text = _line(value).upper()
    return text if len(text) == 3 and text.isascii() and text.isalpha() else None


def _amount(value: object) -> Decimal | None:
    if isinstance(value, str | int) and not isinstance(value, bool):
        with suppress(InvalidOperation, ValueError):
            found = Decimal(value)
            return found if found.is_finite() else None
    return None


def _count(value: object) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 16:
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**15 else None


def _quantity(now: object, ordered: object) -> int:
    found = _count(now)
    return found if found is not None else _count(ordered) or 0


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _objects(value: object) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _there(value: Any, problem: str) -> Any:
    if value is None:
        raise Unreadable(problem)
    return value
