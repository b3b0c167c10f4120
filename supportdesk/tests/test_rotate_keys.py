"""Replacing keys while people work."""

from concurrent.futures import ThreadPoolExecutor
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from agents.tests.builders import SYSTEM, make_agent
from customers import privacy, services
from customers.models import Customer
from customers.tests.builders import make_customer
from integrations import links
from integrations.models import Connection, ExternalLink, WebhookReceipt
from integrations.tests.builders import make_connection, send_shopify
from supportdesk.core import rotation
from supportdesk.core.crypto import DecryptionError, encrypt, encrypted_columns, marks
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
    rotate()
    with pytest.raises(CommandError, match=r"nothing\.csv"):  # a key that is kept to look things up is in nobody's way
        call_command("import_customers", "nothing.csv")


@pytest.mark.django_db
def test_who_was_imported_without_an_id_is_the_same_one_under_the_new_key(rotating: Any, tmp_path: Path) -> None:
    rotating.BLIND_INDEX_KEYS = [OLD]
    rows = tmp_path / "customers.csv"
    rows.write_text("Customer ID,Name,Email,Phone,Address\n,Zoe,zoe@example.org,,\n")
    call_command("import_customers", str(rows), stdout=StringIO())
    rotating.BLIND_INDEX_KEYS = [NEW, OLD]
    rotate()
    rotating.BLIND_INDEX_KEYS = [NEW]
    rows.write_text("Customer ID,Name,Email,Phone,Address\n,Zoe Weiss,zoe@example.org,,\n")
    call_command("import_customers", str(rows), stdout=StringIO())
    assert list(Customer.objects.filter(name__startswith="Zoe").values_list("name", flat=True)) == ["Zoe Weiss"]


@pytest.mark.django_db
def test_a_hash_key_under_which_people_were_erased_is_kept_and_missed(rotating: Any) -> None:
    rotating.BLIND_INDEX_KEYS = [OLD]
    known = make_connection()
    links.bury_ids(known, ["7", "8"])
    rotating.BLIND_INDEX_KEYS = [NEW, OLD]
    links.bury_ids(known, ["9"])
    said = rotate()
    assert "marks of erased people: 1 under value 1" in said
    assert "marks of erased people: 2 under value 2" in said
    assert "value 2 of SUPPORTDESK_BLIND_INDEX_KEY: keep it" in said
    assert [links.is_buried(known, one) for one in ("7", "9", "10")] == [True, True, False]
    rotating.BLIND_INDEX_KEYS = [NEW]
    with pytest.raises(CommandError, match="made 2 marks of erased people"):
        rotate("--check")


@pytest.mark.django_db
def test_what_a_partner_told_and_whom_deliveries_speak_of_need_their_key_for_as_long_as_they_stand(
    rotating: Any,
) -> None:
    rotating.BLIND_INDEX_KEYS = [OLD]
    known, now = make_connection(), timezone.now()
    link = links.link_to(known, "customer", "7", local_type="customer", local_id=1)
    links.learn(link, {"name": "Zoe", "address": "Am Ufer 3"})
    link.save()
    send_shopify(known, {"id": 7, "email": "c1@example.org"})
    rotating.BLIND_INDEX_KEYS = [NEW, OLD]
    said = rotate()
    assert "hashes of what partners told: 2 under value 2" in said
    assert "hashes of whom deliveries speak of: 2 under value 2" in said
    assert links.is_known(link, "name", "Zoe")
    assert links.news(link, {"name": "Zoe", "address": "elsewhere"}, now=now) == {"address"}
    links.learn(link, {"name": "Zoe", "address": "Am Ufer 3"})
    link.save()
    assert "keep it" in rotate()
    privacy.erase(customer_id=Customer.objects.get(name="C1").pk, by=SYSTEM, now=now)  # found under the older key
    assert WebhookReceipt.objects.get().raw_body is None
    said = rotate()
    assert "value 2 of SUPPORTDESK_BLIND_INDEX_KEY: may be dropped" in said
    rotating.BLIND_INDEX_KEYS = [NEW]
    assert links.is_known(link, "name", "Zoe")
    rotate("--check")


@pytest.mark.django_db
def test_a_mark_that_names_no_key_is_found_and_keeps_every_key(rotating: Any) -> None:
    rotating.BLIND_INDEX_KEYS = [OLD]
    known = make_connection()
    links.bury_ids(known, ["7"])
    ExternalLink.objects.update(external_id=marks("7", context="link.erased")[-1])
    rotating.BLIND_INDEX_KEYS = [NEW, OLD]
    assert links.is_buried(known, "7")
    said = rotate()
    assert "marks of erased people: 1 under a value that is not known" in said
    assert "value 2 of SUPPORTDESK_BLIND_INDEX_KEY: keep it" in said
    rotate("--check")


@pytest.mark.django_db
def test_every_secret_of_a_connection_reads_back_under_the_new_key_alone(rotating: Any) -> None:
    rotating.ENCRYPTION_KEYS = {"k1": OLD}
    known = make_connection()
    columns = ["access_token", "refresh_token", "api_key", "webhook_secret", "webhook_secret_previous"]
    assert set(columns) == {column.name for model, column in encrypted_columns() if model is Connection}
    Connection.objects.filter(pk=known.pk).update(**{name: f"the {name}" for name in columns})
    rotating.ENCRYPTION_KEYS = {"k2": NEW, "k1": OLD}
    rotate()
    rotating.ENCRYPTION_KEYS = {"k2": NEW}
    assert Connection.objects.values(*columns).get(pk=known.pk) == {name: f"the {name}" for name in columns}


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
