"""Connecting an account on the provider's own page: begun by an administrator, and finished by the same one.

What goes through the browser is a state of 256 random bits. We keep its hash, with who began it, in which session of
the browser, and for which account; it is good once and for ten minutes. Nothing is asked of the provider before all of
that fits. To add a provider is an `Authorization`, and a row in integrations.providers.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import parse_qsl

from django.conf import settings

from integrations import connections, tokens
from integrations.enums import Provider
from integrations.models import Connection, OAuthState
from integrations.tokens import Grant, GrantRefused
from supportdesk.core.actor import Actor
from supportdesk.core.errors import Conflict, InvalidInput, NotFound, Unavailable
from supportdesk.core.http import GatewayError
from supportdesk.core.http import Unavailable as Away

LIVES = timedelta(minutes=10)
MOST_FIELDS, MOST_QUERY = 30, 4_000


class BadCallback(InvalidInput):
    """What the browser came back with does not fit what was begun. Says no more, whatever it is."""

    code = "bad_callback"


class NotConfigured(Conflict):
    """The settings name no app at this provider."""

    code = "app_not_configured"


class NotGranted(Conflict):
    """The provider gave us nothing for the permission."""

    code = "not_granted"


Query = Sequence[tuple[str, str]]


@dataclass(frozen=True, kw_only=True)
class Authorization:
    """How one provider does it.

    `address(account, state, back)` is where the browser goes, and comes back to `back`. `check(query, account, now)`
    raises BadCallback for an answer that is not of that provider and account, beyond what is checked for all.
    `named(query)` is the account of which the provider's own page says that it wants us; it raises BadCallback too.
    `exchange(account, code, back)` gets the tokens; it raises GrantRefused, http.Unavailable, http.Rejected.
    """

    is_configured: Callable[[], bool]
    address: Callable[[str, str, str], str]
    exchange: Callable[[str, str, str], Grant]
    named: Callable[[Query], str]
    check: Callable[[Query, str, datetime], None] = lambda query, account, now: None


def wanted(*, provider: Provider, ways: Mapping[Provider, Authorization], query: str) -> str:
    """The account whose owner chose our app on the provider's page. Nothing is begun by that. Raises BadCallback."""
    return ways[provider].named(_pairs(query))


def begin(*, connection_id: int, ways: Mapping[Provider, Authorization], session: str, by: Actor, now: datetime) -> str:
    """The address at which the account's owner is asked. `session` names the browser's.

    Raises NotFound, NotConfigured.
    """
    known = Connection.objects.visible_to(by).filter(pk=connection_id).first()
    if known is None or by.id is None:
        raise NotFound
    way = ways.get(Provider(known.provider))
    if way is None or not way.is_configured():
        raise NotConfigured(f"The settings name no app at {known.get_provider_display()}; see docs/integrations.md.")
    OAuthState.objects.filter(expires_at__lte=now).delete()
    state = secrets.token_urlsafe(32)
    OAuthState.objects.create(
        digest=_digest(state),
        provider=known.provider,
        account_key=known.account_key,
        agent_id=by.id,
        session_digest=_digest(session),
        expires_at=now + LIVES,
    )
    return way.address(known.account_key, state, callback_url(Provider(known.provider)))


def complete(
    *, provider: Provider, ways: Mapping[Provider, Authorization], query: str, session: str, by: Actor, now: datetime
) -> Connection:
    """The connection, with what opens it, and active unless it lacks something else.

    Raises BadCallback, NotGranted, NotFound, errors.Unavailable (begin again: the state is used).
    """
    way, pairs = ways.get(provider), _pairs(query)
    if way is None:
        raise NotFound
    given = dict(pairs)
    begun = _begun(provider, given.get("state", ""), session=session, by=by, now=now)
    way.check(pairs, begun.account_key, now)
    code = given.get("code", "")
    if not code or not OAuthState.objects.filter(pk=begun.pk, used_at__isnull=True).update(used_at=now):
        raise _bad()
    grant = _exchanged(way, provider, begun.account_key, code)
    return connections.take_grant(
        provider=provider, account_key=begun.account_key, values=tokens.values_of(grant, now=now), by=by, now=now
    )


def callback_url(provider: Provider) -> str:
    """Where browsers come back to: what a provider's page about the app is to name."""
    return f"{settings.PUBLIC_URL}admin/integrations/connection/callback/{provider}/"


def _exchanged(way: Authorization, provider: Provider, account: str, code: str) -> Grant:
    try:
        return way.exchange(account, code, callback_url(provider))
    except GrantRefused as refused:
        raise NotGranted(f"{provider.label} refused the permission ({refused.reason}). Begin again.") from None
    except Away:
        raise Unavailable(f"{provider.label} does not answer. Begin again in a minute.", retry_after=60) from None
    except GatewayError as error:
        raise NotGranted(f"{provider.label} gave no tokens ({error.reason}). Begin again.") from None


def _begun(provider: Provider, state: str, *, session: str, by: Actor, now: datetime) -> OAuthState:
    found = OAuthState.objects.visible_to(by).filter(digest=_digest(state), provider=provider).first()
    if found is None or found.used_at is not None or found.expires_at <= now:
        raise _bad()
    if not hmac.compare_digest(found.session_digest, _digest(session)):
        raise _bad()
    return found


def _pairs(query: str) -> list[tuple[str, str]]:
    """Each name once, but for those of lists."""
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=MOST_FIELDS) if len(query) <= MOST_QUERY else []
    except ValueError:
        raise _bad() from None
    names = [name for name, _ in pairs if not name.endswith("[]")]
    if not pairs or len(set(names)) < len(names):
        raise _bad()
    return pairs


def _bad() -> BadCallback:
    return BadCallback("This does not fit an authorization that you began in this browser. Begin again.")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
