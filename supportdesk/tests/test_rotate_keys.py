"""Replacing keys while people work."""

from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from agents.tests.builders import SYSTEM, make_agent
from customers import services
from customers.models import Customer
from customers.tests.builders import make_customer
from supportdesk.core import rotation
from supportdesk.core.crypto import DecryptionError, encrypt
from supportdesk.tests.client import Api

OLD, NEW, WRONG = bytes(range(32)), bytes(range(32, 64)), bytes(range(64, 96))


def stored() -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT email FROM customers_customer ORDER BY id")
        return [value for (value,) in cursor.fetchall()]


def rotate(*arguments: str) -> str:
    output = StringIO()
    call_command("rotate_keys", *arguments, stdout=output)
    return output.getvalue()


@pytest.fixture
def rotating(settings: Any) -> Any:
    """Three customers under the old keys, and both keys of each kind live."""
    settings.ENCRYPTION_KEYS, settings.BLIND_INDEX_KEYS = {"k1": OLD}, [OLD]
    for number in range(3):
        make_customer(
            name=f"C{number}", email=f"c{number}@example.org", phone=f"+49 30 90182{number}", address="Am Ufer 3"
        )
    settings.ENCRYPTION_KEYS, settings.BLIND_INDEX_KEYS = {"k2": NEW, "k1": OLD}, [NEW, OLD]
    return settings


@pytest.mark.django_db
def test_everything_is_under_the_new_keys_and_reads_the_same(rotating: Any) -> None:
    assert "3 under k1" in rotate("--check")
    assert all(value.startswith("k1:") for value in stored())
    assert "customers_customer.email: 3 under k2" in rotate()
    rotating.ENCRYPTION_KEYS, rotating.BLIND_INDEX_KEYS = {"k2": NEW}, [NEW]
    customer = Customer.objects.get(name="C1")
    assert (customer.email, customer.phone, customer.address) == ("c1@example.org", "+4930901821", "Am Ufer 3")
    api = Api(make_agent())
    assert [row["id"] for row in api.get("/api/customers", email="C1@example.org").body["results"]] == [customer.pk]
    assert [row["id"] for row in api.get("/api/customers", phone="+4930901821").body["results"]] == [customer.pk]


@pytest.mark.django_db
def test_a_second_run_has_nothing_to_do_and_a_stopped_one_goes_on(rotating: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(rotation, "BATCH", 2)
    next(iter(rotation.rotate()))  # killed after its first batch
    assert [value[:2] for value in stored()] == ["k2", "k2", "k1"]
    before = stored()
    assert "customers_customer.email: 1\n" in rotate()
    assert stored()[:2] == before[:2]
    again = stored()
    assert "customers_customer.email: 1\n" not in rotate()
    assert stored() == again


@pytest.mark.django_db
def test_while_two_hash_keys_are_live_a_customer_is_found_and_not_doubled(rotating: Any) -> None:
    api = Api(make_agent())
    assert api.get("/api/customers", email="c1@example.org").body["results"][0]["name"] == "C1"
    with pytest.raises(services.IdentityTaken):
        make_customer(email="c1@example.org")
    with pytest.raises(CommandError, match="Finish `rotate_keys`"):
        call_command("import_customers", "nothing.csv")


@pytest.mark.django_db
def test_a_write_that_comes_between_is_not_undone(rotating: Any, monkeypatch: Any) -> None:
    first = Customer.objects.order_by("pk").first()
    assert first
    real = encrypt

    def slow(text: str, *, context: str) -> str:
        if text == "c0@example.org":
            changes = {"email": "new@example.org"}
            services.update_customer(customer_id=first.pk, changes=changes, by=SYSTEM, now=timezone.now())
        return real(text, context=context)

    monkeypatch.setattr(rotation, "encrypt", slow)
    rotate()
    first.refresh_from_db()
    assert first.email == "new@example.org"


@pytest.mark.django_db(transaction=True)
def test_readers_and_writers_see_no_error_while_it_runs(rotating: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(rotation, "BATCH", 1)
    ids = list(Customer.objects.values_list("pk", flat=True))

    def work(number: int) -> None:
        try:
            if number == 0:
                rotate()
            for pk in ids:
                assert Customer.objects.get(pk=pk).email
                changes = {"address": f"Street {number}"}
                services.update_customer(customer_id=pk, changes=changes, by=SYSTEM, now=timezone.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    rotate()
    assert all(value.startswith("k2:") for value in stored())


@pytest.mark.django_db
@pytest.mark.parametrize("ring", [{"k2": NEW}, {"k1": WRONG}])
def test_a_lost_or_wrong_key_is_a_clear_refusal(rotating: Any, ring: dict[str, bytes]) -> None:
    rotating.ENCRYPTION_KEYS = ring
    customer = Customer.objects.order_by("pk").defer("email", "phone", "address").first()
    assert customer
    answer = Api(make_agent()).get(f"/api/customers/{customer.pk}")
    assert (answer.status, answer.body["code"]) == (503, "decryption_failed")
    assert "k1:" not in str(answer.body)
    ready = Client().get("/readyz")
    assert (ready.status_code, ready.json()["parts"]["encryption"]) == (503, "unavailable")
    with pytest.raises(DecryptionError):
        Customer.objects.get(pk=customer.pk)
    if "k2" in ring:
        with pytest.raises(CommandError, match=r"left as they are: .*customers_customer.email: 3"):
            rotate()
        assert all(value.startswith("k1:") for value in stored())
