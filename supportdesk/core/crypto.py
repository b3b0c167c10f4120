"""Encryption of single columns, and the keyed hash that finds them again.

A stored value reads `key id:base64(nonce + ciphertext)`. AES-256-GCM, with `table.column` as associated data, so a
value copied into another column does not decrypt. The first key of the ring encrypts, every key of the ring decrypts.

A hash of what is kept is a blind index, and is made again under a new key. A hash of what is not kept, so that it is
known when it is told again, is a mark: it holds for as long as its key is there, and says which one that is.
"""

import base64
import hmac
import os
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.apps import apps
from django.conf import settings
from django.core.exceptions import FieldError
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

NONCE_BYTES = 12  # the size AES-GCM is specified for (NIST SP 800-38D)
MARK_LENGTH, NAME_LENGTH = 64, 8


class DecryptionError(Exception):
    """The value cannot be read: its key is not in the ring, or it was altered or moved. Never carries the value."""


def encrypt(text: str, *, context: str) -> str:
    key_id, key = next(iter(settings.ENCRYPTION_KEYS.items()))
    nonce = os.urandom(NONCE_BYTES)
    sealed = nonce + AESGCM(key).encrypt(nonce, text.encode(), context.encode())
    return f"{key_id}:{base64.b64encode(sealed).decode()}"


def decrypt(stored: str, *, context: str) -> str:
    """The plain text. Raises DecryptionError."""
    key_id, _, encoded = stored.partition(":")
    key = settings.ENCRYPTION_KEYS.get(key_id)
    if key is None:
        raise DecryptionError(f"{context}: no key with the id of this value in SUPPORTDESK_ENCRYPTION_KEYS.")
    try:
        sealed = base64.b64decode(encoded, validate=True)
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context.encode()).decode()
    except (InvalidTag, ValueError):
        raise DecryptionError(f"{context}: the value does not fit its key or its place.") from None


def encrypted_columns() -> list[tuple[type[models.Model], "EncryptedTextField"]]:
    """Every encrypted column of the product."""
    return [
        (model, field)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, EncryptedTextField)
    ]


def blind_index(normalised: str, *, context: str) -> str:
    """A keyed hash (HMAC-SHA256, hex) under a key of its own: equal texts of one context meet, nothing else shows."""
    return blind_indexes(normalised, context=context)[0]


def blind_indexes(normalised: str, *, context: str) -> list[str]:
    """The hash under each live key, the newest first: what a stored one may be equal to while the key is replaced."""
    message = f"{context}\0{normalised}".encode()
    return [hmac.digest(key, message, "sha256").hex() for key in settings.BLIND_INDEX_KEYS]


def mark(text: str, *, context: str) -> str:
    """A keyed hash that names its key, `name:hash`: for what is not kept, and so is never hashed again."""
    return marks(text, context=context)[0]


def marks(text: str, *, context: str) -> list[str]:
    """What a mark of the text may be equal to: under each live key, the newest first; by itself, as marks once were."""
    plain = blind_indexes(text, context=context)
    named = [f"{name}:{one}"[:MARK_LENGTH] for name, one in zip(index_key_names(), plain, strict=True)]
    return named + plain


def index_key_names() -> list[str]:
    """What marks call each live key, the newest first. It tells nothing of the key."""
    return [hmac.digest(key, b"name", "sha256").hex()[:NAME_LENGTH] for key in settings.BLIND_INDEX_KEYS]


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]
    """Text that is ciphertext in the database. Cannot be filtered on: keep a blind index beside it."""

    @property
    def context(self) -> str:
        """What a value is bound to: it decrypts in this column and in no other."""
        return f"{self.model._meta.db_table}.{self.column}"

    def get_prep_value(self, value: Any) -> Any:
        if value is None or isinstance(value, models.Expression):
            return value
        return encrypt(str(value), context=self.context)

    def from_db_value(self, value: str | None, expression: object, connection: BaseDatabaseWrapper) -> str | None:
        return None if value is None else decrypt(value, context=self.context)

    def get_lookup(self, lookup_name: str) -> Any:
        if lookup_name != "isnull":
            raise FieldError(f"{self.name} is encrypted and cannot be filtered by {lookup_name}.")
        return super().get_lookup(lookup_name)


class EncryptedBytesField(EncryptedTextField):
    """Bytes as they came, whatever they are, as ciphertext. Each is one character of the text that is encrypted."""

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(value.decode("latin-1") if isinstance(value, bytes) else value)

    def from_db_value(self, value: str | None, expression: object, connection: BaseDatabaseWrapper) -> Any:
        text = super().from_db_value(value, expression, connection)
        return None if text is None else text.encode("latin-1")
