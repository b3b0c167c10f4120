"""Shopify's webhooks: signed with the app's secret, named by headers that are not, at least once, in any order."""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.utils.dateparse import parse_datetime

from integrations.contract import Delivered, Inbox, Label
from integrations.reading import Unreadable, external_id

# One table of names: a system of theirs in preview drops the `x-`.
HEADERS = {
    "topic": "x-shopify-topic",
    "hmac": "x-shopify-hmac-sha256",
    "shop": "x-shopify-shop-domain",
    "version": "x-shopify-api-version",
    "webhook": "x-shopify-webhook-id",
    "event": "x-shopify-event-id",
    "triggered": "x-shopify-triggered-at",
}
KEPT = frozenset(HEADERS[name] for name in ("shop", "version", "webhook", "event", "triggered"))
PRIVACY = frozenset({"customers/data_request", "customers/redact", "shop/redact", "app/uninstalled"})
SHOP = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-]*\.myshopify\.com")
_KEY = re.compile(r"[\x21-\x7e]{1,128}")
_TOPIC = re.compile(r"[a-z_./]{1,64}")
_DIGEST_BYTES = 32


def is_authentic(headers: Mapping[str, str], raw: bytes, secrets: Sequence[str]) -> bool:
    """Whether one of the secrets signed these bytes. Tries them all, and raises for no header."""
    given = _decoded(headers.get(HEADERS["hmac"], ""))
    return True in [hmac.compare_digest(hmac.digest(secret.encode(), raw, "sha256"), given) for secret in secrets]


def label(delivered: Delivered) -> Label:
    topic = headers_topic(delivered.headers)
    body: Mapping[str, Any] = delivered.body or {}
    return Label(
        delivery_id=_delivery_id(delivered, topic),
        topic=topic,
        resource_key=_resource(topic, body),
        event_id=_key_of(delivered.headers.get(HEADERS["event"], "")),
        triggered_at=_instant(delivered.headers.get(HEADERS["triggered"], "")),
        privacy=topic in PRIVACY,
        people=_people(topic, body),
    )


def account(delivered: Delivered) -> str | None:
    """The shop that the signed body names. The header that names it as well is not signed."""
    body = delivered.body or {}
    named = body.get("shop_domain") or body.get("myshopify_domain")
    return named.lower() if isinstance(named, str) and SHOP.fullmatch(named) else None


def headers_topic(headers: Mapping[str, str]) -> str:
    topic = headers.get(HEADERS["topic"], "").lower()
    return topic if _TOPIC.fullmatch(topic) else ""


def _decoded(signature: str) -> bytes:
    try:
        found = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return b""
    return found if len(found) == _DIGEST_BYTES else b""


def _delivery_id(delivered: Delivered, topic: str) -> str:
    """Theirs; without a sound one, the body is what it is told apart by."""
    given = _key_of(delivered.headers.get(HEADERS["webhook"], ""))
    return given or hashlib.sha256(topic.encode() + b"\0" + delivered.raw).hexdigest()


def _key_of(text: str) -> str:
    return text if _KEY.fullmatch(text) else ""


def _resource(topic: str, body: Mapping[str, Any]) -> str:
    kind, _, _ = topic.replace(".", "/").partition("/")
    if topic in {"customers/data_request", "customers/redact"}:
        return _named("customer", body.get("customer"))
    match kind:
        case "customers" | "customer":
            merged = body.get("admin_graphql_api_customer_kept_id")
            return _keyed("customer", merged or body.get("customerId") or body.get("id"))
        case "orders":
            return _keyed("order", body.get("id"))
        case "products":
            return _keyed("product", body.get("id"))
        case "app" | "shop":
            return kind
    return ""


def _people(topic: str, body: Mapping[str, Any]) -> list[str]:
    """Ids of customers, as customers.ExternalIdentity writes them."""
    found = [_named("shopify", body.get("customer"))]
    if topic.startswith(("customers/", "customer.")) and "customer" not in body:
        names = ("id", "customerId", "admin_graphql_api_customer_kept_id", "admin_graphql_api_customer_deleted_id")
        found += [_keyed("shopify", body.get(name)) for name in names]
    return [one for one in found if one]


def _named(kind: str, holder: Any) -> str:
    return _keyed(kind, holder.get("id")) if isinstance(holder, dict) else ""


def _keyed(kind: str, value: object) -> str:
    try:
        return f"{kind}:{external_id(value)}"
    except Unreadable:
        return ""


def _instant(text: str) -> datetime | None:
    try:
        found = parse_datetime(text)
    except ValueError:
        return None
    return found if found is None or found.tzinfo else found.replace(tzinfo=UTC)


INBOX = Inbox(
    headers=KEPT,
    is_authentic=is_authentic,
    label=label,
    app_secrets=lambda: settings.SHOPIFY_CLIENT_SECRETS,
    account=account,
)
