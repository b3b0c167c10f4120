"""A filtered list of tickets as CSV."""

import csv
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import transaction
from django.http import StreamingHttpResponse

from agents.enums import Scope
from supportdesk.core.actor import Actor
from supportdesk.core.errors import InvalidInput
from supportdesk.core.events import emit
from tickets.events import TicketsExported
from tickets.models import Ticket
from tickets.models.ticket import TicketQuerySet

CHUNK = 250  # tickets per statement and piece of the answer: one read touches as little as that of a page
# What a spreadsheet takes for the beginning of a formula, in its wide forms too (CWE-1236).
_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # noqa: RUF001
COLUMNS = {
    "id": "pk",
    "subject": "subject",
    "status": "status",
    "priority": "priority",
    "channel": "channel",
    "category": "category",
    "tags": "tags",
    "language": "language",
    "customer_id": "customer_id",
    "customer_name": "customer.name",
    "assignee_id": "assignee_id",
    "assignee_name": "assignee.name",
    "department": "department.name",
    "source": "source",
    "external_id": "external_id",
    "message_count": "last_position",
    "satisfaction_rating": "satisfaction_rating",
    "created_at": "created_at",
    "first_response_at": "first_response_at",
    "resolved_at": "resolved_at",
    "archived_at": "archived_at",
    "updated_at": "updated_at",
}


class _Line:
    """What csv.writer writes to: hands the line back."""

    def write(self, line: str) -> str:
        return line


def columns_of(given: str | None) -> list[str]:
    """The columns that `?fields=` names, in its order; all without it. Raises InvalidInput."""
    names = list(COLUMNS) if given is None else [name.strip() for name in given.split(",")]
    if not set(names) <= set(COLUMNS):
        raise InvalidInput.on("fields", f"Must name columns. There are: {', '.join(COLUMNS)}.", "unknown")
    return list(dict.fromkeys(names))


def stream(
    tickets: TicketQuerySet, columns: list[str], *, parameters: Mapping[str, str], by: Actor, now: datetime
) -> StreamingHttpResponse:
    """The export as an answer; its fact is written before the first line leaves."""
    with transaction.atomic():
        emit(TicketsExported(parameters=sorted(parameters), columns=columns), by=by, at=now)
    if not by.may(Scope.CUSTOMERS_READ):
        columns = [name for name in columns if name != "customer_name"]
    lines = _lines(tickets, columns)
    headers = {
        "Content-Disposition": f'attachment; filename="tickets-{now:%Y%m%d-%H%M%S}.csv"',
        "Cache-Control": "private, no-store",
    }
    return StreamingHttpResponse(lines, content_type="text/csv; charset=utf-8", headers=headers)


def cell(value: Any) -> str:
    """The value as a spreadsheet shows it and never runs it."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, list):
        value = ", ".join(value)
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _lines(tickets: TicketQuerySet, columns: list[str]) -> Iterator[str]:
    writer: Any = csv.writer(_Line())
    yield "\ufeff" + writer.writerow(columns)  # the mark by which spreadsheets know UTF-8
    for chunk in _chunks(tickets):
        yield "".join(writer.writerow([cell(_value(ticket, COLUMNS[name])) for name in columns]) for ticket in chunk)


def _chunks(tickets: TicketQuerySet) -> Iterable[list[Ticket]]:
    """Newest first, a short statement at a time: no snapshot is held, however slowly the client reads."""
    last: int | None = None
    while True:
        rows = tickets.order_by("-pk")
        chunk = list((rows if last is None else rows.filter(pk__lt=last))[:CHUNK])
        if chunk:
            yield chunk
        if len(chunk) < CHUNK:
            return
        last = chunk[-1].pk


def _value(ticket: Ticket, path: str) -> Any:
    value: Any = ticket
    for name in path.split("."):
        value = getattr(value, name) if value is not None else None
    return value
