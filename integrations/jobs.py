"""What is done about connections by the clock. Each connection by itself: what is wrong with one stops no other."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.db.models import F

from integrations import connections, providers, syncing, tokens
from integrations.enums import ConnectionStatus, Provider
from integrations.models import Connection, SyncCursor
from integrations.shopify import sources, subscriptions
from integrations.syncing import Held, Limits
from supportdesk.core.actor import Door, system
from supportdesk.core.http import GatewayError

AHEAD = tokens.AHEAD + timedelta(minutes=2)  # so that nobody who asks has to wait for it
SECONDS = 40.0  # of a job, which lives for 50

log = structlog.get_logger("supportdesk.jobs")


def refresh_tokens(*, now: datetime) -> int:
    """Renews what expires soon; how many."""
    soon = Connection.objects.filter(status=ConnectionStatus.ACTIVE, expires_at__lte=now + AHEAD)
    due = soon.filter(refresh_token__isnull=False)
    return sum(_each(known, _refresh, now=now) for known in due)


def sync_shopify(*, now: datetime) -> int:
    """Takes over what changed since, of what was taken over as a whole once; how many records were written."""
    until, written = time.monotonic() + SECONDS, 0
    begun = SyncCursor.objects.filter(connection__provider=Provider.SHOPIFY, last_full_at__isnull=False)
    active = begun.filter(connection__status=ConnectionStatus.ACTIVE, resource__in=sources.SOURCES)
    for cursor in active.select_related("connection").order_by(F("last_full_at").asc()):
        left = until - time.monotonic()
        if left <= 0:
            break
        written += _each(cursor.connection, partial(_sync, cursor, left), now=now)
    return written


def register_webhooks(*, now: datetime) -> int:
    """Has every active shop tell us again what it stopped telling; how many topics that was."""
    active = Connection.objects.active(Provider.SHOPIFY).filter(access_token__isnull=False)
    return sum(_each(known, lambda one: len(subscriptions.register(one)), now=now) for known in active)


def _refresh(known: Connection) -> int:
    before = known.token_version
    return tokens.valid(known, providers.REFRESHES[Provider(known.provider)], ahead=AHEAD).version != before


def _sync(cursor: SyncCursor, left: float, known: Connection) -> int:
    if not sources.may_read(known, cursor.resource):
        return 0
    by = system("integrations.sync", origin=Door.SHOPIFY)
    before = cursor.written if cursor.cursor else 0
    source = sources.SOURCES[cursor.resource]
    return syncing.run(known, source, by=by, limits=Limits(seconds=left)).written - before


def _each(known: Connection, do: Callable[[Connection], int], *, now: datetime) -> int:
    try:
        done = do(known)
    except Held:
        return 0
    except GatewayError as error:
        log.warning("a partner does not do what it should", connection=known.pk, reason=error.reason)
        connections.note_error(known, error.reason, now=now)
        return 0
    connections.note_success(known, now=now)
    return int(done)
