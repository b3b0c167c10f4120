"""What the subscriptions of a pretend Shopify are told, signed, and how it reaches them."""

import base64
import hmac
import http.client
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from integrations.shopify.sandbox.credentials import SECRET, SHOP
from integrations.shopify.sandbox.nodes import number_of, text_of

VERSION = "2026-10"


@dataclass(frozen=True)
class Delivery:
    """What a subscription is told, as it is signed."""

    uri: str
    headers: Mapping[str, str]
    raw: bytes


def delivery(uri: str, topic: str, body: Mapping[str, Any], *, secret: str = SECRET) -> Delivery:
    raw = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json",
        "X-Shopify-Topic": topic,
        "X-Shopify-Shop-Domain": SHOP,
        "X-Shopify-API-Version": VERSION,
        "X-Shopify-Webhook-Id": str(uuid.uuid4()),
        "X-Shopify-Triggered-At": text_of(datetime.now(UTC)),
        "X-Shopify-Hmac-Sha256": base64.b64encode(hmac.digest(secret.encode(), raw, "sha256")).decode(),
    }
    return Delivery(uri, headers, raw)


def webhook_customer(node: Mapping[str, Any]) -> dict[str, Any]:
    """As a webhook tells one: without tags and totals, since 2025-01."""
    email, phone = node["defaultEmailAddress"], node["defaultPhoneNumber"]
    return {
        "id": int(node["legacyResourceId"]),
        "admin_graphql_api_id": node["id"],
        "created_at": node["createdAt"],
        "updated_at": node["updatedAt"],
        "first_name": node["firstName"],
        "last_name": node["lastName"],
        "email": email and email["emailAddress"],
        "phone": phone and phone["phoneNumber"],
        "state": node["state"].lower(),
        "note": node["note"],
        "verified_email": node["verifiedEmail"],
        "addresses": [],
        "currency": node["amountSpent"]["currencyCode"],
    }


def webhook_order(node: Mapping[str, Any], owner: Mapping[str, Any]) -> dict[str, Any]:
    """As a webhook tells one."""
    money = node["currentTotalPriceSet"]["shopMoney"]
    lines = [
        {
            "name": item["name"],
            "quantity": item["quantity"],
            "current_quantity": item["currentQuantity"],
            "product_id": int(number_of(item["product"]["id"])),
            "price": item["originalUnitPriceSet"]["shopMoney"]["amount"],
        }
        for item in node["lineItems"]["nodes"]
    ]
    return {
        "id": int(node["legacyResourceId"]),
        "admin_graphql_api_id": node["id"],
        "name": node["name"],
        "created_at": node["createdAt"],
        "processed_at": node["processedAt"],
        "updated_at": node["updatedAt"],
        "financial_status": node["displayFinancialStatus"].lower(),
        "fulfillment_status": None,
        "currency": money["currencyCode"],
        "current_total_price": money["amount"],
        "line_items": lines,
        "fulfillments": [],
        "test": False,
        "customer": webhook_customer(owner),
        "email": owner["defaultEmailAddress"]["emailAddress"],
    }


def post(one: Delivery) -> None:
    """To whoever subscribed, if they are there."""
    parts = urlsplit(one.uri)
    if parts.hostname not in {"127.0.0.1", "localhost"}:
        return
    line = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=5)
    try:
        line.request("POST", parts.path, one.raw, dict(one.headers))
        line.getresponse().read()
    except (OSError, http.client.HTTPException):
        return
    finally:
        line.close()
