"""The one place where a password is checked, and how often somebody may try.

Ten checks per account and a hundred failures per network in fifteen minutes. A network from which the agent logged in
lately has a count of its own, so strangers who guess do not lock out the agent they guess at.
"""

import uuid
from datetime import datetime, timedelta
from functools import cache

from django.contrib.auth.hashers import check_password, make_password

from agents.identity import compared_email
from agents.models import Agent, LoginSession
from supportdesk.core import limits
from supportdesk.core.crypto import blind_index, blind_indexes
from supportdesk.core.errors import NotAuthenticated
from supportdesk.core.limits import Limit, TooManyRequests
from supportdesk.core.observability.metrics import LOGINS

WINDOW = timedelta(minutes=15)
KNOWN_FOR = timedelta(days=30)
NETWORK = "login.network"
PER_ACCOUNT = Limit(name="login-account", allowed=10, seconds=int(WINDOW.total_seconds()), strict=True)
PER_NETWORK = Limit(name="login-network", allowed=100, seconds=int(WINDOW.total_seconds()), strict=True)


class BadCredentials(NotAuthenticated):
    """The e-mail address or the password is wrong, or the account is not active."""

    code = "bad_credentials"


class TooManyAttempts(TooManyRequests):
    """Too many passwords were tried, on this account or from this network."""

    code = "too_many_attempts"


def verify(*, email: str, password: str, network: str, now: datetime) -> Agent:
    """The active agent whose password this is. Forgets the account's failures.

    Raises TooManyAttempts before any check, and BadCredentials; both alike, and after the same work, for accounts that
    exist and for those that do not.
    """
    account = compared_email(email)
    if _is_known(account, network, now):
        account = f"{account} {network}"
    wait = max(limits.take(PER_ACCOUNT, account), limits.take(PER_NETWORK, network))
    if wait:
        LOGINS.labels("limited").inc()
        raise TooManyAttempts("Too many attempts. Try again later.", retry_after=wait)
    agent, nobodys = Agent.objects.get_queryset().known_as(email).first(), _unknown_account_hash()
    fits = check_password(password, agent.password if agent else nobodys)
    if agent is None or not fits or not agent.is_active:
        LOGINS.labels("refused").inc()
        raise BadCredentials("The e-mail address or the password is wrong.")
    limits.clear(PER_ACCOUNT, account)
    limits.give_back(PER_NETWORK, network)
    LOGINS.labels("ok").inc()
    return agent


def network_index(network: str) -> str:
    """How a login remembers its network without naming it."""
    return blind_index(network, context=NETWORK)


def _is_known(account: str, network: str, now: datetime) -> bool:
    agent = Agent.objects.get_queryset().known_as(account)
    sessions = LoginSession.objects.filter(agent__in=agent, created_at__gt=now - KNOWN_FOR)
    return sessions.filter(network_index__in=blind_indexes(network, context=NETWORK)).exists()


@cache
def _unknown_account_hash() -> str:
    """A hash no password fits, made with the present hasher, so that an unknown account costs the same check. Asked
    for by every check, so that the first one, which makes it, says nothing either.
    """
    return make_password(uuid.uuid4().hex)
