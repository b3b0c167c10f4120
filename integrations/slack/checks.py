"""What is wrong with a connection to Slack."""

from collections.abc import Iterator
from datetime import datetime

from integrations import connections
from integrations.findings import Finding
from integrations.models import Connection
from integrations.slack import client
from integrations.slack.client import SlackDown, SlackRefuses

NEEDED, FOR_MENTIONS = "chat:write", "users:read.email"
SKEW = 120.0  # seconds


def findings(known: Connection, *, now: datetime) -> Iterator[Finding]:
    """Asks who we are. An incoming webhook can only be written to, and so is not asked anything."""
    if not known.access_token:
        yield Finding(what="token", is_fine=True, detail="an incoming webhook, which cannot be asked without a trace")
        return
    try:
        us = client.who_we_are(known)
    except SlackRefuses as refused:
        yield Finding(what="token", is_fine=False, detail=f"Slack says {refused.code}")
        return
    except SlackDown as down:
        yield Finding(what="token", is_fine=False, detail=f"Slack does not answer ({down})")
        return
    connections.note_scopes(known, us.scopes, now=now)
    yield Finding(what="token", is_fine=True, detail="Slack knows it")
    has = ", ".join(us.scopes) or "none"
    yield Finding(what="scopes", is_fine=NEEDED in us.scopes, detail=f"{has} (needs {NEEDED})")
    if FOR_MENTIONS not in us.scopes:
        yield Finding(what="mentions", is_fine=True, detail=f"agents stay plain names without {FOR_MENTIONS}")
    if us.at is not None:
        skew = abs((now - us.at).total_seconds())
        yield Finding(what="clock", is_fine=skew < SKEW, detail=f"{skew:.0f} s from Slack's")
