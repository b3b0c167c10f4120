"""Reading secrets from the environment so that a weak one refuses to boot.

Every refusal names the variable and the reason, never the value.
"""

import base64
import binascii
import re
from collections.abc import Iterable, Mapping

from django.core.exceptions import ImproperlyConfigured

MIN_SECRET_BYTES = 32
KEY_BYTES = 32  # AES-256 and HMAC-SHA256
# A word that no random value of 32 bytes holds by chance, or a short piece over and over.
_PLACEHOLDER = re.compile(
    r"change.?me|placeholder|example|insecure|secret|passwor[dt]|your.?key|^(.{1,20}?)\1+.{0,9}$", re.I
)
_KEY_ID = re.compile(r"[a-z0-9]{1,16}")


def secret(environ: Mapping[str, str], name: str) -> str:
    """The value of a text secret. Raises ImproperlyConfigured when unset, blank, a placeholder or short."""
    value = environ.get(name, "").strip()
    if not value:
        raise ImproperlyConfigured(f"{name} is not set. Set it to at least {MIN_SECRET_BYTES} random characters.")
    _refuse_weak(name, value)
    return value


def live_secrets(environ: Mapping[str, str], name: str, *, optional: bool = False) -> list[str]:
    """The values of a text secret, newest first, separated by commas: two while one replaces the other.

    Raises ImproperlyConfigured when one of them is a placeholder, short, or there twice; `optional`: none is no fault.
    """
    if optional and not environ.get(name, "").strip():
        return []
    values = [part.strip() for part in secret(environ, name).split(",")]
    for value in values:
        _refuse_weak(name, value)
    if len(set(values)) < len(values):
        raise ImproperlyConfigured(f"{name} holds the same value twice.")
    return values


def is_strong(value: str) -> bool:
    """Whether a secret that did not come from the environment is as good as one from there has to be."""
    try:
        _refuse_weak("", value)
    except ImproperlyConfigured:
        return False
    return True


def _refuse_weak(name: str, value: str) -> None:
    if _PLACEHOLDER.search(value):
        raise ImproperlyConfigured(f"{name} looks like a placeholder. Set it to a random value.")
    if len(value.encode()) < MIN_SECRET_BYTES:
        raise ImproperlyConfigured(f"{name} is shorter than {MIN_SECRET_BYTES} bytes.")


def binary_keys(environ: Mapping[str, str], name: str) -> list[bytes]:
    """Base64-encoded keys of exactly 32 bytes, newest first. Raises ImproperlyConfigured otherwise."""
    return [_decoded(name, value) for value in live_secrets(environ, name)]


def key_ring(environ: Mapping[str, str], name: str) -> dict[str, bytes]:
    """Keys by id from `id:base64,id:base64`; the first one encrypts, all of them decrypt."""
    ring: dict[str, bytes] = {}
    for part in secret(environ, name).split(","):
        key_id, colon, encoded = part.strip().partition(":")
        if not colon or not _KEY_ID.fullmatch(key_id):
            raise ImproperlyConfigured(f"{name} must look like k2:BASE64,k1:BASE64 with ids of a-z and 0-9.")
        if key_id in ring:
            raise ImproperlyConfigured(f"{name} names the key id {key_id} twice.")
        _refuse_weak(name, encoded.strip())
        key = _decoded(name, encoded)
        if key in ring.values():
            raise ImproperlyConfigured(f"{name} holds the same key under two ids.")
        ring[key_id] = key
    return ring


def refuse_shared(values: Mapping[str, Iterable[str]]) -> None:
    """Raises ImproperlyConfigured when two variables hold one and the same secret."""
    seen: dict[str, str] = {}
    for name, held in values.items():
        for value in held:
            if seen.setdefault(value, name) != name:
                raise ImproperlyConfigured(f"{name} and {seen[value]} hold the same secret. Give each its own.")


def _decoded(name: str, encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded.strip(), validate=True)
    except binascii.Error:
        raise ImproperlyConfigured(f"{name} is not valid base64.") from None
    if _PLACEHOLDER.search(key.decode("latin-1")):
        raise ImproperlyConfigured(f"{name} looks like a placeholder in base64. Set it to random bytes.")
    if len(key) != KEY_BYTES or len(set(key)) < 8:
        raise ImproperlyConfigured(f"{name} must be {KEY_BYTES} random bytes in base64.")
    return key
