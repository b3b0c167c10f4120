"""How an account of Gorgias is opened, how its calls to us are believed, and who keeps them coming."""

import base64
import hmac
import json
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.utils import timezone

from agents.tests.builders import SYSTEM, actor_of, make_agent
from integrations import connections, oauth
from integrations.enums import Provider
from integrations.gorgias import client, registration
from integrations.gorgias.client import Down, Refused
from integrations.gorgias.names import TRIGGERS
from integrations.gorgias.sandbox.credentials import CLIENT_ID, CLIENT_SECRET, EMAIL, REFRESH
from integrations.gorgias.sandbox.exchange import Scripted
from integrations.gorgias.sandbox.server import Sandbox
from integrations.models import Connection
from integrations.providers import AUTHORIZATIONS
from integrations.tests.builders import SECRET, make_connection, path_of, send
from supportdesk.core.errors import InvalidInput

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True, databases=["default", "tokens"])]
LEFT = 5.0


@pytest.fixture
def app(gorgias: Sandbox, settings: Any) -> Sandbox:
    settings.GORGIAS_CLIENT_ID, settings.GORGIAS_CLIENT_SECRETS = CLIENT_ID, [CLIENT_SECRET]
    return gorgias


def connect(app: Sandbox) -> Connection:
    """As an administrator does it."""
    known = make_connection(Provider.GORGIAS, active=False, changes={"webhook_secret": SECRET})
    by, now = actor_of(make_agent(role="admin")), timezone.now()
    given: dict[str, Any] = {"ways": AUTHORIZATIONS, "session": "browser", "by": by, "now": now}
    asked = parse_qs(urlsplit(oauth.begin(connection_id=known.pk, **given)).query)
    assert (asked["response_type"], asked["client_id"], len(asked["nonce"][0])) == (["code"], [CLIENT_ID], 32)
    app.codes.add("code-1")
    return oauth.complete(provider=Provider.GORGIAS, query=f"code=code-1&state={asked['state'][0]}", **given)


def test_an_owner_s_permission_opens_the_account(app: Sandbox) -> None:
    known = connect(app)
    assert (known.status, known.refresh_token, known.scopes) == ("active", REFRESH, ["tickets:read"])
    assert known.expires_at is not None
    assert timedelta(minutes=59) < known.expires_at - timezone.now() <= timedelta(minutes=61)  # what the token says
    assert client.account(known, left=LEFT)["domain"] == "sandbox"
    (form,) = app.asked_for_tokens
    assert set(form) == {"grant_type", "code", "redirect_uri"}


def test_a_token_that_tells_nothing_lives_for_a_day_and_a_renewal_keeps_the_refresh_token(app: Sandbox) -> None:
    known = connect(app)
    Connection.objects.filter(pk=known.pk).update(expires_at=timezone.now())
    app.tokens.add("opaque")
    app.grants.append(Scripted(body={"access_token": "opaque", "expires_in": 0, "scope": "tickets:read"}))
    known.refresh_from_db()
    client.account(known, left=LEFT)
    known.refresh_from_db()
    assert (known.access_token, known.refresh_token) == ("opaque", REFRESH)
    assert known.expires_at is not None
    assert known.expires_at - timezone.now() > timedelta(hours=23)


def test_a_token_that_is_refused_is_renewed_once(app: Sandbox) -> None:
    known = connect(app)
    app.tokens.clear()
    assert client.account(known, left=LEFT)["domain"] == "sandbox"
    assert len(app.asked_for_tokens) == 2
    app.script("GET", "/api/account", Scripted(status=401, body={}), Scripted(status=401, body={}))
    with pytest.raises(Refused) as failure:
        client.account(known, left=LEFT)
    assert failure.value.of_the_account
    known.refresh_from_db()
    assert known.status == "reauth"


@pytest.mark.parametrize(
    ("answer", "kind", "status"),
    [
        (Scripted(status=400, body={"error": "invalid_grant"}), Refused, "reauth"),
        (Scripted(status=401, body={"error": "invalid_client"}), Down, "active"),
        (Scripted(status=503, body="<html>"), Down, "active"),
    ],
)
def test_what_comes_of_a_renewal_that_fails(app: Sandbox, answer: Scripted, kind: type[Exception], status: str) -> None:
    known = connect(app)
    Connection.objects.filter(pk=known.pk).update(expires_at=timezone.now())
    app.grants += [answer] * 9
    with pytest.raises(kind):
        client.account(known, left=1.0)
    known.refresh_from_db()
    assert (known.status, known.refresh_token) == (status, REFRESH)


@pytest.mark.parametrize(
    ("encoding", "prefix", "signed"),
    [("hex", "", "hex"), ("base64", "sha256=", "base64"), ("hex", "v1=", "hex")],
)
def test_a_signature_is_asked_for_where_the_settings_name_it(
    settings: Any, encoding: str, prefix: str, signed: str
) -> None:
    known, raw = make_connection(Provider.GORGIAS), json.dumps({"event": "ticket-updated"}).encode()
    settings.GORGIAS_HMAC_HEADER = "X-Signature-Of-Theirs"
    settings.GORGIAS_HMAC_ENCODING, settings.GORGIAS_HMAC_PREFIX = encoding, prefix
    made = hmac.digest(SECRET.encode(), raw, "sha256")
    good = prefix + (made.hex() if signed == "hex" else base64.b64encode(made).decode())
    for given, status in [(good, 202), (good[:-4], 401), ("", 401), ("é" + good, 401), (f"x{good}", 401)]:
        headers = {"X-Webhook-Token": SECRET, "X-Signature-Of-Theirs": given}
        assert send(path_of(known), raw, headers).status_code == status
    assert send(path_of(known), raw, {"X-Signature-Of-Theirs": good}).status_code == 401


def test_a_key_is_good_with_the_address_of_its_user_only(settings: Any) -> None:
    with pytest.raises(InvalidInput) as wrong:
        make_connection(Provider.GORGIAS, changes={"webhook_secret": SECRET, "email": "nobody", "api_key": "key"})
    assert wrong.value.errors[0].field == "email"
    known = make_connection(Provider.GORGIAS, active=False, changes={"webhook_secret": SECRET, "api_key": "key"})
    with pytest.raises(connections.NotReady, match="e-mail address with an API key"):
        connections.activate(connection_id=known.pk, by=SYSTEM, now=timezone.now())
    connections.update(connection_id=known.pk, changes={"email": EMAIL}, by=SYSTEM, now=timezone.now())
    assert connections.activate(connection_id=known.pk, by=SYSTEM, now=timezone.now()).status == "active"


def test_each_trigger_calls_us_once_it_is_registered(gorgias: Sandbox) -> None:
    known, now = make_connection(Provider.GORGIAS), timezone.now()
    first = registration.register(known, by=SYSTEM, now=now)
    again = registration.register(known, by=SYSTEM, now=now)
    assert (first.made, again.fine, str(again)) == (list(TRIGGERS), list(TRIGGERS), "6 as they should be")
    assert len(gorgias.integrations) == len(TRIGGERS)
    pk = gorgias.open_ticket(None, "Hallo")["id"]
    url, headers, body = gorgias.calls[0]
    assert url == registration.address(known)
    assert headers == {"X-Webhook-Token": SECRET}
    assert {name: json.loads(body)[name] for name in ("event", "ticket_id")} == {
        "event": "ticket-created",
        "ticket_id": str(pk),
    }


def test_the_daily_look_switches_on_again_and_hands_over_a_new_secret(gorgias: Sandbox) -> None:
    known, now = make_connection(Provider.GORGIAS), timezone.now()
    registration.register(known, by=SYSTEM, now=now)
    off, gone, *_ = list(gorgias.integrations)
    gorgias.integrations[off]["deactivated_datetime"] = gorgias.now()
    del gorgias.integrations[gone]
    new = connections.new_webhook_secret(connection_id=known.pk, by=SYSTEM, now=now)
    known.refresh_from_db()
    found = registration.look(known, by=SYSTEM, now=now)
    assert found is not None
    assert (found.revived, found.missing, len(found.renewed)) == ([TRIGGERS[0]], [TRIGGERS[1]], 5)
    assert {one["http"]["headers"]["X-Webhook-Token"] for one in gorgias.integrations.values()} == {new}
    gorgias.script("GET", "/api/integrations", Scripted(status=403, body={}))
    assert registration.look(known, by=SYSTEM, now=now) is None
    known.refresh_from_db()
    assert known.last_error == "http 403"
