"""Every read of a customer's data leaves a row, through every door."""

from typing import Any

import pytest
from django.db import DatabaseError
from django.test import Client

from agents.tests.builders import make_agent, make_key
from customers import audit
from customers.tests.builders import make_customer
from supportdesk.core.models import Event
from supportdesk.tests.client import Api
from tickets.tests.builders import make_ticket

pytestmark = pytest.mark.django_db


def reads() -> list[tuple[str, int, dict[str, Any]]]:
    found = Event.objects.filter(name__in=["customer.read", "customers.listed"]).order_by("pk")
    return [(event.name, event.subject_id, event.payload) for event in found]


def test_a_record_a_ticket_and_a_search_each_leave_one_row() -> None:
    agent, customer = make_agent(), make_customer(name="Zoë Brandt", email="zoe@example.com")
    ticket, api = make_ticket(customer=customer), Api(agent)
    api.get(f"/api/customers/{customer.pk}")
    api.get(f"/api/tickets/{ticket.pk}")
    api.get("/api/customers", email="zoe@example.com")
    api.get("/api/customers", q="nobody like this")
    assert reads() == [
        ("customer.read", customer.pk, {"through": "record", "ticket_id": None}),
        ("customer.read", customer.pk, {"through": "ticket", "ticket_id": ticket.pk}),
        ("customers.listed", 0, {"through": "list", "ids": [customer.pk], "parameters": ["email"]}),
        ("customers.listed", 0, {"through": "list", "ids": [], "parameters": ["q"]}),
    ]
    assert set(
        Event.objects.filter(name__contains="customer").exclude(name="customer.created").values_list("actor_id")
    ) == {(agent.pk,)}
    assert not Event.objects.filter(payload__icontains="zoe").exists()


def test_the_admin_leaves_the_same_rows() -> None:
    customer, client = make_customer(), Client()
    client.force_login(make_agent(role="supervisor"))
    client.get("/admin/customers/customer/?q=someone")
    client.get(f"/admin/customers/customer/{customer.pk}/change/")
    assert reads() == [
        ("customers.listed", 0, {"through": "admin", "ids": [], "parameters": ["q"]}),
        ("customer.read", customer.pk, {"through": "admin", "ticket_id": None}),
    ]
    assert set(
        Event.objects.filter(name__startswith="customer").exclude(name="customer.created").values_list("origin")
    ) == {("admin",)}


def test_what_was_not_shown_is_not_recorded() -> None:
    customer = make_customer()
    ticket = make_ticket(customer=customer)
    Api(make_agent()).get("/api/customers/999999")
    Api(make_agent()).get(f"/api/tickets/{ticket.pk}", fields="ticket.status,assignment")
    Api(make_key("tickets:read")).get(f"/api/customers/{customer.pk}")
    assert reads() == []


def test_without_the_row_there_is_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    customer, api = make_customer(), Api(make_agent())

    def broken(*_: Any, **__: Any) -> None:
        raise DatabaseError("permission denied")

    monkeypatch.setattr(audit, "emit", broken)
    for path in (f"/api/customers/{customer.pk}", "/api/customers"):
        answer = api.get(path)
        assert answer.status >= 500
        assert customer.name not in str(answer.body)
