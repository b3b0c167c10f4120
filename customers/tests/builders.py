"""Customers for tests, made by the services."""

from itertools import count
from typing import Any

from django.utils import timezone

from agents.tests.builders import SYSTEM
from customers import services
from customers.models import Customer

_numbers = count(1)


def make_customer(**over: Any) -> Customer:
    number = next(_numbers)
    given = {"name": f"Customer {number}", "email": f"customer{number}@example.org", **over}
    return services.create_customer(**{"by": SYSTEM, "now": timezone.now(), **given})


def update(customer: Customer, **changes: Any) -> Customer:
    return services.update_customer(customer_id=customer.pk, changes=changes, by=SYSTEM, now=timezone.now())
