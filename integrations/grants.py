"""Asking a partner for tokens: one request, and what its answer is worth. How it is put is the provider's; how it fails
is the same for all.
"""

import time
from collections.abc import Mapping
from typing import Any

from integrations.reading import Unreadable, read_object
from integrations.tokens import GrantRefused
from supportdesk.core import http
from supportdesk.core.http import Rejected, Unavailable

CONNECT, READ, TRIES = 5.0, 30.0, 2
TOTAL = 80.0  # seconds for all tries: less than the lease of whoever renews
MOST_BYTES = 64 * 1024
KNOWN = frozenset({"invalid_grant", "invalid_client"})  # refusals that we do something about


def ask(url: str, *, partner: str, tries: int = TRIES, **given: Any) -> Mapping[str, Any]:
    """What the partner says. `given` as of http.call: json, or form and login.

    Raises GrantRefused, Unavailable (it is away), Rejected (what it says is of no use).
    """
    deadline = time.monotonic() + TOTAL
    again = http.attempts(tries=tries, deadline=deadline, first=0.2, may_retry=lambda error: True)
    return again(lambda: _once(url, f"{partner}_away", given, left=deadline - time.monotonic()))


def seconds(value: object) -> float | None:
    """A lifetime as it is told; None for what is none."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) and value > 0 else None


def text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _once(url: str, away: str, given: Mapping[str, Any], *, left: float) -> Mapping[str, Any]:
    try:
        answer = http.call(
            "POST", url, **given, connect=CONNECT, read=READ, left=min(left, CONNECT + READ), limit=MOST_BYTES
        )
    except (http.Timeout, http.Unreachable):
        raise Unavailable(away, counts=True) from None
    except (http.TooBig, http.Unsendable):
        raise Rejected("bad_answer") from None
    if answer.status >= 500 or answer.status == 429:
        raise Unavailable(away, counts=answer.status >= 500, status=answer.status)
    try:
        said = read_object(answer.body)
    except Unreadable:
        said = {}
    if answer.status != 200:
        error = text(said.get("error"))
        raise GrantRefused(error, status=answer.status) if error in KNOWN else Rejected("refused", status=answer.status)
    if text(said.get("access_token")) is None:
        raise Rejected("bad_answer")
    return said
