"""What shops tell of orders: the newest state wins, whatever the order in which it is told."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from agents.tests.builders import SYSTEM, actor_of, make_agent, make_department
from customers import orders, privacy, services
from customers.models import Customer, Order
from customers.orders import OrderTold
from customers.tests.builders import make_customer
from customers.tests.orders import AT, told
from quimbi.dialects import Function
from quimbi.sandbox import Sandbox
from supportdesk.core import delivery
from supportdesk.core.errors import InvalidInput, NotFound
from supportdesk.core.models import Event
from supportdesk.tests.client import Api, counted_statements
from supportdesk.tests.races import race
from tickets.tests.builders import make_ticket

pytestmark = pytest.mark.django_db
LATER = AT + timedelta(hours=1)


def record(customer: Customer, told: OrderTold) -> Order:
    return orders.record_order(customer_id=customer.pk, told=told, by=SYSTEM, now=timezone.now())


def test_an_order_is_kept_as_it_is_told_with_every_parcel() -> None:
    customer = make_customer()
    record(customer, told("5541239873241"))
    body = Api(make_agent(role="admin")).get(f"/api/customers/{customer.pk}/orders").body["results"]
    assert [(order["external_id"], order["number"], order["total"]) for order in body] == [
        ("5541239873241", "#5541239873241", 84.9)
    ]
    assert [parcel["number"] for parcel in body[0]["parcels"]] == ["0034", "1Z9"]
    assert body[0]["items"][0]["price"] == "84.90"
    event = Event.objects.get(name="customer.order_recorded")
    assert event.payload == {"order_id": body[0]["id"], "new": True}


def test_what_is_told_late_or_twice_changes_nothing() -> None:
    customer = make_customer()
    record(customer, told("1", told_at=LATER, payment="refunded"))
    for again in (told("1", payment="paid"), told("1", told_at=LATER, payment="voided")):
        assert record(customer, again).payment == "refunded"
    assert Event.objects.filter(name="customer.order_recorded").count() == 1


def test_what_is_left_out_is_not_emptied() -> None:
    customer = make_customer()
    record(customer, told("1"))
    bare = replace(told("1"), told_at=LATER, payment=None, fulfilment=None, items=None, parcels=None, number=None)
    order = record(customer, bare)
    assert (order.payment, order.fulfilment, order.number) == ("paid", "fulfilled", "#1")
    assert (len(order.items), len(order.parcels)) == (1, 2)
    assert record(customer, replace(bare, told_at=LATER + timedelta(hours=1), parcels=[])).parcels == []


def test_an_order_moves_with_the_customer_that_the_shop_says() -> None:
    one, other = make_customer(), make_customer()
    order = record(one, told("1"))
    assert record(other, told("1")).customer_id == other.pk
    assert Order.objects.get() == order


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"total": Decimal("NaN")}, "total"),
        ({"total": Decimal("Infinity")}, "total"),
        ({"total": Decimal(10) ** 15}, "total"),
        ({"currency": "eur"}, "currency"),
        ({"currency": ""}, "currency"),
    ],
)
def test_what_is_no_money_is_refused_by_name(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        record(make_customer(), told("1", **wrong))
    assert [error.field for error in refused.value.errors] == [field]
    assert Order.objects.count() == 0


def test_nobody_erased_comes_back_with_an_order() -> None:
    customer = make_customer()
    record(customer, told("1"))
    admin = actor_of(make_agent(role="admin"))
    exported = privacy.export(customer_id=customer.pk, by=admin, now=timezone.now())
    assert [order["external_id"] for order in exported["orders"]] == ["1"]
    privacy.erase(customer_id=customer.pk, by=admin, now=timezone.now())
    assert Order.objects.count() == 0
    with pytest.raises(services.Erased):
        record(customer, told("1", told_at=LATER))
    with pytest.raises(NotFound):
        orders.record_order(customer_id=customer.pk + 999, told=told("1"), by=SYSTEM, now=timezone.now())


def test_who_does_not_see_the_customer_sees_no_orders() -> None:
    ticket = make_ticket(department=make_department())
    record(ticket.customer, told("1"))
    stranger = Api(make_agent(department=make_department()))
    assert stranger.get(f"/api/customers/{ticket.customer_id}/orders").status == 404


def test_a_page_of_orders_costs_the_same_however_many() -> None:
    customer, api, counts = make_customer(), Api(make_agent(role="admin")), []
    for number in range(3):
        record(customer, told(str(number), ordered_at=AT + timedelta(days=number)))
        if number != 1:
            with counted_statements() as taken:
                found = api.get(f"/api/customers/{customer.pk}/orders").body["results"]
            counts.append(len(taken))
    assert counts[0] == counts[1]
    assert [order["external_id"] for order in found] == ["2", "1", "0"]


def test_an_order_outdates_what_quimbi_said_and_a_new_name_there_too(quimbi: Sandbox) -> None:
    customer, api = make_customer(), Api(make_agent(role="admin"))

    def dna() -> Any:
        return api.get(f"/api/customers/{customer.pk}").body["dna"]

    assert (dna()["source"], dna()["source"]) == ("live", "cache")
    record(customer, told("1"))
    delivery.run_due(limit=100)
    assert dna()["source"] == "live"
    assert len(quimbi.requests[-1].body.get("orders", [1])) == 1
    identity = services.Identity(source="shopify", external_id="7012345678901")
    services.identify_customer(customer_id=customer.pk, identity=identity, by=SYSTEM, now=timezone.now())
    services.identify_customer(customer_id=customer.pk, identity=identity, by=SYSTEM, now=timezone.now())
    delivery.run_due(limit=100)
    assert dna()["source"] == "live"
    assert {one.customer_id for one in quimbi.requests if one.function == Function.ANALYZE} == {
        f"crm-{customer.pk}",
        "7012345678901",
    }
    assert Event.objects.filter(name="customer.identified").count() == 1


@pytest.mark.django_db(transaction=True)
def test_an_order_first_told_of_several_customers_at_once_is_there_once() -> None:
    customers = [make_customer() for _ in range(8)]
    race(lambda number: record(customers[number], told("5541")), rivals=8)
    assert Order.objects.filter(external_id="5541").count() == 1
