"""One spelling per identity: what makes two e-mail addresses, or two phone numbers, the same one."""

import unicodedata

import phonenumbers
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from supportdesk.core.crypto import blind_indexes
from supportdesk.core.errors import InvalidInput

MAX_EMAIL_LENGTH = 254


def normalised_email(address: str) -> str:
    """The form under which an address is compared: NFKC, case folded, domain in ASCII (IDNA).

    Raises InvalidInput on the field `email` when it is not an address.
    """
    folded = unicodedata.normalize("NFKC", address.strip()).casefold()
    local, at, domain = folded.rpartition("@")
    try:
        ascii_domain = domain.encode("idna").decode() if domain else ""
        normalised = f"{local}{at}{ascii_domain}"
        validate_email(normalised)
    except (UnicodeError, ValidationError):
        raise InvalidInput.on("email", "This is not an e-mail address.", "invalid_email") from None
    if len(normalised) > MAX_EMAIL_LENGTH:
        raise InvalidInput.on("email", f"An e-mail address has at most {MAX_EMAIL_LENGTH} characters.", "max_length")
    return normalised


def normalised_phone(number: str, *, region: str) -> str:
    """The number in E.164. `region` (ISO 3166-1 alpha-2) reads numbers without a country code; empty refuses them.

    Raises InvalidInput on the field `phone`.
    """
    try:
        parsed = phonenumbers.parse(number, region or None)
    except phonenumbers.NumberParseException:
        parsed = None
    if parsed is None or not phonenumbers.is_possible_number(parsed):
        detail = "This is not a phone number; write it with its country code, such as +49 30 901820."
        raise InvalidInput.on("phone", detail, "invalid_phone")
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def email_index(normalised: str) -> str:
    """What is stored: the hash under the newest key."""
    return email_indexes(normalised)[0]


def email_indexes(normalised: str) -> list[str]:
    """What to look for: the hash under each live key."""
    return blind_indexes(normalised, context="customer.email")


def phone_index(normalised: str) -> str:
    return phone_indexes(normalised)[0]


def phone_indexes(normalised: str) -> list[str]:
    return blind_indexes(normalised, context="customer.phone")
