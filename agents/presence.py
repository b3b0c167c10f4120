"""Who is there. Logging in makes an agent online, signs of life keep them so, without any they are offline.

A sign of life is an open tab, which its heartbeat renews, or a login that never had one, which each refresh renews. An
agent who was only lost returns to what they were; what somebody chose for them stays until they log in or out, or are
lost themselves. Locks are taken in one order: login, agent, tab.
"""

import uuid
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q

from agents.enums import Availability
from agents.events import AgentAvailabilityChanged
from agents.models import Agent, LoginSession, Tab
from supportdesk.core.actor import Actor, Door, system
from supportdesk.core.events import emit
from supportdesk.core.limits import TooManyRequests

TAB_SEEN_FOR = timedelta(seconds=60)  # three heartbeats of 20 s
LOGIN_SEEN_FOR = timedelta(minutes=15)  # longer than an access token lives, after which a client refreshes
MOST_TABS = 5


class TooManyTabs(TooManyRequests):
    """The agent has as many sockets open as one may have."""

    code = "too_many_sockets"


def logged_in(session: LoginSession, *, by: Actor, now: datetime) -> Agent:
    """The new login counts as a sign of life, and its agent is online; busy stays busy for who is there already.

    Needs the caller's transaction, and a login that was just made.
    """
    agent = _locked(session.agent_id)
    there_already = is_there(agent, now=now)
    LoginSession.objects.filter(pk=session.pk).update(present_until=_until(session, now))
    if agent.availability == Availability.OFFLINE or not there_already:
        become(agent, Availability.ONLINE, by=by, now=now)
    return agent


def refreshed(session: LoginSession, *, by: Actor, now: datetime) -> Agent:
    """A login was heard of; if it never had a tab, that is a sign of life.

    Needs the caller's transaction, with the login locked.
    """
    if session.had_tab:
        return session.agent
    LoginSession.objects.filter(pk=session.pk).update(present_until=_until(session, now))
    agent = _locked(session.agent_id)
    _return(agent, by=by, now=now)
    return agent


def logged_out(session: LoginSession, *, by: Actor, now: datetime) -> None:
    """The login's own signs of life are gone; without another the agent is offline.

    Needs the caller's transaction, with the login locked and ended.
    """
    agent = _locked(session.agent_id)
    session.tabs.all().delete()
    if agent.availability != Availability.OFFLINE and not is_there(agent, now=now):
        become(agent, Availability.OFFLINE, by=by, now=now)


def tab_opened(*, session_id: int, key: uuid.UUID, connection: uuid.UUID, by: Actor, now: datetime) -> Tab:
    """A socket speaks for the tab from now on, and for the login, whose own sign of life ends.

    Raises TooManyTabs when five others of the agent have a socket.
    """
    with transaction.atomic():
        session = LoginSession.objects.select_for_update(no_key=True).get(pk=session_id)
        agent = _locked(session.agent_id)
        others = Tab.objects.filter(session__agent=agent, connection__isnull=False, seen_until__gt=now)
        if others.exclude(session=session, key=key).count() >= MOST_TABS:
            raise TooManyTabs(f"An agent may have {MOST_TABS} sockets open at a time.")
        if not session.had_tab:
            session.had_tab, session.present_until = True, None
            session.save(update_fields=["had_tab", "present_until"])
        tab, _ = Tab.objects.update_or_create(
            session=session, key=key, defaults={"connection": connection, "seen_until": now + TAB_SEEN_FOR}
        )
        _return(agent, by=by, now=now)
    return tab


def tab_seen(*, tab_id: int, connection: uuid.UUID, by: Actor, now: datetime) -> bool:
    """A heartbeat: whether the tab is still this socket's. False when it lapsed, or another socket has it now."""
    mine = Tab.objects.filter(pk=tab_id, connection=connection, seen_until__gt=now)
    if not mine.update(seen_until=now + TAB_SEEN_FOR):
        return False
    lost = Agent.objects.get_queryset().filter(pk=by.id or 0, availability=Availability.OFFLINE).exclude(returns_to="")
    for agent in lost:  # the job that counts tabs was a moment faster than this heartbeat
        with transaction.atomic():
            _return(_locked(agent.pk), by=by, now=now)
    return True


def tab_left(*, tab_id: int, connection: uuid.UUID) -> None:
    """Its socket is closed. It counts as being there until its time runs out: a page that loads again is no absence."""
    Tab.objects.filter(pk=tab_id, connection=connection).update(connection=None)


def expire(*, now: datetime) -> int:
    """Makes offline, until they return, those whose last sign of life ran out; returns how many.

    Who never gave one, such as an agent whom a supervisor set online, is left as they are.
    """
    lapsed = Q(Exists(LoginSession.objects.filter(agent=OuterRef("pk"), present_until__lte=now)))
    lapsed |= Q(Exists(Tab.objects.filter(session__agent=OuterRef("pk"), seen_until__lte=now)))
    present = Agent.objects.get_queryset().exclude(availability=Availability.OFFLINE)
    away = present.filter(lapsed).exclude(_sign_of_life(now)).order_by("pk").values_list("pk", flat=True)
    lost = sum(_expire(pk, now) for pk in list(away))
    LoginSession.objects.filter(present_until__lte=now).update(present_until=None)
    Tab.objects.filter(seen_until__lte=now).delete()
    return lost


def become(agent: Agent, availability: Availability, *, by: Actor, now: datetime, returns_to: str = "") -> None:
    """Sets the locked agent's availability, with its fact. The same again changes nothing."""
    before = agent.availability
    agent.returns_to = returns_to
    if before == availability:
        agent.save(update_fields=["returns_to"])
        return
    agent.availability, agent.version, agent.updated_at = availability, agent.version + 1, now
    agent.save(update_fields=["availability", "returns_to", "version", "updated_at"])
    emit(AgentAvailabilityChanged(subject_id=agent.pk, before=before, after=availability), by=by, at=now)


def is_there(agent: Agent, *, now: datetime) -> bool:
    """Whether a tab or a login says so."""
    return Agent.objects.get_queryset().filter(_sign_of_life(now), pk=agent.pk).exists()


def _expire(agent_id: int, now: datetime) -> bool:
    with transaction.atomic():
        agent = _locked(agent_id)
        if agent.availability == Availability.OFFLINE or is_there(agent, now=now):
            return False
        by = system("presence", origin=Door.TASK)
        become(agent, Availability.OFFLINE, by=by, now=now, returns_to=agent.availability)
    return True


def _return(agent: Agent, *, by: Actor, now: datetime) -> None:
    if agent.availability == Availability.OFFLINE and agent.returns_to:
        become(agent, Availability(agent.returns_to), by=by, now=now)


def _locked(agent_id: int) -> Agent:
    """Weaker than an update by id would need, so that rows that only point to the agent can be written meanwhile."""
    return Agent.objects.get_queryset().select_for_update(no_key=True).get(pk=agent_id)


def _sign_of_life(now: datetime) -> Q:
    """That an agent is there. What belongs to a login that ended, in whatever way, says nothing."""
    good = {"ended_at__isnull": True, "expires_at__gt": now, "token_version": OuterRef("token_version")}
    logins = LoginSession.objects.filter(agent=OuterRef("pk"), present_until__gt=now, **good)
    through_tab = {f"session__{name}": value for name, value in good.items()}
    tabs = Tab.objects.filter(session__agent=OuterRef("pk"), seen_until__gt=now, **through_tab)
    return Q(is_active=True) & (Q(Exists(logins)) | Q(Exists(tabs)))


def _until(session: LoginSession, now: datetime) -> datetime:
    return min(now + LOGIN_SEEN_FOR, session.expires_at)
