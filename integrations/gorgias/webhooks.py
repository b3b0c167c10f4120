"""Gorgias' HTTP integrations: no signature and no delivery id, so a secret in a header and a body of ids that is a hint
to fetch what happened, never the truth about it.
"""

import base64
import hashlib
import hmac
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings

from integrations.contract import Delivered, Ignored, Inbox, Job, Label, Processor
from integrations.gorgias import client, mapping, taking
from integrations.gorgias.client import Down, Refused
from integrations.gorgias.names import TOKEN_HEADER, TRIGGERS
from integrations.gorgias.taking import Taken
from integrations.reading import Unreadable, external_id
from supportdesk.core.errors import Unavailable

TOKEN = TOKEN_HEADER.lower()
CONTEXT = "context"  # a body made by their `{{context}}`, which names no trigger
_TRIGGER = re.compile(r"[a-z-]{1,64}")
_IDS = ("ticket_id", "message_id", "updated")

SECONDS = 25.0  # for one look at a ticket, with all tries: the last of a task ends within it


def fetch(job: Job) -> mapping.Ticket:
    """The ticket as it is now, whatever the delivery says. Raises Ignored, Unavailable, Refused."""
    ticket_id = _ticket_id(job.body)
    if job.connection is None or not ticket_id:
        raise Ignored("of no ticket")
    try:
        return mapping.ticket(client.ticket(job.connection, ticket_id, left=SECONDS))
    except Refused as refused:
        if refused.status == 404:
            raise Ignored("there is no such ticket any more") from None
        raise
    except Down as down:
        wait = None if down.retry_after is None else math.ceil(down.retry_after)
        raise Unavailable("Gorgias does not answer.", retry_after=wait) from None


def apply(job: Job, found: mapping.Ticket) -> None:
    if job.connection is None:
        raise Ignored("of no connection")
    outcome = taking.take(job.connection, found, by=job.by, now=job.now)
    if outcome in {Taken.HIDDEN, Taken.ERASED}:
        raise Ignored(outcome.value)


_TAKES = Processor(apply=apply, fetch=fetch, merges=True)
# What is done about each trigger that we take; any other is kept as ignored.
PROCESSORS: dict[str, Processor] = dict.fromkeys((*TRIGGERS, CONTEXT), _TAKES)


def is_authentic(headers: Mapping[str, str], raw: bytes, secrets: Sequence[str]) -> bool:
    """Whether the header holds one of the secrets; where the settings name a header for it, whether the body is signed
    with one as well. Compares with them all, and raises for no header.
    """
    given = headers.get(TOKEN, "").encode("utf-8", "replace")
    fits = [hmac.compare_digest(secret.encode(), given) for secret in secrets]  # all, also after one fits
    return True in fits and (not settings.GORGIAS_HMAC_HEADER or _is_signed(headers, raw, secrets))


def _is_signed(headers: Mapping[str, str], raw: bytes, secrets: Sequence[str]) -> bool:
    sent = headers.get(settings.GORGIAS_HMAC_HEADER.lower(), "")
    text = sent.removeprefix(settings.GORGIAS_HMAC_PREFIX)
    if settings.GORGIAS_HMAC_PREFIX and text == sent:
        return False
    try:
        hexadecimal = settings.GORGIAS_HMAC_ENCODING == "hex"
        given = bytes.fromhex(text) if hexadecimal else base64.b64decode(text, validate=True)
    except ValueError:
        return False
    made = [hmac.digest(secret.encode(), raw, "sha256") for secret in secrets]
    return True in [hmac.compare_digest(one, given) for one in made]


def label(delivered: Delivered) -> Label:
    body: Mapping[str, Any] = delivered.body or {}
    topic = _topic(body)
    return Label(
        delivery_id=_delivery_id(topic, body, delivered.raw),
        topic=topic,
        resource_key=_resource(body),
        people=_people(body),
    )


def _topic(body: Mapping[str, Any]) -> str:
    """The trigger; older integrations write it with underscores."""
    event = body.get("event")
    if isinstance(event, str) and _TRIGGER.fullmatch(named := event.lower().replace("_", "-")):
        return named
    return CONTEXT if isinstance(body.get("ticket"), dict) else ""


def _delivery_id(topic: str, body: Mapping[str, Any], raw: bytes) -> str:
    """Of what it says: the trigger, the ids, and when the ticket was changed; else of all of it."""
    ids = [body.get(name) for name in _IDS]
    if body.get("ticket_id") and body.get("updated") and all(isinstance(one, str) for one in ids):
        parts = [topic, *(str(one) for one in ids)]
        return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()
    return hashlib.sha256(topic.encode() + b"\0" + raw).hexdigest()


def _resource(body: Mapping[str, Any]) -> str:
    ticket_id = _ticket_id(body)
    return f"ticket:{ticket_id}" if ticket_id else ""


def _ticket_id(body: Mapping[str, Any]) -> str:
    ticket = body.get("ticket")
    value = body.get("ticket_id") or (ticket.get("id") if isinstance(ticket, dict) else None)
    try:
        return external_id(value)
    except Unreadable:
        return ""


def _people(body: Mapping[str, Any]) -> list[str]:
    """Ids of customers, in the one kind of body that has any."""
    ticket = body.get("ticket")
    holders = [ticket.get(name) for name in ("customer", "requester")] if isinstance(ticket, dict) else []
    found = []
    for holder in holders:
        try:
            found.append(f"gorgias:{external_id(holder.get('id'))}" if isinstance(holder, dict) else "")
        except Unreadable:
            continue
    return [one for one in found if one]


INBOX = Inbox(
    headers=frozenset({"content-type", "user-agent"}),
    is_authentic=is_authentic,
    label=label,
    processors=PROCESSORS,
)
