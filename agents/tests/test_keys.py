"""Machines: what a key opens, how it ends, and what is kept of it."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone

from agents.models import ApiKey
from agents.tests.builders import make_agent, make_department, make_key
from customers.tests.builders import make_customer
from supportdesk.core.models import Event
from supportdesk.tests.client import Api, counted_statements
from tickets.tests.builders import make_ticket

pytestmark = pytest.mark.django_db


def in_days(days: float) -> str:
    return (timezone.now() + timedelta(days=days)).isoformat()


def test_an_administrator_makes_a_key_that_is_shown_once() -> None:
    admin = Api(make_agent(role="admin"))
    made = admin.post("/api/api-keys", {"name": "Shop", "scopes": ["tickets:read"], "expires_at": in_days(30)})
    assert made.status == 201
    text = made.body["key"]
    assert text.startswith(made.body["prefix"] + "_")
    listed = admin.get("/api/api-keys")
    assert [row["name"] for row in listed.body["results"]] == ["Shop"]
    with connection.cursor() as cursor:
        cursor.execute("SELECT k::text FROM agents_apikey k")
        stored = str(cursor.fetchall())
    secret = text.removeprefix(made.body["prefix"] + "_")
    assert secret not in stored
    assert secret not in str(listed.body)
    assert Event.objects.get(name="api_key.created").payload == {"scopes": ["tickets:read"]}
    assert Api(text).get("/api/tickets").status == 200


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": ["everything"]}, "scopes[0]"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "2027-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "expires_at"),
        ({"expires_at": "2999-01-01T00:00:00Z"}, "expires_at"),
        ({"prefix": "sdk_1"}, "prefix"),
        ({"name": ""}, "name"),
    ],
)
def test_a_key_needs_a_scope_a_name_and_an_end_within_a_year(over: dict[str, Any], field: str) -> None:
    given = {"name": "Shop", "scopes": ["tickets:read"], "expires_at": in_days(30)}
    answer = Api(make_agent(role="admin")).post("/api/api-keys", given | over)
    assert answer.status == 400
    assert field in answer.fields


@pytest.mark.parametrize("role", ["agent", "senior", "supervisor"])
def test_nobody_else_makes_sees_or_revokes_keys(role: str) -> None:
    text = make_key("tickets:read")
    api = Api(make_agent(role=role))
    assert api.get("/api/api-keys").status == 403
    given = {"name": "Shop", "scopes": ["tickets:read"], "expires_at": in_days(30)}
    assert api.post("/api/api-keys", given).status == 403
    assert api.delete(f"/api/api-keys/{ApiKey.objects.get().pk}").status == 403
    assert Api(text).get("/api/api-keys").status == 403


def test_a_revoked_key_is_refused_at_the_next_request() -> None:
    text, admin = make_key("tickets:read"), Api(make_agent(role="admin"))
    assert Api(text).get("/api/tickets").status == 200
    key = ApiKey.objects.get()
    assert [admin.delete(f"/api/api-keys/{key.pk}").status for _ in range(2)] == [204, 204]
    refused = Api(text).get("/api/tickets")
    assert (refused.status, refused.body["code"]) == (401, "api_key_not_valid")
    assert Event.objects.filter(name="api_key.revoked").count() == 1
    assert admin.delete("/api/api-keys/999999").status == 404


def test_an_expired_key_and_what_was_never_one_are_refused() -> None:
    text = make_key("tickets:read")
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    for wrong in (text, "", "sdk_", text[:-1], text.upper(), "x" * 5_000):
        assert Api(wrong).get("/api/tickets").status == 401


def test_use_is_noted_once_a_minute() -> None:
    text = make_key("tickets:read")
    Api(text).get("/api/tickets")
    first = ApiKey.objects.get().last_used_at
    assert first is not None
    with counted_statements() as statements:
        Api(text).get("/api/tickets")
    assert len(statements) == 1  # the key; the list was kept
    ApiKey.objects.update(last_used_at=first - timedelta(minutes=2))
    Api(text).get("/api/tickets")
    assert ApiKey.objects.get().last_used_at >= first  # type: ignore[operator]


def test_a_key_reads_what_its_scopes_name_and_nothing_else() -> None:
    customer = make_customer(name="Zoë Brandt", email="zoe@example.com")
    ticket = make_ticket(customer=customer, department=make_department())
    tickets_only, with_customers = Api(make_key("tickets:read")), Api(make_key("tickets:read", "customers:read"))
    for api, person in ((tickets_only, None), (with_customers, {"id": customer.pk, "name": "Zoë Brandt"})):
        detail = api.get(f"/api/tickets/{ticket.pk}").body
        assert detail["ticket"]["customer"] == person
        assert (detail["customer"] is None) is (person is None)
        assert api.get("/api/tickets").body["results"][0]["customer"] == person
    assert "zoe@example.com" not in str(tickets_only.get(f"/api/tickets/{ticket.pk}").body)
    assert tickets_only.get(f"/api/customers/{customer.pk}").status == 403
    assert tickets_only.get(f"/api/tickets/{ticket.pk}/notes").status == 403
    assert tickets_only.get(f"/api/customers/{customer.pk}/tickets").status == 404
    assert with_customers.get(f"/api/customers/{customer.pk}/tickets").body["results"][0]["id"] == ticket.pk


def test_a_machine_opens_tickets_for_customers_it_may_read() -> None:
    customer = make_customer()
    given = {"customer_id": customer.pk, "subject": "Where is it?", "description": "My parcel"}
    assert Api(make_key("tickets:write")).post("/api/tickets", given).fields == {"customer_id": "not_found"}
    made = Api(make_key("tickets:write", "customers:read")).post("/api/tickets", given)
    assert made.status == 201
    event = Event.objects.get(name="ticket.created")
    assert (event.actor_kind, event.actor_id) == ("machine", ApiKey.objects.latest("pk").pk)


@pytest.mark.vuln
def test_a_machine_never_speaks_as_an_agent() -> None:
    ticket, api = make_ticket(), Api(make_key("tickets:write"))
    path = f"/api/tickets/{ticket.pk}/messages"
    assert api.post(path, {"body": "Trust me", "sender": "agent"}).fields == {"sender": "invalid"}
    assert api.post(path, {"body": "Hello?"}).fields == {"sender": "invalid"}
    assert api.post(path, {"body": "Hello?", "sender": "customer"}).status == 201


def test_a_machine_has_no_tickets_of_its_own() -> None:
    answer = Api(make_key("tickets:read")).get("/api/tickets", assignee="me")
    assert (answer.status, answer.fields) == (400, {"assignee": "invalid_choice"})


def test_the_admin_makes_a_key_shows_it_once_and_revokes_it() -> None:
    client = Client()
    client.force_login(make_agent(role="admin"))
    given = {"name": "Shop", "scopes": ["tickets:read"], "expires_at": "2027-01-01 00:00:00"}
    page = client.post("/admin/agents/apikey/add/", given, follow=True)
    key = ApiKey.objects.get()
    assert f"{key.prefix}_" in page.content.decode()
    url = f"/admin/agents/apikey/{key.pk}/change/"
    assert f"{key.prefix}_" not in client.get(url).content.decode()
    assert client.post(url, {"name": "Other", "scopes": ["customers:write"]}).status_code == 302
    assert ApiKey.objects.get().scopes == ["tickets:read"]
    client.post("/admin/agents/apikey/", {"action": "revoke", "_selected_action": [key.pk]})
    assert ApiKey.objects.get().revoked_at is not None
    client.force_login(make_agent(role="supervisor"))
    assert client.get("/admin/agents/apikey/").status_code == 403
