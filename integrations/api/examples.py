"""What the API documentation shows."""

from typing import Any

PRODUCT: dict[str, Any] = {
    "id": "9500000000001",
    "shop": "example.myshopify.com",
    "title": "Pot of tea",
    "handle": "pot-of-tea",
    "status": "active",
    "vendor": "Cove & Kettle",
    "type": "Tea",
    "tags": ["tea"],
    "image": "https://cdn.shopify.com/pot.jpg",
    "variants": [{"id": "46000000000001", "sku": "TEA-BLUE-2", "title": "Blue", "price": "15.00"}],
}
