"""Importing a shop, by hand and by the clock; and keeping it telling us."""

import os
import signal
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from typing import Any, cast

import psycopg
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from customers.models import Customer, Order
from customers.tests.builders import make_customer
from integrations import jobs, syncing
from integrations.models import Connection, ExternalLink, SyncCursor
from integrations.shopify import client, sources, subscriptions
from integrations.shopify.sandbox.credentials import TOKEN
from integrations.shopify.sandbox.exchange import Scripted
from integrations.shopify.sandbox.server import Sandbox
from integrations.tests.builders import SECRET, make_connection

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
SCOPES = ["read_customers", "read_orders", "read_all_orders", "read_products", "read_customer_merge"]


@pytest.fixture
def known(shopify: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Connection:
    monkeypatch.setattr(client, "FIRST", 0.01)
    made = make_connection(changes={"access_token": TOKEN, "webhook_secret": SECRET})
    Connection.objects.filter(pk=made.pk).update(scopes=SCOPES)
    made.refresh_from_db()
    return made


def run(resource: str, *options: str) -> str:
    out = StringIO()
    call_command("import_shopify", resource, *options, stdout=out, stderr=out)
    return out.getvalue()


def test_customers_orders_and_products_are_there_and_again_changes_nothing(shopify: Sandbox, known: Connection) -> None:
    for number in range(1, 31):
        shopify.add_customer(number, tags=["vip"] if number == 3 else [])
        shopify.add_order(number, customer_id=number)
        shopify.add_product(number)
    shopify.add_order(99)  # at the counter, of nobody
    assert "customers: 30 seen, 30 written, 0 left as they are, 0 refused." in run("customers", "--batch-size", "7")
    assert "orders: 31 seen, 30 written, 1 left as they are" in run("orders")
    assert "products: 30 seen, 30 written" in run("products")
    third = Customer.objects.get(identities__external_id="3")
    assert (third.email, third.attributes["shopify_tags"]) == ("robin.3@example.com", "vip")
    assert Order.objects.get(customer=third).items[0]["category"] == "Tea"
    assert ExternalLink.objects.get(object_type="product", external_id="3").remote["title"] == "Pot of tea 3"
    versions = sorted(Customer.objects.values_list("pk", "version"))
    assert "30 seen, 0 written, 30 left as they are" in run("customers", "--restart")
    assert sorted(Customer.objects.values_list("pk", "version")) == versions


def read_in_windows(monkeypatch: pytest.MonkeyPatch, records: int) -> None:
    held = cast(dict[str, Any], sources.SOURCES)
    monkeypatch.setitem(held, "customers", replace(held["customers"], window=records))


def test_a_large_shop_is_read_in_windows_by_time(
    shopify: Sandbox, known: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_in_windows(monkeypatch, 10)
    for number in range(1, 48):
        shopify.add_customer(number)
    assert "0 refused" in run("customers", "--batch-size", "5")
    assert Customer.objects.count() == 47
    asked = [one.given for one in shopify.of("Customers")]
    begun = [one["query"] for one in asked if "after" not in one]
    assert len(begun) == len(set(begun)) == 6
    assert len(asked) <= 2 * len(begun)


def test_many_of_one_instant_are_read_behind_one_another(
    shopify: Sandbox, known: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_in_windows(monkeypatch, 4)
    for number in range(1, 24):
        shopify.add_customer(number, updatedAt="2026-11-01T00:00:00Z")
    run("customers", "--batch-size", "2")
    assert Customer.objects.count() == 23


def test_an_order_before_its_customer_makes_them(shopify: Sandbox, known: Connection) -> None:
    shopify.add_customer(7)
    shopify.add_order(1, customer_id=7)
    run("orders")
    run("customers")
    assert Customer.objects.get(orders__external_id="1").identities.get().external_id == "7"


def test_the_order_of_a_guest_is_of_whom_the_address_is(shopify: Sandbox, known: Connection) -> None:
    ours = make_customer(email="guest@example.com")
    shopify.add_order(1, email="Guest@example.com")
    shopify.add_order(2, email="nobody@example.com")
    run("orders")
    assert Order.objects.get().customer_id == ours.pk


def test_an_order_with_more_lines_than_come_at_once_is_there_in_full_up_to_as_many_as_are_kept(
    shopify: Sandbox, known: Connection
) -> None:
    shopify.add_customer(7)
    (line,) = shopify.add_order(1, customer_id=7)["lineItems"]["nodes"]
    for number, lines in ((1, 100), (2, 130), (3, 300)):
        nodes = [{**line, "name": f"Line {place}"} for place in range(lines)]
        shopify.add_order(number, customer_id=7, lineItems={"nodes": nodes})
    run("orders")
    kept = [[item["name"] for item in order.items] for order in Order.objects.order_by("external_id")]
    assert kept == [[f"Line {place}" for place in range(count)] for count in (100, 130, 250)]
    assert [one.given["first"] for one in shopify.of("OrderLines")] == [150, 150]


def test_options_say_how_much_and_what_is_wrong_with_them(shopify: Sandbox, known: Connection) -> None:
    for number in range(1, 11):
        shopify.add_customer(number)
    assert "3 seen" in run("customers", "--dry-run", "--limit", "3")
    assert (Customer.objects.count(), SyncCursor.objects.get().cursor) == (0, "")
    told = run("customers", "--limit", "3")
    assert f"Go on with: manage.py import_shopify customers --connection {known.pk} --resume" in told
    assert "2 seen, 0 written, 2 left" in run("customers", "--limit", "2", "--restart")
    since = datetime(2026, 9, 1, 0, 9, tzinfo=UTC).isoformat()
    assert "2 seen, 2 written" in run("customers", "--restart", "--since", since)
    for options in (["--since", "soon"], ["--limit", "0"], ["--batch-size", "251"], ["--connection", "999999"]):
        with pytest.raises(CommandError, match=options[0].strip("-").replace("-", ".")):
            run("customers", *options)
    with pytest.raises(CommandError):
        run("customers", "--resume", "--restart")


def test_what_the_app_may_not_read_is_said_before(shopify: Sandbox, known: Connection) -> None:
    Connection.objects.update(scopes=["read_orders"])
    with pytest.raises(CommandError, match="connect it again with read_customers"):
        run("customers")
    assert "only orders of the last 60 days" in run("orders")


def params() -> dict[str, Any]:
    given = connection.get_connection_params()
    return {name: given[name] for name in ("dbname", "user", "password", "host", "port") if name in given}


def test_one_run_at_a_time_for_a_shop_whose_points_they_would_share(shopify: Sandbox, known: Connection) -> None:
    shopify.add_customer(7)
    run("customers")
    other = make_connection(changes={"access_token": TOKEN, "webhook_secret": SECRET})
    SyncCursor.objects.create(connection=known, resource="orders", lease_owner="host:7:1", lease_until=timezone.now())
    with psycopg.connect(**params(), autocommit=True) as rival:
        rival.execute("SELECT pg_advisory_lock(%s, %s)", [syncing.WHOLE_LOCK, known.pk])
        err = StringIO()
        with pytest.raises(SystemExit) as ended:
            call_command("import_shopify", "customers", "--connection", str(known.pk), stdout=err, stderr=err)
        assert (ended.value.code, "orders of this connection is taken over by host:7:1" in err.getvalue()) == (75, True)
        assert "1 seen" in run("customers", "--connection", str(other.pk))
        shopify.add_customer(8, updatedAt="2026-11-01T00:00:00Z")
        assert jobs.sync_shop(known, now=timezone.now()) == 0
        rival.execute("SELECT pg_advisory_unlock(%s, %s)", [syncing.WHOLE_LOCK, known.pk])
    assert jobs.sync_shop(known, now=timezone.now()) == 1


def test_ctrl_c_ends_the_page_and_says_how_to_go_on(shopify: Sandbox, known: Connection, monkeypatch: Any) -> None:
    for number in range(1, 11):
        shopify.add_customer(number)
    good = shopify._page

    def interrupt(name: str, given: Any) -> Any:
        if not given.get("after"):
            os.kill(os.getpid(), signal.SIGINT)
        return good(name, given)

    monkeypatch.setattr(shopify, "_page", interrupt)
    with pytest.raises(SystemExit) as ended:
        run("customers", "--batch-size", "4")
    assert (ended.value.code, Customer.objects.count()) == (130, 4)
    assert "10 seen, 10 written" in run("customers", "--batch-size", "4")


def test_too_many_bad_records_end_with_one_and_a_partner_that_is_away_too(shopify: Sandbox, known: Connection) -> None:
    for number in range(1, 8):
        shopify.add_order(number, customer_id=number, totalPriceSet=None, currentTotalPriceSet=None)
    with pytest.raises(CommandError, match="Too much was refused"):
        run("orders")
    assert {one["error"] for one in SyncCursor.objects.get().failures} == {"no total"}
    shopify.script("ProductsCount", *[Scripted(403, {"errors": "x"})])
    with pytest.raises(CommandError, match="forbidden"):
        run("products")


def test_a_token_that_is_refused_in_the_middle_ends_nothing_but_the_connection(
    shopify: Sandbox, known: Connection
) -> None:
    for number in range(1, 11):
        shopify.add_customer(number)
    run("customers", "--limit", "4")
    shopify.access.clear()
    with pytest.raises(CommandError, match="not_connected"):
        run("customers")
    shopify.access.add(TOKEN)
    Connection.objects.update(status="active")
    assert "10 seen, 10 written" in run("customers")


def test_what_we_may_not_read_keeps_what_is_known(shopify: Sandbox, known: Connection) -> None:
    shopify.add_customer(7, defaultPhoneNumber={"phoneNumber": "+12025550143"})
    run("customers")
    later = (timezone.now() + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    node = shopify.customers["7"] | {"defaultEmailAddress": None, "defaultPhoneNumber": None, "updatedAt": later}
    errors = [{"path": ["customers", "nodes", 0, "defaultEmailAddress"], "extensions": {"code": "ACCESS_DENIED"}}]
    page = {"customers": {"nodes": [node], "pageInfo": {"hasNextPage": False, "endCursor": None}}}
    shopify.script("Customers", Scripted(200, {"data": page, "errors": errors}))
    run("customers")
    found = Customer.objects.get()
    assert (found.email, found.phone) == ("robin.7@example.com", "+12025550143")


def test_by_the_clock_what_changed_is_taken_over_of_what_was_taken_over_once(
    shopify: Sandbox, known: Connection
) -> None:
    shopify.add_customer(7)
    assert jobs.sync_shop(known, now=timezone.now()) == 0
    assert shopify.asked == []
    run("customers")
    shopify.add_customer(8, updatedAt="2026-11-01T00:00:00Z")
    assert jobs.sync_shop(known, now=timezone.now()) == 1
    assert jobs.sync_shop(known, now=timezone.now()) == 0
    assert Customer.objects.count() == 2
    known.refresh_from_db()
    assert known.last_ok_at is not None


def test_by_the_clock_too_much_that_is_refused_is_told(
    shopify: Sandbox, known: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    run("orders")
    for number in range(1, 31):
        shopify.add_order(number, customer_id=number, totalPriceSet=None, currentTotalPriceSet=None)
    assert jobs.sync_shop(known, now=timezone.now()) == 0
    known.refresh_from_db()
    assert (known.last_error, "too much of what a partner has is refused" in caplog.text) == (
        "orders: 25 of 25 refused",
        True,
    )


def test_every_topic_that_the_scopes_allow_is_registered_and_again_when_it_was_dropped(
    shopify: Sandbox, known: Connection
) -> None:
    out = StringIO()
    call_command("integration_register_webhooks", stdout=out)
    assert "CUSTOMERS_MERGE, ORDERS_CREATE" in out.getvalue()
    assert len(shopify.subscriptions) == len(subscriptions.wanted(known)) == 18
    assert {one["uri"] for one in shopify.subscriptions.values()} == {subscriptions.address(known)}
    shopify.subscriptions.popitem()
    shopify.subscriptions["x"] = {"topic": "CUSTOMERS_CREATE", "uri": "https://elsewhere.example"}
    found = subscriptions.look(known)
    assert (found.missing, found.elsewhere) == (["APP_SCOPES_UPDATE"], 1)
    assert jobs.register_webhooks(known, now=timezone.now()) == 1
    Connection.objects.update(scopes=["read_products"])
    known.refresh_from_db()
    assert subscriptions.wanted(known) == ["PRODUCTS_UPDATE", "APP_UNINSTALLED", "APP_SCOPES_UPDATE"]
    shopify.script("Subscriptions", Scripted(403, {"errors": "x"}))
    with pytest.raises(CommandError):
        call_command("integration_register_webhooks", stdout=out, stderr=out)


@pytest.mark.django_db(transaction=True, databases=["default", "tokens"])
def test_tokens_are_renewed_before_anybody_needs_them(shopify: Sandbox, known: Connection) -> None:
    token, again = shopify.pair()
    for minutes, renewed in ((8, 0), (6, 1)):
        at = timezone.now() + timedelta(minutes=minutes)
        Connection.objects.filter(pk=known.pk).update(access_token=token, refresh_token=again, expires_at=at)
        due = jobs.expiring(now=timezone.now())
        assert [jobs.refresh_token(one, now=timezone.now()) for one in due] == [True] * renewed
    assert len(shopify.of("token")) == 1


@pytest.mark.django_db(transaction=True, databases=["default", "tokens"])
def test_a_token_that_ends_in_the_middle_of_an_import_is_renewed_once_and_the_page_asked_for_once_more(
    shopify: Sandbox, known: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 11):
        shopify.add_customer(number)
    token, again = shopify.pair()
    at = timezone.now() + timedelta(hours=1)
    Connection.objects.update(access_token=token, refresh_token=again, expires_at=at)
    good = shopify._page

    def end_behind_the_first(name: str, given: Any) -> Any:
        if not given.get("after"):
            shopify.expire()
        return good(name, given)

    monkeypatch.setattr(shopify, "_page", end_behind_the_first)
    shopify.access.discard(TOKEN)
    assert "10 seen, 10 written" in run("customers", "--batch-size", "4")
    assert [len(shopify.of(name)) for name in ("unauthorized", "token", "Customers")] == [1, 1, 3]
    known.refresh_from_db()
    assert (known.status, known.access_token in shopify.access) == ("active", True)
