"""The one inbox: what partners send is believed or refused, stored once, answered, and worked off later.

A delivery is stored as it came before it is answered, so what was answered is never lost; its key is unique, so what
comes twice is there once. What becomes of it: integrations.receipts.
"""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import connection, transaction
from prometheus_client import Counter

from integrations import people
from integrations.contract import Delivered, Inbox, Label, inbox_of
from integrations.enums import ConnectionStatus, Provider, ReceiptStatus
from integrations.models import Connection
from integrations.reading import Unreadable, clean_text, read_object
from integrations.receipts import NO_PROCESSOR, TASK
from supportdesk.core import wakeup
from supportdesk.core.crypto import encrypt
from supportdesk.core.errors import NotAuthenticated, NotFound
from supportdesk.core.secrets import is_strong

LATE = timedelta(days=1)  # partners try again for hours; what is older was kept back, or is played again
HEADER_LENGTH = 200
NO_CONNECTION = "of no connection"

WEBHOOKS = Counter("supportdesk_webhooks_total", "Deliveries of partners at our door.", ["provider", "outcome"])
LATE_ONES = Counter("supportdesk_webhooks_late_total", "Deliveries that partners say are over a day old.", ["provider"])

_STORE = """
INSERT INTO integrations_webhookreceipt (
    provider, source, connection_id, topic, delivery_id, event_id, headers, raw_body, body_sha256, subjects,
    resource_key, privacy, triggered_at, received_at, status, attempts, next_attempt_at, error, finished_at
) VALUES (
    %(provider)s, %(source)s, %(connection)s, %(topic)s, %(delivery_id)s, %(event_id)s, %(headers)s, %(raw_body)s,
    %(sha256)s, %(subjects)s, %(resource_key)s, %(privacy)s, %(triggered_at)s, %(now)s, %(status)s, 0, %(next)s,
    %(error)s, %(finished_at)s
)
ON CONFLICT (source, delivery_id) DO NOTHING RETURNING id
"""

log = structlog.get_logger("supportdesk.receipts")


class Unverified(NotAuthenticated):
    """The delivery does not carry the signature, or the secret, of its connection."""

    code = "bad_signature"


def take_in(
    *, provider: Provider, public_id: str | None, headers: Mapping[str, str], raw: bytes, now: datetime
) -> bool:
    """Stores a delivery, unless it is there already, and has a worker woken once it is committed; whether it was new.

    Without `public_id` it came to the app's own address, and the account is the one that its body names. At most two
    statements. Raises NotFound for an address that is nobody's, Unverified.
    """
    inbox = inbox_of(provider)
    known = None if public_id is None else _connection(provider, public_id)
    signing = inbox.app_secrets() if known is None else live_secrets(known, inbox, now=now)
    if not inbox.is_authentic(headers, raw, signing):
        raise _unverified(provider)
    delivered = Delivered(headers=headers, raw=raw, body=_body(raw))
    account = inbox.account(delivered)
    if known is None:
        known = None if account is None else Connection.objects.filter(provider=provider, account_key=account).first()
    elif account is not None and account != known.account_key:
        raise _unverified(provider)  # signed for another account of the same app
    label = inbox.label(delivered)
    if known is not None and known.status == ConnectionStatus.UNINSTALLED and not label.privacy:
        WEBHOOKS.labels(provider, "uninstalled").inc()
        raise NotFound
    return _store(provider, inbox, known, account, delivered, label, now)


def live_secrets(known: Connection, inbox: Inbox, *, now: datetime) -> list[str]:
    """What may have signed a delivery for the connection: its own secrets, or else the app's; only sound ones."""
    own = [known.webhook_secret]
    if known.previous_until is not None and known.previous_until > now:
        own.append(known.webhook_secret_previous)
    sound = [secret for secret in own if secret and is_strong(secret)]
    return sound if known.webhook_secret else list(inbox.app_secrets())


def _connection(provider: Provider, public_id: str) -> Connection:
    columns = ("provider", "account_key", "status", "webhook_secret", "webhook_secret_previous", "previous_until")
    known = Connection.objects.filter(provider=provider, public_id=public_id).only(*columns).first()
    if known is None:
        WEBHOOKS.labels(provider, "unknown").inc()
        raise NotFound
    return known


def _unverified(provider: Provider) -> Unverified:
    WEBHOOKS.labels(provider, "unverified").inc()
    return Unverified("The delivery is not signed by this connection.")


def _body(raw: bytes) -> dict[str, Any] | None:
    with suppress(Unreadable):
        return read_object(raw)
    return None


def _store(
    provider: Provider,
    inbox: Inbox,
    known: Connection | None,
    account: str | None,
    delivered: Delivered,
    label: Label,
    now: datetime,
) -> bool:
    error = _nothing_to_do(inbox, known, delivered, label)
    held = known is not None and known.status != ConnectionStatus.ACTIVE and not label.privacy
    kept = {
        name: clean_text(value)[:HEADER_LENGTH] for name, value in delivered.headers.items() if name in inbox.headers
    }
    given = {
        "provider": provider,
        "source": f"{provider}:{known.account_key if known else account or 'app'}",
        "connection": known.pk if known else None,
        "topic": label.topic,
        "delivery_id": label.delivery_id,
        "event_id": label.event_id,
        "headers": json.dumps(kept),
        "raw_body": encrypt(delivered.raw.decode("latin-1"), context="integrations_webhookreceipt.raw_body"),
        "sha256": hashlib.sha256(delivered.raw).hexdigest(),
        "subjects": people.subjects_of(delivered.body, label.people),
        "resource_key": label.resource_key,
        "privacy": label.privacy,
        "triggered_at": label.triggered_at,
        "now": now,
        "status": ReceiptStatus.IGNORED if error else ReceiptStatus.RECEIVED,
        "next": None if error or held else now,
        "error": error,
        "finished_at": now if error else None,
    }
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(_STORE, given)
            new = cursor.fetchone() is not None
        if new and not error:
            transaction.on_commit(lambda: wakeup.hint(TASK))
    if new and label.triggered_at is not None and now - label.triggered_at > LATE:  # worked off all the same
        LATE_ONES.labels(provider).inc()
        log.warning(
            "delivery of a partner is old", provider=provider, topic=label.topic, age=str(now - label.triggered_at)
        )
    WEBHOOKS.labels(provider, "duplicate" if not new else "ignored" if error else "stored").inc()
    return new


def _nothing_to_do(inbox: Inbox, known: Connection | None, delivered: Delivered, label: Label) -> str:
    """Why it is only kept; empty when it is to be worked off, if only to say that nobody can read it."""
    if known is None and not label.privacy:
        return NO_CONNECTION
    unreadable = delivered.body is None and not label.topic
    return "" if unreadable or label.topic in inbox.processors else NO_PROCESSOR
