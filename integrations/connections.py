"""Connections to partners: made, changed, activated, paused; and what becomes of their secrets.

Secrets go in and never come out, but for a webhook secret that we make, which is answered once.
"""

import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models.functions import Now

from customers.identity import normalised_email
from integrations import intake, receipts
from integrations.contract import inbox_of
from integrations.enums import ConnectionStatus, Provider, ReceiptStatus
from integrations.events import ConnectionChanged, ConnectionCreated, ConnectionStatusChanged
from integrations.gorgias.names import ACCOUNT
from integrations.models import WAITING, Connection
from integrations.shopify.webhooks import SHOP
from supportdesk.core import wakeup
from supportdesk.core.actor import Actor
from supportdesk.core.errors import Conflict, InvalidInput, NotFound
from supportdesk.core.events import emit
from supportdesk.core.secrets import MIN_SECRET_BYTES, is_strong
from supportdesk.core.text import is_one_line

PREVIOUS_LIVES = timedelta(days=1)
ACCOUNTS = {
    Provider.SHOPIFY: (SHOP, "a shop's domain such as example.myshopify.com"),
    Provider.GORGIAS: (ACCOUNT, "the subdomain of gorgias.com"),
    Provider.SLACK: (re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]{0,99}"), "the name of the workspace"),
}
CHANNEL = re.compile(r"[CGD][A-Z0-9]{5,30}")
SECRETS = frozenset({"access_token", "api_key", "webhook_secret"})
OPENING = frozenset({"access_token", "api_key"})
OPTIONS = frozenset({"channel", "email", "address"})
CHANGEABLE = {  # what an administrator sets of each
    Provider.SHOPIFY: frozenset({"access_token", "webhook_secret", "write_back"}),
    Provider.GORGIAS: frozenset({"api_key", "webhook_secret", "email", "address"}),
    Provider.SLACK: frozenset({"access_token", "api_key", "channel"}),
}

log = structlog.get_logger("supportdesk.connections")


class ConnectionTaken(Conflict):
    """There is a connection to this account."""

    code = "connection_taken"


class NotReady(Conflict):
    """Something is missing without which the connection cannot be active."""

    code = "connection_not_ready"


def create(
    *, provider: Provider, account_key: str, by: Actor, now: datetime, changes: Mapping[str, Any] | None = None
) -> Connection:
    """A connection that is not active yet. `changes` as of `update`. Raises InvalidInput, ConnectionTaken."""
    known = Connection(provider=provider, account_key=checked_account(provider, account_key))
    _set(known, changes or {}, now=now)
    try:
        with transaction.atomic():
            known.save()
            emit(ConnectionCreated(subject_id=known.pk, provider=provider), by=by, at=now)
    except IntegrityError as error:
        if "connection_unique" not in str(error):
            raise
        raise ConnectionTaken("There is a connection to this account.") from None
    return known


def checked_account(provider: Provider, account_key: str) -> str:
    """The account as it is kept. Raises InvalidInput for one that would lead elsewhere."""
    pattern, what = ACCOUNTS[provider]
    if not pattern.fullmatch(account_key):
        raise InvalidInput.on("account_key", f"Must be {what}.")
    return account_key.lower() if provider == Provider.SHOPIFY else account_key


def update(*, connection_id: int, changes: Mapping[str, Any], by: Actor, now: datetime) -> Connection:
    """Sets what is named, of CHANGEABLE. A new webhook secret leaves the one before it good for a day.

    Raises NotFound, InvalidInput naming the field.
    """
    with transaction.atomic():
        known = _locked(connection_id, by=by)
        if changed := _set(known, changes, now=now):
            known.save()
            emit(ConnectionChanged(subject_id=known.pk, fields=changed), by=by, at=now)
    return known


def new_webhook_secret(*, connection_id: int, by: Actor, now: datetime) -> str:
    """Makes a secret of 256 random bits, and answers it this once; the one before it is good for a day more."""
    made = secrets.token_urlsafe(32)
    update(connection_id=connection_id, changes={"webhook_secret": made}, by=by, now=now)
    return made


def activate(*, connection_id: int, by: Actor, now: datetime) -> Connection:
    """Begins to work, and works off what came while it did not. An account that let go of us, or is opened with
    something else, is connected anew. Raises NotFound, NotReady saying what is missing.
    """
    with transaction.atomic():
        known = _locked(connection_id, by=by)
        if missing := missing_of(known, now=now):
            raise NotReady(missing)
        known.connected_at = known.connected_at or now
        known.last_error, known.last_error_at = "", None
        _become(known, ConnectionStatus.ACTIVE, by=by, now=now)
        _work_off(known)
    return known


def take_grant(
    *, provider: Provider, account_key: str, values: Mapping[str, object], by: Actor, now: datetime
) -> Connection:
    """What opens an account that was connected on the provider's page, all of it at once; and active, unless it lacks
    something else. `values` as of `tokens.values_of`. Raises NotFound.
    """
    with transaction.atomic():
        mine = Connection.objects.visible_to(by).select_for_update()
        known = mine.filter(provider=provider, account_key=account_key).first()
        if known is None:
            raise NotFound
        for name, value in values.items():
            setattr(known, name, value)
        if provider == Provider.GORGIAS:
            known.api_key = None  # else it would go on being shown instead
        known.token_version += 1
        known.connected_at = now
        known.last_error, known.last_error_at = "", None
        known.save()
        emit(ConnectionChanged(subject_id=known.pk, fields=["access_token"]), by=by, at=now)
        if not missing_of(known, now=now):
            _become(known, ConnectionStatus.ACTIVE, by=by, now=now)
            _work_off(known)
    return known


def pause(*, connection_id: int, by: Actor, now: datetime) -> Connection:
    """Nothing is worked off or sent until it is active again; what comes is kept. Raises NotFound."""
    with transaction.atomic():
        known = _locked(connection_id, by=by)
        _become(known, ConnectionStatus.PAUSED, by=by, now=now)
        known.receipts.filter(status__in=WAITING, privacy=False).update(next_attempt_at=None)
    return known


def uninstall(*, connection_id: int, by: Actor, now: datetime) -> Connection:
    """The partner let go of us: nothing opens it any more, and nothing waits to be worked off. Raises NotFound."""
    with transaction.atomic():
        known = _locked(connection_id, by=by)
        known.access_token = known.refresh_token = known.expires_at = known.refresh_expires_at = None
        known.token_version += 1
        known.connected_at = None  # should it come back, it is another account to who asks us to erase it
        known.save(update_fields=["access_token", "refresh_token", "expires_at", "refresh_expires_at", "token_version"])
        _become(known, ConnectionStatus.UNINSTALLED, by=by, now=now)
        waiting = known.receipts.filter(status__in=WAITING, privacy=False)
        waiting.update(status=ReceiptStatus.IGNORED, error="uninstalled there", finished_at=now, next_attempt_at=None)
    return known


def require_reauth(*, connection_id: int, error: str, by: Actor, now: datetime) -> None:
    """The partner refuses what we show: an administrator has to connect again. Told as an alarm once."""
    with transaction.atomic():
        known = _locked(connection_id, by=by)
        note_error(known, error, now=now)
        if known.status == ConnectionStatus.ACTIVE:
            _become(known, ConnectionStatus.REAUTH, by=by, now=now)
            log.error("connection must be made again", connection=known.pk, provider=known.provider, error=error)


def note_error(known: Connection, error: str, *, now: datetime) -> None:
    """The kind of a failure, for whoever watches."""
    Connection.objects.filter(pk=known.pk).update(last_error=error[:200], last_error_at=now)
    known.last_error, known.last_error_at = error[:200], now


def note_success(known: Connection, *, now: datetime) -> None:
    Connection.objects.filter(pk=known.pk).update(last_ok_at=now)


def note_handed_over(known: Connection, mark: str) -> None:
    """Which webhook secret, by a keyed hash, the partner was given last."""
    if known.options.get("handed_over") != mark:
        known.options = {**known.options, "handed_over": mark}
        Connection.objects.filter(pk=known.pk).update(options=known.options)


def note_scopes(known: Connection, scopes: Sequence[str], *, now: datetime) -> None:
    """What the partner says that we may do."""
    Connection.objects.filter(pk=known.pk).update(scopes=list(scopes), last_ok_at=now)
    known.scopes = list(scopes)


def missing_of(known: Connection, *, now: datetime) -> str:
    """What the connection lacks to be active, as a sentence; empty when nothing is."""
    if known.provider == Provider.SLACK:
        if not known.access_token and not known.api_key:
            return "It needs a bot token, or the address of an incoming webhook."
        if known.access_token and not known.options.get("channel"):
            return "It needs the id of the channel to write to."
        return ""
    if known.provider == Provider.GORGIAS and not (
        known.access_token or (known.api_key and known.options.get("email"))
    ):
        return "It needs a user's e-mail address with an API key, or to be authorized."
    if not intake.live_secrets(known, inbox_of(known.provider), now=now):
        return f"It needs a webhook secret of at least {MIN_SECRET_BYTES} random characters."
    return ""


def _locked(connection_id: int, *, by: Actor) -> Connection:
    known = Connection.objects.visible_to(by).select_for_update().filter(pk=connection_id).first()
    if known is None:
        raise NotFound
    return known


def _work_off(known: Connection) -> None:
    """What came while it was not active."""
    known.receipts.filter(status__in=WAITING, next_attempt_at__isnull=True).update(next_attempt_at=Now())
    transaction.on_commit(lambda: wakeup.hint(receipts.TASK))


def _become(known: Connection, status: ConnectionStatus, *, by: Actor, now: datetime) -> None:
    before = known.status
    known.status = status
    known.save(update_fields=["status", "connected_at", "last_error", "last_error_at"])
    if before != status:
        emit(ConnectionStatusChanged(subject_id=known.pk, before=before, after=status.value), by=by, at=now)


def _set(known: Connection, changes: Mapping[str, Any], *, now: datetime) -> list[str]:
    """Names of what is another value now; the caller saves."""
    changed = []
    for name, value in sorted(changes.items()):
        if name not in CHANGEABLE[Provider(known.provider)]:
            raise InvalidInput.on(name, f"{known.get_provider_display()} has no such setting.", "unknown_field")
        if name == "write_back":
            changed += _set_write_back(known, bool(value))
            continue
        text = str(value or "").strip()
        if not is_one_line(text) or len(text) > 2_000:
            raise InvalidInput.on(name, "Must be one line of at most 2,000 characters.")
        if name in OPTIONS:
            changed += _set_option(known, name, text)
        elif text:
            changed += _set_secret(known, name, text, now=now)
    return changed


def _set_option(known: Connection, name: str, text: str) -> list[str]:
    if name == "channel" and text and not CHANNEL.fullmatch(text):
        raise InvalidInput.on("channel", "Must be the id of a channel, such as C0123456789, not its name.")
    if name in {"email", "address"} and text:
        normalised_email(text)
    if known.options.get(name, "") == text:
        return []
    known.options = {**known.options, name: text}
    return [name]


def _set_write_back(known: Connection, wanted: bool) -> list[str]:
    """Whether what agents change here is changed there, where the scopes allow it."""
    if bool(known.options.get("write_back")) == wanted:
        return []
    known.options = {**known.options, "write_back": wanted}
    return ["write_back"]


def _set_secret(known: Connection, name: str, text: str, *, now: datetime) -> list[str]:
    if name == "webhook_secret":
        if not is_strong(text):
            detail = f"Must be at least {MIN_SECRET_BYTES} random characters, and no placeholder."
            raise InvalidInput.on(name, detail, "weak_secret")
        if known.webhook_secret:
            known.webhook_secret_previous, known.previous_until = known.webhook_secret, now + PREVIOUS_LIVES
    elif name == "api_key" and known.provider == Provider.SLACK and not text.startswith(settings.SLACK_HOOKS_URL):
        raise InvalidInput.on(name, f"Must begin with {settings.SLACK_HOOKS_URL}.")
    if name == "access_token":
        known.token_version += 1
        known.refresh_token = known.expires_at = known.refresh_expires_at = None  # of the one before it
    if name in OPENING and known.connected_at is not None:
        known.connected_at = now  # what was said of it before is not said of what it is opened with now
    setattr(known, name, text)
    return [name]
