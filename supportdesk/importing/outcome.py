"""What became of each row: the counts, and the file of those that were refused."""

import csv
import os
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from supportdesk.importing.cells import Fault

ODD_KINDS = 12  # that the summary names one by one
OTHER_NAME = "another name than the customer of this address has; theirs is kept"
KINDS = ("made", "changed", "skipped", "refused")


class Outcome:
    """Counts rows by what became of them, other things made on the way, and what was odd."""

    def __init__(self) -> None:
        self.rows: Counter[str] = Counter()
        self.besides: Counter[str] = Counter()
        self.odd: Counter[str] = Counter()

    def add(self, other: "Outcome") -> None:
        self.rows += other.rows
        self.besides += other.besides
        self.odd += other.odd

    def lines(self, noun: str) -> list[str]:
        lines = [f"{noun.capitalize()}: " + ", ".join(f"{self.rows[kind]} {kind}" for kind in KINDS)]
        lines += [f"{what}: {number}" for what, number in sorted(self.besides.items())]
        shown = self.odd.most_common(ODD_KINDS)
        lines += [f"Odd: {_times(number)} {what}" for what, number in shown]
        if rest := self.odd.total() - sum(number for _, number in shown):
            lines.append(f"Odd: {_times(rest)} something else, of {len(self.odd) - len(shown)} kinds")
        return lines


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


class Rejects:
    """A CSV of line, field and reason; made when the first row is refused, readable by its owner only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: TextIO | None = None
        self.writer: Any = None

    def __enter__(self) -> "Rejects":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.file:
            self.file.close()

    def write(self, line: int, faults: Iterable[Fault]) -> None:
        if self.file is None:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            self.file = os.fdopen(descriptor, "w", encoding="utf-8", newline="")
            self.writer = csv.writer(self.file)
            self.writer.writerow(["line", "field", "reason"])
        self.writer.writerows([line, fault.field, fault.reason] for fault in faults)
        self.file.flush()
