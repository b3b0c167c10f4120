"""From cells to values; every fault is collected with its field, so that one look at the rejects mends a row."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo

from supportdesk.importing.mapping import Table

_PLACEHOLDER = re.compile(r"\{([A-Za-z_]+)\}")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")


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

    def text(self, name: str, *, limit: int, required: bool = False) -> str:
        """The trimmed text, empty where the column is not mapped."""
        column = self.table.columns.get(name)
        value = self.cells[column].strip() if column else ""
        if required and not value:
            self.fault(name, "is empty")
        elif len(value) > limit:
            self.fault(name, f"has {len(value)} characters, at most {limit} are kept")
        elif _UNSTORABLE.search(value):
            self.fault(name, "holds a NUL character or half of a surrogate pair")
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
            return (moment if moment.tzinfo else moment.replace(tzinfo=self.zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            self.fault(name, f'"{value}" is not a time')
            return None

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
        found = {}
        for name, column in columns.items():
            value = self.cells[column].strip()
            if len(value) > limit or _UNSTORABLE.search(value):
                self.fault(name, f"is longer than {limit} characters or holds what cannot be stored")
            elif value:
                found[name] = value
        return found

    def filled(self, text: str) -> str:
        """The text with known placeholders replaced; unknown ones stay and are counted."""

        def word(match: re.Match[str]) -> str:
            column = self.table.placeholders.get(match.group(1))
            if column is None:
                self.odd.append(f"unknown placeholder {{{match.group(1)}}} left in the text")
                return match.group()
            return self.cells[column].strip()

        return _PLACEHOLDER.sub(word, text)

    def fault(self, name: str, reason: str) -> None:
        self.faults.append(Fault(field=self.table.columns.get(name, name), reason=reason))
