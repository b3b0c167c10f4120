"""Whether the clocks in the table are what they should be: wound again from the events, all of them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sla.enums import AlertKind
from sla.models import SLAAlert, TicketSLA
from sla.services import records
from sla.services.records import Record, Stored

BATCH = 500


@dataclass(kw_only=True)
class Report:
    """`awaiting`: clocks with something to be raised that is due and that nobody has raised yet, which is no drift."""

    tickets: int = 0
    clocks: int = 0
    awaiting: int = 0
    drift: list[int] = field(default_factory=list)


def check(*, now: datetime) -> Report:
    """Winds every clock again. `drift` names the tickets with one that differs, or whose evidence does."""
    report = Report()
    for batch in _batches():
        evidence = _evidence([record.ticket_id for record in batch])
        for record in batch:
            report.tickets += 1
            report.clocks += len(record.stored)
            report.awaiting += sum(bool(one.next_check_at and one.next_check_at <= now) for one in record.stored)
            if _differs(record, evidence, now):
                report.drift.append(record.ticket_id)
    return report


def _batches() -> Iterator[list[Record]]:
    """Each is one statement, so that what happens meanwhile is in all of its parts or in none."""
    promised = TicketSLA.objects.order_by("pk").values_list("pk", flat=True)
    ids = promised[:BATCH]
    while batch := records.read(ids):
        yield batch
        ids = promised.filter(pk__gt=batch[-1].ticket_id)[:BATCH]


def _evidence(ticket_ids: list[int]) -> set[tuple[int, str, int, str]]:
    return set(SLAAlert.objects.filter(ticket__in=ticket_ids).values_list("ticket", "metric", "cycle", "kind"))


def _differs(record: Record, evidence: set[tuple[int, str, int, str]], now: datetime) -> bool:
    """Both sides as they are once everything is raised that is due; what is marked as raised has its evidence; and the
    ticket is ranked by the promise that ends next.
    """
    if record.promised_at != records.next_end(one.row for one in record.stored):
        return True
    wound = {(row.metric, row.cycle): row for row in record.wind(now)}
    stored = {(one.row.metric, one.row.cycle): one.row.found(now) for one in record.stored}
    return wound != stored or any(not _sound(record.ticket_id, one, evidence) for one in record.stored)


def _sound(ticket_id: int, one: Stored, evidence: set[tuple[int, str, int, str]]) -> bool:
    marked = {AlertKind.WARNING: one.warning_raised, AlertKind.BREACH: one.breach_raised}
    left = one.row.next_check_at(warning_raised=one.warning_raised, breach_raised=one.breach_raised)
    return one.next_check_at == left and all(
        (ticket_id, one.row.metric, one.row.cycle, kind.value) in evidence for kind, raised in marked.items() if raised
    )
