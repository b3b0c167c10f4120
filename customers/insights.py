"""What Quimbi is told of a customer: who they are there, their first name and language, what they bought and when they
were in touch. No address of any kind, no surname.
"""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from customers.enums import IdentitySource
from customers.models import Customer, Order
from quimbi.types import Interaction, Item, OrderFacts, Profile

MOST_ORDERS = 50
MOST_INTERACTIONS = 100


def profiles(
    customer_ids: Iterable[int], *, interactions: Mapping[int, Sequence[Interaction]] | None = None
) -> list[Profile]:
    """Of those of the customers whose data was not erased, in the order of their ids, in three statements."""
    found = Customer.objects.filter(pk__in=set(customer_ids), erased_at__isnull=True).prefetch_related("identities")
    customers = list(found.order_by("pk"))
    orders = _newest_orders([customer.pk for customer in customers])
    return [
        Profile(
            key=customer.pk,
            customer_id=quimbi_id(customer),
            first_name=_first_name(customer.name),
            language=customer.language or None,
            orders=tuple(map(_facts, orders.get(customer.pk, ()))),
            interactions=tuple((interactions or {}).get(customer.pk, ()))[:MOST_INTERACTIONS],
        )
        for customer in customers
    ]


def quimbi_id(customer: Customer) -> str:
    """Quimbi knows customers by their number in Shopify; one who has none by ours."""
    numbers = sorted(one.external_id for one in customer.identities.all() if one.source == IdentitySource.SHOPIFY)
    return numbers[0] if numbers else f"crm-{customer.pk}"


def _first_name(name: str) -> str | None:
    """The first word, unless that is an address."""
    word = name.split(maxsplit=1)[0] if name.strip() else ""
    return word if word and "@" not in word and not any(letter.isdigit() for letter in word) else None


def _newest_orders(customer_ids: Sequence[int]) -> dict[int, list[Order]]:
    newest = Window(RowNumber(), partition_by=[F("customer_id")], order_by=[F("ordered_at").desc(), F("pk").desc()])
    found: dict[int, list[Order]] = {}
    wanted = Order.objects.filter(customer__in=customer_ids, cancelled_at__isnull=True)
    for order in wanted.annotate(place=newest).filter(place__lte=MOST_ORDERS).order_by("customer_id", "place"):
        found.setdefault(order.customer_id, []).append(order)
    return found


def _facts(order: Order) -> OrderFacts:
    return OrderFacts(
        order_id=order.external_id,
        total_price=order.total,
        order_date=order.ordered_at,
        items=tuple(map(_item, order.items)),
        status=order.fulfilment or order.payment,
        tracking_numbers=tuple(parcel["number"] for parcel in order.parcels if parcel.get("number")),
    )


def _item(item: Mapping[str, Any]) -> Item:
    price = item.get("price")
    return Item(
        product_id=item.get("product_id"),
        product_name=item.get("name", ""),
        category=item.get("category"),
        quantity=item.get("quantity", 0),
        price=None if price is None else Decimal(price),
    )
