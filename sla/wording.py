"""Spans of time and weekly hours as people write them. Pure text; both doors speak it."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

INTERVAL = " *((?:[01]?[0-9]|2[0-4])):([0-5][0-9]) *[-\u2013] *((?:[01]?[0-9]|2[0-4])):([0-5][0-9]) *"
_SPAN = re.compile(r"(?:([0-9]{1,6})\s*h)?\s*(?:([0-9]{1,6})\s*(?:m|min))?", re.IGNORECASE)


def span(time: timedelta) -> str:
    """`7 h 30 min`, `45 s`; without a sign."""
    seconds = int(abs(time).total_seconds())
    hours, minutes = seconds // 3600, seconds % 3600 // 60
    parts = [f"{hours:,} h" if hours else "", f"{minutes} min" if minutes else ""]
    return " ".join(part for part in parts if part) or f"{seconds} s"


def minutes_of(text: str) -> int | None:
    """`8 h`, `1h 30m`, `45 min`, or a bare number of minutes; None for anything else."""
    bare = text.strip()
    if bare.isascii() and bare.isdecimal() and len(bare) <= 6:
        return int(bare)
    match = _SPAN.fullmatch(bare)
    if match is None or not any(match.groups()):
        return None
    hours, minutes = (int(part or 0) for part in match.groups())
    return hours * 60 + minutes


def instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def interval(text: str) -> tuple[int, int] | None:
    """`09:00-17:30` as minutes from midnight, 24:00 included; None when it is no such text."""
    match = re.fullmatch(INTERVAL, text)
    if match is None:
        return None
    from_hour, from_minute, to_hour, to_minute = (int(part) for part in match.groups())
    return from_hour * 60 + from_minute, to_hour * 60 + to_minute


def interval_text(interval: Sequence[int]) -> str:
    opens, closes = interval
    return f"{opens // 60:02}:{opens % 60:02}-{closes // 60:02}:{closes % 60:02}"
