"""Reading a CSV file row by row, after a first pass that refuses what could not be read to its end."""

import codecs
import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from supportdesk.importing.mapping import Table

MAX_CELL = 1_000_000  # characters; a larger one is a missing quote
MAX_LINE = 4_000_000  # characters; a longer one is no line of a table
SHOWN_COLUMNS, SHOWN_HEADER = 5, 60  # columns, and characters of a header, in a message
NOT_UTF8 = "{path} is not UTF-8 text. Convert it first, with iconv for instance."


class Unreadable(Exception):
    """The file as a whole cannot be imported; the message is one sentence for the operator."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One record. `line` is where it starts; `cells` is None when it has more or fewer cells than the header."""

    line: int
    cells: Mapping[str, str] | None


def checked(path: Path, table: Table) -> int:
    """Reads the whole file once and returns its number of rows. Raises Unreadable."""
    header = _header(path, table)
    missing = [column for column in table.wanted_columns() if column not in header]
    if len(missing) == len(table.wanted_columns()):
        start = json.dumps(table.delimiter.join(header)[:SHOWN_HEADER], ensure_ascii=False)
        raise Unreadable(
            f"{path} has none of the columns; it begins with {start}. Name its columns, or another delimiter, with "
            "--mapping."
        )
    if missing:
        raise Unreadable(f"{path} has no column {_quoted(missing)}. Name the columns it has with --mapping.")
    return sum(1 for _ in rows(path, table))


def rows(path: Path, table: Table) -> Iterator[Row]:
    """Every record below the header, skipping empty lines. Raises Unreadable."""
    with _reader(path, table) as reader:
        header: list[str] = next(reader, [])
        line = reader.line_num + 1
        for cells in reader:
            if cells:
                same = len(cells) == len(header)
                yield Row(line=line, cells=dict(zip(header, cells, strict=True)) if same else None)
            line = reader.line_num + 1


def _header(path: Path, table: Table) -> Sequence[str]:
    start = _start(path)
    if not start.strip():
        raise Unreadable(f"{path} is empty.")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise Unreadable(NOT_UTF8.format(path=path))
    if b"\0" in start.split(b"\n", 1)[0]:
        raise Unreadable(f"{path} is not CSV: it holds binary data.")
    with _reader(path, table) as reader:
        header: list[str] = next(reader, [])
    twice = [column for column in table.wanted_columns() if header.count(column) > 1]
    if twice:
        raise Unreadable(f"{path} has the column {_quoted(twice)} more than once.")
    return header


def _start(path: Path) -> bytes:
    try:
        if path.exists() and not (path.is_file() or path.is_dir()):
            raise Unreadable(f"{path} is no file; save what it gives first, because it is read twice.")
        with path.open("rb") as file:
            return file.read(4096)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}.") from None


@contextmanager
def _reader(path: Path, table: Table) -> Iterator[Any]:
    """A reader of the file; what stops it within the block is raised as Unreadable."""
    csv.field_size_limit(MAX_CELL)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield csv.reader(_lines(file), delimiter=table.delimiter, strict=True)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise Unreadable(NOT_UTF8.format(path=path)) from None
    except csv.Error as error:
        raise Unreadable(f"{path} is not CSV: {error}.") from None


def _lines(file: TextIO) -> Iterator[str]:
    """The file's lines, none longer than memory should hold."""
    while line := file.readline(MAX_LINE + 1):
        if len(line) > MAX_LINE:
            raise csv.Error(f"a line has more than {MAX_LINE} characters")
        yield line


def _quoted(names: Sequence[str]) -> str:
    shown = ", ".join(f'"{name}"' for name in names[:SHOWN_COLUMNS])
    return shown if len(names) <= SHOWN_COLUMNS else f"{shown} and {len(names) - SHOWN_COLUMNS} more"
