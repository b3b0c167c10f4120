"""`?fields=`: less in the answer, and less read for it."""

from typing import Any

import pytest

from agents.tests.builders import make_agent, make_department, make_key
from customers.tests.builders import make_customer
from supportdesk.core.models import Event
from supportdesk.tests.client import Api, counted_statements
from tickets.tests.builders import make_ticket, say

pytestmark = pytest.mark.django_db


def test_a_list_holds_and_reads_only_what_is_asked_for() -> None:
    api, ticket = Api(make_agent()), make_ticket()
    with counted_statements() as statements:
        answer = api.get("/api/tickets", fields="id,subject")
    assert answer.body["results"] == [{"id": ticket.pk, "subject": ticket.subject}]
    page = statements[-1]
    assert '"subject"' in page
    assert "JOIN" not in page
    assert '"attributes"' not in page


def test_members_of_members() -> None:
    api, ticket = Api(make_agent()), make_ticket(customer=make_customer(name="Zoë"))
    with counted_statements() as statements:
        row = api.get("/api/tickets", fields="customer.name,id").body["results"][0]
    assert row == {"id": ticket.pk, "customer": {"name": "Zoë"}}
    assert '"email"' not in statements[-1]
    assert "agents_agent" not in statements[-1]


def test_a_page_goes_on_with_the_same_fields() -> None:
    api = Api(make_agent())
    for _ in range(3):
        make_ticket()
    first = api.get("/api/tickets", fields="id", page_size=2)
    second = api.get(first.body["next"])
    assert [set(row) for row in first.body["results"] + second.body["results"]] == [{"id"}] * 3


def test_a_detail_without_the_customer_reads_none_and_says_so() -> None:
    api, ticket = Api(make_agent()), make_ticket()
    with counted_statements() as statements:
        answer = api.get(f"/api/tickets/{ticket.pk}", fields="ticket.subject,assignment")
    assert answer.body == {"ticket": {"subject": ticket.subject}, "assignment": None}
    assert answer.headers["ETag"] == '"1"'
    assert len(statements) == 2  # token, ticket: no identities, no audit
    assert not Event.objects.filter(name="customer.read").exists()
    api.get(f"/api/tickets/{ticket.pk}", fields="customer.name")
    assert Event.objects.filter(name="customer.read").count() == 1


def test_customers_and_agents_trim_too() -> None:
    api, customer = Api(make_agent(role="admin")), make_customer()
    with counted_statements() as statements:
        rows = api.get("/api/customers", fields="id,name").body["results"]
    assert rows == [{"id": customer.pk, "name": customer.name}]
    assert not any('"email"' in statement for statement in statements if "customers_customer" in statement)
    assert not any("externalidentity" in statement for statement in statements)
    assert set(api.get(f"/api/customers/{customer.pk}", fields="phone,identities").body) == {"phone", "identities"}
    agent = make_agent()
    assert api.get(f"/api/agents/{agent.pk}", fields="email").body == {"email": agent.email}


@pytest.mark.vuln
def test_fields_never_show_more_than_the_caller_may_see() -> None:
    stranger = make_agent(department=make_department())
    me = Api(make_agent(department=make_department()))
    assert me.get(f"/api/agents/{stranger.pk}", fields="email,role,name").body == {"name": stranger.name}
    ticket = make_ticket()
    machine = Api(make_key("tickets:read"))
    assert machine.get("/api/tickets", fields="customer.name").body["results"] == [{"customer": None}]
    assert machine.get(f"/api/tickets/{ticket.pk}", fields="customer.email").body == {"customer": None}


@pytest.mark.parametrize("path", ["/api/tickets", "/api/tickets/{t}", "/api/tickets/{t}/messages", "/api/customers"])
@pytest.mark.parametrize(
    "fields", [",", "nothing", "id,", "id,password", "customer.password", "id.id", "subject.x", "a.b.c"]
)
def test_what_no_answer_has_is_a_400(path: str, fields: str) -> None:
    ticket = make_ticket()
    answer = Api(make_agent()).get(path.format(t=ticket.pk), fields=fields)
    assert (answer.status, answer.fields) == (400, {"fields": "unknown"})


@pytest.mark.parametrize("what", ["messages", "notes", "events"])
def test_nested_lists_trim(what: str) -> None:
    ticket, api = make_ticket(), Api(make_agent())
    say(ticket)
    api.post(f"/api/tickets/{ticket.pk}/notes", {"body": "x"})
    rows: list[dict[str, Any]] = api.get(f"/api/tickets/{ticket.pk}/{what}", fields="id").body["results"]
    assert rows
    assert {tuple(row) for row in rows} == {("id",)}
