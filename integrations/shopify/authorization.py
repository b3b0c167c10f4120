"""How a merchant connects a shop: what our app asks for, and how Shopify's answer is believed."""

import hmac
from collections.abc import Sequence
from datetime import datetime
from urllib.parse import urlencode

from django.conf import settings

from integrations.oauth import Authorization, BadCallback, Query
from integrations.shopify import access
from integrations.shopify.webhooks import SHOP

CLOSE_ENOUGH = 90.0  # seconds
_UNSIGNED = frozenset({"hmac", "signature"})


def address(shop: str, state: str, back: str) -> str:
    asked = {
        "client_id": settings.SHOPIFY_CLIENT_ID,
        "scope": ",".join(settings.SHOPIFY_SCOPES),
        "redirect_uri": back,
        "state": state,
    }
    return f"{access.base_url(shop)}/admin/oauth/authorize?{urlencode(asked)}"


def check(query: Query, shop: str, now: datetime) -> None:
    """Raises BadCallback unless Shopify signed it, a moment ago, for this shop."""
    given = dict(query)
    named, timestamp = given.get("shop", ""), given.get("timestamp", "")
    fits = [
        is_signed(query, settings.SHOPIFY_CLIENT_SECRETS),
        bool(SHOP.fullmatch(named)) and named.lower() == shop,
        timestamp.isascii()
        and timestamp.isdecimal()
        and len(timestamp) < 12
        and abs(int(timestamp) - now.timestamp()) <= CLOSE_ENOUGH,
    ]
    if not all(fits):
        raise BadCallback("This is not Shopify's answer for this shop. Begin again.")


def named(query: Query) -> str:
    """The shop. Raises BadCallback unless Shopify signed it."""
    shop = dict(query).get("shop", "")
    if not (is_signed(query, settings.SHOPIFY_CLIENT_SECRETS) and SHOP.fullmatch(shop)):
        raise BadCallback("This is not Shopify's call.")
    return shop.lower()


def is_signed(query: Query, secrets: Sequence[str]) -> bool:
    """Whether one of the secrets signed it: in hex, over the sorted parameters, lists as they write them."""
    given = dict(query).get("hmac", "").encode("utf-8", "replace")
    text = _signed_text(query).encode("utf-8", "replace")
    return True in [
        hmac.compare_digest(hmac.digest(secret.encode(), text, "sha256").hex().encode(), given) for secret in secrets
    ]


def _signed_text(query: Query) -> str:
    held: dict[str, str | list[str]] = {}
    for name, value in query:
        if name in _UNSIGNED:
            continue
        if name.endswith("[]"):
            inner = held.setdefault(name.removesuffix("[]"), [])
            if isinstance(inner, list):
                inner.append(value)
        else:
            held[name] = value
    parts = []
    for name, found in sorted(held.items()):
        text = "[" + ", ".join(f'"{one}"' for one in found) + "]" if isinstance(found, list) else found
        parts.append(f"{_escaped(name).replace('=', '%3D')}={_escaped(text)}")
    return "&".join(parts)


def _escaped(text: str) -> str:
    return text.replace("%", "%25").replace("&", "%26")


AUTHORIZATION = Authorization(
    is_configured=lambda: bool(settings.SHOPIFY_CLIENT_ID and settings.SHOPIFY_CLIENT_SECRETS),
    address=address,
    check=check,
    exchange=lambda shop, code, back: access.exchange(shop, code),
    named=named,
)
