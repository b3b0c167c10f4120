"""By what customers are found for readers who do not see everybody: kept by the database, decided by the tickets."""

from typing import Any

import pytest
from django.utils import timezone

from agents.models import Agent
from agents.tests.builders import SYSTEM, actor_of, make_agent, make_department
from customers.models import Customer
from customers.tests.builders import make_customer
from supportdesk.tests.client import Api
from supportdesk.tests.plans import look_at, plan
from tickets.services import assignment
from tickets.services.history import create_past_tickets
from tickets.tests.builders import change, fill_desk, make_ticket, past_ticket

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture
def customer() -> Customer:
    return make_customer()


def keys(customer: Customer) -> set[str]:
    customer.refresh_from_db()
    return set(customer.seen_by)


def names(*agents: Agent) -> dict[int, set[int]]:
    return {agent.pk: {row["id"] for row in Api(agent).get("/api/customers").body["results"]} for agent in agents}


def test_the_keys_follow_every_ticket(customer: Customer) -> None:
    here, there = make_department(), make_department()
    agent = make_agent(department=here)
    assert keys(customer) == {"new"}
    ticket = make_ticket(customer=customer, department=here)
    assert keys(customer) == {f"d{here.pk}"}
    assignment.assign(ticket_id=ticket.pk, agent_id=agent.pk, by=SYSTEM, now=timezone.now())
    assert keys(customer) == {f"d{here.pk}", f"a{agent.pk}"}
    change(ticket, department=there)
    assert keys(customer) == {f"d{here.pk}", f"d{there.pk}", f"a{agent.pk}"}
    change(ticket, department=None)
    assert keys(customer) == {"all"}


def test_imported_tickets_count_too(customer: Customer) -> None:
    create_past_tickets([past_ticket(customer)], by=SYSTEM, now=timezone.now())
    assert keys(customer) == {"all"}


def test_more_keys_than_an_index_holds_are_one(customer: Customer) -> None:
    for _ in range(61):
        make_ticket(customer=customer, department=make_department())
    assert keys(customer) == {"all"}
    stranger, insider = make_agent(department=make_department()), make_agent(department=make_department())
    make_ticket(customer=customer, department=insider.department)
    assert names(stranger, insider) == {stranger.pk: set(), insider.pk: {customer.pk}}


@pytest.mark.vuln
def test_a_key_that_is_too_many_shows_nobody_more(customer: Customer) -> None:
    here, there = make_department(), make_department()
    ticket = make_ticket(customer=customer, department=here)
    change(ticket, department=there)
    agent = make_agent(department=here)
    assert f"d{here.pk}" in keys(customer)
    assert names(agent) == {agent.pk: set()}
    Customer.objects.filter(pk=customer.pk).update(seen_by=["new"])
    assert names(agent) == {agent.pk: set()}


def test_everybody_sees_the_customers_of_the_tickets_they_see() -> None:
    """Over every kind of reader: the list, and each customer by itself, are what the tickets' own rule says."""
    here, there = make_department(), make_department()
    readers = [
        make_agent(department=here),
        make_agent(department=there),
        make_agent(),
        make_agent(role="supervisor", leads=[there]),
        make_agent(role="supervisor"),
        make_agent(role="admin"),
    ]
    customers = [make_customer() for _ in range(6)]
    make_ticket(customer=customers[1])
    make_ticket(customer=customers[2], department=here)
    make_ticket(customer=customers[3], department=there)
    mine = make_ticket(customer=customers[4], department=here)
    assignment.assign(ticket_id=mine.pk, agent_id=readers[0].pk, by=SYSTEM, now=timezone.now())
    change(mine, department=there)
    make_ticket(customer=customers[5], department=here)
    make_ticket(customer=customers[5], department=there)
    for reader in readers:
        tickets: Any = Customer._meta.get_field("tickets").related_model._default_manager
        seen = set(tickets.visible_to(actor_of(reader)).values_list("customer_id", flat=True))
        expected = {one.pk for one in customers if one.pk in seen or not tickets.filter(customer=one).exists()}
        assert names(reader)[reader.pk] == expected
        for one in customers:
            assert Api(reader).get(f"/api/customers/{one.pk}").status == (200 if one.pk in expected else 404)


def test_a_page_of_customers_reads_no_ticket_that_is_not_theirs() -> None:
    """EXISTS would be answered by reading every ticket the reader sees; it must stay a question for each customer."""
    agent = make_agent(department=make_department())
    fill_desk()
    look_at([Customer(name=f"Name {number}") for number in range(500)])
    found = plan(Customer.objects.visible_to(actor_of(agent)).order_by("-created_at", "-pk")[:51])
    assert "hashed SubPlan" not in found
    assert "ticket_customer_created" in found


@pytest.mark.parametrize(
    ("name", "asked", "found"),
    [
        ("Zqara Tran", "zq", True),
        ("Ana Zqara", "ZQ", True),
        ("Ana Azqar", "zq", False),
        ("Ana Azqar", "azq", True),
        ("Ana Azqar", "qar", True),
        ("Bo", "b", True),
        ("Ana", "n", False),
        ("鈴木健", "木健", True),
        ("鈴木健", "健", True),
    ],
)
def test_a_letter_or_two_begin_a_word(name: str, asked: str, found: bool) -> None:
    customer = make_customer(name=name)
    rows = Api(make_agent(role="admin")).get("/api/customers", q=asked).body["results"]
    assert [row["id"] for row in rows] == ([customer.pk] if found else [])
