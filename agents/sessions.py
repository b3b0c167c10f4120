"""Login sessions: the family of tokens that one login on one device lives by.

The access token is short and names its session and the agent's token version; both are compared on every request, so a
logout, a deactivation, and a change of password or role take effect at the next one. The refresh token is replaced each
time it is used.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from rest_framework_simplejwt.exceptions import TokenError

from agents import credentials, presence, realtime
from agents.credentials import BadCredentials
from agents.events import AgentLoggedIn, AgentLoggedOut
from agents.models import Agent, LoginSession
from agents.selectors import actor_for
from agents.tokens import AccessToken, Claims, RefreshToken
from supportdesk.core.actor import Actor, Door
from supportdesk.core.errors import NotAuthenticated
from supportdesk.core.events import emit

PRUNE_BATCH = 5_000


class BadToken(NotAuthenticated):
    """The refresh token is invalid, expired, already used, or its login has ended."""

    code = "token_not_valid"


@dataclass(frozen=True, kw_only=True)
class Tokens:
    access: str
    refresh: str
    expires_in: int
    agent: Agent


def log_in(
    *, email: str, password: str, network: str, now: datetime, agent_id: int | None = None, request_id: str = ""
) -> Tokens:
    """Opens a session, and makes the agent online.

    `agent_id`, where the door names one, must be the credential's own agent. Raises BadCredentials (a foreign id
    too) and TooManyAttempts, see agents.credentials.
    """
    agent = credentials.verify(email=email, password=password, network=network, now=now)
    if agent_id not in {None, agent.pk}:
        raise BadCredentials("The e-mail address or the password is wrong.")
    actor = actor_for(agent, led=frozenset(), origin=Door.API, request_id=request_id)
    with transaction.atomic():
        session = LoginSession.objects.create(
            agent=agent,
            refresh_id=_new_id(),
            network_index=credentials.network_index(network),
            created_at=now,
            expires_at=now + settings.LOGIN_SESSION_LIFETIME,
            token_version=agent.token_version,
        )
        Agent.objects.get_queryset().filter(pk=agent.pk).update(last_login=now)
        emit(AgentLoggedIn(subject_id=agent.pk, session_id=session.pk), by=actor, at=now)
        agent = presence.logged_in(session, by=actor, now=now)
    return _tokens(session, agent)


def refresh(*, token: str, now: datetime, request_id: str = "") -> Tokens:
    """Replaces a refresh token.

    The one just replaced is honoured for settings.REFRESH_GRACE (two tabs refresh at once) and answers with its
    successor; any older one is a stolen copy or its victim, and ends the session. Raises BadToken.
    """
    claims = _claims(token)
    with transaction.atomic():
        session = (
            LoginSession.objects.select_for_update(of=("self",))
            .select_related("agent")
            .filter(pk=claims.session_id, ended_at__isnull=True, expires_at__gt=now, agent__is_active=True)
            .first()
        )
        if session is None or not claims.are_of(session):
            raise _dead_token()
        actor = actor_for(session.agent, led=frozenset(), origin=Door.API, request_id=request_id)
        if claims.id == session.refresh_id:
            _rotate(session, now)
            return _tokens(session, presence.refreshed(session, by=actor, now=now))
        if claims.id == session.previous_refresh_id and _within_grace(session, now):
            return _tokens(session, session.agent)
        _end(session, reason="refresh_reused", by=actor, now=now)
    raise _dead_token()


def log_out(*, session: LoginSession, by: Actor, now: datetime) -> None:
    """Ends the session: its access and refresh tokens are refused from the next request on, its sockets close, and an
    agent who is not there through another login is offline.
    """
    with transaction.atomic():
        locked = LoginSession.objects.select_for_update().filter(pk=session.pk, ended_at__isnull=True).first()
        if locked is not None:
            _end(locked, reason="logout", by=by, now=now)


def enter_admin(*, agent: Agent, now: datetime, request_id: str) -> None:
    """Notes that the agent's password opened the admin. Raises Unavailable, and then it must stay shut."""
    with transaction.atomic():
        entered = AgentLoggedIn(subject_id=agent.pk, session_id=None)
        emit(entered, by=_at_admin(agent, request_id), at=now)


def leave_admin(*, agent: Agent, now: datetime, request_id: str) -> None:
    """Notes that the agent closed the admin. Raises Unavailable."""
    with transaction.atomic():
        left = AgentLoggedOut(subject_id=agent.pk, session_id=None, reason="logout")
        emit(left, by=_at_admin(agent, request_id), at=now)


def prune(*, now: datetime) -> int:
    """Deletes sessions that are over and tell no more from where their agent logs in, in batches; returns how many."""
    over = Q(expires_at__lte=now) | Q(ended_at__lte=now - settings.REFRESH_GRACE)
    finished = LoginSession.objects.filter(over, created_at__lte=now - credentials.KNOWN_FOR)
    deleted = 0
    while batch := list(finished.values_list("pk", flat=True)[:PRUNE_BATCH]):
        deleted += LoginSession.objects.filter(pk__in=batch).delete()[0]
    return deleted


def _at_admin(agent: Agent, request_id: str) -> Actor:
    return actor_for(agent, led=frozenset(), origin=Door.ADMIN, request_id=request_id)


def _rotate(session: LoginSession, now: datetime) -> None:
    session.previous_refresh_id, session.refresh_id, session.rotated_at = session.refresh_id, _new_id(), now
    session.save(update_fields=["previous_refresh_id", "refresh_id", "rotated_at"])


def _within_grace(session: LoginSession, now: datetime) -> bool:
    return session.rotated_at is not None and now - session.rotated_at <= settings.REFRESH_GRACE


def _end(session: LoginSession, *, reason: str, by: Actor, now: datetime) -> None:
    session.ended_at, session.end_reason = now, reason
    session.save(update_fields=["ended_at", "end_reason"])
    emit(AgentLoggedOut(subject_id=session.agent_id, session_id=session.pk, reason=reason), by=by, at=now)
    presence.logged_out(session, by=by, now=now)
    transaction.on_commit(lambda: realtime.nudge([session.agent_id]))


def _claims(token: str) -> Claims:
    try:
        return Claims.read(RefreshToken(token))  # type: ignore[arg-type]
    except TokenError:
        raise _dead_token() from None


def _dead_token() -> BadToken:
    return BadToken("The refresh token is invalid, expired or already used. Log in again.")


def _tokens(session: LoginSession, agent: Agent) -> Tokens:
    claims = {"sub": str(agent.pk), "sid": session.pk, "ver": agent.token_version}
    refresh_token, access_token = RefreshToken(), AccessToken()
    refresh_token.payload |= claims | {"jti": session.refresh_id, "exp": int(session.expires_at.timestamp())}
    access_token.payload |= claims
    return Tokens(
        access=str(access_token),
        refresh=str(refresh_token),
        expires_in=int(settings.ACCESS_TOKEN_LIFETIME.total_seconds()),
        agent=agent,
    )


def _new_id() -> str:
    return uuid.uuid4().hex
