"""One spelling per address: what makes two texts name the same agent.

Decided here and not by the database, whose cases make letters equal that are not (the i without a dot and the one with
it are both I): else each spelling of an address would be another account to a limit, and the same one to a login.
"""

import unicodedata

from supportdesk.core.errors import InvalidInput


def kept_email(given: str) -> str:
    """The address as it is kept: in the one form of its letters, with the capitals of an ASCII name.

    Raises InvalidInput on the field `email` when a character of it does not show.
    """
    local, at, domain = unicodedata.normalize("NFKC", given.strip()).rpartition("@")
    address = f"{local if local.isascii() else local.lower()}{at}{domain.lower()}"
    if not address.isprintable():
        raise InvalidInput.on("email", "This is not an e-mail address.", "invalid_email")
    return address


def compared_email(given: str) -> str:
    """The form under which a given text and the kept addresses are compared, whatever the text is."""
    return unicodedata.normalize("NFKC", given.strip()).lower()
