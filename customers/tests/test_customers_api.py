"""Customers over HTTP."""

from typing import Any

import pytest

from agents.tests.builders import make_agent, make_department
from customers.models import Customer
from customers.tests.builders import make_customer
from supportdesk.core.models import Event
from supportdesk.tests.client import Api, counted_statements
from tickets.tests.builders import make_ticket

pytestmark = pytest.mark.django_db
ZOE = {
    "name": "Zoë Brandt",
    "email": "Zoe@Example.com",
    "phone": "+49 30 901820",
    "address": "Am Ufer 3\nBerlin",
    "timezone": "Europe/Berlin",
    "language": "DE",
    "attributes": {"newsletter": True, "orders": 3, "note": "مرحبا 👩🏽‍🚒"},
    "identities": [{"source": "shopify", "external_id": "7012345678901"}],
}


@pytest.fixture
def me() -> Api:
    return Api(make_agent(department=make_department()))


def ids(answer: Any) -> list[int]:
    return [row["id"] for row in answer.body["results"]]


def test_create_and_read_a_customer(me: Api) -> None:
    made = me.post("/api/customers", ZOE)
    assert made.status == 201
    assert made.headers["ETag"] == '"1"'
    expected = {**ZOE, "phone": "+4930901820", "language": "de", "version": 1, "id": made.body["id"]}
    assert {name: made.body[name] for name in expected} == expected
    assert made.body["created_at"].endswith("Z")
    unasked = {"value": None, "source": "none", "as_of": None, "reason": "not_configured"}
    assert me.get(f"/api/customers/{made.body['id']}").body == {**made.body, "dna": unasked}
    event = Event.objects.get(name="customer.created")
    assert (event.subject_id, event.payload) == (made.body["id"], {})


def test_one_customer_per_address_however_it_is_spelled(me: Api) -> None:
    assert me.post("/api/customers", ZOE).status == 201
    for email in ("zoe@example.com", " ZOE@EXAMPLE.COM ", "\uff5aoe@example.com"):
        answer = me.post("/api/customers", {"name": "Other", "email": email})
        assert (answer.status, answer.fields) == (409, {"email": "identity_taken"}), email
    other = {"name": "Other", "identities": ZOE["identities"]}
    assert me.post("/api/customers", other).status == 409
    assert Customer.objects.count() == 1


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"name": None}, {"name": "null"}),
        ({"name": " "}, {"name": "blank"}),
        ({"name": "x" * 201}, {"name": "max_length"}),
        ({"name": {"first": "Z"}}, {"name": "wrong_type"}),
        ({"email": "zoe"}, {"email": "invalid_email"}),
        ({"email": f"{'x' * 250}@example.com"}, {"email": "max_length"}),
        ({"phone": "12"}, {"phone": "invalid_phone"}),
        ({"phone": 4930901820}, {"phone": "wrong_type"}),
        ({"timezone": "Mars/Olympus"}, {"timezone": "invalid_timezone"}),
        ({"language": "german"}, {"language": "invalid_language"}),
        ({"attributes": []}, {"attributes": "wrong_type"}),
        ({"attributes": {"a": {"b": 1}}}, {"attributes.a": "invalid"}),
        ({"attributes": {"a": "x" * 1001}}, {"attributes.a": "invalid"}),
        ({"attributes": {"a": 10**30}}, {"attributes.a": "invalid"}),
        ({"attributes": {str(n): n for n in range(51)}}, {"attributes": "too_many"}),
        ({"identities": [{"source": "fax", "external_id": "1"}]}, {"identities[0].source": "invalid_choice"}),
        ({"identities": [{"source": "shopify"}]}, {"identities[0].external_id": "required"}),
        ({"vip": True}, {"vip": "unknown_field"}),
        ({"email_index": "x"}, {"email_index": "unknown_field"}),
    ],
)
def test_bad_input_is_a_400_that_names_the_field(me: Api, change: dict[str, Any], fields: dict[str, str]) -> None:
    answer = me.post("/api/customers", ZOE | change)
    assert (answer.status, answer.fields) == (400, fields)
    assert not Customer.objects.exists()


def test_change_replaces_what_is_given_and_null_removes(me: Api) -> None:
    made = me.post("/api/customers", ZOE).body
    changed = me.patch(f"/api/customers/{made['id']}", {"phone": None, "email": "z@example.org", "attributes": {}})
    assert changed.status == 200
    assert (changed.body["phone"], changed.body["email"], changed.body["attributes"]) == (None, "z@example.org", {})
    assert (changed.body["name"], changed.body["version"]) == ("Zoë Brandt", 2)
    event = Event.objects.get(name="customer.updated")
    assert event.payload == {"fields": ["attributes", "email", "phone"]}
    assert ids(me.get("/api/customers", email="z@example.org")) == [made["id"]]
    assert ids(me.get("/api/customers", email="zoe@example.com")) == []


def test_a_change_to_the_same_values_is_none(me: Api) -> None:
    made = me.post("/api/customers", ZOE).body
    same = me.patch(f"/api/customers/{made['id']}", {"phone": "+49 (30) 901 820", "name": "Zoë Brandt"})
    assert same.body["version"] == 1
    assert not Event.objects.filter(name="customer.updated").exists()


def test_change_to_a_taken_address_is_a_conflict_and_changes_nothing(me: Api) -> None:
    make_customer(email="taken@example.com")
    made = me.post("/api/customers", ZOE).body
    answer = me.patch(f"/api/customers/{made['id']}", {"email": "TAKEN@example.com", "name": "X"})
    assert (answer.status, answer.body["code"]) == (409, "identity_taken")
    assert me.get(f"/api/customers/{made['id']}").body.items() >= made.items()


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("Günther Müller", "müller"),
        ("Günther Müller", "MÜLLER"),
        ("François Lefèvre", "lefèvre"),
        ("François Lefèvre", "LEFÈVRE"),
        ("Dimitra Papadakis", "papadakys"),
        ("佐藤 美咲", "佐藤"),
        ("ليلى حداد", "حداد"),
        ("Łucja Wójcik", "wójcik"),
    ],
)
def test_names_are_found_in_any_script_case_and_with_a_slip(me: Api, name: str, query: str) -> None:
    wanted = make_customer(name=name)
    make_customer(name="Oskar Tran")
    assert ids(me.get("/api/customers", q=query)) == [wanted.pk]


def test_phone_is_found_in_any_spelling(me: Api) -> None:
    made = me.post("/api/customers", ZOE).body
    assert ids(me.get("/api/customers", phone="+49 (0)30 901820")) == [made["id"]]
    assert me.get("/api/customers", phone="030").fields == {"phone": "invalid_phone"}


def test_a_customer_is_visible_with_a_visible_ticket_or_without_any() -> None:
    mine, other = make_department(), make_department()
    fresh, theirs, both = make_customer(), make_customer(), make_customer()
    make_ticket(customer=theirs, department=other)
    make_ticket(customer=both, department=other)
    make_ticket(customer=both, department=mine)
    me, admin = Api(make_agent(department=mine)), Api(make_agent(role="admin"))
    assert set(ids(me.get("/api/customers"))) == {fresh.pk, both.pk}
    assert set(ids(admin.get("/api/customers"))) == {fresh.pk, both.pk, theirs.pk}
    assert ids(me.get("/api/customers", email=theirs.email)) == []
    missing = me.get("/api/customers/999999").body
    for answer in (
        me.get(f"/api/customers/{theirs.pk}"),
        me.patch(f"/api/customers/{theirs.pk}", {"name": "X"}),
        me.get(f"/api/customers/{theirs.pk}/tickets"),
    ):
        assert answer.status == 404
        assert answer.body | {"request_id": ""} == missing | {"request_id": ""}


def test_history_holds_visible_tickets_newest_first_archived_too() -> None:
    mine, other = make_department(), make_department()
    customer = make_customer()
    first, second = make_ticket(customer=customer, department=mine), make_ticket(customer=customer)
    make_ticket(customer=customer, department=other)
    me = Api(make_agent(department=mine))
    assert me.delete(f"/api/tickets/{first.pk}").status == 204
    assert ids(me.get(f"/api/customers/{customer.pk}/tickets")) == [second.pk, first.pk]
    assert ids(me.get(f"/api/customers/{customer.pk}/tickets", status="closed")) == [first.pk]


def test_the_list_takes_the_same_statements_for_one_and_three_customers(me: Api) -> None:
    make_customer()
    with counted_statements() as one:
        me.get("/api/customers")
    make_customer()
    make_customer()
    with counted_statements() as three:
        assert len(me.get("/api/customers").body["results"]) == 3
    assert len(one) == len(three) == 4  # token, customers, identities, audit
