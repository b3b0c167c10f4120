"""API keys: how machines are known. 256 random bits, hashed at rest, with an end date and scopes of their own."""

import hashlib
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from agents.enums import INCLUDED, Role, Scope
from agents.events import ApiKeyCreated, ApiKeyRevoked
from agents.models import ApiKey
from supportdesk.core.actor import Actor, ActorKind, Door
from supportdesk.core.errors import Forbidden, InvalidInput, NotAuthenticated, NotFound
from supportdesk.core.events import emit

LONGEST_LIFE = timedelta(days=366)
USED_AT_STEP = timedelta(minutes=1)  # a write per minute and key, not per request


class BadApiKey(NotAuthenticated):
    """The API key is unknown, expired or revoked."""

    code = "api_key_not_valid"


@dataclass(frozen=True, kw_only=True)
class Issued:
    """A new key, the only time its text is known."""

    key: ApiKey
    text: str


def issue(*, name: str, scopes: Iterable[str], expires_at: datetime, by: Actor, now: datetime) -> Issued:
    """Makes a key that lives until `expires_at`, at most a year from now.

    Raises Forbidden (only administrators make keys), InvalidInput (fields `scopes`, `expires_at`).
    """
    _refuse_others(by)
    named = sorted(set(scopes))
    if not named or not set(named) <= set(Scope.values):
        raise InvalidInput.on("scopes", f"Must be one or more of: {', '.join(Scope.values)}.", "invalid_choice")
    if not now < expires_at <= now + LONGEST_LIFE:
        detail = f"Must lie in the future, at most {LONGEST_LIFE.days} days from now."
        raise InvalidInput.on("expires_at", detail, "out_of_range")
    prefix = f"sdk_{secrets.token_hex(4)}"
    text = f"{prefix}_{secrets.token_urlsafe(32)}"
    with transaction.atomic():
        key = ApiKey.objects.create(
            name=name,
            prefix=prefix,
            digest=_digest(text),
            scopes=named,
            created_by_id=by.id if by.kind == ActorKind.PERSON else None,
            created_at=now,
            expires_at=expires_at,
        )
        emit(ApiKeyCreated(subject_id=key.pk, scopes=named), by=by, at=now)
    return Issued(key=key, text=text)


def revoke(*, key_id: int, by: Actor, now: datetime) -> ApiKey:
    """Refuses the key from the next request on; again changes nothing. Raises Forbidden, NotFound."""
    _refuse_others(by)
    with transaction.atomic():
        key = ApiKey.objects.visible_to(by).select_for_update(of=("self",)).filter(pk=key_id).first()
        if key is None:
            raise NotFound
        if key.revoked_at is None:
            key.revoked_at = now
            key.save(update_fields=["revoked_at"])
            emit(ApiKeyRevoked(subject_id=key.pk), by=by, at=now)
    return key


def machine(*, text: str, now: datetime, request_id: str = "") -> Actor:
    """The actor that a key stands for: one indexed read, and once a minute a write. Raises BadApiKey."""
    key = ApiKey.objects.filter(digest=_digest(text), revoked_at__isnull=True, expires_at__gt=now).first()
    if key is None:
        raise BadApiKey("The API key is unknown, expired or revoked.")
    stale = Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - USED_AT_STEP)
    if key.last_used_at is None or key.last_used_at < now - USED_AT_STEP:
        ApiKey.objects.filter(stale, pk=key.pk).update(last_used_at=now)
    return Actor(
        kind=ActorKind.MACHINE,
        origin=Door.API,
        id=key.pk,
        name=key.name[:64],
        scopes=_with_included(key.scopes),
        departments=None,
        request_id=request_id,
    )


def _with_included(scopes: Iterable[str]) -> frozenset[str]:
    named = frozenset(scopes)
    return named | {reading.value for writing, reading in INCLUDED.items() if writing in named}


def _refuse_others(by: Actor) -> None:
    if by.kind != ActorKind.SYSTEM and by.role != Role.ADMIN:
        raise Forbidden("Only administrators make and revoke API keys.")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
