"""What a shop tells of its customers and orders, in whatever order, and what is left of it here."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection as database
from django.test import Client
from django.utils import timezone

from agents.models import Agent
from agents.selectors import actor_for
from agents.tests.builders import SYSTEM, make_agent
from customers.insights import profiles
from customers.models import Customer, Order
from customers.privacy import erase
from customers.selectors import known_by_email
from customers.services import Identity, create_customer, update_customer
from customers.tests.builders import make_customer
from integrations import connections, links, privacy, receipts
from integrations.enums import ConnectionStatus, PrivacyRequest, ReceiptStatus
from integrations.models import Connection, DataSubjectRequest, ExternalLink, WebhookReceipt
from integrations.shopify import mapping, sources, taking
from integrations.shopify import tags as merging
from integrations.shopify.sandbox.nodes import customer as customer_node
from integrations.shopify.sandbox.nodes import order as order_node
from integrations.shopify.sandbox.server import Sandbox
from integrations.tests.builders import SECRET, encoded, make_connection, send, send_shopify, shopify_headers
from supportdesk.core import delivery
from supportdesk.core.actor import Door
from supportdesk.core.models import Event
from supportdesk.tests.client import Api
from tickets.tests.builders import make_ticket, say

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
BODIES: Mapping[str, Any] = json.loads(Path(__file__).with_name("shopify_bodies.json").read_text())
AT = datetime(2026, 11, 20, 21, 2, 41, tzinfo=UTC)
SEVEN = 8123456789012
BIG = 812345678901234569


@pytest.fixture
def known() -> Connection:
    return make_connection()


def tell(known: Connection, topic: str, body: Any, **over: str) -> WebhookReceipt:
    """What became of it."""
    assert send_shopify(known, body, topic, **over).status_code == 202
    receipts.work_off(limit=10)
    return WebhookReceipt.objects.latest("pk")


def robin(*, minutes: int = 0, **over: Any) -> dict[str, Any]:
    """A customer as a webhook tells them, so many minutes after AT."""
    at = (AT + timedelta(minutes=minutes)).isoformat()
    base = {"id": 7, "first_name": "Robin", "last_name": "Example", "email": "robin@example.com", "phone": None}
    return {**base, "verified_email": True, "state": "enabled", "note": "", "updated_at": at, **over}


def of(number: int) -> Customer:
    return Customer.objects.get(identities__source="shopify", identities__external_id=str(number))


def person(agent: Agent) -> Any:
    return actor_for(agent, led=frozenset(), origin=Door.ADMIN, request_id="")


# Customers


def test_a_customer_with_hardly_anything(known: Connection) -> None:
    receipt = tell(known, "customers/update", BODIES["customer"])
    found = of(SEVEN)
    assert (receipt.status, found.name, found.email, found.phone) == ("done", "Zoë Nguyễn-Åberg", None, None)
    assert found.address == "12 Rue de l'Église, Bât. C / 3ᵉ, 56270, Plœmeur, France"
    assert found.attributes["shopify_note"].endswith("🍵")
    tell(known, "customers/create", {"id": 8, "first_name": " ", "last_name": None, "email": "no address"})
    assert (of(8).name, of(8).email) == ("Shopify customer 8", None)


def test_older_loses_equal_is_nothing_new_and_undated_counts_as_it_came(known: Connection) -> None:
    tell(known, "customers/update", robin(minutes=10, last_name="Ten"))
    for minutes, name in ((9, "Nine"), (10, "Other")):
        tell(known, "customers/update", robin(minutes=minutes, last_name=name))
    assert (of(7).name, of(7).version) == ("Robin Ten", 1)
    tell(known, "customers/update", robin(updated_at=None, last_name="Undated"))
    assert of(7).name == "Robin Undated"


def test_what_is_absent_or_null_empties_nothing(known: Connection) -> None:
    tell(known, "customers/create", robin(phone="+12025550143", note="Likes tea", default_address={"city": "Lyon"}))
    tell(known, "customers/update", {"id": 7, "updated_at": (AT + timedelta(hours=1)).isoformat(), "email": None})
    found = of(7)
    assert (found.name, found.email, found.phone, found.address) == (
        "Robin Example",
        "robin@example.com",
        "+12025550143",
        "Lyon",
    )
    assert found.attributes == {"shopify_note": "Likes tea", "shopify_state": "enabled"}
    tell(known, "customers/disable", robin(minutes=120, state="disabled", note=None))
    assert of(7).attributes == {"shopify_state": "disabled"}


def test_what_an_agent_changed_later_or_the_shop_did_not_change_stays(known: Connection) -> None:
    tell(known, "customers/create", robin())
    agent = person(make_agent(role="admin"))
    update_customer(
        customer_id=of(7).pk, changes={"name": "R. Example", "phone": "+12025550199"}, by=agent, now=timezone.now()
    )
    tell(known, "customers/update", robin(minutes=5, note="x"))
    assert (of(7).name, of(7).phone, of(7).attributes["shopify_note"]) == ("R. Example", "+12025550199", "x")
    tell(known, "customers/update", robin(minutes=6, last_name="Older"))
    assert of(7).name == "R. Example"
    later = int((timezone.now() - AT).total_seconds() / 60) + 60
    tell(known, "customers/update", robin(minutes=later, last_name="Newer"))
    assert of(7).name == "Robin Newer"


def test_an_agents_change_of_one_attribute_keeps_back_no_other(known: Connection) -> None:
    tell(known, "customers/create", robin(note="first"))
    agent = person(make_agent(role="admin"))
    ours = {**of(7).attributes, "shopify_tags": "ours", "nick": "Rob"}
    update_customer(customer_id=of(7).pk, changes={"attributes": ours}, by=agent, now=timezone.now())
    late = {"customerId": "gid://shopify/Customer/7", "occurredAt": (AT + timedelta(minutes=5)).isoformat()}
    tell(known, "customers/disable", robin(minutes=5, note="second", state="disabled"))
    tell(known, "customer.tags_added", {**late, "tags": ["theirs"]})
    tell(known, "customers/purchasing_summary", {**late, "numberOfOrders": 3})
    assert of(7).attributes == {
        "nick": "Rob",
        "shopify_note": "second",
        "shopify_state": "disabled",
        "shopify_tags": "ours, theirs",
        "shopify_orders": 3,
    }
    noted = {**of(7).attributes, "shopify_note": "ours"}
    update_customer(customer_id=of(7).pk, changes={"attributes": noted}, by=agent, now=timezone.now())
    tell(known, "customers/enable", robin(minutes=6, note="third"))
    assert (of(7).attributes["shopify_note"], of(7).attributes["shopify_state"]) == ("ours", "enabled")


def test_what_an_agent_changes_while_the_shop_tells_is_not_lost(
    known: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = make_customer(email="robin@example.com")

    def changed_once_read(email: str) -> Customer | None:
        found = known_by_email(email)
        attributes = {"nick": "Rob"}
        update_customer(customer_id=ours.pk, changes={"attributes": attributes}, by=SYSTEM, now=timezone.now())
        return found

    monkeypatch.setattr(taking, "known_by_email", changed_once_read)
    tell(known, "customers/create", robin(note="x"))
    assert of(7).attributes == {"nick": "Rob", "shopify_note": "x", "shopify_state": "enabled"}


def test_events_name_which_attribute_of_a_partner_changed_and_no_other_and_no_value(known: Connection) -> None:
    attributes = {"shopify_note": "x", "Robin's dog": "Rex", "shopify_robin@example.com": "y"}
    ours = make_customer()
    update_customer(customer_id=ours.pk, changes={"attributes": attributes}, by=SYSTEM, now=timezone.now())
    assert Event.objects.get(name="customer.updated").payload == {"fields": ["attributes", "attributes.shopify_note"]}


def told_of(tags: list[str], here: str, theirs: list[str]) -> tuple[str, list[str], list[str]]:
    """Once both knew `tags`, we have `here` and the shop has `theirs`: what we have then, and what it would be sent."""
    link = ExternalLink()
    link.remote = {"tags": merging.told_all(link, "", tags).known}
    merged = merging.told_all(link, here, theirs)
    link.remote = {"tags": merged.known}
    added, removed = merging.to_send(link, merged.text, theirs)
    return merged.text, sorted(added), sorted(removed)


@pytest.mark.parametrize(
    ("both", "here", "theirs", "then"),
    [
        (["a"], "a", ["a"], ("a", [], [])),
        (["a"], "a, ours", ["a", "theirs"], ("a, ours, theirs", ["ours"], [])),
        (["a", "b", "c"], "a, b", ["b", "c"], ("b", [], ["c"])),
        (["a"], "", ["a"], ("", [], ["a"])),
        (["a"], "a", [], ("", [], [])),
        ([], "both", ["both"], ("both", [], [])),
    ],
)
def test_tags_of_both_sides_are_merged_one_by_one(both: Any, here: str, theirs: Any, then: Any) -> None:
    assert told_of(both, here, theirs) == then


def test_a_tag_for_which_there_is_no_room_here_is_not_taken_away_there() -> None:
    many = [f"{number:04}" * 25 for number in range(20)]
    text, added, removed = told_of([*many, "zebra"], merging.joined([*many, "zebra"]), ["0", *many, "zebra"])
    assert (len(text) <= 1_000, added, removed) == (True, [], [])


def test_only_a_verified_address_and_a_number_of_one_join(known: Connection) -> None:
    ours = make_customer(email="Robin@Example.com")
    tell(known, "customers/create", robin(verified_email=False))
    assert (of(7).pk != ours.pk, of(7).email) == (True, None)
    tell(known, "customers/create", robin(id=8))
    tell(known, "customers/create", robin(id=9, email="ROBIN@example.com"))
    assert of(8).pk == of(9).pk == ours.pk
    by_phone = make_customer(phone="+12025550143")
    tell(known, "customers/create", robin(id=10, email=None, phone="+1 202-555-0143"))
    assert of(10).pk == by_phone.pk
    make_customer(phone="+12025550143")
    tell(known, "customers/create", robin(id=11, email=None, phone="+12025550143"))
    assert of(11).pk not in {by_phone.pk, ours.pk}


def test_tags_and_totals_come_as_changes_and_an_older_one_is_nothing(known: Connection) -> None:
    tell(known, "customers/create", robin())
    customer = {"customerId": "gid://shopify/Customer/7"}
    at = [(AT + timedelta(minutes=number)).isoformat() for number in range(5)]
    tell(known, "customer.tags_added", {**customer, "tags": ["vip", "öko"], "occurredAt": at[1]})
    tell(known, "customer.tags_removed", {**customer, "tags": ["vip"], "occurredAt": at[2]})
    spent = {"amountSpent": {"amount": "214.70", "currencyCode": "EUR"}, "numberOfOrders": 3, "occurredAt": at[3]}
    tell(known, "customers/purchasing_summary", {**customer, **spent})
    older = tell(known, "customers/purchasing_summary", {**customer, **spent, "numberOfOrders": 2, "occurredAt": at[0]})
    assert of(7).attributes == {
        "shopify_state": "enabled",
        "shopify_tags": "öko",
        "shopify_spent": "214.70",
        "shopify_currency": "EUR",
        "shopify_orders": 3,
    }
    assert (older.status, older.error) == ("ignored", "older than what is known")
    assert tell(known, "customer.tags_added", {"customerId": "9", "tags": []}).status == "ignored"


def test_a_webhook_that_tells_neither_changes_neither_tags_nor_totals(known: Connection) -> None:
    node = customer_node(7, tags=["vip"], amountSpent={"amount": "9.00", "currencyCode": "EUR"}, numberOfOrders="2")
    sources.write_customer(known, node, SYSTEM, timezone.now())
    totals = {name: value for name, value in of(7).attributes.items() if name != "shopify_state"}
    tell(known, "customers/update", robin(note="x", state="invited"))
    assert of(7).attributes == {**totals, "shopify_note": "x", "shopify_state": "invited"}
    assert totals == {
        "shopify_tags": "vip",
        "shopify_spent": "9.00",
        "shopify_currency": "EUR",
        "shopify_orders": 2,
    }


def test_each_tag_and_the_totals_have_a_clock_of_their_own(known: Connection) -> None:
    tell(known, "customers/create", robin())
    customer = {"customerId": "gid://shopify/Customer/7"}
    at = [(AT + timedelta(minutes=number)).isoformat() for number in range(6)]
    tell(known, "customer.tags_added", {**customer, "tags": ["late"], "occurredAt": at[5]})
    tell(known, "customer.tags_removed", {**customer, "tags": ["vip"], "occurredAt": at[2]})
    undone = tell(known, "customer.tags_added", {**customer, "tags": ["vip"], "occurredAt": at[1]})
    spent = {"amountSpent": {"amount": "9.00", "currencyCode": "EUR"}, "numberOfOrders": 1, "occurredAt": at[3]}
    tell(known, "customers/purchasing_summary", {**customer, **spent})
    assert (undone.error, of(7).attributes["shopify_tags"]) == ("older than what is known", "late")
    assert of(7).attributes["shopify_orders"] == 1


def test_a_deleted_customer_does_not_come_back_and_a_merged_one_is_who_was_kept(known: Connection) -> None:
    for number in (7, 8):
        tell(known, "customers/create", robin(id=number, email=None))
    tell(known, "customers/delete", {"id": 7})
    late = tell(known, "customers/update", robin(minutes=9, last_name="Late"))
    assert (late.status, late.error, of(7).name) == ("ignored", "it is deleted there", "Robin Example")
    merge = {"admin_graphql_api_customer_deleted_id": "gid://shopify/Customer/8", "status": "COMPLETED"}
    tell(known, "customers/merge", {**merge, "admin_graphql_api_customer_kept_id": "gid://shopify/Customer/10"})
    assert of(10).pk == of(8).pk
    assert tell(known, "customers/update", robin(id=8, minutes=9)).status == "ignored"
    tell(known, "customers/update", robin(id=10, minutes=9, last_name="Kept"))
    assert of(10).name == "Robin Kept"


# Orders


def test_the_order_of_a_guest_at_the_counter_is_nobodys(known: Connection) -> None:
    receipt = tell(known, "orders/create", BODIES["order"])
    assert (receipt.status, receipt.error, Order.objects.count()) == ("ignored", "of nobody who is known", 0)


def test_an_order_in_two_currencies_with_an_id_beyond_floats(known: Connection) -> None:
    kind = {"local_type": "product", "local_id": 0, "remote": {"productType": "Tea"}}
    ExternalLink.objects.create(connection=known, object_type="product", external_id="9500000000001", **kind)
    tell(known, "orders/create", {**BODIES["order"], **BODIES["with_customer"]})
    order = Order.objects.get()
    assert (order.external_id, order.customer_id, order.number) == (str(BIG), of(SEVEN).pk, "#CK-1042/EU")
    assert (order.total, order.currency, order.payment) == (Decimal("69.90"), "EUR", "pending")
    assert (order.fulfilment, order.cancelled_at) == ("unfulfilled", None)
    assert order.ordered_at == datetime(2026, 11, 23, 4, 58, 57, tzinfo=UTC)
    assert [(item["name"], item["quantity"], item["price"]) for item in order.items] == [
        ("Théière „Bleue“ 🫖", 2, "15.00"),
        ("Custom engraving", 1, "35.00"),
    ]
    assert [item["product_id"] for item in order.items] == ["9500000000001", None]
    assert [item["category"] for item in order.items] == ["Tea", None]  # as an import told


def test_a_later_state_counts_and_what_it_leaves_out_stays(known: Connection) -> None:
    order = {**BODIES["order"], **BODIES["with_customer"]}
    tell(known, "orders/create", order)
    late = {name: order[name] for name in ("id", "customer", "total_price", "currency", "created_at")}
    tell(known, "orders/updated", {**late, "financial_status": "paid", "updated_at": "2026-11-23T00:07:30-05:00"})
    tell(known, "orders/updated", {**late, "updated_at": "2026-11-23T00:08:30-05:00"})
    tell(known, "orders/paid", {**order, "financial_status": "authorized"})  # older
    found = Order.objects.get()
    assert (found.payment, found.number, len(found.items)) == ("paid", "#CK-1042/EU", 2)
    at = "2026-11-23T01:00:00-05:00"
    tell(known, "orders/cancelled", {**late, "financial_status": "voided", "cancelled_at": at, "updated_at": at})
    found.refresh_from_db()
    assert (found.payment, found.cancelled_at) == ("voided", datetime(2026, 11, 23, 6, tzinfo=UTC))


def test_every_number_of_a_split_shipment_and_none_of_a_cancelled_one(known: Connection) -> None:
    parcels = [
        {
            "status": "success",
            "tracking_company": "DHL",
            "tracking_numbers": ["1", "2"],
            "tracking_urls": ["https://x/1"],
        },
        {"status": "cancelled", "tracking_company": "UPS", "tracking_numbers": ["3"], "tracking_urls": []},
        {"status": "success", "tracking_company": None, "tracking_number": "4", "tracking_url": "javascript:alert(1)"},
    ]
    order = {**BODIES["order"], **BODIES["with_customer"], "fulfillments": parcels, "fulfillment_status": "partial"}
    tell(known, "orders/fulfilled", order)
    found = Order.objects.get()
    assert found.fulfilment == "partially_fulfilled"
    assert [(one["carrier"], one["number"], one["url"]) for one in found.parcels] == [
        ("DHL", "1", "https://x/1"),
        ("DHL", "2", ""),
        ("", "4", ""),
    ]
    (told,) = profiles([found.customer_id])[0].orders
    assert told.tracking_numbers == ("1", "2", "4")
    browser = Client()
    browser.force_login(make_agent(role="admin"))
    page = browser.get(f"/admin/customers/customer/{found.customer_id}/change/").content.decode()
    shown = " ".join(page.split())
    assert '<bdi>DHL <a href="https://x/1" rel="noopener noreferrer">1</a></bdi>' in shown
    assert [number in shown for number in ("<bdi>DHL 2</bdi>", "<bdi> 4</bdi>", "UPS")] == [True, True, False]
    assert "javascript:alert" not in page


def test_a_deleted_order_is_gone_whatever_comes_late(known: Connection) -> None:
    order = {**BODIES["order"], **BODIES["with_customer"]}
    tell(known, "orders/create", order)
    tell(known, "orders/delete", {"id": BIG})
    late = tell(known, "orders/updated", {**order, "updated_at": "2026-12-01T00:00:00Z"})
    assert (Order.objects.count(), late.status) == (0, "ignored")
    assert tell(known, "orders/create", {**order, "id": 5, "test": True}).error == "a test order"


def test_a_guest_with_an_address_that_is_known_is_that_customer(known: Connection) -> None:
    ours = make_customer(email="guest@example.com")
    tell(known, "orders/create", {**BODIES["order"], "contact_email": "Guest@example.com"})
    assert Order.objects.get().customer_id == ours.pk


def test_both_shapes_of_one_thing_are_one() -> None:
    node = customer_node(
        7, firstName="Zoë", note="x", state="ENABLED", defaultPhoneNumber={"phoneNumber": "+12025550143"}
    )
    told = mapping.customer_of_node(
        {**node, "tags": ["b", "a,c", "b"], "amountSpent": {"amount": "214.70", "currencyCode": "EUR"}}
    )
    assert (told.external_id, told.name, told.phone, told.tags) == ("7", "Zoë Example 7", "+12025550143", ["a c", "b"])
    assert (told.spent, told.currency, told.orders, told.state) == (Decimal("214.70"), "EUR", 0, "enabled")
    order = order_node(
        5,
        customer_id=7,
        fulfillments=[{"status": "SUCCESS", "trackingInfo": [{"company": "DHL", "number": "1", "url": None}]}],
    )
    found = mapping.order_of_node(order, received_at=AT)
    assert (found.total, found.payment, found.fulfilment) == (Decimal("40.0"), "paid", "unfulfilled")
    assert [(one.name, one.category, one.product_id) for one in found.items or ()] == [("Pot of tea", "Tea", "1")]
    assert [parcel.number for parcel in found.parcels or ()] == ["1"]


@pytest.mark.parametrize(
    "body",
    [
        {"id": 7.0},
        {"id": True},
        {"id": "7; drop"},
        {},
        {"id": 5, "total_price": "NaN", "currency": "EUR", "created_at": "2026-11-23T00:00:00Z"},
        {"id": 5, "total_price": "1", "currency": "EURO", "created_at": "2026-11-23T00:00:00Z"},
        {"id": 5, "total_price": "1", "currency": "EUR", "created_at": "yesterday"},
    ],
)
def test_what_cannot_be_read_is_given_up_and_says_why(known: Connection, body: Any) -> None:
    receipt = tell(known, "orders/create", body)
    assert receipt.status == ReceiptStatus.DEAD
    assert receipt.error in {"no id", "no total", "no currency", "no date"}


# Privacy, and the app itself


def about(number: int = 7, **over: Any) -> dict[str, Any]:
    return {"shop_id": 1, "shop_domain": "", "customer": {"id": number, "email": None, "phone": None}, **over}


def test_an_export_is_open_until_it_is_delivered_and_of_somebody_unknown_done(known: Connection) -> None:
    tell(known, "customers/create", robin())
    body = about(orders_requested=[1], data_request={"id": 99})
    for _ in range(2):
        tell(known, "customers/data_request", body)
    request = DataSubjectRequest.objects.get()
    assert (request.kind, request.subject, request.request_key) == (PrivacyRequest.EXPORT, "7", "99")
    assert (request.due_at - request.received_at, request.completed_at) == (timedelta(days=30), None)
    assert request.evidence == {"customer": of(7).pk, "known": True}
    admin = person(make_agent(role="admin"))
    assert privacy.delivered(request_id=request.pk, by=admin, now=timezone.now()).completed_at is not None
    tell(known, "customers/data_request", about(8, data_request={"id": 100}))
    assert DataSubjectRequest.objects.get(request_key="100").evidence == {"customer": None, "known": False}


def download(*requests: DataSubjectRequest, role: str = "admin") -> Any:
    browser = Client()
    browser.force_login(make_agent(role=role))
    given = {"action": "download", "_selected_action": [one.pk for one in requests]}
    return browser.post("/admin/integrations/datasubjectrequest/", given)


@pytest.mark.vuln
def test_an_administrator_downloads_the_export_where_the_request_is_and_that_is_audited(known: Connection) -> None:
    tell(known, "customers/create", robin())
    tell(known, "customers/data_request", about(data_request={"id": 99}))
    tell(known, "customers/data_request", about(8, data_request={"id": 100}))
    request, unknown = DataSubjectRequest.objects.order_by("pk")
    answer = download(request)
    assert answer.headers["Content-Disposition"] == f'attachment; filename="customer-{of(7).pk}.json"'
    assert "no-store" in answer.headers["Cache-Control"]
    api = Api(make_agent(role="admin"))
    assert answer.json() == api.get(f"/api/customers/{of(7).pk}/export").body
    assert answer.json()["customer"]["email"] == "robin@example.com"
    read = Event.objects.filter(name="customer.read", payload__through="export").order_by("pk")
    assert [(one.subject_id, one.origin) for one in read] == [(of(7).pk, "admin"), (of(7).pk, "api")]
    request.refresh_from_db()
    assert (request.completed_at, "robin" in str(request.evidence).lower()) == (None, False)
    for refused in (download(unknown), download(request, unknown)):
        assert (refused.status_code, refused.headers.get("Content-Disposition")) == (302, None)
    assert download(request, role="supervisor").status_code in {302, 403}
    assert read.count() == 2


@pytest.mark.vuln
def test_an_erased_person_does_not_come_back(known: Connection) -> None:
    tell(known, "orders/create", {**BODIES["order"], "customer": robin(), "email": "robin@example.com"})
    receipt = tell(known, "customers/redact", about(orders_to_redact=[BIG]))
    customer = Customer.objects.get()
    assert (receipt.status, receipt.raw_body, Order.objects.count()) == ("done", None, 0)
    assert (customer.erased_at is not None, customer.email) == (True, None)
    for topic, body in (
        ("customers/update", robin(minutes=99)),
        ("orders/updated", {**BODIES["order"], "id": 5, "customer": robin(), "email": "robin@example.com"}),
        ("customer.tags_added", {"customerId": "gid://shopify/Customer/7", "tags": ["x"]}),
    ):
        late = tell(known, topic, body)
        assert (late.status, late.error) == ("ignored", "the person was erased")
    assert Customer.objects.count() == 1
    tell(known, "customers/redact", about(8))
    assert tell(known, "customers/create", robin(id=8)).error == "the person was erased"
    assert DataSubjectRequest.objects.filter(completed_at__isnull=False).count() == 2
    assert not WebhookReceipt.objects.filter(error="").exclude(status="done").exists()


@pytest.mark.vuln
@pytest.mark.parametrize("is_known", [True, False])
@pytest.mark.parametrize("topic", ["customers/update", "orders/create"])
def test_who_is_erased_while_the_shop_tells_of_them_is_not_made_anew(
    known: Connection, monkeypatch: pytest.MonkeyPatch, is_known: bool, topic: str
) -> None:
    if is_known:
        tell(known, "customers/create", robin())
    real = links.is_lost

    def erased_meanwhile(*given: Any) -> bool:
        for customer in Customer.objects.filter(erased_at__isnull=True):
            erase(customer_id=customer.pk, by=SYSTEM, now=timezone.now())
        links.bury_ids(known, ["7"])
        return real(*given)

    monkeypatch.setattr(links, "is_lost", erased_meanwhile)
    body = robin(minutes=9) if topic == "customers/update" else {**BODIES["order"], "customer": robin(minutes=9)}
    late = tell(known, topic, body)
    assert (late.status, late.error) == ("ignored", "the person was erased")
    assert Customer.objects.count() == is_known


@pytest.mark.vuln
def test_who_is_erased_here_does_not_come_back_from_there(known: Connection) -> None:
    tell(known, "customers/create", robin())
    erase(customer_id=of(7).pk, by=SYSTEM, now=timezone.now())
    assert tell(known, "customers/update", robin(minutes=99)).error == "the person was erased"


def redact(known: Connection, number: int, **customer: Any) -> dict[str, Any]:
    """The evidence of what became of it."""
    body = about(number, customer={"id": number, **customer})
    assert tell(known, "customers/redact", body).status == "done"
    return dict(DataSubjectRequest.objects.latest("pk").evidence)


@pytest.mark.vuln
def test_of_who_is_redacted_nothing_can_be_read_and_counts_remain(known: Connection, settings: Any) -> None:
    mark = "robin-7f3a@example.com"
    tell(known, "customers/create", robin(email=mark, note=f"Writes from {mark}"))
    tell(known, "orders/create", {**BODIES["order"], "customer": robin(email=mark), "email": mark})
    customer = of(7)
    ticket = make_ticket(customer=customer, subject=f"From {mark}", description=f"I am {mark}")
    say(ticket, f"{mark} again")
    admin = Api(make_agent(role="admin"))
    assert [len(admin.get(path).body["results"]) for path in found_by(mark)] == [1, 1]
    counts = [Event.objects.filter(name=name).count() for name in ("ticket.message_added", "customer.order_recorded")]
    redact(known, 7, email=mark)
    delivery.run_due(limit=1_000)
    customer.refresh_from_db()
    assert [len(admin.get(path).body["results"]) for path in found_by(mark)] == [0, 0]
    assert mark not in json.dumps(admin.get(f"/api/customers/{customer.pk}/export").body)
    assert not WebhookReceipt.objects.filter(raw_body__isnull=False).exists()
    assert not WebhookReceipt.objects.exclude(subjects=[]).exists()
    assert (readable(mark), Order.objects.count(), ticket.messages.count()) == ([], 0, 2)
    now_counted = [Event.objects.filter(name=n).count() for n in ("ticket.message_added", "customer.order_recorded")]
    assert now_counted == counts


def found_by(mark: str) -> list[str]:
    return [f"/api/customers?email={mark}", f"/api/tickets?q={mark}"]


def readable(mark: str) -> list[str]:
    """Tables in which it can be read; deliveries, logs of calls and what is searched are among them."""
    found = []
    with database.cursor() as cursor:
        for table in database.introspection.table_names(cursor):
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text ILIKE %s', [f"%{mark}%"])  # noqa: S608
            found += [table] if cursor.fetchone() != (0,) else []
    return found


@pytest.mark.parametrize("is_known", [True, False])
def test_requests_come_to_the_apps_own_address_too_of_known_shops_and_of_others(settings: Any, is_known: bool) -> None:
    settings.SHOPIFY_CLIENT_SECRETS = [SECRET]
    shop = make_connection()
    tell(shop, "customers/create", robin())
    domain = shop.account_key if is_known else "nobody-here.myshopify.com"
    raw = encoded(about(shop_domain=domain, data_request={"id": 99}, customer={"id": 8, "email": "robin@example.com"}))
    headers = shopify_headers(raw, "customers/data_request")
    assert send("/api/integrations/shopify/webhook", raw, headers).status_code == 202
    receipts.work_off(limit=10)
    request = DataSubjectRequest.objects.get()
    assert (request.source, request.subject) == (f"shopify:{domain}", "8")
    assert request.connection_id == (shop.pk if is_known else None)
    assert request.evidence == {"customer": None, "known": False}  # the address is another's of this shop, or not ours
    assert WebhookReceipt.objects.latest("pk").raw_body is None


@pytest.mark.vuln
def test_of_somebody_unknown_every_body_that_came_is_blanked_at_once(known: Connection) -> None:
    connections.pause(connection_id=known.pk, by=SYSTEM, now=timezone.now())
    held = tell(known, "customers/create", robin())
    guest = tell(known, "orders/create", {**BODIES["order"], "contact_email": "robin@example.com"})
    other = tell(known, "customers/create", robin(id=8, email="other@example.com"))
    assert redact(known, 7, email="Robin@example.com", phone=None) == {
        "customer": None,
        "known": False,
        "deliveries": 2,
    }
    for receipt in (held, guest, other):
        receipt.refresh_from_db()
    assert (held.raw_body, held.subjects, held.error, guest.raw_body) == (None, [], "the person was erased", None)
    assert (other.raw_body is not None, other.status) == (True, "received")


@pytest.mark.vuln
def test_a_guest_is_found_by_address_or_a_number_of_one(known: Connection) -> None:
    by_email = make_customer(email="robin@example.com")
    by_phone = make_customer(phone="+12025550143")
    export = about(7, customer={"id": 7, "email": "Robin@example.com"}, data_request={"id": 1})
    tell(known, "customers/data_request", export)
    assert DataSubjectRequest.objects.get(kind=PrivacyRequest.EXPORT).evidence["customer"] == by_email.pk
    assert redact(known, 7, email="Robin@example.com")["customer"] == by_email.pk
    assert redact(known, 8, phone="+1 202-555-0143")["customer"] == by_phone.pk
    assert Customer.objects.filter(erased_at__isnull=True).count() == 0
    for _ in range(2):
        make_customer(phone="+12025550144")
    assert redact(known, 9, phone="+12025550144")["customer"] is None


@pytest.mark.vuln
def test_whom_the_shop_knows_under_another_id_is_not_erased_for_their_address(known: Connection) -> None:
    tell(known, "customers/create", robin())
    told = tell(known, "customers/update", robin(minutes=1))
    assert redact(known, 8, email="robin@example.com")["customer"] is None
    told.refresh_from_db()
    assert (of(7).email, told.raw_body is not None) == ("robin@example.com", True)
    tell(known, "customers/delete", {"id": 7})
    assert redact(known, 9, email="robin@example.com")["customer"] == Customer.objects.get().pk


def test_a_shop_that_left_is_erased_but_for_whom_others_know(known: Connection) -> None:
    for number in (7, 8):
        tell(known, "customers/create", robin(id=number, email=f"{number}@example.com"))
    create_customer(name="Ours", by=SYSTEM, now=timezone.now())
    create_customer(
        name="Both",
        by=SYSTEM,
        now=timezone.now(),
        identities=[Identity(source="gorgias", external_id="1")],
        email="b@example.com",
    )
    address = {"address1": "1 Long Street", "city": "Lille"}
    tell(known, "customers/create", robin(id=9, email="b@example.com", default_address=address))
    tell(known, "orders/create", {**BODIES["order"], "id": 1, "customer": robin(id=9), "email": "b@example.com"})
    tell(known, "customers/create", robin(id=10, email="10@example.com"))
    tell(known, "customers/delete", {"id": 10})
    guest = make_customer(name="Guest", email="guest@example.com")
    tell(known, "orders/create", {**BODIES["order"], "id": 2, "contact_email": "guest@example.com"})
    assert (of(9).address, Order.objects.filter(account=known.account_key).count()) == ("1 Long Street, Lille", 2)
    tell(known, "app/uninstalled", {"id": 1})
    known.refresh_from_db()
    assert (known.status, known.access_token) == (ConnectionStatus.UNINSTALLED, None)
    tell(known, "shop/redact", {"shop_id": 1, "shop_domain": known.account_key})
    assert privacy.work_off(now=timezone.now(), limit=1) == 3
    request = DataSubjectRequest.objects.get()
    assert (request.evidence["erased"], request.evidence["known_elsewhere"]) == (3, 1)
    assert request.completed_at is not None
    left = Customer.objects.filter(erased_at__isnull=True).order_by("name")
    assert [one.name for one in left] == ["Both", "Guest", "Ours"]
    assert (left[0].address, left[0].attributes, left[0].email) == (None, {}, "b@example.com")
    assert [one.source for one in left[0].identities.all()] == ["gorgias"]
    assert (Order.objects.count(), left[1].pk) == (0, guest.pk)


def test_a_shop_that_comes_back_meanwhile_keeps_the_rest_and_may_tell_of_everybody(known: Connection) -> None:
    for number in (7, 8):
        tell(known, "customers/create", robin(id=number, email=f"{number}@example.com"))
    tell(known, "shop/redact", {"shop_id": 1, "shop_domain": known.account_key})
    assert privacy.work_off(now=timezone.now(), limit=1, seconds=0.0) == 0
    request = DataSubjectRequest.objects.get()
    privacy._erase_some(request, limit=1, now=timezone.now())
    later = timezone.now() + timedelta(minutes=1)
    Connection.objects.update(status=ConnectionStatus.ACTIVE, connected_at=later)
    assert privacy.work_off(now=later) == 0
    request.refresh_from_db()
    assert (request.evidence["erased"], request.evidence["reason"]) == (1, "it is connected again since")
    assert of(8).erased_at is None
    assert tell(known, "customers/update", robin(minutes=99)).status == "done"
    assert of(7).email == "robin@example.com"


def test_a_request_that_names_nobody_is_kept_open(known: Connection) -> None:
    for topic in ("customers/data_request", "customers/redact"):
        assert tell(known, topic, {"shop_id": 1, "shop_domain": "", "customer": {"id": None}}).status == "done"
    assert [one.completed_at for one in DataSubjectRequest.objects.filter(subject="")] == [None, None]


def test_a_shop_that_came_back_is_not_erased(known: Connection) -> None:
    tell(known, "customers/create", robin())
    for topic in ("app/uninstalled", "shop/redact"):
        tell(
            known,
            topic,
            {"id": 1, "shop_domain": known.account_key},
            **{"X-Shopify-Triggered-At": "2026-01-01T00:00:00Z"},
        )
    known.refresh_from_db()
    request = DataSubjectRequest.objects.get()
    assert (known.status, request.evidence["erased"]) == (ConnectionStatus.ACTIVE, 0)
    assert privacy.work_off(now=timezone.now()) == 0
    assert of(7).erased_at is None


@pytest.mark.parametrize("left", [True, False])
def test_a_shop_that_came_back_with_a_typed_token_is_not_erased_for_what_was_said_before(
    left: bool, known: Connection
) -> None:
    """Whether or not we heard that it had left."""
    tell(known, "customers/create", robin())
    past = timezone.now() - timedelta(days=30)
    Connection.objects.update(connected_at=past)
    if left:
        tell(known, "app/uninstalled", {"id": 1})
    connections.update(connection_id=known.pk, changes={"access_token": "shpat_2"}, by=SYSTEM, now=timezone.now())
    connections.activate(connection_id=known.pk, by=SYSTEM, now=timezone.now())
    before = (timezone.now() - timedelta(hours=1)).isoformat()
    for topic in ("app/uninstalled", "shop/redact"):
        tell(known, topic, {"id": 1, "shop_domain": known.account_key}, **{"X-Shopify-Triggered-At": before})
    known.refresh_from_db()
    assert (known.status, known.access_token) == (ConnectionStatus.ACTIVE, "shpat_2")
    assert DataSubjectRequest.objects.get().evidence["reason"] == privacy.CAME_BACK
    assert privacy.work_off(now=timezone.now()) == 0
    assert of(7).erased_at is None


def test_a_pause_does_not_make_a_shop_another_one(known: Connection) -> None:
    before = known.connected_at
    connections.pause(connection_id=known.pk, by=SYSTEM, now=timezone.now())
    connections.update(
        connection_id=known.pk, changes={"webhook_secret": "w" * 20 + "0123456789ab"}, by=SYSTEM, now=timezone.now()
    )
    connections.activate(connection_id=known.pk, by=SYSTEM, now=timezone.now())
    known.refresh_from_db()
    assert (known.connected_at, before is None) == (before, False)


def test_scopes_are_noted(known: Connection) -> None:
    tell(known, "app/scopes_update", {"id": 1, "previous": ["a"], "current": ["read_customers"], "updated_at": None})
    known.refresh_from_db()
    assert known.scopes == ["read_customers"]


def test_who_buys_in_the_pretend_shop_is_a_customer_with_an_order(known: Connection) -> None:
    sandbox = Sandbox()
    sandbox.add_customer(7)
    sandbox.subscriptions["x"] = {"topic": "ORDERS_CREATE", "uri": "http://127.0.0.1:9/"}
    sandbox.buy()
    sandbox.server.server_close()
    (told,) = sandbox.deliveries
    tell(known, "orders/create", told.raw)
    assert (of(7).email, Order.objects.get().total) == ("robin.7@example.com", Decimal("40.0"))
