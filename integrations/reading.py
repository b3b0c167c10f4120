"""What partners send, read so that nothing in it can break us."""

import json
import math
import re
from typing import Any, NoReturn

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
_SURROGATE = re.compile("[\ud800-\udfff]")
_GID = re.compile(r"gid://[a-z][a-z0-9-]*/[A-Za-z]+/([0-9]{1,32})")
_DIGITS = re.compile(r"[0-9]{1,32}")


class Unreadable(Exception):
    """It is not what was agreed, and will not be when it is read again. Never carries what was read."""


class NotJson(Unreadable):
    """It is of no kind that we know: a page of some server between us, perhaps."""


def read_object(raw: bytes) -> dict[str, Any]:
    """A JSON object, without NUL, and with the replacement character for what can be no text. Raises Unreadable.

    NaN, Infinity and numbers beyond any float are refused, as is what is nested too deeply.
    """
    try:
        found = json.loads(raw, parse_constant=_refuse, parse_float=_finite)
        if isinstance(found, dict):
            return {_cleaned(name): _cleaned(value) for name, value in found.items()}
    except (ValueError, RecursionError):
        raise NotJson("not JSON") from None
    raise Unreadable("no object")


def clean_text(text: str) -> str:
    """Without NUL, and with the replacement character for lone surrogates: what PostgreSQL can store."""
    return _SURROGATE.sub(REPLACEMENT, text.replace("\0", ""))


def external_id(value: object) -> str:
    """The text of an id: of a whole number, of digits, or of the last part of a `gid://…/…/1`.

    Floats have lost digits beyond 2^53 and are refused, as is everything else. Raises Unreadable.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return str(value)
    if isinstance(value, str):
        if _DIGITS.fullmatch(value):
            return value
        if gid := _GID.fullmatch(value):
            return gid[1]
    raise Unreadable("no id")


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, dict):
        return {_cleaned(name): _cleaned(inner) for name, inner in value.items()}
    return [_cleaned(inner) for inner in value] if isinstance(value, list) else value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return number
