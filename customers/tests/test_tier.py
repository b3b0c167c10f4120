"""Which customers come first, and who says so."""

import pytest

from agents.tests.builders import make_agent, make_key
from customers.tests.builders import make_customer
from supportdesk.tests.client import Api

pytestmark = pytest.mark.django_db


def test_a_vip_is_shown_and_set_by_supervisors_and_administrators_only() -> None:
    customer = make_customer()
    for role, status in (("agent", 400), ("senior", 400), ("supervisor", 200), ("admin", 200)):
        answer = Api(make_agent(role=role)).patch(f"/api/customers/{customer.pk}", {"tier": "vip"})
        assert answer.status == status, role
        assert status == 200 or answer.fields == {"tier": "forbidden_field"}
    machine = Api(make_key("customers:write"))
    assert machine.patch(f"/api/customers/{customer.pk}", {"tier": "standard"}).fields == {"tier": "forbidden_field"}
    assert machine.post("/api/customers", {"name": "X", "tier": "vip"}).fields == {"tier": "forbidden_field"}
    made = Api(make_agent(role="supervisor")).post("/api/customers", {"name": "X", "tier": "vip"})
    assert (made.status, made.body["tier"]) == (201, "vip")
    assert machine.get(f"/api/customers/{customer.pk}").body["tier"] == "vip"
    wrong = Api(make_agent(role="admin")).patch(f"/api/customers/{customer.pk}", {"tier": "gold"})
    assert (wrong.status, wrong.fields) == (400, {"tier": "invalid_choice"})
