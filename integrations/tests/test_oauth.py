"""Connecting a shop on Shopify's page: only what we began, in the same browser, for the same shop, once and in time."""

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from agents.tests.builders import make_agent
from integrations import oauth
from integrations.enums import ConnectionStatus, Provider
from integrations.models import Connection, OAuthState
from integrations.shopify import authorization
from integrations.shopify.sandbox.credentials import SHOP
from integrations.shopify.sandbox.exchange import Scripted
from integrations.shopify.sandbox.server import Sandbox, callback
from integrations.tests.builders import make_connection

pytestmark = [pytest.mark.django_db, pytest.mark.vuln]
ADMIN = "/admin/integrations/connection/"
OTHER = "other-shop.myshopify.com"
VECTOR = [
    ("code", "0907a61c0c8d55e99db179b68161bc00"),
    ("shop", "some-shop.myshopify.com"),
    ("timestamp", "1337178173"),
    ("hmac", "4712bf92ffc2917d15a2f5a273e39f0116667419aa4b6ac0b3baaf26fa3c4d20"),
]


@pytest.fixture
def known(shopify: Sandbox) -> Connection:
    return make_connection(account_key=SHOP, changes={}, active=False)


@pytest.fixture
def browser() -> Client:
    client = Client()
    client.force_login(make_agent(role="admin"))
    return client


def begin(browser: Client, known: Connection) -> dict[str, str]:
    """What Shopify's page is asked."""
    page = browser.post(f"{ADMIN}{known.pk}/change/", {"do": "connect"})
    (address,) = re.findall(r'href="([^"]+)"', page.content.decode())
    return dict(parse_qsl(urlsplit(unescape(address)).query))


def finish(browser: Client, query: str) -> Any:
    return browser.post(f"{ADMIN}complete/shopify/?{query}")


def altered(query: str, **over: str) -> str:
    return urlencode({**dict(parse_qsl(query)), **over})


def test_the_public_vector_is_signed_and_no_other_spelling_of_it() -> None:
    assert authorization.is_signed(VECTOR, ["other", "hush"])
    assert not authorization.is_signed(VECTOR, ["other"])
    for index, (name, value) in enumerate(VECTOR):
        assert not authorization.is_signed([*VECTOR[:index], (name, f"{value}0"), *VECTOR[index + 1 :]], ["hush"])
        assert not authorization.is_signed([*VECTOR[:index], *VECTOR[index + 1 :]], ["hush"])
    assert not authorization.is_signed([*VECTOR, ("more", "1")], ["hush"])


def test_lists_and_separators_are_signed_as_shopify_writes_them() -> None:
    query = [("ids[]", "1"), ("ids[]", "2"), ("a=b", "c=d&e%f"), ("signature", "old")]
    assert authorization._signed_text(query) == 'a%3Db=c=d%26e%25f&ids=["1", "2"]'


def test_a_shop_is_connected_by_who_began_it(shopify: Sandbox, known: Connection, browser: Client) -> None:
    asked = begin(browser, known)
    assert asked["client_id"] == "the-app-of-the-sandbox"
    assert asked["scope"].split(",") == ["read_customers", "read_customer_merge", "read_orders", "read_products"]
    assert len(asked["state"]) == 43
    assert not OAuthState.objects.filter(digest=asked["state"]).exists()
    back = Client().get(f"{urlsplit(asked['redirect_uri']).path}?{callback(asked['state'])}")
    assert f"{ADMIN}complete/shopify/?code=" in unescape(back.content.decode())
    assert browser.get(f"{ADMIN}complete/shopify/?{callback(asked['state'])}").status_code == 200
    finish(browser, callback(asked["state"]))
    known.refresh_from_db()
    assert known.status == ConnectionStatus.ACTIVE
    assert known.access_token in shopify.access
    assert known.refresh_token == shopify.refresh
    assert known.scopes == shopify.scopes.split(",")
    assert known.expires_at is not None
    assert known.refresh_expires_at is not None
    assert timedelta(minutes=59) < known.expires_at - timezone.now() <= timedelta(hours=1)
    assert timedelta(days=89) < known.refresh_expires_at - timezone.now() <= timedelta(days=90)
    (exchange,) = shopify.of("token")
    assert (exchange.given["expiring"], set(exchange.given)) == (
        "1",
        {"client_id", "client_secret", "code", "expiring"},
    )
    finish(browser, callback(asked["state"]))
    assert len(shopify.of("token")) == 1


def test_who_chose_our_app_at_shopify_is_led_to_their_shop(
    shopify: Sandbox, known: Connection, browser: Client
) -> None:
    query = callback("", shop=SHOP.capitalize())
    page = Client().get(f"{ADMIN}install/shopify/?{query}")
    assert f"{ADMIN}wanted/shopify/?code=" in unescape(page.content.decode())
    assert browser.get(f"{ADMIN}wanted/shopify/?{query}").headers["Location"] == f"{ADMIN}{known.pk}/change/"
    address = browser.get(f"{ADMIN}wanted/shopify/?{callback('', shop='new.myshopify.com')}").headers["Location"]
    assert address == f"{ADMIN}add/?provider=shopify&account_key=new.myshopify.com"
    assert 'value="new.myshopify.com"' in browser.get(address).content.decode()
    assert Client().get(f"{ADMIN}wanted/shopify/?{query}").headers["Location"].startswith("/admin/login/")
    assert (Connection.objects.count(), OAuthState.objects.count(), shopify.of("token")) == (1, 0, [])
    made = browser.post(address, {"provider": "shopify", "account_key": "new.myshopify.com"}, follow=True)
    assert "Saved." in made.content.decode()
    assert Connection.objects.filter(provider="shopify", account_key="new.myshopify.com").exists()


@pytest.mark.parametrize(
    ("provider", "query"),
    [
        ("shopify", altered(callback(""), hmac="0")),
        ("shopify", callback("", shop="evil.example")),
        ("shopify", callback("", shop=f"{SHOP}\n")),
        ("shopify", ""),
        ("gorgias", "account=evil.example/"),
        ("gorgias", "account=a&account=b"),
        ("gorgias", ""),
    ],
)
def test_what_nobody_s_page_said_leads_nowhere(shopify: Sandbox, browser: Client, provider: str, query: str) -> None:
    assert browser.get(f"{ADMIN}wanted/{provider}/?{query}").headers["Location"] == ADMIN


def test_who_chose_our_app_at_gorgias_is_led_to_their_account(browser: Client) -> None:
    address = browser.get(f"{ADMIN}wanted/gorgias/?account=acme").headers["Location"]
    assert address == f"{ADMIN}add/?provider=gorgias&account_key=acme"
    assert browser.post(address, {"provider": "gorgias", "account_key": "acme"}).status_code == 302
    assert Connection.objects.filter(provider="gorgias", account_key="acme").exists()
    assert browser.get(f"{ADMIN}wanted/slack/?account=acme").status_code == 404


@pytest.mark.parametrize(
    "over",
    [
        {"state": "x" * 43},
        {"state": ""},
        {"code": "0"},
        {"shop": "other.myshopify.com"},
        {"host": "x"},
        {"hmac": "0" * 64},
        {"hmac": "\udcff"},
        {"timestamp": "1"},
        {"more": "1"},
    ],
)
def test_an_altered_answer_is_refused_and_nothing_is_asked(
    shopify: Sandbox, known: Connection, browser: Client, over: dict[str, str]
) -> None:
    query = callback(begin(browser, known)["state"])
    altered_query = urlencode({**dict(parse_qsl(query)), **over}, errors="surrogateescape")
    finish(browser, altered_query)
    known.refresh_from_db()
    assert (known.status, shopify.of("token")) == (ConnectionStatus.PENDING, [])


@pytest.mark.parametrize(
    "shop",
    [f"{SHOP}\n", f"{SHOP}/x", f"user@{SHOP}", f"{SHOP}.evil.example", "evil.example", "", "-x.myshopify.com", OTHER],
)
def test_another_shop_is_refused_however_well_it_is_signed(
    shopify: Sandbox, known: Connection, browser: Client, shop: str
) -> None:
    other = make_connection(account_key=OTHER, changes={}, active=False)
    finish(browser, callback(begin(browser, known)["state"], shop=shop))
    assert shopify.of("token") == []
    assert {one.status for one in Connection.objects.filter(pk__in=[known.pk, other.pk])} == {ConnectionStatus.PENDING}


def test_another_browser_another_administrator_and_a_late_answer_are_refused(
    shopify: Sandbox, known: Connection, browser: Client
) -> None:
    state = begin(browser, known)["state"]
    same: Any = browser.get("/admin/").wsgi_request.user
    for who in (make_agent(role="admin"), same):
        other = Client()
        other.force_login(who)
        finish(other, callback(state))
    OAuthState.objects.update(expires_at=timezone.now())
    finish(browser, callback(state))
    assert shopify.of("token") == []
    assert Client().post(f"{ADMIN}complete/shopify/?{callback(state)}").status_code == 302


@pytest.mark.parametrize(("seconds", "is_fine"), [(0, True), (90, True), (-90, True), (91, False), (-91, False)])
def test_an_answer_is_good_for_ninety_seconds(settings: Any, seconds: int, is_fine: bool) -> None:
    settings.SHOPIFY_CLIENT_SECRETS = ["hush"]
    now = datetime.fromtimestamp(1_337_178_173 + seconds, UTC)
    if is_fine:
        authorization.check(VECTOR, "some-shop.myshopify.com", now)
    else:
        with pytest.raises(oauth.BadCallback):
            authorization.check(VECTOR, "some-shop.myshopify.com", now)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (Scripted(400, {"error": "invalid_grant"}), "refused the permission"),
        (Scripted(200, {"token": 1}), "gave no tokens"),
    ],
)
def test_a_permission_that_gives_nothing_is_told(
    shopify: Sandbox, known: Connection, browser: Client, answer: Scripted, says: str
) -> None:
    shopify.script("token", answer)
    response = finish(browser, callback(begin(browser, known)["state"]))
    page = browser.get(response["Location"]).content.decode()
    known.refresh_from_db()
    assert says in page
    assert known.status == ConnectionStatus.PENDING


def test_without_an_app_nothing_is_begun(settings: Any, known: Connection, browser: Client) -> None:
    settings.SHOPIFY_CLIENT_ID = ""
    page = browser.post(f"{ADMIN}{known.pk}/change/", {"do": "connect"}).content.decode()
    assert "The settings name no app at Shopify" in page
    assert not OAuthState.objects.exists()


def test_a_state_is_of_one_provider(shopify: Sandbox, known: Connection, browser: Client) -> None:
    state = begin(browser, known)["state"]
    OAuthState.objects.update(provider=Provider.GORGIAS)
    finish(browser, callback(state))
    assert shopify.of("token") == []
