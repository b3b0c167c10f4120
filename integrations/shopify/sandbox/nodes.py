"""Customers, orders and products as the GraphQL of a pretend Shopify tells them."""

from datetime import UTC, datetime, timedelta
from typing import Any


def customer(number: int, **over: Any) -> dict[str, Any]:
    """As GraphQL tells one."""
    at = text_of(datetime(2026, 9, 1, tzinfo=UTC) + timedelta(minutes=number % 100_000))
    return {
        "id": f"gid://shopify/Customer/{number}",
        "legacyResourceId": str(number),
        "firstName": "Robin",
        "lastName": f"Example {number}",
        "displayName": f"Robin Example {number}",
        "defaultEmailAddress": {"emailAddress": f"robin.{number}@example.com"},
        "defaultPhoneNumber": None,
        "defaultAddress": None,
        "amountSpent": {"amount": "0.0", "currencyCode": "EUR"},
        "numberOfOrders": "0",
        "state": "DISABLED",
        "locale": "en",
        "note": None,
        "verifiedEmail": True,
        "tags": [],
        "createdAt": at,
        "updatedAt": at,
        **over,
    }


def order(number: int, *, customer_id: int | None = None, **over: Any) -> dict[str, Any]:
    at = text_of(datetime(2026, 9, 2, tzinfo=UTC) + timedelta(minutes=number % 100_000))
    money = {"shopMoney": {"amount": "40.0", "currencyCode": "EUR"}}
    item = {
        "name": "Pot of tea",
        "quantity": 2,
        "currentQuantity": 2,
        "product": {"id": "gid://shopify/Product/1", "productType": "Tea"},
        "originalUnitPriceSet": {"shopMoney": {"amount": "20.0", "currencyCode": "EUR"}},
    }
    return {
        "id": f"gid://shopify/Order/{number}",
        "legacyResourceId": str(number),
        "name": f"#{number % 100_000}",
        "email": None,
        "createdAt": at,
        "processedAt": at,
        "updatedAt": at,
        "cancelledAt": None,
        "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "UNFULFILLED",
        "currentTotalPriceSet": money,
        "totalPriceSet": money,
        "customer": None if customer_id is None else {"id": f"gid://shopify/Customer/{customer_id}"},
        "lineItems": {"nodes": [item]},
        "fulfillments": [],
        "test": False,
        **over,
    }


def product(number: int, **over: Any) -> dict[str, Any]:
    variant = {"id": f"gid://shopify/ProductVariant/{number}", "sku": "TEA", "title": None, "price": "20.00"}
    at = text_of(datetime(2026, 9, 1, tzinfo=UTC) + timedelta(minutes=number % 100_000))
    return {
        "id": f"gid://shopify/Product/{number}",
        "legacyResourceId": str(number),
        "title": f"Pot of tea {number}",
        "handle": f"pot-of-tea-{number}",
        "status": "ACTIVE",
        "vendor": "Cove & Kettle",
        "productType": "Tea",
        "tags": ["tea"],
        "updatedAt": at,
        "featuredMedia": None,
        "variants": {"nodes": [variant]},
        **over,
    }


def number_of(gid: str) -> str:
    return gid.rpartition("/")[2]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def text_of(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
