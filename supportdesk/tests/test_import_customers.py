"""`import_customers`: one customer per address, nothing overwritten, every bad row named."""

import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command

from agents.tests.builders import SYSTEM
from customers.models import Customer
from customers.services import update_customer
from customers.tests.builders import make_customer
from supportdesk.core.models import Event

HEADER = "Customer ID,Name,Email,Phone,Address\n"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def imported(rows: str, **options: Any) -> str:
    Path("customers.csv").write_text(HEADER + rows, encoding="utf-8")
    out = io.StringIO()
    call_command("import_customers", "customers.csv", stdout=out, **options)
    return out.getvalue()


@pytest.mark.django_db
def test_rows_become_customers_and_a_second_run_doubles_nothing() -> None:
    rows = '1,Zoë Brandt,zoe@example.com,+49 30 901820,"Am Ufer 3\nBerlin"\n2,Ken,,,\n'
    assert "Customers: 2 made, 0 changed, 0 skipped, 0 refused" in imported(rows)
    zoe = Customer.objects.get(name="Zoë Brandt")
    assert (zoe.email, zoe.phone, zoe.address) == ("zoe@example.com", "+4930901820", "Am Ufer 3\nBerlin")
    assert "Customers: 0 made, 0 changed, 2 skipped, 0 refused" in imported(rows)
    assert list(Event.objects.values_list("name", "origin")) == [("customer.created", "import")] * 2


@pytest.mark.django_db
def test_a_customer_who_is_there_gets_what_they_lack_and_keeps_what_they_have() -> None:
    known = make_customer(name="Zoë B.", email="zoe@example.com")
    assert "0 made, 1 changed" in imported("1,Zoë Brandt,ZOE@example.com,+49 30 901820,\n")
    known.refresh_from_db()
    assert (known.name, known.phone) == ("Zoë B.", "+4930901820")


@pytest.mark.django_db
def test_a_changed_row_changes_its_customer_unless_they_changed_here() -> None:
    imported("1,Zoë,zoe@example.com,,\n2,Ken,ken@example.com,,\n")
    ken = Customer.objects.get(name="Ken")
    update_customer(customer_id=ken.pk, changes={"name": "Kenji"}, by=SYSTEM, now=datetime.now(UTC))
    printed = imported("1,Zoë Brandt,zoe@example.com,,\n2,Kenneth,ken@example.com,,\n")
    assert "Customers: 0 made, 1 changed, 0 skipped, 1 refused" in printed
    assert set(Customer.objects.values_list("name", flat=True)) == {"Zoë Brandt", "Kenji"}


@pytest.mark.django_db
def test_bad_rows_are_named_and_stop_nothing() -> None:
    printed = imported(
        "1,Ann,ann@example.com,,\n2,Bob,bad,,\n3,,c@example.com,,\n,Dan,,,\n1,Eve,eve@example.com,,\n"
        "6,Fay,ANN@example.com,,\n7,Gil,gil@example.com,123,\nshort\n"
    )
    assert "Customers: 1 made, 0 changed, 0 skipped, 7 refused" in printed
    assert Path("customers.rejects.csv").read_text().splitlines()[1:] == [
        "3,Email,This is not an e-mail address.",
        "4,Name,is empty",
        '5,Email,"is empty, and so is the id: nothing tells this customer from others"',
        "6,Customer ID,stands in this file twice",
        "7,Email,stands in this file twice",
        '8,Phone,"This is not a phone number; write it with its country code, such as +49 30 901820."',
        "9,(row),has more or fewer cells than the header",
    ]


@pytest.mark.django_db
def test_a_dry_run_writes_nothing() -> None:
    assert "Customers: 1 made" in imported("1,Ann,ann@example.com,,\n", dry_run=True)
    assert not Customer.objects.exists()
    assert not Event.objects.exists()
