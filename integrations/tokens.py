"""Tokens of partners that expire: one that is good, renewed by one caller at a time over all processes.

Whoever renews one claims the connection by a lease, a column, by the clock of the database; the others wait for what
comes of it. Both happen, and what the partner answers is stored, on a database connection of their own (ADR 39): a new
pair is committed before anybody uses it, and nothing that a caller undoes takes it back. No lock and no transaction is
held while the partner is asked, and a pair is never stored but as a whole.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TypeVar

import structlog
from django.db import InterfaceError, OperationalError, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import F
from django.utils import timezone
from prometheus_client import Counter

from integrations.connections import note_error, require_reauth
from integrations.enums import ConnectionStatus
from integrations.models import Connection
from supportdesk.core.actor import Door, system
from supportdesk.core.http import Rejected, Unavailable

ALIAS = "tokens"
AHEAD = timedelta(seconds=300)  # before it expires, a token is renewed
LEASE = timedelta(seconds=90)  # longer than a partner is asked, all tries together
PATIENCE, POLL = 60.0, 0.1  # seconds: for whoever renews it, from one look to the next
LONGEST = 10 * 365 * 86_400.0  # seconds that a partner may say a token lasts
MOST_SCOPE, MOST_SCOPES = 64, 100  # characters, and how many: what there is room for
STORE_PAUSES = (0.1, 0.5, 2.0)  # seconds between the tries to store what we cannot get again
BY = system("integrations.tokens", origin=Door.TASK)
OUT_OF_ORDER = frozenset({ConnectionStatus.REAUTH, ConnectionStatus.UNINSTALLED})

REFRESHES = Counter("supportdesk_token_refreshes_total", "Renewals of partners' tokens.", ["provider", "outcome"])
Result = TypeVar("Result")
log = structlog.get_logger("supportdesk.tokens")

_CLAIM = """
UPDATE integrations_connection
SET refresh_lease_until = clock_timestamp() + %(lease)s * interval '1 second'
WHERE id = %(id)s AND token_version = %(version)s
    AND (refresh_lease_until IS NULL OR refresh_lease_until < clock_timestamp())
RETURNING refresh_lease_until
"""


class NeedsReauth(Rejected):
    """Nothing that we have opens the account: an administrator has to connect again."""


class Unauthorized(Rejected):
    """The partner does not take the token (401)."""


class GrantRefused(Rejected):
    """The partner gives no token. `reason`: `invalid_grant`, for this account; `invalid_client`, for none of ours."""


@dataclass(frozen=True, kw_only=True)
class Grant:
    """What a partner gave us. No `refresh_token`: the one that we have stays good. No `expires_in`: good for ever."""

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    expires_in: float | None = None  # seconds
    refresh_expires_in: float | None = None  # seconds
    scopes: Sequence[str] | None = None


@dataclass(frozen=True, kw_only=True)
class Token:
    text: str = field(repr=False)
    version: int


# Asks the partner for another token, in at most LEASE. Raises GrantRefused, Unavailable, Rejected.
Refresh = Callable[[Connection], Grant]


def using(known: Connection, refresh: Refresh, ask: Callable[[str], Result]) -> Result:
    """What `ask` answers, given a token that is good. When it says Unauthorized, the token is renewed once, unless
    somebody did meanwhile, and it is asked once more.

    Raises what `ask` raises, NeedsReauth, GrantRefused, Unavailable.
    """
    token = valid(known, refresh)
    try:
        return ask(token.text)
    except Unauthorized:
        token = _another(known, refresh, than=token)
    try:
        return ask(token.text)
    except Unauthorized:
        raise _lost(known, "a new token was refused") from None


def valid(known: Connection, refresh: Refresh, *, ahead: timedelta = AHEAD) -> Token:
    """A token that is good for `ahead` more, renewed if it has to be; where somebody else is at it, the one that still
    is. Raises NeedsReauth, GrantRefused, Unavailable.
    """
    row = _row(known)
    now = timezone.now()
    if row.expires_at is None or row.expires_at - ahead > now:
        return _token(row)
    if not row.refresh_token:
        if row.expires_at > now:
            return _token(row)
        raise _lost(known, "the token expired")
    return _renewed(row, refresh, is_good=row.expires_at > now)


def values_of(grant: Grant, *, now: datetime) -> dict[str, object]:
    """What of a connection changes with it, but for the version."""
    values: dict[str, object] = {"access_token": grant.access_token, "expires_at": _end(grant.expires_in, now)}
    if grant.refresh_token is not None:
        values["refresh_token"] = grant.refresh_token
        values["refresh_expires_at"] = _end(grant.refresh_expires_in, now)
    if grant.scopes is not None:
        values["scopes"] = [scope for scope in grant.scopes if len(scope) <= MOST_SCOPE][:MOST_SCOPES]
    return values | {"last_ok_at": now, "refresh_lease_until": None}


def _another(known: Connection, refresh: Refresh, *, than: Token) -> Token:
    row = _row(known)
    if row.token_version != than.version:
        return _token(row)
    if not row.refresh_token:
        raise _lost(known, "the token is refused")
    return _renewed(row, refresh, is_good=False)


def _renewed(row: Connection, refresh: Refresh, *, is_good: bool) -> Token:
    """`is_good`: what the row holds will do for now."""
    lease = _claim(row)
    if lease is not None:
        return _renew(row, refresh, lease)
    if is_good:
        return _token(row)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        time.sleep(POLL)
        seen = _row(row)
        if seen.token_version != row.token_version:
            return _token(seen)
        if seen.refresh_lease_until is None:
            break  # it came to nothing, and would for us
    raise Unavailable("token_not_renewed")


def _renew(row: Connection, refresh: Refresh, lease: datetime) -> Token:
    asked_at = timezone.now()
    try:
        grant = refresh(row)
    except GrantRefused as refused:
        REFRESHES.labels(row.provider, refused.reason).inc()
        seen = _row(row)
        if seen.token_version != row.token_version:
            return _token(seen)
        _refused(row, refused)
        _let_go(row, lease)
        raise
    except BaseException:
        REFRESHES.labels(row.provider, "failed").inc()
        _let_go(row, lease)
        raise
    _store(row, grant, now=asked_at)
    REFRESHES.labels(row.provider, "renewed").inc()
    return _token(_row(row))


def _refused(row: Connection, refused: GrantRefused) -> None:
    if refused.reason == "invalid_grant":
        require_reauth(connection_id=row.pk, error=refused.reason, by=BY, now=timezone.now())
        return
    log.error("the partner does not know our app", connection=row.pk, provider=row.provider, error=refused.reason)
    note_error(row, refused.reason, now=timezone.now())


def _store(row: Connection, grant: Grant, *, now: datetime) -> None:
    """In one statement, unless somebody set another token meanwhile."""
    values = values_of(grant, now=now)
    for pause in (*STORE_PAUSES, None):
        try:
            with _own_line():
                same = Connection.objects.using(ALIAS).filter(pk=row.pk, token_version=row.token_version)
                same.update(**values, token_version=F("token_version") + 1)
                return
        except (OperationalError, InterfaceError):
            if pause is None:
                log.exception("a new token could not be stored", connection=row.pk, provider=row.provider)
                raise
            time.sleep(pause)


def _claim(row: Connection) -> datetime | None:
    """Until when it is ours to renew; None when it is somebody else's, or was renewed."""
    with _own_line() as line, line.cursor() as cursor:
        cursor.execute(_CLAIM, {"id": row.pk, "version": row.token_version, "lease": LEASE.total_seconds()})
        found = cursor.fetchone()
    return found[0] if found else None


def _let_go(row: Connection, lease: datetime) -> None:
    with _own_line():
        ours = Connection.objects.using(ALIAS).filter(pk=row.pk, refresh_lease_until=lease)
        ours.update(refresh_lease_until=None)


@contextmanager
def _own_line() -> Iterator[BaseDatabaseWrapper]:
    """A connection to the database that nothing else of this thread is done on; it is not kept."""
    line = connections[ALIAS]
    try:
        yield line
    finally:
        line.close()


def _row(known: Connection) -> Connection:
    """As it is committed now. Raises NeedsReauth."""
    columns = ("provider", "account_key", "status", "token_version", "refresh_lease_until", "expires_at")
    row = Connection.objects.only(*columns, "access_token", "refresh_token").get(pk=known.pk)
    if row.status in OUT_OF_ORDER or not row.access_token:
        raise NeedsReauth("not_connected")
    return row


def _token(row: Connection) -> Token:
    return Token(text=row.access_token or "", version=row.token_version)


def _lost(known: Connection, error: str) -> NeedsReauth:
    require_reauth(connection_id=known.pk, error=error, by=BY, now=timezone.now())
    return NeedsReauth("not_connected", status=401)


def _end(seconds: float | None, now: datetime) -> datetime | None:
    return None if seconds is None else now + timedelta(seconds=min(seconds, LONGEST))
