"""Which column means what, and which of their words is which of ours.

`TICKETS` and `CUSTOMERS` are the built-in tables. A file given with `--mapping` is the same table in JSON and is laid
over the built-in one: `columns`, `attributes`, `customer_attributes` and `placeholders` replace theirs when they are
named, `values` adds to them.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tickets.enums import Category, Channel, Priority, Status

MAX_MAPPING_BYTES = 100_000


class BadMapping(Exception):
    """The mapping file cannot be used; the message says why."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """`columns`: our field to their column. `values`: our field to (their word in lower case to ours)."""

    columns: Mapping[str, str]
    known: frozenset[str]  # every field that `columns` may name
    required: frozenset[str]
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    attributes: Mapping[str, str] = field(default_factory=dict)
    customer_attributes: Mapping[str, str] = field(default_factory=dict)
    placeholders: Mapping[str, str] = field(default_factory=dict)
    delimiter: str = ","
    time_format: str = ""  # as for strptime; empty means ISO 8601

    def placeholder(self, word: str) -> str | None:
        """The column whose value replaces the word, spelled in any case."""
        return next((column for name, column in self.placeholders.items() if name.lower() == word.lower()), None)

    def wanted_columns(self) -> list[str]:
        """Every column that the file must have."""
        groups = (self.columns, self.attributes, self.customer_attributes, self.placeholders)
        return list(dict.fromkeys(column for group in groups for column in group.values()))


TICKETS = Table(
    columns={
        "id": "Ticket ID",
        "name": "Customer Name",
        "email": "Customer Email",
        "subject": "Ticket Subject",
        "description": "Ticket Description",
        "category": "Ticket Type",
        "status": "Ticket Status",
        "priority": "Ticket Priority",
        "channel": "Ticket Channel",
        "resolution": "Resolution",
        "first_response_at": "First Response Time",
        "resolved_at": "Time to Resolution",
        "rating": "Customer Satisfaction Rating",
    },
    known=frozenset(
        {"id", "name", "email", "subject", "description", "category", "status", "priority", "channel", "resolution"}
        | {"created_at", "first_response_at", "resolved_at", "rating", "tags", "language"}
    ),
    required=frozenset({"id", "email", "subject", "description"}),
    values={
        "category": {
            "technical issue": Category.TECHNICAL,
            "billing inquiry": Category.BILLING,
            "refund request": Category.REFUND,
            "cancellation request": Category.CANCELLATION,
            "product inquiry": Category.PRODUCT,
            **{category.value: category for category in Category},
        },
        "status": {
            "open": Status.OPEN,
            "pending customer response": Status.PENDING,
            "closed": Status.CLOSED,
            **{status.value: status for status in Status},
        },
        "priority": {
            "low": Priority.LOW,
            "medium": Priority.NORMAL,
            "high": Priority.HIGH,
            "critical": Priority.URGENT,
            **{priority.value: priority for priority in Priority},
        },
        "channel": {"social media": Channel.SOCIAL, **{channel.value: channel for channel in Channel}},
    },
    attributes={"product": "Product Purchased", "purchase_date": "Date of Purchase"},
    customer_attributes={"age": "Customer Age", "gender": "Customer Gender"},
    placeholders={"product_purchased": "Product Purchased"},
)

CUSTOMERS = Table(
    columns={"id": "Customer ID", "name": "Name", "email": "Email", "phone": "Phone", "address": "Address"},
    known=frozenset(["id", "name", "email", "phone", "address", "timezone", "language"]),
    required=frozenset({"name"}),
)


def load(path: Path, base: Table) -> Table:
    """The built-in table with the file's laid over it. Raises BadMapping."""
    given = _read(path)
    maps = ("columns", "attributes", "customer_attributes", "placeholders")
    unknown = set(given) - {*maps, "values", "delimiter", "time_format"}
    if unknown:
        raise BadMapping(f"{path}: there is no {', '.join(sorted(unknown))} to set.")
    for name in maps:
        _check_texts(path, name, given.get(name, {}))
    for name, words in _object(path, "values", given.get("values", {})).items():
        _check_texts(path, f"values.{name}", words)
    table = replace(base, **{name: given[name] for name in maps if name in given})
    table = replace(table, values=_merged(path, base, given.get("values", {})))
    table = replace(table, delimiter=given.get("delimiter", ","), time_format=given.get("time_format", ""))
    _check_table(path, table)
    return table


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_MAPPING_BYTES:
            raise BadMapping(f"{path} is too large for a mapping.")
        given = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise BadMapping(f"{path} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError):
        raise BadMapping(f"{path} is not JSON.") from None
    return _object(path, "the mapping", given)


def _object(path: Path, name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadMapping(f"{path}: {name} must be an object.")
    return value


def _check_texts(path: Path, name: str, value: Any) -> None:
    if not all(isinstance(text, str) and text for text in _object(path, name, value).values()):
        raise BadMapping(f"{path}: every value of {name} must be text.")


def _merged(path: Path, base: Table, given: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    merged = {name: dict(words) for name, words in base.values.items()}
    for name, words in given.items():
        if name not in merged:
            raise BadMapping(f"{path}: values of {name} cannot be mapped, only those of {', '.join(merged)}.")
        ours = set(merged[name].values())
        wrong = sorted(set(words.values()) - ours)
        if wrong:
            raise BadMapping(f"{path}: {name} knows no {wrong[0]}; it knows {', '.join(sorted(ours))}.")
        merged[name] |= {their.strip().lower(): our for their, our in words.items()}
    return merged


def _check_table(path: Path, table: Table) -> None:
    unknown = sorted(set(table.columns) - table.known)
    if unknown:
        raise BadMapping(f"{path}: columns names {unknown[0]}, which is none of {', '.join(sorted(table.known))}.")
    missing = sorted(table.required - set(table.columns))
    if missing:
        raise BadMapping(f"{path}: columns must name a column for {', '.join(missing)}.")
    if not isinstance(table.delimiter, str) or len(table.delimiter) != 1 or table.delimiter in '\r\n"':
        raise BadMapping(f"{path}: delimiter must be one character.")
    if not isinstance(table.time_format, str):
        raise BadMapping(f"{path}: time_format must be text.")
