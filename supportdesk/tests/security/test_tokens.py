"""Credentials that are not what they say: forged, altered, used in the wrong place, used twice, ended."""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from django.conf import settings
from django.test import Client
from django.utils import timezone

from agents import keys, services, sessions
from agents.credentials import BadCredentials
from agents.keys import BadApiKey
from agents.models import Agent, ApiKey, LoginSession
from agents.tests.builders import PASSWORD, SYSTEM, make_agent, make_key
from supportdesk.core.models import Event
from supportdesk.tests.client import Api
from supportdesk.tests.races import race

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.vuln]
NETWORK = "192.0.2.1"
HEADER = {"alg": "HS256", "typ": "JWT"}
Claims = dict[str, Any]


def log_in(agent: Agent, **over: Any) -> sessions.Tokens:
    given = {"email": agent.email, "password": PASSWORD, "network": NETWORK, "now": timezone.now(), **over}
    return sessions.log_in(**given)


def encoded(part: bytes) -> bytes:
    return base64.urlsafe_b64encode(part).rstrip(b"=")


def made(claims: Any, *, header: Any = None, key: str = "", digest: str = "sha256") -> bytes:
    """A token of exactly these parts, signed with our key unless another is given."""
    parts = [part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header or HEADER, claims)]
    body = b".".join(encoded(part) for part in parts)
    return body + b"." + encoded(hmac.digest((key or settings.JWT_KEYS[0]).encode(), body, digest))


def without(claims: Claims, name: str) -> Claims:
    return {other: value for other, value in claims.items() if other != name}


def signed_by_a_public_key(claims: Claims) -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return jwt.encode(claims, key, algorithm="RS256").encode()


def signed_with_a_public_key_as_secret(claims: Claims) -> bytes:
    public = rsa.generate_private_key(public_exponent=65537, key_size=2048).public_key()
    form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return made(claims, key=public.public_bytes(*form).decode())


def cut(claims: Claims) -> bytes:
    return made(claims)[:-1]


def altered(claims: Claims) -> bytes:
    header, _, signature = made(claims).split(b".")
    return b".".join([header, encoded(json.dumps(claims | {"sid": claims["sid"] + 1}).encode()), signature])


JWK = {"kty": "oct", "k": encoded(b"a key that travels with what it signs").decode()}
NOW = int(time.time())
# Signed with our own key, and wrong all the same; nobody outside makes these, and a slip of ours might.
WRONG_CLAIMS: dict[str, Callable[[Claims], Any]] = {
    "another issuer": lambda claims: claims | {"iss": "another"},
    "no issuer": lambda claims: without(claims, "iss"),
    "a list of issuers": lambda claims: claims | {"iss": ["supportdesk"]},
    "another audience": lambda claims: claims | {"aud": "another"},
    "no audience": lambda claims: without(claims, "aud"),
    "no audiences": lambda claims: claims | {"aud": []},
    "expired": lambda claims: claims | {"exp": NOW - 60},
    "no end": lambda claims: without(claims, "exp"),
    "an end that is no number": lambda claims: claims | {"exp": "tomorrow"},
    "an end beyond all numbers": lambda claims: claims | {"exp": float("inf")},
    "not yet good": lambda claims: claims | {"nbf": NOW + 86_400},
    "issued tomorrow": lambda claims: claims | {"iat": NOW + 86_400},
    "no id": lambda claims: without(claims, "jti"),
    "no version": lambda claims: without(claims, "ver"),
    "an older version": lambda claims: claims | {"ver": claims["ver"] - 1},
    "a later version": lambda claims: claims | {"ver": claims["ver"] + 1},
    "a version that is nearly one": lambda claims: claims | {"ver": float(claims["ver"])},
    "a version that is true": lambda claims: claims | {"ver": True},
    "no session": lambda claims: without(claims, "sid"),
    "no such session": lambda claims: claims | {"sid": claims["sid"] + 1_000_000},
    "a session beyond all ids": lambda claims: claims | {"sid": 10**30},
    "a session by its text": lambda claims: claims | {"sid": str(claims["sid"])},
    "a session that is SQL": lambda claims: claims | {"sid": f"{claims['sid']} OR 1=1"},
    "a list of sessions": lambda claims: claims | {"sid": [claims["sid"]]},
    "another agent": lambda claims: claims | {"sub": str(int(claims["sub"]) + 1)},
    "no such agent": lambda claims: claims | {"sub": str(int(claims["sub"]) + 1_000_000)},
    "no agent": lambda claims: without(claims, "sub"),
    "no type": lambda claims: without(claims, "token_type"),
    "another type": lambda claims: claims | {"token_type": "id"},
    "no claims": lambda claims: {},
    "a list": lambda claims: [claims],
    "a text": lambda claims: "claims",
    "no JSON": lambda claims: b"claims",
    "a depth": lambda claims: b"[" * 2_500,
}
FORGED: dict[str, Callable[[Claims], bytes]] = {
    "no algorithm": lambda claims: jwt.encode(claims, "", algorithm="none").encode(),
    "no algorithm, our signature": lambda claims: made(claims, header=HEADER | {"alg": "none"}),
    "no algorithm in odd letters": lambda claims: made(claims, header=HEADER | {"alg": "nOnE"}),
    "algorithm left out": lambda claims: made(claims, header={"typ": "JWT"}),
    "algorithm null": lambda claims: made(claims, header=HEADER | {"alg": None}),
    "a list of algorithms": lambda claims: made(claims, header=HEADER | {"alg": ["HS256"]}),
    "HS384": lambda claims: made(claims, header=HEADER | {"alg": "HS384"}, digest="sha384"),
    "HS512": lambda claims: made(claims, header=HEADER | {"alg": "HS512"}, digest="sha512"),
    "RS256": signed_by_a_public_key,
    "a public key as the secret": signed_with_a_public_key_as_secret,
    "another key": lambda claims: made(claims, key="another key that is long enough to sign"),
    "the other secret of the desk": lambda claims: made(claims, key=settings.SECRET_KEY),
    "a key of one byte": lambda claims: made(claims, key="\0"),
    "a key in the header": lambda claims: made(claims, header=HEADER | {"jwk": JWK}, key=JWK["k"]),
    "a key by address": lambda claims: made(claims, header=HEADER | {"jku": "http://127.0.0.1/"}, key="k" * 32),
    "a key by path": lambda claims: made(claims, header=HEADER | {"kid": "../../dev/null"}, key="\0"),
    "an unknown extension that is critical": lambda claims: made(claims, header=HEADER | {"crit": ["x"], "x": 1}),
    "a critical extension that is empty": lambda claims: made(claims, header=HEADER | {"crit": []}),
    "payload outside": lambda claims: made(claims, header=HEADER | {"b64": False, "crit": ["b64"]}),
    "no signature": lambda claims: made(claims).rpartition(b".")[0] + b".",
    "two parts": lambda claims: made(claims).rpartition(b".")[0],
    "four parts": lambda claims: made(claims) + b".x",
    "a cut signature": cut,
    "altered claims": altered,
    "a header that is no object": lambda claims: made(claims, header=b"[]"),
    "a header that is no JSON": lambda claims: made(claims, header=b"{"),
    "a header of a depth": lambda claims: made(claims, header=b"[" * 2_500),
    "a header of many digits": lambda claims: made(claims, header=b'{"alg": ' + b"9" * 3_000 + b"}"),
    "a header that is no text": lambda claims: made(claims, header=b"\xff\xfe"),
    "base64 of another kind": lambda claims: b"++//." + made(claims).partition(b".")[2],
    "huge": lambda claims: made(claims | {"x": "y" * 200_000}, key="another key that is long enough to sign"),
    "empty": lambda claims: b"",
    "dots": lambda claims: b"..",
    "many dots": lambda claims: b"." * 3_000,
    "not ASCII": lambda claims: "zoë.zoë.zoë".encode("latin-1"),
    "a space in it": lambda claims: made(claims).replace(b".", b" .", 1),
    **{name: lambda claims, change=change: made(change(claims)) for name, change in WRONG_CLAIMS.items()},  # type: ignore[misc]
}


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_forged_access_token_is_a_401(forge: Callable[[Claims], bytes]) -> None:
    agent = make_agent()
    assert make_agent().pk == agent.pk + 1  # the other one of the vectors
    Agent.objects.get_queryset().update(token_version=7)
    claims = jwt.decode(log_in(agent).access, options={"verify_signature": False})
    token = forge(claims).decode("latin-1")
    response = Client(raise_request_exception=False).get("/api/agents", headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, response.json()["code"]) == (401, "token_not_valid")


@pytest.mark.parametrize("forge", FORGED.values(), ids=FORGED)
def test_a_forged_refresh_token_opens_nothing(forge: Callable[[Claims], bytes]) -> None:
    agent = make_agent()
    assert make_agent().pk == agent.pk + 1  # the other one of the vectors
    Agent.objects.get_queryset().update(token_version=7)
    claims = jwt.decode(log_in(agent).refresh, options={"verify_signature": False})
    answer = Api().post("/api/auth/refresh", {"refresh": forge(claims).decode("latin-1")})
    assert answer.status in {400, 401}
    assert LoginSession.objects.get().ended_at is None  # a forgery ends nobody's login


def test_the_vectors_start_from_tokens_that_are_good() -> None:
    tokens = log_in(make_agent())
    access, refresh = (
        jwt.decode(token, options={"verify_signature": False}) for token in (tokens.access, tokens.refresh)
    )
    api = Api()
    api.headers["Authorization"] = f"Bearer {made(access).decode()}"
    assert api.get("/api/agents").status == 200
    assert Api().post("/api/auth/refresh", {"refresh": made(refresh).decode()}).status == 200
    assert len(FORGED) >= 60


def test_each_token_opens_its_own_door_only() -> None:
    tokens, key = log_in(make_agent()), make_key("tickets:read")
    for scheme, token in (
        ("Bearer", tokens.refresh),
        ("Bearer", key),
        ("Basic", tokens.access),
        ("Token", tokens.access),
    ):
        api = Api()
        api.headers["Authorization"] = f"{scheme} {token}"
        assert api.get("/api/agents").status == 401
    assert Api(tokens.access).get("/api/agents").status == 401
    assert Api().post("/api/auth/refresh", {"refresh": tokens.access}).status == 401
    assert Api().get("/api/agents", access=tokens.access).status == 401


@pytest.mark.parametrize(
    "text", ["", " ", "sdk_", "sdk_00000000_", "null", "None", "\x00", "é", "x" * 100_000, "%", "*"]
)
def test_what_is_no_key_matches_none(text: str) -> None:
    make_key("tickets:read")
    ApiKey.objects.filter(pk=ApiKey.objects.latest("pk").pk).update(digest=hashlib.sha256(b"held").hexdigest())
    with pytest.raises(BadApiKey):
        keys.machine(text=text, now=timezone.now())
    assert Api(text.replace("\x00", "")).get("/api/tickets").status == 401


def test_keys_are_long_random_and_stored_as_a_hash() -> None:
    texts = [make_key("tickets:read") for _ in range(20)]
    secrets = {text.split("_", 2)[2] for text in texts}
    assert len(secrets) == 20
    assert {len(base64.urlsafe_b64decode(secret + "=")) for secret in secrets} == {32}
    assert set(ApiKey.objects.values_list("digest", flat=True)) == {
        hashlib.sha256(text.encode()).hexdigest() for text in texts
    }


@pytest.mark.parametrize("stored", ["", "!", "!" + "x" * 40, "plain"])
@pytest.mark.parametrize("given", ["", " ", "!", "None", "plain", "md5$$"])
def test_an_account_without_a_password_is_entered_with_none(stored: str, given: str) -> None:
    agent = make_agent(password=None)
    Agent.objects.get_queryset().filter(pk=agent.pk).update(password=stored)
    with pytest.raises(BadCredentials):
        log_in(agent, password=given)
    assert Api().post("/api/auth/login", {"email": agent.email, "password": given}).status in {400, 401}
    page = Client().post("/admin/login/", {"username": agent.email, "password": given})
    assert page.status_code == 200


@pytest.mark.django_db(transaction=True)
def test_tabs_that_refresh_at_once_all_go_on() -> None:
    first = log_in(make_agent())
    answers = race(lambda _: Api().post("/api/auth/refresh", {"refresh": first.refresh}))
    assert {answer.status for answer in answers} == {200}
    successors = {jwt.decode(answer.body["refresh"], options={"verify_signature": False})["jti"] for answer in answers}
    assert len(successors) == 1
    assert LoginSession.objects.get().ended_at is None
    api = Api()
    for answer in answers[:3]:
        api.headers["Authorization"] = f"Bearer {answer.body['access']}"
        assert api.get("/api/agents").status == 200


@pytest.mark.django_db(transaction=True)
def test_a_stolen_refresh_token_ends_the_login_once_whoever_comes_first() -> None:
    now = timezone.now()
    first = log_in(make_agent(), now=now - settings.REFRESH_GRACE * 3)
    second = sessions.refresh(token=first.refresh, now=now - settings.REFRESH_GRACE * 2)
    answers = race(lambda _: Api().post("/api/auth/refresh", {"refresh": first.refresh}))
    assert {answer.status for answer in answers} == {401}
    assert Event.objects.filter(name="agent.logged_out", payload__reason="refresh_reused").count() == 1
    assert Api().post("/api/auth/refresh", {"refresh": second.refresh}).status == 401
    api = Api()
    api.headers["Authorization"] = f"Bearer {second.access}"
    assert api.get("/api/agents").status == 401


@pytest.mark.parametrize("change", [{"password": "another long pass phrase"}, {"role": "admin"}, {"is_active": False}])
def test_what_ends_a_login_ends_it_in_the_admin_too(change: dict[str, Any]) -> None:
    agent = make_agent(role="supervisor")
    client = Client()
    client.force_login(agent)
    assert client.get("/admin/").status_code == 200
    services.update_agent(agent_id=agent.pk, changes=change, by=SYSTEM, now=timezone.now())
    assert client.get("/admin/").status_code == 302
    assert Api().post("/api/auth/login", {"email": agent.email, "password": "wrong"}).status == 401


def test_a_session_that_was_there_before_the_login_is_not_the_one_after() -> None:
    agent, client = make_agent(role="admin"), Client()
    client.session.save()
    planted = str(client.session.session_key)
    client.cookies[settings.SESSION_COOKIE_NAME] = planted
    client.post("/admin/login/", {"username": agent.email, "password": PASSWORD})
    assert client.get("/admin/").status_code == 200
    assert client.session.session_key != planted
    other = Client()
    other.cookies[settings.SESSION_COOKIE_NAME] = planted
    assert other.get("/admin/").status_code == 302


def test_sessions_of_the_old_secret_are_good_while_both_are_live(settings: Any) -> None:
    agent, client = make_agent(role="admin"), Client()
    client.force_login(agent)
    old = settings.SECRET_KEY
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = "n" * 50, [old]
    assert client.get("/admin/").status_code == 200
    settings.SECRET_KEY_FALLBACKS = []
    assert client.get("/admin/").status_code == 200  # it was renewed under the new one on the way
    stale = Client()
    settings.SECRET_KEY = old
    stale.force_login(agent)
    settings.SECRET_KEY = "n" * 50
    assert stale.get("/admin/").status_code == 302
