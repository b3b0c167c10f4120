"""The pass that opens a socket or a stream: 256 random bits for thirty seconds and one use, hashed at rest.

An access token in an address would end up in logs, and a cookie would be sent by any page. The API calls a pass
ws-ticket.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from agents.models import Agent, LoginSession, SocketPass
from agents.selectors import session_with_agent
from supportdesk.core.errors import NotAuthenticated

LIFETIME = timedelta(seconds=30)
PRUNE_BATCH = 5_000


class BadPass(NotAuthenticated):
    """The ws-ticket is unknown, expired, used, or made for another page, or its login has ended."""

    code = "ws_ticket_not_valid"


@dataclass(frozen=True, kw_only=True)
class Opened:
    """The login that a pass opened, as it is now."""

    session: LoginSession
    agent: Agent
    led: frozenset[int]


def issue(*, session: LoginSession, origin: str, now: datetime) -> str:
    """The text of a new pass for the login; `origin` is the page that asked, empty without one."""
    text = secrets.token_urlsafe(32)
    SocketPass.objects.create(
        digest=_digest(text),
        session=session,
        token_version=session.agent.token_version,
        origin=origin,
        expires_at=now + LIFETIME,
    )
    return text


def redeem(*, text: str, origin: str, now: datetime) -> Opened:
    """Uses the pass up, whatever comes of it: one UPDATE that names the unused state, so that of any number of rivals
    one gets it. Raises BadPass.
    """
    unused = SocketPass.objects.filter(digest=_digest(text), used_at__isnull=True, expires_at__gt=now)
    if not unused.update(used_at=now):
        raise _refused()
    found = SocketPass.objects.get(digest=_digest(text))
    session = session_with_agent(session_id=found.session_id, now=now)
    elsewhere = bool(found.origin and origin) and found.origin != origin
    if session is None or elsewhere or session.agent.token_version != found.token_version:
        raise _refused()
    return Opened(session=session, agent=session.agent, led=frozenset(session.led_ids))  # type: ignore[attr-defined]


def prune(*, now: datetime) -> int:
    """Deletes passes that opened something or can no longer, in batches; returns how many."""
    deleted = 0
    while batch := list(SocketPass.objects.filter(expires_at__lte=now).values_list("pk", flat=True)[:PRUNE_BATCH]):
        deleted += SocketPass.objects.filter(pk__in=batch).delete()[0]
    return deleted


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _refused() -> BadPass:
    return BadPass("The ws-ticket is unknown, expired, used or made for another page. Get a new one.")
