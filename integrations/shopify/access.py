"""What opens a shop: where it is, the permission that a merchant gives, and tokens that last for an hour.

Each renewal changes both tokens; the one before it works until the new one is first used, so that an answer that was
lost on its way is asked for again. See integrations.tokens.
"""

import json
import time
from collections.abc import Mapping
from typing import Any

from django.conf import settings

from integrations.models import Connection
from integrations.tokens import Grant, GrantRefused
from supportdesk.core import http
from supportdesk.core.http import Rejected, Unavailable

TOKEN_PATH = "/admin/oauth/access_token"  # noqa: S105 - a path
HOUR = 3_600.0
CONNECT, READ, TRIES = 5.0, 30.0, 2
MOST_BYTES = 64 * 1024
TOTAL = 80.0  # seconds for all tries: less than the lease of whoever renews


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
    secret = settings.SHOPIFY_CLIENT_SECRETS[0]
    given = {"client_id": settings.SHOPIFY_CLIENT_ID, "client_secret": secret, **asked}
    deadline = time.monotonic() + TOTAL
    ask = http.attempts(tries=TRIES, deadline=deadline, first=0.2, may_retry=lambda error: True)
    return _grant(ask(lambda: _asked(shop, given, left=deadline - time.monotonic())))


def _asked(shop: str, given: Mapping[str, Any], *, left: float) -> Mapping[str, Any]:
    try:
        answer = http.call(
            "POST",
            f"{base_url(shop)}{TOKEN_PATH}",
            json=given,
            connect=CONNECT,
            read=READ,
            left=min(left, CONNECT + READ),
            limit=MOST_BYTES,
        )
    except (http.Timeout, http.Unreachable):
        raise Unavailable("shopify_away", counts=True) from None
    except (http.TooBig, http.Unsendable):
        raise Rejected("bad_answer") from None
    said = _object(answer.body)
    if answer.status >= 500 or answer.status == 429:
        raise Unavailable("shopify_away", counts=answer.status >= 500, status=answer.status)
    if answer.status != 200:
        error = said.get("error")
        known = error if error in {"invalid_grant", "invalid_client"} else ""
        raise GrantRefused(known, status=answer.status) if known else Rejected("refused", status=answer.status)
    return said


def _grant(said: Mapping[str, Any]) -> Grant:
    token, again, scope = said.get("access_token"), said.get("refresh_token"), said.get("scope")
    if not isinstance(token, str) or not token:
        raise Rejected("bad_answer")
    again = again if isinstance(again, str) and again else None
    expires = _seconds(said.get("expires_in"))
    return Grant(
        access_token=token,
        refresh_token=again,
        expires_in=expires or (HOUR if again else None),  # one that can be renewed is not one for ever
        refresh_expires_in=_seconds(said.get("refresh_token_expires_in")),
        scopes=[part.strip() for part in scope.split(",") if part.strip()] if isinstance(scope, str) else None,
    )


def _seconds(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
