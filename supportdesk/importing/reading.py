"""Reading a CSV file row by row, after a first pass that refuses what could not be read to its end."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from supportdesk.importing.mapping import Table

MAX_CELL = 1_000_000  # characters; a larger one is a missing quote


class Unreadable(Exception):
    """The file as a whole cannot be imported; the message is one sentence for the operator."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One record. `line` is where it starts; `cells` is None when it has more or fewer cells than the header."""

    line: int
    cells: Mapping[str, str] | None


def checked(path: Path, table: Table) -> int:
    """Reads the whole file once and returns its number of rows. Raises Unreadable."""
    missing = [column for column in table.wanted_columns() if column not in _header(path, table)]
    if missing:
        raise Unreadable(f"{path} has no column {_quoted(missing)}. Name the columns it has with --mapping.")
    return sum(1 for _ in rows(path, table))


def rows(path: Path, table: Table) -> Iterator[Row]:
    """Every record below the header, skipping empty lines. Raises Unreadable."""
    csv.field_size_limit(MAX_CELL)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, delimiter=table.delimiter, strict=True)
            header = next(reader, [])
            line = reader.line_num + 1
            for cells in reader:
                if cells:
                    same = len(cells) == len(header)
                    yield Row(line=line, cells=dict(zip(header, cells, strict=True)) if same else None)
                line = reader.line_num + 1
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise Unreadable(f"{path} is not UTF-8 text. Convert it first, with iconv for instance.") from None
    except csv.Error as error:
        raise Unreadable(f"{path} is not CSV: {error}.") from None


def _header(path: Path, table: Table) -> Sequence[str]:
    try:
        with path.open("rb") as file:
            start = file.read(4096)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}.") from None
    if not start.strip():
        raise Unreadable(f"{path} is empty.")
    if b"\0" in start.split(b"\n", 1)[0]:
        raise Unreadable(f"{path} is not CSV: it holds binary data.")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file, delimiter=table.delimiter, strict=True), [])
    except UnicodeDecodeError:
        raise Unreadable(f"{path} is not UTF-8 text. Convert it first, with iconv for instance.") from None
    except csv.Error as error:
        raise Unreadable(f"{path} is not CSV: {error}.") from None
    twice = [column for column in table.wanted_columns() if header.count(column) > 1]
    if twice:
        raise Unreadable(f"{path} has the column {_quoted(twice)} more than once.")
    return header


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)
