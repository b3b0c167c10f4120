"""Clocks as rows: read with their facts, compared with what they should be, written where they differ.

Everything here is done under the lock on the ticket, which the caller holds, and takes the same few statements for any
number of tickets.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.db import connection
from django.db.models import Q
from django.utils.dateparse import parse_duration

from sla import clock, facts, versions
from sla.clock import Fact
from sla.facts import History
from sla.models import SLAClock, SLAPause, TicketSLA

INSTANTS = ("started_at", "running_since", "due_at", "warn_at", "warned_at", "breached_at", "stopped_at")
DURATIONS = ("target", "counted")
Pauses = tuple[tuple[datetime, datetime | None], ...]

# One statement for both tables, because a ticket is created in few.
_INSERT = """
WITH promised AS (
    INSERT INTO sla_ticketsla (ticket_id, policy_version_id, calendar_version_id, started_at)
    SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::bigint[], %s::timestamptz[])
)
INSERT INTO sla_slaclock (ticket_id, metric, cycle, started_at, state, target, counted, running_since, cause, due_at,
    warn_at, warned_at, breached_at, stopped_at, next_check_at, warning_raised, breach_raised)
SELECT *, false, false FROM unnest(%s::bigint[], %s::text[], %s::int[], %s::timestamptz[], %s::text[], %s::interval[],
    %s::interval[], %s::timestamptz[], %s::text[], %s::timestamptz[], %s::timestamptz[], %s::timestamptz[],
    %s::timestamptz[], %s::timestamptz[], %s::timestamptz[])
RETURNING id
"""

# Written out, because this is read at every message: to compose it anew each time takes longer than to answer it.
_READ = """
SELECT promised.ticket_id, promised.policy_version_id, promised.calendar_version_id, ticket.promised_at,
    happened.facts, clocks.clocks
FROM sla_ticketsla promised
JOIN tickets_ticket ticket ON ticket.id = promised.ticket_id
CROSS JOIN LATERAL (
    SELECT coalesce(json_agg(json_build_object('id', id, 'name', name, 'at', at, 'payload', payload) ORDER BY id),
        '[]')::text AS facts
    FROM core_event
    WHERE subject_type = 'ticket' AND subject_id = promised.ticket_id AND name = ANY(%s)
) happened
CROSS JOIN LATERAL (
    SELECT coalesce(json_agg(to_jsonb(clock) || jsonb_build_object('pauses', pauses.pauses) ORDER BY id), '[]')::text
        AS clocks
    FROM sla_slaclock clock
    CROSS JOIN LATERAL (
        SELECT coalesce(json_agg(json_build_object('started_at', started_at, 'ended_at', ended_at)
            ORDER BY started_at), '[]') AS pauses
        FROM sla_slapause
        WHERE clock_id = clock.id
    ) pauses
    WHERE ticket_id = promised.ticket_id
) clocks
WHERE promised.ticket_id = ANY(%s)
ORDER BY promised.ticket_id
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """The columns of a clock that follow from its facts, with its pauses."""

    metric: str
    cycle: int
    started_at: datetime
    state: str
    target: timedelta
    counted: timedelta
    running_since: datetime | None
    cause: str
    due_at: datetime | None
    warn_at: datetime | None
    warned_at: datetime | None
    breached_at: datetime | None
    stopped_at: datetime | None
    pauses: Pauses = ()

    @classmethod
    def of(cls, wound: clock.Clock) -> "Row":
        columns = {name: getattr(wound, name) for name in COLUMNS}
        pauses = tuple((pause.started_at, pause.ended_at) for pause in wound.pauses)
        return cls(**{**columns, "metric": wound.metric.value, "state": wound.state.value}, pauses=pauses)

    def found(self, now: datetime) -> "Row":
        """The row as it is once everything is raised that is due by now."""
        changes: dict[str, Any] = {}
        if self.warn_at and self.warn_at <= now:
            changes |= {"warned_at": self.warn_at, "warn_at": None}
        if self.state == clock.State.RUNNING and self.due_at and self.due_at <= now:
            changes |= {"breached_at": self.due_at, "state": clock.State.BREACHED.value}
        return replace(self, **changes)

    def next_check_at(self, *, warning_raised: bool = False, breach_raised: bool = False) -> datetime | None:
        """The earliest instant, past or to come, of what is still to be raised."""
        waiting = [
            None if warning_raised else self.warned_at or self.warn_at,
            None if breach_raised else self.breached_at or self.due_at,
        ]
        return min((at for at in waiting if at), default=None)


COLUMNS = tuple(member.name for member in fields(Row) if member.name != "pauses")


@dataclass(frozen=True, kw_only=True)
class Stored:
    """A row as it lies in the table."""

    id: int
    row: Row
    warning_raised: bool
    breach_raised: bool
    next_check_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class Record:
    """What a ticket was promised, what happened to it, how its clocks stand in the table, and what its rank knows of
    them.
    """

    ticket_id: int
    policy_version_id: int
    calendar_version_id: int
    history: History
    stored: Sequence[Stored]
    promised_at: datetime | None

    def wind(self, now: datetime) -> list[Row]:
        """The clocks as they should stand. Time does not run backwards: `now` is not before what was heard last."""
        at = max(now, self.history.last or now)
        return wind(self.history.facts, self.policy_version_id, self.calendar_version_id, now=at)


def wind(happened: Iterable[Fact], policy_version_id: int, calendar_version_id: int, *, now: datetime) -> list[Row]:
    policy, hours = versions.policy(policy_version_id), versions.hours(calendar_version_id)
    return [Row.of(wound) for wound in clock.clocks(happened, policy=policy, hours=hours, now=now)]


def next_end(rows: Iterable[Row]) -> datetime | None:
    """When the next of the running promises ends, or ended; None when none runs."""
    return min((row.due_at for row in rows if row.running_since is not None and row.due_at is not None), default=None)


def read(ticket_ids: Iterable[int]) -> list[Record]:
    """Of those tickets that have promises, by their ids, in one statement."""
    with connection.cursor() as cursor:
        cursor.execute(_READ, [list(facts.HEARD), list(ticket_ids)])
        return [
            Record(
                ticket_id=ticket_id,
                policy_version_id=policy_version_id,
                calendar_version_id=calendar_version_id,
                history=facts.read({**fact, "at": _instant(fact["at"])} for fact in json.loads(happened)),
                stored=[_stored(row) for row in json.loads(rows)],
                promised_at=promised_at,
            )
            for ticket_id, policy_version_id, calendar_version_id, promised_at, happened, rows in cursor.fetchall()
        ]


def insert(slas: Sequence[TicketSLA], clocks: Sequence[tuple[int, Row]]) -> None:
    """New promises with their clocks (ticket and row). One statement, and one more when a clock stands still."""
    promised = [(sla.ticket_id, sla.policy_version_id, sla.calendar_version_id, sla.started_at) for sla in slas]
    columns = [(ticket_id, *(getattr(row, name) for name in COLUMNS), row.next_check_at()) for ticket_id, row in clocks]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, [*_transposed(promised, 4), *_transposed(columns, len(COLUMNS) + 2)])
        ids = [pk for (pk,) in cursor.fetchall()]
    _write_pauses((pk, pause) for pk, (_, row) in zip(ids, clocks, strict=True) for pause in row.pauses)


def update(changes: Iterable[tuple[Record, Sequence[Row]]]) -> int:
    """Makes the table say what the rows say; returns how many clocks differed.

    No statement when none does; else one, and others only for clocks and pauses that are gone and pauses that are new.
    """
    written: list[SLAClock] = []
    paused: list[tuple[SLAClock, Pauses]] = []
    gone: list[int] = []
    ended: list[Q] = []
    for record, rows in changes:
        stored = {(one.row.metric, one.row.cycle): one for one in record.stored}
        for row in rows:
            known = stored.pop((row.metric, row.cycle), None)
            if known is None or known.row != row:
                written.append(model(record.ticket_id, row, known))
                before = known.row.pauses if known else ()
                paused.append((written[-1], tuple(pause for pause in row.pauses if pause not in before)))
                kept = {started_at for started_at, _ in row.pauses}
                ended += [Q(clock=known.id, started_at=at) for at, _ in before if known and at not in kept]
        gone += [one.id for one in stored.values()]
    if gone:
        SLAClock.objects.filter(pk__in=gone).delete()
    if ended:
        SLAPause.objects.filter(reduce(or_, ended)).delete()
    if written:
        SLAClock.objects.bulk_create(
            written,
            update_conflicts=True,
            unique_fields=["ticket", "metric", "cycle"],
            update_fields=[*(name for name in COLUMNS if name not in {"metric", "cycle"}), "next_check_at"],
        )
    _write_pauses((model.pk, pause) for model, pauses in paused for pause in pauses)
    return len(written) + len(gone)


def _write_pauses(pauses: Iterable[tuple[int, tuple[datetime, datetime | None]]]) -> None:
    rows = [SLAPause(clock_id=pk, started_at=started_at, ended_at=ended_at) for pk, (started_at, ended_at) in pauses]
    if rows:
        SLAPause.objects.bulk_create(
            rows, update_conflicts=True, unique_fields=["clock", "started_at"], update_fields=["ended_at"]
        )


def model(ticket_id: int, row: Row, known: Stored | None = None) -> SLAClock:
    """The row as it is to lie in the table, not saved."""
    warning_raised, breach_raised = (known.warning_raised, known.breach_raised) if known else (False, False)
    return SLAClock(
        ticket_id=ticket_id,
        **{name: getattr(row, name) for name in COLUMNS},
        next_check_at=row.next_check_at(warning_raised=warning_raised, breach_raised=breach_raised),
    )


def _stored(members: dict[str, Any]) -> Stored:
    columns: dict[str, Any] = {name: members[name] for name in COLUMNS}
    columns |= {name: _instant(members[name]) for name in INSTANTS}
    columns |= {name: parse_duration(members[name]) for name in DURATIONS}
    pauses = tuple((_instant(pause["started_at"]), _instant(pause["ended_at"])) for pause in members["pauses"])
    return Stored(
        id=members["id"],
        row=Row(**columns, pauses=pauses),
        warning_raised=members["warning_raised"],
        breach_raised=members["breach_raised"],
        next_check_at=_instant(members["next_check_at"]),
    )


def _instant(text: str | None) -> Any:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _transposed(rows: Sequence[tuple[Any, ...]], width: int) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]
