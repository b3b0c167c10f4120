"""`import_customers`: one customer per address, nothing overwritten, every bad row named."""

import io
import json
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
from supportdesk.importing import running

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
        "7,Gil,gil@example.com,123,\nshort\n"
    )
    assert "Customers: 1 made, 0 changed, 0 skipped, 6 refused" in printed
    assert Path("customers.rejects.csv").read_text().splitlines()[1:] == [
        "3,Email,This is not an e-mail address.",
        "4,Name,is empty",
        '5,Email,"is empty, and so is the id: nothing tells this customer from others"',
        "6,Customer ID,stands in this file twice",
        '7,Phone,"This is not a phone number; write it with its country code, such as +49 30 901820."',
        "8,(row),has more or fewer cells than the header",
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("batch", [1, 2, 500])
def test_two_ids_with_one_address_are_one_customer_whichever_batch_they_are_in(
    batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "BATCH", batch)
    rows = (
        "1,Ann,ann@example.com,,\n2,Ann,ANN@example.com,+49 30 901820,\n,Annie,ann@example.com,,Am Ufer 3\n"
        ",Ann,Ann@example.com,,\n2,Ann,ann@example.com,,\n"
    )
    printed = imported(rows)
    assert "Customers: 1 made, 2 changed, 0 skipped, 2 refused" in printed
    assert "Odd: once another name than the customer of this address has; theirs is kept" in printed
    ann = Customer.objects.get()
    assert (ann.name, ann.phone, ann.address) == ("Ann", "+4930901820", "Am Ufer 3")
    assert [row.split(",")[:2] for row in Path("customers.rejects.csv").read_text().splitlines()[1:]] == [
        ["5", "Email"],
        ["6", "Customer ID"],
    ]
    assert "Customers: 0 made, 0 changed, 3 skipped, 2 refused" in imported(rows)


@pytest.mark.django_db
def test_a_changed_address_and_a_new_row_that_has_it_do_not_stop_the_load() -> None:
    imported("1,Ann,old@example.com,,\n")
    assert "0 made, 2 changed" in imported("1,Ann,new@example.com,,\n9,Ann,new@example.com,+49 30 901820,\n")
    ann = Customer.objects.get()
    assert (ann.email, ann.phone) == ("new@example.com", "+4930901820")
    printed = imported("10,Bob,bob@example.com,,\n9,Ann,bob@example.com,,\n")
    assert "Customers: 1 made, 0 changed, 0 skipped, 1 refused" in printed


@pytest.mark.django_db
def test_names_zones_and_languages_are_held_to_the_rules_of_every_door() -> None:
    columns = {"id": "Id", "name": "Name", "timezone": "Zone", "language": "Language"}
    Path("mapping.json").write_text(json.dumps({"columns": columns}))
    Path("export.csv").write_text('Id,Name,Zone,Language\n1,"Zoë\nBrandt",Europe/Berlin,DE\n2,Ken,Mars/Dune,klingon\n')
    out = io.StringIO()
    call_command("import_customers", "export.csv", mapping=Path("mapping.json"), stdout=out)
    assert "Customers: 1 made, 0 changed, 0 skipped, 1 refused" in out.getvalue()
    zoe = Customer.objects.get()
    assert (zoe.name, zoe.timezone, zoe.language) == ("Zoë Brandt", "Europe/Berlin", "de")
    assert Path("export.rejects.csv").read_text().splitlines()[1:] == [
        '4,Zone,"""Mars/Dune"" is not a time zone such as Europe/Berlin"',
        '4,Language,"""klingon"" is not a language code such as en or pt-br"',
    ]


@pytest.mark.django_db
def test_a_dry_run_writes_nothing() -> None:
    assert "Customers: 1 made" in imported("1,Ann,ann@example.com,,\n", dry_run=True)
    assert not Customer.objects.exists()
    assert not Event.objects.exists()
