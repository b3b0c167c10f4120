"""Whom a body speaks of, as keyed hashes: what finds it again when they are erased, and tells nobody anything."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from customers.identity import normalised_email
from customers.models import Customer
from supportdesk.core.crypto import mark, marks
from supportdesk.core.errors import InvalidInput

CONTEXT = "receipt.subject"
MOST = 500  # of one body
_LOCAL, _DOMAIN = re.compile(r"[^\s@<>\"'(),;:\[\]]{1,64}$"), re.compile(r"[^\s@<>\"'(),;:\[\]]{1,255}")
_PHONE = re.compile(r"\+[0-9][0-9 ().-]{4,24}")
_NO_DIGIT = re.compile(r"[^0-9]")


def subjects_of(body: Mapping[str, Any] | None, people: Iterable[str]) -> list[str]:
    """The hashes of ids, e-mail addresses and phone numbers in it."""
    found = set(people)
    for text in _texts(body):
        found |= {*_emails(text), *_phones(text)}
        if len(found) >= MOST:
            break
    return sorted(mark(one, context=CONTEXT) for one in found)


def hashes_of(customer_id: int) -> list[str]:
    """Under every live key, of all that the customer is known by here."""
    customer = Customer.objects.prefetch_related("identities").get(pk=customer_id)
    ids = [str(identity) for identity in customer.identities.all()]
    return hashes(ids, email=customer.email, phone=customer.phone)


def hashes(ids: Iterable[str], *, email: str | None, phone: str | None) -> list[str]:
    """Under every live key. `ids` as `shopify:7`."""
    known = [*ids, *_emails(email or ""), *_phones(phone or "")]
    return [one for text in known for one in marks(text, context=CONTEXT)]


def _texts(value: Any) -> Iterator[str]:
    """Every text of a body that was read: nothing in that is nested deeper than we can follow."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _emails(text: str) -> Iterator[str]:
    """Also those in the middle of a text; around each @ only as much is read as an address may have."""
    at = text.find("@")
    for _ in range(MOST):
        if at < 0:
            return
        local, domain = _LOCAL.search(text[max(0, at - 64) : at]), _DOMAIN.match(text[at + 1 : at + 256])
        if local and domain:
            with suppress(InvalidInput):
                yield normalised_email(f"{local[0]}@{domain[0].rstrip('.')}")
        at = text.find("@", at + 1)


def _phones(text: str) -> Iterator[str]:
    for match in _PHONE.finditer(text[:10_000]):
        yield "+" + _NO_DIGIT.sub("", match[0])
