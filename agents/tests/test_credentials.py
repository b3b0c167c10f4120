"""Guessing: how often, from where, and who is locked out by it."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from redis import ConnectionError as RedisDown

from agents import credentials, sessions
from agents.credentials import BadCredentials, TooManyAttempts
from agents.models import LoginSession
from agents.tests.builders import PASSWORD, make_agent
from supportdesk.core import limits
from supportdesk.core.models import RateWindow
from supportdesk.tests.client import Api

pytestmark = pytest.mark.slow

HERE, THERE = "192.0.2.1", "198.51.100.7"
WRONG = "not the password"


def attempt(email: str, password: str = WRONG, network: str = HERE) -> str:
    try:
        credentials.verify(email=email, password=password, network=network, now=timezone.now())
    except (BadCredentials, TooManyAttempts) as refused:
        return refused.code
    return "in"


@pytest.fixture
def without_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    def down(*_: Any, **__: Any) -> Any:
        raise RedisDown("refused")

    monkeypatch.setattr(limits, "_redis", lambda: type("Down", (), {"delete": down, "decr": down})())
    monkeypatch.setattr(limits, "_redis_script", lambda: down)


@pytest.mark.django_db
@pytest.mark.parametrize("known", [True, False])
def test_the_eleventh_attempt_on_an_account_is_refused_unchecked(known: bool) -> None:
    email = make_agent().email if known else "nobody@example.com"
    assert [attempt(email) for _ in range(12)] == ["bad_credentials"] * 10 + ["too_many_attempts"] * 2
    assert attempt(email, PASSWORD) == "too_many_attempts"
    assert attempt(email.upper(), PASSWORD, network=THERE) == "too_many_attempts"


@pytest.mark.django_db
def test_a_lockout_says_when_it_ends() -> None:
    api = Api()
    given = {"email": "nobody@example.com", "password": "wrong"}
    answers = [api.post("/api/auth/login", given) for _ in range(11)]
    assert [answer.status for answer in answers] == [401] * 10 + [429]
    assert answers[-1].body["code"] == "too_many_attempts"
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 900


@pytest.mark.django_db
def test_success_forgets_the_failures_of_the_account() -> None:
    agent = make_agent()
    for _ in range(3):
        assert [attempt(agent.email) for _ in range(9)] == ["bad_credentials"] * 9
        assert attempt(agent.email, PASSWORD) == "in"


@pytest.mark.django_db
def test_strangers_do_not_lock_out_an_agent_at_a_known_place() -> None:
    agent = make_agent()
    sessions.log_in(email=agent.email, password=PASSWORD, network=HERE, now=timezone.now())
    assert HERE not in LoginSession.objects.get().network_index
    assert [attempt(agent.email, network=THERE) for _ in range(11)][-1] == "too_many_attempts"
    assert attempt(agent.email, PASSWORD, network=THERE) == "too_many_attempts"
    assert attempt(agent.email, PASSWORD, network=HERE) == "in"
    LoginSession.objects.update(created_at=timezone.now() - credentials.KNOWN_FOR - timedelta(days=1))
    assert attempt(agent.email, PASSWORD, network=HERE) == "too_many_attempts"


@pytest.mark.django_db
def test_one_network_may_fail_a_hundred_times_whatever_it_guesses_at() -> None:
    agent = make_agent()
    outcomes = [attempt(f"nobody{number}@example.com") for number in range(101)]
    assert outcomes.count("bad_credentials") == 100
    assert attempt(agent.email, PASSWORD) == "too_many_attempts"
    assert attempt(agent.email, PASSWORD, network=THERE) == "in"


@pytest.mark.django_db
def test_a_network_of_many_colleagues_is_not_used_up_by_those_who_get_in() -> None:
    agent = make_agent()
    assert {attempt(agent.email, PASSWORD) for _ in range(110)} == {"in"}


@pytest.mark.django_db(transaction=True)
def test_rivals_get_ten_real_checks_between_them() -> None:
    agent = make_agent()

    def rival(_: int) -> str:
        try:
            return attempt(agent.email)
        finally:
            connection.close()

    with ThreadPoolExecutor(32) as pool:
        outcomes = list(pool.map(rival, range(64)))
    assert outcomes.count("bad_credentials") == 10


@pytest.mark.django_db(transaction=True)
def test_rivals_get_ten_real_checks_without_redis_too(without_redis: None) -> None:
    agent = make_agent()

    def rival(_: int) -> str:
        try:
            return attempt(agent.email)
        finally:
            connection.close()

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(rival, range(40)))
    assert outcomes.count("bad_credentials") == 10
    assert agent.email not in str(list(RateWindow.objects.values_list("key", flat=True)))


@pytest.mark.django_db
def test_without_redis_success_still_forgets_and_windows_still_end(without_redis: None) -> None:
    agent = make_agent()
    assert [attempt(agent.email) for _ in range(9)] == ["bad_credentials"] * 9
    assert attempt(agent.email, PASSWORD) == "in"
    assert [attempt(agent.email) for _ in range(11)][-1] == "too_many_attempts"
    RateWindow.objects.update(ends_at=timezone.now() - timedelta(seconds=1))
    assert attempt(agent.email, PASSWORD) == "in"


@pytest.mark.django_db
def test_the_admins_login_counts_with_the_apis() -> None:
    agent = make_agent(role="admin")
    client = Client()
    for _ in range(10):
        page = client.post("/admin/login/", {"username": agent.email, "password": "wrong"}, REMOTE_ADDR=HERE)
        assert "The e-mail address or the password is wrong." in page.content.decode()
    page = client.post("/admin/login/", {"username": agent.email, "password": PASSWORD}, REMOTE_ADDR=HERE)
    assert "Too many attempts" in page.content.decode()
    assert Api().post("/api/auth/login", {"email": agent.email, "password": PASSWORD}).status == 429


@pytest.mark.vuln
@pytest.mark.django_db
@pytest.mark.parametrize("header", ["X-Forwarded-For", "X-Real-IP", "Forwarded"])
def test_claimed_addresses_do_not_give_new_attempts(header: str) -> None:
    api = Api()
    statuses = []
    for number in range(101):
        given = {"email": f"nobody{number}@example.com", "password": "wrong"}
        statuses.append(api.post("/api/auth/login", given, **{header: f"203.0.113.{number}"}).status)
    assert statuses == [401] * 100 + [429]
