"""What opens a shop: where it is, the permission that a merchant gives, and tokens that last for an hour.

Each renewal changes both tokens; the one before it works until the new one is first used, so that an answer that was
lost on its way is asked for again. See integrations.tokens.
"""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from integrations import grants
from integrations.models import Connection
from integrations.tokens import Grant, GrantRefused

TOKEN_PATH = "/admin/oauth/access_token"  # noqa: S105 - a path
HOUR = 3_600.0


def base_url(shop: str) -> str:
    """`shop` was matched against `webhooks.SHOP`, so nothing in it leads elsewhere."""
    return settings.SHOPIFY_BASE_URL.replace("{shop}", shop)


def exchange(shop: str, code: str) -> Grant:
    """What a merchant's permission is worth. Raises GrantRefused, Unavailable, Rejected."""
    return _granted(shop, {"code": code, "expiring": "1"})


def refresh(known: Connection) -> Grant:
    """Raises GrantRefused, Unavailable, Rejected."""
    return _granted(known.account_key, {"grant_type": "refresh_token", "refresh_token": known.refresh_token})


def _granted(shop: str, asked: Mapping[str, Any]) -> Grant:
    if not (settings.SHOPIFY_CLIENT_ID and settings.SHOPIFY_CLIENT_SECRETS):
        raise GrantRefused("invalid_client")
    given = {"client_id": settings.SHOPIFY_CLIENT_ID, "client_secret": settings.SHOPIFY_CLIENT_SECRETS[0], **asked}
    said = grants.ask(f"{base_url(shop)}{TOKEN_PATH}", partner="shopify", json=given)
    again, scope = grants.text(said.get("refresh_token")), grants.text(said.get("scope"))
    return Grant(
        access_token=str(said["access_token"]),
        refresh_token=again,
        expires_in=grants.seconds(said.get("expires_in")) or (HOUR if again else None),  # not one for ever
        refresh_expires_in=grants.seconds(said.get("refresh_token_expires_in")),
        scopes=[part.strip() for part in scope.split(",") if part.strip()] if scope else None,
    )
