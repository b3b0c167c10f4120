import base64
from typing import Any

import pytest
from django.core.exceptions import FieldError, ImproperlyConfigured
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from customers.models import Customer
from customers.tests.builders import make_customer
from supportdesk.core import secrets
from supportdesk.core.crypto import DecryptionError, blind_index, decrypt, encrypt

OLD, NEW = bytes(range(32)), bytes(range(100, 132))


@given(st.text())
def test_decrypt_gives_back_what_was_encrypted(text: str) -> None:
    assert decrypt(encrypt(text, context="a.b"), context="a.b") == text


def test_encrypt_never_gives_the_same_ciphertext_twice() -> None:
    assert encrypt("x", context="a.b") != encrypt("x", context="a.b")


def test_a_value_moved_to_another_column_does_not_decrypt() -> None:
    with pytest.raises(DecryptionError):
        decrypt(encrypt("x", context="a.b"), context="a.c")


def test_an_altered_value_does_not_decrypt() -> None:
    stored = encrypt("secret", context="a.b")
    key_id, _, encoded = stored.partition(":")
    raw = bytearray(base64.b64decode(encoded))
    raw[-1] ^= 1
    with pytest.raises(DecryptionError, match=r"a\.b") as raised:
        decrypt(f"{key_id}:{base64.b64encode(raw).decode()}", context="a.b")
    assert "secret" not in str(raised.value)


def test_older_keys_still_decrypt_and_missing_ones_are_named_as_such(settings: Any) -> None:
    settings.ENCRYPTION_KEYS = {"k1": OLD}
    stored = encrypt("x", context="a.b")
    settings.ENCRYPTION_KEYS = {"k2": NEW, "k1": OLD}
    assert decrypt(stored, context="a.b") == "x"
    assert encrypt("x", context="a.b").startswith("k2:")
    settings.ENCRYPTION_KEYS = {"k2": NEW}
    with pytest.raises(DecryptionError, match="SUPPORTDESK_ENCRYPTION_KEYS"):
        decrypt(stored, context="a.b")


def test_blind_index_depends_on_text_context_and_key(settings: Any) -> None:
    first = blind_index("zoe@example.com", context="customer.email")
    assert first == blind_index("zoe@example.com", context="customer.email")
    assert first != blind_index("zoe@example.com", context="customer.phone")
    settings.BLIND_INDEX_KEYS = [NEW]
    assert first != blind_index("zoe@example.com", context="customer.email")


@pytest.mark.django_db
def test_personal_columns_are_ciphertext_in_the_database() -> None:
    customer = make_customer(email="zoe@example.com", phone="+49 30 901820", address="Am Ufer 3")
    with connection.cursor() as cursor:
        cursor.execute("SELECT email, phone, address FROM customers_customer WHERE id = %s", [customer.pk])
        stored = cursor.fetchone()
    assert all(value.startswith("k1:") for value in stored)
    assert not any(part in " ".join(stored) for part in ("zoe", "901820", "Ufer"))
    read = Customer.objects.get(pk=customer.pk)
    assert (read.email, read.phone, read.address) == ("zoe@example.com", "+4930901820", "Am Ufer 3")


@pytest.mark.django_db
def test_an_encrypted_column_cannot_be_filtered_on() -> None:
    with pytest.raises(FieldError, match="encrypted"):
        Customer.objects.filter(email="zoe@example.com")


KEY = base64.b64encode(OLD).decode()


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("", "not set"),
        ("   ", "not set"),
        ("change-me-change-me-change-me-change-me", "placeholder"),
        ("x" * 50, "placeholder"),
        ("tiny-value", "shorter than 32"),
    ],
)
def test_a_weak_secret_refuses_to_boot_naming_only_the_variable(value: str, reason: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=reason) as raised:
        secrets.secret({"SUPPORTDESK_JWT_KEY": value}, "SUPPORTDESK_JWT_KEY")
    assert "SUPPORTDESK_JWT_KEY" in str(raised.value)
    assert not value.strip() or value not in str(raised.value)


@pytest.mark.parametrize("ring", [KEY, f"K1:{KEY}", f"k1:{KEY},k1:{KEY}", "k1:" + "A" * 43 + "=", f"k1:{KEY}!!"])
def test_a_malformed_key_ring_refuses_to_boot(ring: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="KEYS"):
        secrets.key_ring({"KEYS": ring}, "KEYS")


def test_a_key_ring_keeps_its_order() -> None:
    other = base64.b64encode(NEW).decode()
    ring = secrets.key_ring({"KEYS": f"k2:{other}, k1:{KEY}"}, "KEYS")
    assert list(ring.items()) == [("k2", NEW), ("k1", OLD)]


def test_one_secret_for_two_purposes_refuses_to_boot() -> None:
    with pytest.raises(ImproperlyConfigured, match="B and A"):
        secrets.refuse_shared({"A": ["same"], "B": ["same"]})


def test_two_secrets_are_live_while_one_replaces_the_other() -> None:
    new, old = "n" * 20 + "0123456789abcdef", "o" * 20 + "0123456789abcdef"
    assert secrets.live_secrets({"A": f"{new}, {old}"}, "A") == [new, old]
    for wrong in (f"{new},short", f"{new},{new}", f"{new},", f"{new},change-me-change-me-change-me-change-me"):
        with pytest.raises(ImproperlyConfigured, match="A "):
            secrets.live_secrets({"A": wrong}, "A")
    with pytest.raises(ImproperlyConfigured, match="B and A"):
        secrets.refuse_shared({"A": [new, old], "B": [old]})
