"""Pages by position, not by number: the same cost at the first page and the last, and nothing skipped or repeated
when rows come and go.

A cursor is opaque to clients. It holds the ordering and the sort key of the row it stands at, and proves nothing: every
page is read within the caller's rights, whatever the cursor says.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import BooleanField, DateTimeField, F, Func, Q, QuerySet, Value
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from supportdesk.core.api.fields import MAX_ID
from supportdesk.core.errors import InvalidInput

DEFAULT_SIZE = 50
MAX_SIZE = 100
PARAMETERS = frozenset({"cursor", "page_size", "ordering", "count", "fields"})


@dataclass(frozen=True)
class Ordering:
    """A sort column, made total by the id: `Ordering("created_at", descending=True)`."""

    column: str
    descending: bool = False


@dataclass(frozen=True)
class Position:
    ordering: str
    backwards: bool
    key: datetime | int
    id: int


class _RowBeyond(Func):
    """`(column, id) > (value, id)`: one range on the index, where `a > x OR (a = x AND b > y)` would be two."""

    output_field = BooleanField()
    conditional = True
    template = "(%(expressions)s)"

    def __init__(self, column: str, position: Position, *, greater: bool) -> None:
        self.template = "(({0}, {1}) > ({2}, {3}))" if greater else "(({0}, {1}) < ({2}, {3}))"
        super().__init__(F(column), F("pk"), Value(position.key), Value(position.id))

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, Any]:  # type: ignore[override]
        parts = [compiler.compile(expression) for expression in self.source_expressions]
        params = [param for _, part_params in parts for param in part_params]
        return self.template.format(*(sql for sql, _ in parts)), params


class _FirstOf(Func):
    """Whether a row is among the first `most` that are in any of the parts.

    As an array of ids, because PostgreSQL then reads the rows in the order in which they lie, each page once; of an IN
    it would look up one after the other.
    """

    output_field = BooleanField()
    conditional = True

    def __init__(self, parts: Sequence[QuerySet[Any]], order: tuple[str, str], most: int) -> None:
        super().__init__(F("pk"))
        found = [part.order_by(*order)[:most] for part in parts]
        if len(found) == 1:
            self.ids = found[0].values("pk")
        else:
            self.ids = _union(found, "pk", order[0].lstrip("-")).order_by(*order)[:most]

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, Any]:  # type: ignore[override]
        column, _params = compiler.compile(self.source_expressions[0])
        sql, params = self.ids.query.get_compiler(connection=connection).as_sql()
        return f"{column} = ANY(ARRAY(SELECT pk FROM ({sql}) AS first))", params  # noqa: S608 - the SQL is Django's own


class KeysetPagination(BasePagination):
    """Answers `{next, previous, results}`; `?count=exact` adds `count`. The view's `orderings` say which are known."""

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        return self.paginate(queryset, request, view)

    def paginate(self, queryset: Any, request: Request, view: Any, *, parts: Sequence[Any] = ()) -> list[Any]:
        """One page of the queryset; with `parts`, of its rows that are in one of these querysets.

        For a list that is long. Only ids are looked for at first, in each part by itself: a part that fixes a column is
        one range of an index in the order of the list, which several joined by OR are not. The queryset is then asked
        for the rows with these ids and for nothing else, so it needs no conditions of its own.
        """
        orderings: dict[str, Ordering] = view.orderings
        self.request = request
        self.parameters = getattr(view, "link_parameters", request.query_params)
        self.name = _ordering_name(request, orderings)
        self.size = _page_size(request)
        self.count = _count(request, parts or [queryset])
        timed = _holds_times(queryset, orderings[self.name].column)
        position = _read(request.query_params.get("cursor"), self.name, timed=timed)
        rows = self._rows(queryset, orderings[self.name], position, parts)
        self._link(rows, orderings[self.name], position)
        return self.page

    def get_paginated_response(self, data: Any) -> Response:
        body = {"next": self.next, "previous": self.previous, "results": data}
        return Response(body if self.count is None else {"count": self.count, **body})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        link = {"type": "string", "format": "uri", "nullable": True, "example": None}
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "count": {"type": "integer", "description": "Only with `count=exact`.", "example": 1},
                "next": link,
                "previous": link,
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        orderings = list(view.orderings)
        return [
            _parameter(
                "cursor",
                {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"},
                "From `next` or `previous` of another page.",
            ),
            _parameter(
                "page_size",
                {"type": "integer", "minimum": 1, "maximum": MAX_SIZE, "default": DEFAULT_SIZE},
                "Items per page.",
            ),
            _parameter(
                "ordering",
                {"type": "string", "enum": orderings, "default": orderings[0]},
                "A leading `-` means newest or largest first.",
            ),
            _parameter("count", {"type": "string", "enum": ["exact"]}, "Adds the exact `count`, at a cost."),
        ]

    def _rows(self, queryset: Any, ordering: Ordering, position: Position | None, parts: Sequence[Any]) -> list[Any]:
        backwards = position is not None and position.backwards
        descending = ordering.descending != backwards
        sign = "-" if descending else ""
        order = (f"{sign}{ordering.column}", f"{sign}pk")
        beyond = Q(_RowBeyond(ordering.column, position, greater=not descending)) if position else Q()
        if parts:
            queryset = queryset.filter(_FirstOf([part.filter(beyond) for part in parts], order, self.size + 1))
        else:
            queryset = queryset.filter(beyond)
        rows = list(queryset.order_by(*order)[: self.size + 1])
        self.more = len(rows) > self.size
        rows = rows[: self.size]
        return rows[::-1] if backwards else rows

    def _link(self, rows: list[Any], ordering: Ordering, position: Position | None) -> None:
        backwards = position is not None and position.backwards
        has_next = self.more if not backwards else bool(rows)
        has_previous = position is not None and bool(rows) if not backwards else self.more
        self.page = rows
        self.next = self._url(rows[-1], ordering, backwards=False) if rows and has_next else None
        self.previous = self._url(rows[0], ordering, backwards=True) if rows and has_previous else None

    def _url(self, row: Any, ordering: Ordering, *, backwards: bool) -> str:
        key = row.pk if ordering.column == "pk" else getattr(row, ordering.column)
        position = Position(ordering=self.name, backwards=backwards, key=key, id=row.pk)
        parameters: Any = self.parameters.copy()
        parameters["cursor"] = cursor_of(position)
        flat = [(name, value) for name, values in parameters.lists() for value in values]
        return self.request.build_absolute_uri(f"{self.request.path}?{urlencode(flat)}")


def _union(parts: Sequence[QuerySet[Any]], *columns: str) -> QuerySet[Any, Any]:
    return parts[0].values(*columns).union(*(part.values(*columns) for part in parts[1:]))


def _parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


def _ordering_name(request: Request, orderings: dict[str, Ordering]) -> str:
    name = request.query_params.get("ordering", next(iter(orderings)))
    if name not in orderings:
        raise InvalidInput.on("ordering", f"Must be one of: {', '.join(orderings)}.", "invalid_choice")
    return name


def _page_size(request: Request) -> int:
    text = request.query_params.get("page_size", str(DEFAULT_SIZE))
    if not (text.isascii() and text.isdecimal() and len(text) <= 4 and 1 <= int(text) <= MAX_SIZE):
        raise InvalidInput.on("page_size", f"Must be a whole number from 1 to {MAX_SIZE}.", "out_of_range")
    return int(text)


def _count(request: Request, parts: Sequence[QuerySet[Any]]) -> int | None:
    wanted = request.query_params.get("count")
    if wanted is None:
        return None
    if wanted != "exact":
        raise InvalidInput.on("count", "Must be exact, or left out.", "invalid_choice")
    return (_union(parts, "pk") if len(parts) > 1 else parts[0]).count()


def cursor_of(position: Position) -> str:
    """A position as clients carry it."""
    key = position.key.isoformat() if isinstance(position.key, datetime) else position.key
    text = json.dumps([position.ordering, position.backwards, key, position.id], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _holds_times(queryset: QuerySet[Any], column: str) -> bool:
    return column != "pk" and isinstance(queryset.model._meta.get_field(column), DateTimeField)


def _read(cursor: str | None, ordering: str, *, timed: bool) -> Position | None:
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        name, backwards, key, row_id = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        if timed:
            key = datetime.fromisoformat(key)
            sound = key.tzinfo is not None
        else:
            sound = _is_id(key)
        if sound and name == ordering and isinstance(backwards, bool) and _is_id(row_id):
            return Position(ordering=name, backwards=backwards, key=key, id=row_id)
    except (ValueError, TypeError, UnicodeError, binascii.Error, RecursionError):
        pass
    detail = "This is not a cursor of this list in this order. Start without one."
    raise InvalidInput.on("cursor", detail, "invalid_cursor")


def _is_id(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_ID
