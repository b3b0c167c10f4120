"""From cells to values; every fault is collected with its field, so that one look at the rejects mends a row."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from supportdesk.core.api.fields import known_timezones
from supportdesk.core.text import is_one_line
from supportdesk.importing.mapping import Table

EARLIEST, LATEST = datetime(1970, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)  # else a slip of the export
_PLACEHOLDER = re.compile(r"\{\s*([A-Za-z_]+)\s*\}")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_LANGUAGE = re.compile(r"[a-z0-9]{2,3}(-[a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class Fault:
    field: str
    reason: str


@dataclass
class Cells:
    """The cells of one row under our names, with the faults found so far."""

    table: Table
    cells: Mapping[str, str]
    zone: tzinfo
    faults: list[Fault] = field(default_factory=list)
    odd: list[str] = field(default_factory=list)

    def text(self, name: str, *, limit: int, required: bool = False, filled: bool = False) -> str:
        """The trimmed text, empty where the column is not mapped; `filled` with the values of known placeholders."""
        column = self.table.columns.get(name)
        value = self.cells[column].strip() if column else ""
        return self._sound(name, self._filled(value) if filled else value, limit=limit, required=required)

    def line(self, name: str, *, limit: int, required: bool = False, filled: bool = False) -> str:
        """As `text`, of one line: a line break or a tab is a space here, and other control characters are a fault."""
        value = self.text(name, limit=limit, required=required, filled=filled)
        if not is_one_line(value):
            value = " ".join(value.split())
            if not is_one_line(value) and not _UNSTORABLE.search(value):
                self.fault(name, "holds control characters")
        return value

    def word(self, name: str, default: str) -> str:
        """One of our words for theirs; the default where the cell is empty or the column not mapped."""
        value = self.text(name, limit=100)
        if not value:
            return default
        ours = self.table.values[name].get(value.lower())
        if ours is None:
            known = ", ".join(sorted(self.table.values[name]))
            self.fault(name, f'"{value[:50]}" is none of: {known}')
            return default
        return ours

    def time(self, name: str) -> datetime | None:
        value = self.text(name, limit=64)
        if not value:
            return None
        try:
            form = self.table.time_format
            moment = datetime.strptime(value, form) if form else datetime.fromisoformat(value)
            moment = (moment if moment.tzinfo else moment.replace(tzinfo=self.zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fault(name, f'"{value}" is not a time')
            return None
        if not EARLIEST <= moment < LATEST:
            self.fault(name, f'"{value}" is not a time between {EARLIEST.year} and {LATEST.year}')
            return None
        return moment

    def language(self, name: str) -> str:
        code = self.text(name, limit=16).lower()
        if code and not _LANGUAGE.fullmatch(code):
            self.fault(name, f'"{code}" is not a language code such as en or pt-br')
        return code

    def timezone(self, name: str) -> str:
        zone = self.text(name, limit=64)
        if zone and zone not in known_timezones():
            self.fault(name, f'"{zone}" is not a time zone such as Europe/Berlin')
        return zone

    def rating(self, name: str) -> int | None:
        value = self.text(name, limit=16)
        if not value:
            return None
        try:
            number = float(value)
        except ValueError:
            number = 0
        if number not in {1, 2, 3, 4, 5}:
            self.fault(name, f'"{value}" is not a whole number from 1 to 5')
            return None
        return int(number)

    def group(self, columns: Mapping[str, str], *, limit: int) -> dict[str, str]:
        """The cells of several columns that are kept as they are; empty ones are left out."""
        values = {
            name: self._sound(column, self.cells[column].strip(), limit=limit) for name, column in columns.items()
        }
        return {name: value for name, value in values.items() if value}

    def _sound(self, name: str, value: str, *, limit: int, required: bool = False) -> str:
        if required and not value:
            self.fault(name, "is empty")
        elif len(value) > limit:
            self.fault(name, f"has {len(value)} characters, at most {limit} are kept")
        elif _UNSTORABLE.search(value):
            self.fault(name, "holds a NUL character or half of a surrogate pair")
        return value

    def _filled(self, text: str) -> str:
        """With known placeholders replaced, spelled in any case; unknown ones stay and are counted."""

        def word(match: re.Match[str]) -> str:
            column = self.table.placeholder(match.group(1))
            if column is None:
                self.odd.append(f"unknown placeholder {{{match.group(1)}}} left in the text")
                return match.group()
            return self.cells[column].strip()

        return _PLACEHOLDER.sub(word, text)

    def fault(self, name: str, reason: str) -> None:
        self.faults.append(Fault(field=self.table.columns.get(name, name), reason=reason))
