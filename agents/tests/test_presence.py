"""Who is there, by their signs of life."""

import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import presence, services, sessions
from agents.models import Agent, LoginSession, Tab
from agents.presence import LOGIN_SEEN_FOR, MOST_TABS, TAB_SEEN_FOR, TooManyTabs
from agents.sessions import Tokens
from agents.tests.builders import PASSWORD, SYSTEM, actor_of, make_agent
from supportdesk.core.models import Event
from supportdesk.tests.client import Api
from supportdesk.tests.races import race

pytestmark = pytest.mark.django_db
SECOND = timedelta(seconds=1)


def log_in(agent: Agent, now: datetime | None = None) -> Tokens:
    now = now or timezone.now()
    return sessions.log_in(email=agent.email, password=PASSWORD, network="192.0.2.1", now=now)


def session_of(agent: Agent) -> LoginSession:
    return LoginSession.objects.filter(agent=agent).latest("pk")


def open_tab(agent: Agent, now: datetime, session: LoginSession | None = None, **over: Any) -> Tab:
    given = {"key": uuid.uuid4(), "connection": uuid.uuid4(), "by": actor_of(agent), "now": now, **over}
    return presence.tab_opened(session_id=(session or session_of(agent)).pk, **given)


def beat(tab: Tab, agent: Agent, now: datetime) -> bool:
    assert tab.connection
    return presence.tab_seen(tab_id=tab.pk, connection=tab.connection, by=actor_of(agent), now=now)


def choose(agent: Agent, availability: str, now: datetime | None = None) -> None:
    changes = {"availability": availability}
    services.update_agent(agent_id=agent.pk, changes=changes, by=SYSTEM, now=now or timezone.now())


def state(agent: Agent) -> str:
    return Agent.objects.get_queryset().get(pk=agent.pk).availability


def moves(agent: Agent) -> list[tuple[str, str]]:
    facts = Event.objects.filter(name="agent.availability_changed", subject_id=agent.pk).order_by("pk")
    return [(fact.payload["before"], fact.payload["after"]) for fact in facts]


def test_both_logins_make_online_and_the_last_logout_offline() -> None:
    agent = make_agent()
    credentials = {"email": agent.email, "password": PASSWORD}
    first = Api().post("/api/auth/login", credentials)
    assert (first.body["agent"]["availability"], state(agent)) == ("online", "online")
    second = Api().post(f"/api/agents/{agent.pk}/login", credentials)
    here, there = Api(), Api()
    here.headers["Authorization"] = f"Bearer {first.body['access']}"
    there.headers["Authorization"] = f"Bearer {second.body['access']}"
    here.post(f"/api/agents/{agent.pk}/logout")
    assert state(agent) == "online"
    there.post(f"/api/agents/{agent.pk}/logout")
    assert state(agent) == "offline"
    assert moves(agent) == [("offline", "online"), ("online", "offline")]


def test_a_second_login_leaves_busy_alone_and_one_after_nobody_was_there_does_not() -> None:
    agent, now = make_agent(), timezone.now()
    log_in(agent, now)
    choose(agent, "busy")
    log_in(agent, now + SECOND)
    assert state(agent) == "busy"
    log_in(agent, now + LOGIN_SEEN_FOR * 2)
    assert state(agent) == "online"


def test_a_login_without_a_tab_is_there_for_fifteen_minutes_and_each_refresh_renews_that() -> None:
    agent, now = make_agent(), timezone.now()
    tokens = log_in(agent, now)
    later = now + LOGIN_SEEN_FOR - SECOND
    assert presence.expire(now=later) == 0
    tokens = sessions.refresh(token=tokens.refresh, now=later)
    assert presence.expire(now=now + LOGIN_SEEN_FOR + SECOND) == 0
    assert presence.expire(now=later + LOGIN_SEEN_FOR) == 1
    assert state(agent) == "offline"
    back = sessions.refresh(token=tokens.refresh, now=later + LOGIN_SEEN_FOR + SECOND)
    assert (state(agent), back.agent.availability) == ("online", "online")
    fact = Event.objects.filter(name="agent.availability_changed", payload__after="offline").get()
    assert (fact.actor_kind, fact.actor_name) == ("system", "presence")


def test_the_first_tab_takes_over_and_a_refresh_is_no_sign_of_life_any_more() -> None:
    agent, now = make_agent(), timezone.now()
    tokens = log_in(agent, now)
    open_tab(agent, now)
    assert presence.expire(now=now + TAB_SEEN_FOR) == 1
    sessions.refresh(token=tokens.refresh, now=now + TAB_SEEN_FOR + SECOND)
    assert state(agent) == "offline"


def test_one_closed_tab_of_two_does_not_make_offline() -> None:
    agent, now = make_agent(), timezone.now()
    log_in(agent, now)
    closed, kept = open_tab(agent, now), open_tab(agent, now)
    presence.tab_left(tab_id=closed.pk, connection=closed.connection or uuid.uuid4())
    later = now + TAB_SEEN_FOR - SECOND
    assert beat(kept, agent, later)
    assert presence.expire(now=now + TAB_SEEN_FOR + SECOND) == 0
    assert state(agent) == "online"
    assert list(Tab.objects.values_list("pk", flat=True)) == [kept.pk]


def test_a_closed_last_tab_has_a_minute_in_which_the_page_may_load_again() -> None:
    agent, now = make_agent(), timezone.now()
    log_in(agent, now)
    tab = open_tab(agent, now)
    presence.tab_left(tab_id=tab.pk, connection=tab.connection or uuid.uuid4())
    assert presence.expire(now=now + TAB_SEEN_FOR - SECOND) == 0
    again = open_tab(agent, now + TAB_SEEN_FOR - SECOND, key=tab.key)
    assert again.pk == tab.pk
    assert presence.expire(now=now + TAB_SEEN_FOR + SECOND) == 0
    assert moves(agent) == [("offline", "online")]


@pytest.mark.parametrize("chosen", ["online", "busy"])
def test_who_was_lost_returns_to_what_they_were(chosen: str) -> None:
    agent, now = make_agent(), timezone.now()
    log_in(agent, now)
    choose(agent, chosen)
    open_tab(agent, now)
    presence.expire(now=now + TAB_SEEN_FOR)
    assert state(agent) == "offline"
    open_tab(agent, now + TAB_SEEN_FOR + SECOND)
    assert state(agent) == chosen


def test_a_choice_stays_through_tabs_and_heartbeats() -> None:
    agent, now = make_agent(), timezone.now()
    log_in(agent, now)
    tab = open_tab(agent, now)
    choose(agent, "offline")
    beat(tab, agent, now + SECOND)
    open_tab(agent, now + SECOND)
    assert state(agent) == "offline"


def test_a_choice_made_while_lost_is_not_undone_by_the_return() -> None:
    agent, now = make_agent(), timezone.now()
    log_in(agent, now)
    open_tab(agent, now)
    presence.expire(now=now + TAB_SEEN_FOR)
    choose(agent, "offline")  # which they are already
    open_tab(agent, now + TAB_SEEN_FOR + SECOND)
    assert state(agent) == "offline"


def test_who_never_gave_a_sign_of_life_is_left_as_somebody_set_them() -> None:
    agent, now = make_agent(), timezone.now()
    choose(agent, "online")
    assert presence.expire(now=now + timedelta(days=30)) == 0
    log_in(agent, now)
    open_tab(agent, now)
    assert presence.expire(now=now + TAB_SEEN_FOR) == 1
    choose(agent, "online")
    assert presence.expire(now=now + timedelta(days=30)) == 0
    assert state(agent) == "online"


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "senior"}, {"password": "another long pass phrase"}])
def test_what_ends_every_login_ends_the_presence_with_it(change: dict[str, Any]) -> None:
    agent, now = make_agent(), timezone.now()
    log_in(agent, now)
    open_tab(agent, now)
    services.update_agent(agent_id=agent.pk, changes=change, by=SYSTEM, now=now)
    assert state(agent) == "offline"
    assert not presence.is_there(agent, now=now + SECOND)


def test_a_heartbeat_of_a_tab_that_lapsed_or_is_anothers_now_says_so() -> None:
    agent, now = make_agent(), timezone.now()
    log_in(agent, now)
    tab = open_tab(agent, now)
    newer = open_tab(agent, now, key=tab.key)
    assert not beat(tab, agent, now + SECOND)
    assert beat(newer, agent, now + SECOND)
    assert not beat(newer, agent, now + SECOND + TAB_SEEN_FOR)


def test_a_heartbeat_just_after_the_job_brings_back() -> None:
    agent, now = make_agent(), timezone.now()
    log_in(agent, now)
    tab = open_tab(agent, now)
    Agent.objects.get_queryset().filter(pk=agent.pk).update(availability="offline", returns_to="busy")
    assert beat(tab, agent, now + SECOND)
    assert state(agent) == "busy"


def test_five_tabs_are_open_at_most_and_closed_ones_do_not_count() -> None:
    agent, now = make_agent(), timezone.now()
    log_in(agent, now)
    tabs = [open_tab(agent, now) for _ in range(MOST_TABS)]
    log_in(agent, now)
    with pytest.raises(TooManyTabs):
        open_tab(agent, now)
    first = tabs[0]
    assert open_tab(agent, now, session=first.session, key=first.key).pk == first.pk  # the same one may come again
    presence.tab_left(tab_id=tabs[1].pk, connection=tabs[1].connection or uuid.uuid4())
    open_tab(agent, now)
    with pytest.raises(TooManyTabs):
        open_tab(agent, now)
    open_tab(agent, now + TAB_SEEN_FOR)


@pytest.mark.django_db(transaction=True)
def test_rivals_open_five_tabs_and_not_one_more() -> None:
    agent, now = make_agent(), timezone.now()
    log_in(agent, now)
    session = session_of(agent)

    def act(_: int) -> bool:
        try:
            open_tab(agent, now, session=session)
        except TooManyTabs:
            return False
        return True

    assert sum(race(act, rivals=16)) == MOST_TABS


@pytest.mark.django_db(transaction=True)
def test_a_tab_that_opens_while_the_job_runs_leaves_its_agent_there() -> None:
    for _ in range(10):
        agent, now = make_agent(), timezone.now()
        log_in(agent, now)
        open_tab(agent, now)
        later = now + TAB_SEEN_FOR

        def act(number: int, agent: Agent = agent, later: datetime = later) -> None:
            if number % 2:
                presence.expire(now=later)
            else:
                open_tab(agent, later)

        race(act, rivals=4)
        assert state(agent) == "online"


def test_the_job_asks_one_statement_for_candidates_however_many_agents_there_are() -> None:
    now = timezone.now()
    counts = []
    for _ in range(2):
        for _ in range(3):
            agent = make_agent()
            log_in(agent, now)
            open_tab(agent, now)
        Tab.objects.update(seen_until=now + timedelta(hours=1))
        with CaptureQueriesContext(connection) as captured:
            assert presence.expire(now=now + timedelta(minutes=30)) == 0
        counts.append(len(captured))
    assert counts[0] == counts[1] == 3  # candidates, lapsed logins, lapsed tabs
