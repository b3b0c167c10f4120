"""What agents see of a shop and change in it; and whether everything is as it should be."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents.selectors import actor_for
from agents.tests.builders import SYSTEM, make_agent
from customers.models import Customer
from customers.services import update_customer
from integrations import connections, doctor, receipts
from integrations.enums import ConnectionStatus
from integrations.models import Connection, ExternalLink
from integrations.shopify import client, mapping, outbound, sources, subscriptions
from integrations.shopify.sandbox.credentials import SCOPES, TOKEN
from integrations.shopify.sandbox.deliveries import Delivery as Sent
from integrations.shopify.sandbox.exchange import Scripted
from integrations.shopify.sandbox.server import Sandbox
from integrations.tests.builders import SECRET, make_connection, send, signature
from supportdesk.core import delivery
from supportdesk.core.actor import Actor, Door
from supportdesk.core.asking import redis
from supportdesk.core.models import Delivery
from supportdesk.tests.client import Api

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
ADMIN = "/admin/integrations/connection/"
WRITES = ("UpdateCustomer", "AddTags", "RemoveTags")


@pytest.fixture
def known(shopify: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Connection:
    monkeypatch.setattr(client, "FIRST", 0.01)
    changes = {"access_token": TOKEN, "webhook_secret": SECRET, "write_back": True}
    made = make_connection(changes=changes)
    Connection.objects.filter(pk=made.pk).update(scopes=SCOPES.split(","))
    made.refresh_from_db()
    return made


@pytest.fixture
def agent() -> Actor:
    return actor_for(make_agent(role="admin"), led=frozenset(), origin=Door.API, request_id="")


def imported(known: Connection, node: dict[str, Any]) -> Customer:
    sources.write_customer(known, node, known_door(), timezone.now())
    return Customer.objects.get(identities__external_id=node["legacyResourceId"])


def known_door() -> Actor:
    return SYSTEM.through(Door.SHOPIFY)


def change(customer: Customer, by: Actor, **attributes: Any) -> None:
    customer.refresh_from_db()
    held = {**customer.attributes, **attributes}
    update_customer(customer_id=customer.pk, changes={"attributes": held}, by=by, now=timezone.now())
    delivery.run_due(limit=50)


def written(shopify: Sandbox) -> list[str]:
    return [one.operation for one in shopify.asked if one.operation in WRITES]


def test_notes_and_tags_of_agents_are_the_shops_too_and_do_not_come_back(
    shopify: Sandbox, known: Connection, agent: Actor
) -> None:
    subscriptions.register(known)
    customer = imported(known, shopify.add_customer(7, tags=["old", "vip"]))
    for number in range(4):
        change(customer, agent, shopify_note=f"Likes tea {number}", shopify_tags=f"vip, öko {number}")
        told, shopify.deliveries = shopify.deliveries, []
        for one in told:
            assert send(f"/{one.uri.split('/', 3)[3]}", one.raw, signed(one)).status_code == 202
        receipts.work_off(limit=20)
        delivery.run_due(limit=50)
    node = shopify.customers["7"]
    assert (node["note"], node["tags"]) == ("Likes tea 3", ["vip", "öko 3"])
    assert written(shopify) == ["UpdateCustomer", "AddTags", "RemoveTags"] * 4
    customer.refresh_from_db()
    assert customer.attributes["shopify_tags"] == "vip, öko 3"
    assert set(ExternalLink.objects.get(object_type="customer").pushed) == {mapping.NOTE}


def signed(one: Sent) -> dict[str, str]:
    """As the connection's own secret signs it."""
    return {**one.headers, "X-Shopify-Hmac-Sha256": signature(one.raw)}


def test_what_is_not_wanted_not_allowed_or_not_new_is_not_sent(
    shopify: Sandbox, known: Connection, agent: Actor
) -> None:
    customer = imported(known, shopify.add_customer(7))
    change(customer, agent, nick="Rob")
    change(customer, known_door(), shopify_note="from there")
    connections.update(connection_id=known.pk, changes={"write_back": False}, by=agent, now=timezone.now())
    change(customer, agent, shopify_note="x")
    connections.update(connection_id=known.pk, changes={"write_back": True}, by=agent, now=timezone.now())
    Connection.objects.update(scopes=["read_customers"])
    change(customer, agent, shopify_note="y")
    assert shopify.asked == []


def test_what_changed_there_meanwhile_stays_and_no_tag_is_lost(
    shopify: Sandbox, known: Connection, agent: Actor
) -> None:
    customer = imported(known, shopify.add_customer(7, tags=["vip"]))
    later = (timezone.now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    shopify.customers["7"] |= {"note": "theirs", "tags": ["theirs", "vip"], "updatedAt": later}
    change(customer, agent, shopify_note="ours", shopify_tags="ours")
    node = shopify.customers["7"]
    assert (node["note"], node["tags"]) == ("theirs", ["ours", "theirs"])
    assert written(shopify) == ["AddTags", "RemoveTags"]
    change(customer, agent, shopify_tags="ours, vip")
    change(customer, agent, shopify_tags="vip")
    assert node["tags"] == ["theirs", "vip"]


def test_only_what_an_agent_changed_is_sent(shopify: Sandbox, known: Connection, agent: Actor) -> None:
    customer = imported(known, shopify.add_customer(7, note="old", tags=["vip"]))
    shopify.customers["7"] |= {"note": "newer", "tags": ["newer", "vip"]}
    change(customer, agent, nick="Rob")
    assert shopify.asked == []
    change(customer, agent, shopify_tags="ours, vip")
    assert (shopify.customers["7"]["note"], shopify.customers["7"]["tags"]) == ("newer", ["newer", "ours", "vip"])
    imported(known, {**shopify.customers["7"]})
    customer.refresh_from_db()
    assert customer.attributes["shopify_note"] == "newer"
    assert customer.attributes["shopify_tags"] == "newer, ours, vip"


def waiting() -> list[Delivery]:
    return list(Delivery.objects.pending().filter(reaction__contains="write_back"))


def once_more() -> None:
    Delivery.objects.update(due_at=timezone.now())
    delivery.run_due(limit=50)


def test_a_shop_that_is_away_is_told_later_and_to_wait_is_no_try(
    shopify: Sandbox, known: Connection, agent: Actor
) -> None:
    customer = imported(known, shopify.add_customer(7))
    shopify.script("Customer", *[Scripted(503, "away")] * 20)
    change(customer, agent, shopify_note="x", shopify_tags="ours")
    for _ in range(delivery.TRIES + 1):
        once_more()
    (waits,) = waiting()
    assert (waits.attempts, Delivery.objects.dead().count()) == (0, 0)
    shopify.scripted.clear()
    redis().delete(f"breaker:shopify-{known.pk}")
    once_more()
    assert (shopify.customers["7"]["note"], shopify.customers["7"]["tags"]) == ("x", ["ours"])
    assert waiting() == []


@pytest.mark.parametrize("become", ["pause", "require_reauth"])
def test_what_agents_change_while_the_shop_is_not_connected_waits(
    shopify: Sandbox, known: Connection, agent: Actor, become: str
) -> None:
    customer = imported(known, shopify.add_customer(7))
    with_error = {"error": "x"} if become == "require_reauth" else {}
    getattr(connections, become)(connection_id=known.pk, by=agent, now=timezone.now(), **with_error)
    change(customer, agent, shopify_note="x")
    assert (len(waiting()), shopify.asked) == (1, [])
    connections.activate(connection_id=known.pk, by=agent, now=timezone.now())
    once_more()
    assert (shopify.customers["7"]["note"], waiting()) == ("x", [])


def test_a_token_that_is_refused_makes_it_wait_for_an_administrator(
    shopify: Sandbox, known: Connection, agent: Actor
) -> None:
    customer = imported(known, shopify.add_customer(7))
    shopify.access.clear()
    change(customer, agent, shopify_note="x")
    known.refresh_from_db()
    assert (known.status, len(waiting())) == (ConnectionStatus.REAUTH, 1)


def test_after_a_day_it_is_given_up_and_said(shopify: Sandbox, known: Connection, agent: Actor) -> None:
    customer = imported(known, shopify.add_customer(7))
    connections.pause(connection_id=known.pk, by=agent, now=timezone.now())
    change(customer, agent, shopify_note="x")
    given: dict[str, Any] = {"customer_id": customer.pk, "names": {mapping.NOTE}}
    outbound.write_back(**given, at=timezone.now() - timedelta(days=1), now=timezone.now())
    known.refresh_from_db()
    assert known.last_error == "write_back: not_active for a day"
    connections.uninstall(connection_id=known.pk, by=agent, now=timezone.now())
    once_more()
    assert waiting() == []


def test_what_the_shop_refuses_is_noted_and_not_tried_again(shopify: Sandbox, known: Connection, agent: Actor) -> None:
    customer = imported(known, shopify.add_customer(7))
    shopify.script("UpdateCustomer", Scripted(403, {"errors": "x"}))
    change(customer, agent, shopify_note="y")
    assert waiting() == []
    known.refresh_from_db()
    assert known.last_error == "forbidden"


# Products


def test_a_product_is_what_the_shop_tells_now_kept_for_a_moment(shopify: Sandbox, known: Connection) -> None:
    shopify.add_product(7)
    api, path = Api(make_agent()), "/api/integrations/shopify/products/7"
    body = api.get(path).body
    assert (body["id"], body["shop"], body["title"], body["type"]) == ("7", known.account_key, "Pot of tea 7", "Tea")
    assert body["variants"] == [{"id": "7", "sku": "TEA", "title": None, "price": "20.00"}]
    api.get(path)
    assert len(shopify.of("Product")) == 1
    assert api.get("/api/integrations/shopify/products/8").status == 404
    shopify.script("Product", Scripted(502, "<html>"), Scripted(502, "<html>"))
    away = api.get("/api/integrations/shopify/products/9")
    assert (away.status, away.body["code"]) == (503, "shop_away")


def test_without_a_shop_there_is_no_product() -> None:
    assert Api(make_agent()).get("/api/integrations/shopify/products/7").status == 404


# How it stands


def faults(known: Connection) -> dict[str, str]:
    found = doctor.examine(known, now=timezone.now())
    return {one.what: one.detail for one in found if not one.is_fine}


def test_the_doctor_finds_nothing_on_a_shop_that_is_well(shopify: Sandbox, known: Connection) -> None:
    shopify.scopes = f"{SCOPES},read_customer_merge"
    subscriptions.register(known)
    doctor.examine(known, now=timezone.now())  # notes the scopes
    known.refresh_from_db()
    subscriptions.register(known)
    assert faults(known) == {}


def test_the_doctor_names_what_is_wrong(shopify: Sandbox, known: Connection) -> None:
    shopify.scopes, shopify.served = "read_products", "2026-07"
    soon = timezone.now() + timedelta(days=1)
    Connection.objects.update(refresh_expires_at=soon)
    known.refresh_from_db()
    found = faults(known)
    assert found["scopes"] == "lacks read_customer_merge, read_customers, read_orders"
    assert found["version"] == "2026-07 is served, 2026-10 asked for"
    assert found["renewal"] == f"ends on {soon:%Y-%m-%d}"
    assert found["webhooks"] == "0 lead here; missing: PRODUCTS_UPDATE, APP_UNINSTALLED, APP_SCOPES_UPDATE"
    shopify.script("Installation", Scripted(402, {"errors": "x"}))
    assert faults(known) == {"token": "Shopify: shop_frozen"}
    known.access_token = None
    assert faults(known) == {}


def test_webhooks_are_registered_from_the_connections_page(shopify: Sandbox, known: Connection) -> None:
    browser = Client()
    browser.force_login(make_agent(role="admin"))
    answer = browser.post(f"{ADMIN}{known.pk}/change/", {"do": "register"}, follow=True)
    assert "Registered: CUSTOMERS_CREATE" in answer.content.decode()
    shopify.script("Subscriptions", Scripted(403, {"errors": "x"}))
    answer = browser.post(f"{ADMIN}{known.pk}/change/", {"do": "register"}, follow=True)
    assert "does not do it (forbidden)" in answer.content.decode()
