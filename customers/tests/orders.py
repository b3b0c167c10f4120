"""Orders as shops tell them, for tests."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from customers.orders import OrderItem, OrderTold, Parcel

AT = datetime(2026, 11, 2, 9, tzinfo=UTC)


def told(external_id: str, **over: Any) -> OrderTold:
    given: dict[str, Any] = {
        "source": "shopify",
        "external_id": external_id,
        "number": f"#{external_id}",
        "total": Decimal("84.90"),
        "currency": "EUR",
        "ordered_at": AT,
        "told_at": AT,
        "payment": "paid",
        "fulfilment": "fulfilled",
        "items": [OrderItem(name="Kettle", quantity=1, product_id="8812", price=Decimal("84.90"))],
        "parcels": [Parcel(carrier="DHL", number="0034"), Parcel(carrier="UPS", number="1Z9")],
    }
    return OrderTold(**{**given, **over})
