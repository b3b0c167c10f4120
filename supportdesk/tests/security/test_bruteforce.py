"""Guessing, by many at once, and what an answer tells a guesser about an account."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.hashers import MD5PasswordHasher
from django.db import connection
from django.test import Client
from django.utils import timezone

from agents import credentials, sessions
from agents.identity import compared_email, kept_email
from agents.models import Agent, LoginSession
from agents.services import update_agent
from agents.tests.builders import PASSWORD, SYSTEM, actor_of, make_agent
from supportdesk.core.errors import InvalidInput
from supportdesk.tests.client import Api
from supportdesk.tests.security.corpora import LOOKALIKES

pytestmark = [pytest.mark.slow, pytest.mark.vuln]
HOME, AWAY = "192.0.2.1", "198.51.100.7"
PROCESSES, GUESSES = 3, 80
UNKNOWN = "nobody@example.com"
WRONG = "not the password"


@pytest.fixture
def hashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every password that was hashed."""
    encode: Callable[..., str] = MD5PasswordHasher.encode
    seen: list[str] = []

    def counting(self: MD5PasswordHasher, password: str, salt: str) -> str:
        seen.append(password)
        return encode(self, password, salt)

    monkeypatch.setattr(MD5PasswordHasher, "encode", counting)
    return seen


@pytest.mark.django_db(transaction=True)
def test_processes_that_guess_together_get_ten_checks_and_the_victim_gets_in() -> None:
    victim = make_agent(role="admin")
    sessions.log_in(email=victim.email, password=PASSWORD, network=HOME, now=timezone.now())
    results = guessed(victim.email)
    assert sum(result["checks"] for result in results) == 10
    assert sum(sum(result["statuses"].values()) for result in results) == PROCESSES * GUESSES
    assert {status for result in results for status in result["statuses"]} <= {"200", "401", "429"}  # 200: the form
    given = {"email": victim.email, "password": PASSWORD}
    assert Client(REMOTE_ADDR=AWAY).post("/api/auth/login", given, content_type="application/json").status_code == 429
    assert Client(REMOTE_ADDR=HOME).post("/api/auth/login", given, content_type="application/json").status_code == 200
    form = {"username": victim.email, "password": PASSWORD}
    assert Client(REMOTE_ADDR=HOME).post("/admin/login/", form).status_code == 302


def guessed(email: str) -> list[dict[str, Any]]:
    """What processes of their own got, which share nothing with us but the servers."""
    database = connection.settings_dict
    place, _, _ = os.environ["DATABASE_URL"].rpartition("/")
    environment = os.environ | {
        "DATABASE_URL": f"{place}/{database['NAME']}",
        "DJANGO_SETTINGS_MODULE": "supportdesk.settings.test",
        "SUPPORTDESK_LOG_LEVEL": "CRITICAL",
    }
    command = [sys.executable, "-m", "supportdesk.tests.security.guesser", email, str(GUESSES)]
    running = [
        subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment, stdout=subprocess.PIPE)
        for _ in range(PROCESSES)
    ]
    return [json.loads(process.communicate(timeout=60)[0]) for process in running]


@pytest.mark.django_db
def test_a_known_place_is_still_known_the_next_morning() -> None:
    victim, evening = make_agent(), timezone.now() - timedelta(hours=12)
    sessions.log_in(email=victim.email, password=PASSWORD, network=HOME, now=evening)
    sessions.log_out(session=LoginSession.objects.get(), by=actor_of(victim), now=evening)
    sessions.prune(now=timezone.now())
    for _ in range(12):
        attempt(victim.email, network=AWAY)
    assert attempt(victim.email, PASSWORD, network=AWAY) == "too_many_attempts"
    assert attempt(victim.email, PASSWORD, network=HOME) == "in"


@pytest.mark.django_db
@pytest.mark.parametrize("lookalike", LOOKALIKES)
def test_no_spelling_of_an_address_gives_new_guesses(lookalike: str) -> None:
    """Either it is the address, and shares its count, or it is nobody's."""
    victim = make_agent(email="Mina.Kiss@example.com")
    for _ in range(10):
        attempt(victim.email)
    outcome = attempt(lookalike, PASSWORD)
    assert outcome == (
        "too_many_attempts" if compared_email(lookalike) == "mina.kiss@example.com" else "bad_credentials"
    )
    assert Agent.objects.get_queryset().known_as(lookalike).exists() is (outcome == "too_many_attempts")


@pytest.mark.django_db
@pytest.mark.parametrize("lookalike", LOOKALIKES)
def test_two_agents_never_have_one_address(lookalike: str) -> None:
    make_agent(email="Mina.Kiss@example.com")
    admin = Api(make_agent(role="admin"))
    made = admin.post("/api/agents", {"email": lookalike, "name": "Other", "password": PASSWORD})
    if made.status == 201:
        assert attempt(lookalike, PASSWORD) == "in"
        assert Agent.objects.get_by_natural_key(lookalike).name == "Other"
    else:
        assert made.status in {400, 409}
        assert set(made.fields) == {"email"}
    assert Agent.objects.get_by_natural_key("MINA.KISS@EXAMPLE.COM").name != "Other"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (" Mina@EXAMPLE.com ", "Mina@example.com"),
        ("In\u00e9s@example.com", "in\u00e9s@example.com"),
        ("MI\u0301NA@example.com", "m\u00edna@example.com"),
        ("MI\u017fA@example.com", "MIsA@example.com"),
    ],
)
def test_an_address_is_kept_in_the_form_under_which_it_is_found(given: str, kept: str) -> None:
    assert kept_email(given) == kept
    assert compared_email(kept) == compared_email(given) == kept.lower()


@pytest.mark.django_db
@pytest.mark.parametrize("address", ['"a\x01b"@example.com', "a\nb@example.com", "a\u200b@example.com", "a\x7f@b.org"])
def test_an_address_with_what_does_not_show_is_refused_at_every_door(address: str) -> None:
    with pytest.raises(InvalidInput):
        make_agent(email=address)
    agent = make_agent()
    with pytest.raises(InvalidInput):
        update_agent(agent_id=agent.pk, changes={"email": address}, by=SYSTEM, now=timezone.now())


@pytest.mark.django_db
@pytest.mark.parametrize("password", ["wrong", "", " ", "x" * 1_000, "\u212a", "wröng"])
def test_an_unknown_account_costs_and_answers_what_a_known_one_does(password: str, hashes: list[str]) -> None:
    credentials._unknown_account_hash.cache_clear()
    known, deactivated, without = make_agent().email, make_agent(), make_agent(password=None)
    update_agent(agent_id=deactivated.pk, changes={"is_active": False}, by=SYSTEM, now=timezone.now())
    answers, costs = [], []
    attempt(known)  # whoever comes first in a process pays for the hash that unknown ones are compared with
    for email in (known, UNKNOWN, deactivated.email, without.email):
        hashes.clear()
        answers.append(Api().post("/api/auth/login", {"email": email, "password": password}))
        costs.append(len(hashes))
    assert len(set(costs)) == 1
    assert len({answer.status for answer in answers}) == 1
    assert len({json.dumps(answer.body | {"request_id": ""}) for answer in answers}) == 1
    volatile = {"X-Request-ID"}
    assert len({str({k: v for k, v in answer.headers.items() if k not in volatile}) for answer in answers}) == 1
    pages = [
        Client().post("/admin/login/", {"username": email, "password": password}).content.decode().replace(email, "")
        for email in (known, UNKNOWN, deactivated.email, without.email)
    ]
    assert len({page.partition("csrfmiddlewaretoken")[0] for page in pages}) == 1
    assert len({"correct" in page for page in pages}) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("first", ["known", "unknown"])
def test_the_first_guess_in_a_process_costs_the_same_too(first: str, hashes: list[str]) -> None:
    email = make_agent().email if first == "known" else UNKNOWN
    hashes.clear()
    credentials._unknown_account_hash.cache_clear()
    attempt(email)
    assert len(hashes) == 2


@pytest.mark.django_db
def test_a_lockout_tells_nothing_either(hashes: list[str]) -> None:
    answers = []
    for email in (make_agent().email, UNKNOWN):
        statuses = [Api().post("/api/auth/login", {"email": email, "password": "wrong"}).status for _ in range(10)]
        hashes.clear()
        answers.append(Api().post("/api/auth/login", {"email": email, "password": "wrong"}))
        assert (statuses, len(hashes)) == ([401] * 10, 0)
    known, unknown = (answer.body | {"request_id": ""} for answer in answers)
    assert known == unknown
    assert {answer.status for answer in answers} == {429}


@pytest.mark.django_db
def test_a_foreign_and_a_missing_agents_door_answer_alike(hashes: list[str]) -> None:
    agent, other = make_agent(), make_agent()
    given, answers, costs = {"email": agent.email, "password": PASSWORD}, [], []
    for pk in (other.pk, 999_999):
        hashes.clear()
        answers.append(Api().post(f"/api/agents/{pk}/login", given))
        costs.append(len(hashes))
    assert answers[0].body | {"request_id": ""} == answers[1].body | {"request_id": ""}
    assert [answer.status for answer in answers] == [401, 401]
    assert costs[0] == costs[1]


def attempt(email: str, password: str = WRONG, network: str = AWAY) -> str:
    try:
        credentials.verify(email=email, password=password, network=network, now=timezone.now())
    except (credentials.BadCredentials, credentials.TooManyAttempts) as refused:
        return refused.code
    return "in"
