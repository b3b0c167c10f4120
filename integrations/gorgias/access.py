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
from typing import Any
from urllib.parse import urlencode

from django.conf import settings

from integrations.gorgias import names
from integrations.models import Connection
from integrations.oauth import Authorization
from integrations.reading import Unreadable, read_object
from integrations.tokens import Grant, GrantRefused
from supportdesk.core import http
from supportdesk.core.http import Rejected, Unavailable

DAY = 86_400.0
CONNECT, READ, TOTAL, TRIES = 5.0, 30.0, 80.0, 2  # all tries: less than the lease of whoever renews
MOST_BYTES = 64 * 1024


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
    deadline = time.monotonic() + TOTAL
    once = form["grant_type"] == "authorization_code"  # a code is good for one request
    ask = http.attempts(tries=1 if once else TRIES, deadline=deadline, first=0.2, may_retry=lambda error: True)
    return _grant(ask(lambda: _asked(account, form, left=deadline - time.monotonic())))


def _asked(account: str, form: Mapping[str, str], *, left: float) -> Mapping[str, Any]:
    try:
        answer = http.call(
            "POST",
            f"{base_url(account)}/oauth/token",
            form=form,
            login=(settings.GORGIAS_CLIENT_ID, settings.GORGIAS_CLIENT_SECRETS[0]),
            connect=CONNECT,
            read=READ,
            left=min(left, CONNECT + READ),
            limit=MOST_BYTES,
        )
    except (http.Timeout, http.Unreachable):
        raise Unavailable("gorgias_away", counts=True) from None
    except (http.TooBig, http.Unsendable):
        raise Rejected("bad_answer") from None
    if answer.status >= 500 or answer.status == 429:
        raise Unavailable("gorgias_away", counts=answer.status >= 500, status=answer.status)
    try:
        said = read_object(answer.body)
    except Unreadable:
        said = {}
    if answer.status != 200:
        error = said.get("error")
        known = error if error in {"invalid_grant", "invalid_client"} else ""
        raise GrantRefused(known, status=answer.status) if known else Rejected("refused", status=answer.status)
    return said


def _grant(said: Mapping[str, Any]) -> Grant:
    token, again, scope = said.get("access_token"), said.get("refresh_token"), said.get("scope")
    if not isinstance(token, str) or not token:
        raise Rejected("bad_answer")
    lives = said.get("expires_in")
    told = float(lives) if isinstance(lives, int | float) and not isinstance(lives, bool) and lives > 0 else None
    return Grant(
        access_token=token,
        refresh_token=again if isinstance(again, str) and again else None,
        expires_in=told or _left_of(token, now=time.time()) or DAY,
        scopes=scope.split() if isinstance(scope, str) else None,
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


AUTHORIZATION = Authorization(is_configured=is_configured, address=address, exchange=exchange)
