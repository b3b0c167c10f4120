"""What is done about one connection by the clock. Each is a task of its own: what is wrong with one stops no other."""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

import structlog
from django.db.models import F, QuerySet

from integrations import connections, providers, syncing, tokens
from integrations.enums import ConnectionStatus, Provider
from integrations.models import Connection, SyncCursor
from integrations.shopify import sources, subscriptions
from integrations.syncing import Held, Limits
from supportdesk.core.actor import Door, system
from supportdesk.core.http import GatewayError

AHEAD = tokens.AHEAD + timedelta(minutes=2)  # so that nobody who asks has to wait for it
SECONDS, REQUEST_SECONDS = 20.0, 20.0  # after which a job begins nothing more, and for one request: it lives for 50

log = structlog.get_logger("supportdesk.jobs")


def expiring(*, now: datetime) -> QuerySet[Connection]:
    """Whose token is to be renewed."""
    soon = Connection.objects.filter(status=ConnectionStatus.ACTIVE, expires_at__lte=now + AHEAD)
    return soon.filter(refresh_token__isnull=False)


def shops() -> QuerySet[Connection]:
    """Of which more is to be taken over, and which are to go on telling us."""
    return Connection.objects.active(Provider.SHOPIFY).filter(access_token__isnull=False)


def refresh_token(known: Connection, *, now: datetime) -> bool:
    """Whether it was renewed."""
    return bool(_done(known, _refresh, now=now))


def sync_shop(known: Connection, *, now: datetime) -> int:
    """Takes over what changed since, of what was taken over as a whole once; how many records were written."""
    until, written = time.monotonic() + SECONDS, 0
    begun = known.cursors.filter(last_full_at__isnull=False, resource__in=sources.SOURCES)
    for cursor in begun.order_by(F("last_full_at").asc()):
        left = until - time.monotonic()
        if left <= 0:
            break
        written += _done(known, partial(_sync, cursor, left, now), now=now)
    return written


def register_webhooks(known: Connection, *, now: datetime) -> int:
    """Has the shop tell us again what it stopped telling; how many topics that was."""
    return _done(known, lambda one: len(subscriptions.register(one)), now=now)


def _refresh(known: Connection) -> int:
    before = known.token_version
    return tokens.valid(known, providers.REFRESHES[Provider(known.provider)], ahead=AHEAD).version != before


def _sync(cursor: SyncCursor, left: float, now: datetime, known: Connection) -> int:
    if not sources.may_read(known, cursor.resource):
        return 0
    by = system("integrations.sync", origin=Door.SHOPIFY)
    before = cursor.written if cursor.cursor else 0
    limits = Limits(seconds=left, request_seconds=REQUEST_SECONDS)
    found = syncing.run(known, sources.SOURCES[cursor.resource], by=by, limits=limits)
    if found.is_too_bad:  # which ends each run behind a page
        told = {"resource": cursor.resource, "refused": found.failed, "seen": found.seen}
        log.error("too much of what a partner has is refused", connection=known.pk, **told)
        connections.note_error(known, f"{cursor.resource}: {found.failed} of {found.seen} refused", now=now)
    return found.written - before


def _done(known: Connection, do: Callable[[Connection], int], *, now: datetime) -> int:
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
