"""One customer per address, whatever the letters it is written with."""

import pytest

from agents.tests.builders import make_agent
from customers import services
from customers.identity import normalised_email
from customers.models import Customer
from customers.tests.builders import make_customer
from supportdesk.core.errors import InvalidInput
from supportdesk.tests.client import Api
from supportdesk.tests.security.corpora import LOOKALIKES

pytestmark = [pytest.mark.django_db, pytest.mark.vuln]
ADDRESS = "mina.kiss@example.com"


def spelling(text: str) -> str | None:
    try:
        return normalised_email(text)
    except InvalidInput:
        return None


@pytest.mark.parametrize("lookalike", LOOKALIKES)
def test_an_address_is_somebody_elses_or_a_customer_of_its_own_and_never_both(lookalike: str) -> None:
    first, api = make_customer(name="First", email="Mina.Kiss@Example.com"), Api(make_agent(role="admin"))
    made = api.post("/api/customers", {"name": "Second", "email": lookalike})
    found = api.get("/api/customers", email=lookalike)
    same = spelling(lookalike)
    if same is None:
        assert (made.status, found.status) in {(400, 200), (400, 400)}
        assert not (found.body.get("results") or [])
    elif same == ADDRESS:
        assert (made.status, made.body["code"]) == (409, "identity_taken")
        assert [row["id"] for row in found.body["results"]] == [first.pk]
    else:
        assert made.status == 201
        assert [row["id"] for row in found.body["results"]] in ([], [made.body["id"]])
    assert Customer.objects.filter(email_index=first.email_index).count() == 1


def test_what_is_shown_is_what_was_written() -> None:
    customer = make_customer(email="Mina.KISS@Example.com")
    assert Customer.objects.get(pk=customer.pk).email == "Mina.KISS@Example.com"
    with pytest.raises(services.IdentityTaken):
        make_customer(email="mina.kiss@EXAMPLE.COM")
