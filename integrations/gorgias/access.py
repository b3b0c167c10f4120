"""What opens an account of Gorgias for a public app: the permission that its owner gives, and the tokens for it.

The opposite of Shopify in one thing: a renewal brings no new refresh token, so the old one is kept. Their sample says
that a token lives for 0 seconds: then it is what the token itself says, else a day.
"""

import base64
import binascii
import hashlib
import json
import time
from collections.abc import Mapping
from urllib.parse import urlencode

from django.conf import settings

from integrations import grants
from integrations.gorgias import names
from integrations.models import Connection
from integrations.oauth import Authorization, BadCallback, Query
from integrations.tokens import Grant, GrantRefused
from supportdesk.core.http import Rejected

DAY = 86_400.0


def base_url(account: str) -> str:
    """Of the account. Raises Rejected for what is no subdomain, which could be another host."""
    if not names.ACCOUNT.fullmatch(account):
        raise Rejected("no subdomain")
    return str(settings.GORGIAS_BASE_URL).replace("{account}", account)


def address(account: str, state: str, back: str) -> str:
    asked = {
        "response_type": "code",
        "client_id": settings.GORGIAS_CLIENT_ID,
        "scope": " ".join(settings.GORGIAS_SCOPES),
        "redirect_uri": back,
        "state": state,
        "nonce": hashlib.sha256(f"nonce\0{state}".encode()).hexdigest()[:32],
    }
    return f"{base_url(account)}/oauth/authorize?{urlencode(asked)}"


def exchange(account: str, code: str, back: str) -> Grant:
    """What an owner's permission is worth. Raises GrantRefused, Unavailable, Rejected."""
    return _granted(account, {"grant_type": "authorization_code", "code": code, "redirect_uri": back})


def refresh(known: Connection) -> Grant:
    """Raises GrantRefused, Unavailable, Rejected."""
    return _granted(known.account_key, {"grant_type": "refresh_token", "refresh_token": known.refresh_token or ""})


def _granted(account: str, form: Mapping[str, str]) -> Grant:
    if not is_configured():
        raise GrantRefused("invalid_client")
    once = form["grant_type"] == "authorization_code"  # a code is good for one request
    login = (settings.GORGIAS_CLIENT_ID, settings.GORGIAS_CLIENT_SECRETS[0])
    url = f"{base_url(account)}/oauth/token"
    said = grants.ask(url, partner="gorgias", tries=1 if once else grants.TRIES, form=form, login=login)
    token, scope = str(said["access_token"]), grants.text(said.get("scope"))
    return Grant(
        access_token=token,
        refresh_token=grants.text(said.get("refresh_token")),
        expires_in=grants.seconds(said.get("expires_in")) or _left_of(token, now=time.time()) or DAY,
        scopes=scope.split() if scope else None,
    )


def _left_of(token: str, *, now: float) -> float | None:
    """Seconds until the token says that it ends; None when it does not say. Nothing is believed but that."""
    _, _, rest = token.partition(".")
    middle = rest.partition(".")[0]
    try:
        claims = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
        end = float(claims["exp"])
    except (ValueError, TypeError, KeyError, binascii.Error, OverflowError, RecursionError):
        return None
    return end - now if 0 < end - now < 366 * DAY else None


def is_configured() -> bool:
    return bool(settings.GORGIAS_CLIENT_ID and settings.GORGIAS_CLIENT_SECRETS)


def named(query: Query) -> str:
    """The subdomain, which nothing proves. Raises BadCallback."""
    account = dict(query).get("account", "")
    if not names.ACCOUNT.fullmatch(account):
        raise BadCallback("This names no account.")
    return account


AUTHORIZATION = Authorization(is_configured=is_configured, address=address, exchange=exchange, named=named)
