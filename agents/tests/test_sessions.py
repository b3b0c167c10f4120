"""Logging in, refreshing and logging out, at the service and over HTTP."""

from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from django.conf import settings
from django.utils import timezone

from agents import credentials, services, sessions
from agents.credentials import BadCredentials
from agents.models import LoginSession
from agents.sessions import BadToken
from agents.tests.builders import PASSWORD, SYSTEM, actor_of, make_agent
from supportdesk.core.models import Event
from supportdesk.tests.client import Api

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)


NETWORK = "192.0.2.1"


def log_in(email: str, **over: object) -> sessions.Tokens:
    return sessions.log_in(**{"email": email, "password": PASSWORD, "network": NETWORK, "now": timezone.now(), **over})  # type: ignore[arg-type]


def test_login_gives_tokens_and_leaves_a_fact() -> None:
    agent = make_agent(email="mina@example.com")
    tokens = log_in("MINA@example.com")
    assert tokens.agent.pk == agent.pk
    assert tokens.expires_in == 600
    event = Event.objects.get(name="agent.logged_in")
    assert (event.subject_id, event.actor_id) == (agent.pk, agent.pk)
    claims = jwt.decode(
        tokens.access, settings.JWT_KEYS[0], algorithms=["HS256"], audience="supportdesk-api", issuer="supportdesk"
    )
    assert (claims["sub"], claims["ver"], claims["token_type"]) == (str(agent.pk), 1, "access")


@pytest.mark.parametrize(
    "over", [{"password": "wrong"}, {"email": "nobody@example.com"}, {"agent_id": 999_999}, {"password": ""}]
)
def test_every_bad_login_is_refused_with_the_same_words(over: dict[str, object]) -> None:
    make_agent(email="mina@example.com")
    with pytest.raises(BadCredentials, match=r"^The e-mail address or the password is wrong\.$"):
        log_in(**{"email": "mina@example.com", **over})  # type: ignore[arg-type]
    assert not LoginSession.objects.exists()


def test_an_inactive_agent_cannot_log_in() -> None:
    agent = make_agent()
    services.update_agent(agent_id=agent.pk, changes={"is_active": False}, by=SYSTEM, now=NOW)
    with pytest.raises(BadCredentials):
        log_in(agent.email)


def test_refresh_replaces_the_token_and_honours_the_old_one_for_thirty_seconds() -> None:
    agent = make_agent()
    now = timezone.now()
    first = log_in(agent.email, now=now)
    second = sessions.refresh(token=first.refresh, now=now + timedelta(seconds=60))
    again = sessions.refresh(token=first.refresh, now=now + timedelta(seconds=90))
    assert second.refresh != first.refresh
    assert _jti(again.refresh) == _jti(second.refresh)
    assert LoginSession.objects.get().ended_at is None


def test_a_reused_refresh_token_ends_the_login() -> None:
    agent = make_agent()
    now = timezone.now()
    first = log_in(agent.email, now=now)
    second = sessions.refresh(token=first.refresh, now=now + timedelta(seconds=1))
    with pytest.raises(BadToken):
        sessions.refresh(token=first.refresh, now=now + timedelta(seconds=32))
    assert LoginSession.objects.get().end_reason == "refresh_reused"
    with pytest.raises(BadToken):
        sessions.refresh(token=second.refresh, now=now + timedelta(seconds=33))
    assert Event.objects.filter(name="agent.logged_out", payload__reason="refresh_reused").count() == 1


def test_a_login_ends_after_its_lifetime_however_often_it_was_refreshed() -> None:
    agent = make_agent()
    tokens = log_in(agent.email, now=timezone.now() - settings.LOGIN_SESSION_LIFETIME - timedelta(seconds=1))
    with pytest.raises(BadToken):
        sessions.refresh(token=tokens.refresh, now=timezone.now())


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30."])
def test_what_is_no_refresh_token_is_refused(token: str) -> None:
    with pytest.raises(BadToken):
        sessions.refresh(token=token, now=NOW)


def test_an_access_token_does_not_refresh_and_a_refresh_token_does_not_open() -> None:
    agent = make_agent()
    tokens = log_in(agent.email)
    with pytest.raises(BadToken):
        sessions.refresh(token=tokens.access, now=timezone.now())
    api = Api()
    api.headers["Authorization"] = f"Bearer {tokens.refresh}"
    assert api.get("/api/agents").status == 401


@pytest.mark.vuln
@pytest.mark.parametrize(
    ("key", "algorithm", "over"),
    [
        ("another key that is long enough to sign", "HS256", {}),
        ("", "none", {}),
        (None, "HS512", {}),
        (None, "HS256", {"aud": "another"}),
        (None, "HS256", {"iss": "another"}),
        (None, "HS256", {"exp": 1}),
        (None, "HS256", {"ver": 2}),
        (None, "HS256", {"sid": "1 OR 1=1"}),
    ],
)
def test_a_forged_access_token_is_refused(key: str | None, algorithm: str, over: dict[str, object]) -> None:
    agent = make_agent()
    claims = jwt.decode(log_in(agent.email).access, options={"verify_signature": False}) | over
    api = Api()
    signing_key = settings.JWT_KEYS[0] if key is None else key
    api.headers["Authorization"] = f"Bearer {jwt.encode(claims, signing_key, algorithm=algorithm)}"
    answer = api.get("/api/agents")
    assert (answer.status, answer.body["code"]) == (401, "token_not_valid")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("change", [{"password": "another long pass phrase"}, {"role": "senior"}, {"is_active": False}])
def test_password_role_and_deactivation_end_every_login_at_the_next_request(change: dict[str, object]) -> None:
    agent = make_agent()
    api = Api(agent)
    refresh = log_in(agent.email).refresh
    assert api.get("/api/agents").status == 200
    services.update_agent(agent_id=agent.pk, changes=change, by=SYSTEM, now=NOW)
    assert api.get("/api/agents").status == 401
    with pytest.raises(BadToken):
        sessions.refresh(token=refresh, now=timezone.now())


def test_logout_ends_access_and_refresh_of_this_login_only() -> None:
    agent = make_agent()
    here, elsewhere = Api(agent), Api(agent)
    assert here.post(f"/api/agents/{agent.pk}/logout").status == 204
    assert here.get("/api/agents").status == 401
    assert elsewhere.get("/api/agents").status == 200


def test_nobody_logs_out_somebody_else() -> None:
    agent, other = make_agent(), make_agent()
    assert Api(agent).post(f"/api/agents/{other.pk}/logout").status == 404


def test_login_over_http_with_and_without_the_agents_id() -> None:
    agent, other = make_agent(), make_agent()
    credentials = {"email": agent.email, "password": PASSWORD}
    plain = Api().post("/api/auth/login", credentials)
    assert plain.status == 200
    assert plain.body["agent"] == {"id": agent.pk, "name": agent.name, "availability": "online"}
    assert Api().post(f"/api/agents/{agent.pk}/login", credentials).status == 200
    refused = Api().post(f"/api/agents/{other.pk}/login", credentials)
    assert (refused.status, refused.body["code"]) == (401, "bad_credentials")
    refreshed = Api().post("/api/auth/refresh", {"refresh": plain.body["refresh"]})
    assert refreshed.status == 200
    assert refreshed.body["refresh"] != plain.body["refresh"]


def test_prune_deletes_what_is_over_and_tells_no_known_place_any_more() -> None:
    agent, now = make_agent(), timezone.now()
    log_in(agent.email, now=now)
    sessions.log_out(session=LoginSession.objects.get(), by=actor_of(agent), now=now)
    log_in(agent.email, now=now)
    log_in(agent.email, now=now - settings.LOGIN_SESSION_LIFETIME - timedelta(days=1))
    log_in(agent.email, now=now - credentials.KNOWN_FOR)
    assert sessions.prune(now=now + timedelta(seconds=31)) == 1
    assert sessions.prune(now=now + credentials.KNOWN_FOR) == 3


def _jti(token: str) -> str:
    return str(jwt.decode(token, options={"verify_signature": False})["jti"])


def test_tokens_of_the_old_key_are_good_while_both_are_live(settings: Any) -> None:
    agent, old, new = make_agent(), "an old key that is long enough to sign", "a new key that is long enough to sign"
    settings.JWT_KEYS = [old]
    before = log_in(agent.email)
    settings.JWT_KEYS = [new, old]
    api = Api()
    for access in (before.access, log_in(agent.email).access):
        api.headers["Authorization"] = f"Bearer {access}"
        assert api.get("/api/agents").status == 200
    refreshed = sessions.refresh(token=before.refresh, now=timezone.now())
    settings.JWT_KEYS = [new]
    with pytest.raises(BadToken):
        sessions.refresh(token=before.refresh, now=timezone.now())
    api.headers["Authorization"] = f"Bearer {refreshed.access}"
    assert api.get("/api/agents").status == 200
