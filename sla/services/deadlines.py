"""Warnings and breaches, found by the instant at which they are due and raised once each.

Any number of processes may look at the same time. Who raises something holds the lock on its ticket, which no service
that moves a clock goes without, and claims the clock by an update that names what it found; a ticket that somebody else
has is left to the next look.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog
from django.db import InterfaceError, OperationalError, connection, transaction

from sla.enums import AlertKind
from sla.events import DeadlineEvent, SLABreached, SLAWarned
from sla.models import SLAAlert, SLAClock
from supportdesk.core.actor import Actor
from supportdesk.core.events import Fact, emit_facts
from supportdesk.core.models import Event
from tickets.events import TicketPriorityChanged
from tickets.models import Assignment, Ticket

BATCH = 200
EVENTS: dict[AlertKind, type[DeadlineEvent]] = {AlertKind.WARNING: SLAWarned, AlertKind.BREACH: SLABreached}
BEGINNING = datetime(1, 1, 1, tzinfo=UTC)

# Read off the index clock_next_check, so the cost is that of what is due, whatever is open.
FIND = """
SELECT id, ticket_id, next_check_at FROM sla_slaclock
WHERE next_check_at <= %(now)s AND (next_check_at, id) > (%(after)s, %(after_id)s)
ORDER BY next_check_at, id LIMIT %(limit)s
"""

_CLAIM = """
UPDATE sla_slaclock AS c SET next_check_at = n.next,
    warning_raised = c.warning_raised OR n.warning, breach_raised = c.breach_raised OR n.breach,
    warned_at = CASE WHEN n.warning THEN coalesce(c.warned_at, c.warn_at) ELSE c.warned_at END,
    warn_at = CASE WHEN n.warning THEN NULL ELSE c.warn_at END,
    breached_at = CASE WHEN n.breach THEN coalesce(c.breached_at, c.due_at) ELSE c.breached_at END,
    state = CASE WHEN n.breach AND c.state = 'running' THEN 'breached' ELSE c.state END
FROM unnest(%s::bigint[], %s::timestamptz[], %s::timestamptz[], %s::bool[], %s::bool[])
    AS n (id, found, next, warning, breach)
WHERE c.id = n.id AND c.next_check_at = n.found
RETURNING c.id
"""

log = structlog.get_logger("supportdesk.sla")


@dataclass(frozen=True, kw_only=True)
class Found:
    """A clock with something to raise."""

    id: int
    ticket_id: int
    next_check_at: datetime


@dataclass(frozen=True, kw_only=True)
class _Due:
    """One warning or breach to be raised."""

    clock: SLAClock
    kind: AlertKind
    at: datetime

    @property
    def key(self) -> tuple[int, str, int, str]:
        return self.clock.ticket_id, self.clock.metric, self.clock.cycle, self.kind.value


def raise_due(*, by: Actor, now: datetime, limit: int) -> int:
    """Raises what is due by now, the earliest first, of up to `limit` clocks; returns how many warnings and breaches.

    Each leaves its evidence and its event, at the instant at which it was due, in the transaction that marks the clock.
    """
    raised, looked_at, last = 0, 0, Found(id=0, ticket_id=0, next_check_at=BEGINNING)
    while looked_at < limit and (batch := find(now=now, after=last, limit=min(BATCH, limit - looked_at))):
        last, looked_at = batch[-1], looked_at + len(batch)
        horizon = last.next_check_at if len(batch) == BATCH else now  # what is due after it waits for the next batch
        raised += _raise_or_isolate(batch, horizon=horizon, by=by, now=now)
    return raised


def find(*, now: datetime, after: Found, limit: int) -> list[Found]:
    """Clocks with something to raise, after the last one found."""
    given: dict[str, Any] = {"now": now, "after": after.next_check_at, "after_id": after.id, "limit": limit}
    with connection.cursor() as cursor:
        cursor.execute(FIND, given)
        return [Found(id=pk, ticket_id=ticket_id, next_check_at=at) for pk, ticket_id, at in cursor.fetchall()]


def _raise_or_isolate(batch: Sequence[Found], *, horizon: datetime, by: Actor, now: datetime) -> int:
    """The batch at once; where that fails, each alone, so that one that cannot be raised does not hold up the rest."""
    try:
        return _raise(batch, horizon=horizon, by=by, now=now)
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        if len(batch) == 1:
            log.exception("deadline not raised", clock=batch[0].id)
            return 0
        return sum(_raise_or_isolate([found], horizon=horizon, by=by, now=now) for found in batch)


@transaction.atomic
def _raise(batch: Sequence[Found], *, horizon: datetime, by: Actor, now: datetime) -> int:
    ids = [found.ticket_id for found in batch]
    free = Ticket.objects.select_for_update(of=("self",), skip_locked=True).filter(pk__in=ids)
    tickets = {ticket.pk: ticket for ticket in free.only("pk", "priority", "department")}
    mine = SLAClock.objects.filter(pk__in=[found.id for found in batch], ticket__in=list(tickets))
    clocks = list(mine.filter(next_check_at__lte=horizon).select_related("ticket__sla"))
    claimed = _claim(clocks, horizon)
    raised = set(SLAAlert.objects.filter(ticket__in=list(tickets)).values_list("ticket", "metric", "cycle", "kind"))
    due = sorted(
        (one for clock in clocks if clock.pk in claimed for one in _due(clock, horizon) if one.key not in raised),
        key=lambda one: (one.at, one.clock.pk, one.kind != AlertKind.WARNING),
    )
    if due:
        _leave_evidence(due, tickets, now=now)
        emit_facts([Fact(event=_event(one), at=one.at) for one in due], by=by)
    return len(due)


def _due(clock: SLAClock, horizon: datetime) -> list[_Due]:
    """What of the clock was not raised and is due by the horizon."""
    warning = None if clock.warning_raised else clock.warned_at or clock.warn_at
    breach = None if clock.breach_raised else clock.breached_at or clock.due_at
    at = {AlertKind.WARNING: warning, AlertKind.BREACH: breach}
    return [_Due(clock=clock, kind=kind, at=when) for kind, when in at.items() if when and when <= horizon]


def _claim(clocks: Iterable[SLAClock], horizon: datetime) -> set[int]:
    """Marks as raised what is due, of clocks that are as they were found; returns their ids."""
    marks = []
    for clock in clocks:
        kinds = {one.kind for one in _due(clock, horizon)}
        later = clock.breached_at or clock.due_at
        left = None if clock.breach_raised or AlertKind.BREACH in kinds else later
        marks.append((clock.pk, clock.next_check_at, left, AlertKind.WARNING in kinds, AlertKind.BREACH in kinds))
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, [list(column) for column in zip(*marks, strict=True)] if marks else [[]] * 5)
        return {pk for (pk,) in cursor.fetchall()}


def _leave_evidence(due: Sequence[_Due], tickets: dict[int, Ticket], *, now: datetime) -> None:
    owners, priorities = _assignments(tickets), _priority_changes(tickets)
    SLAAlert.objects.bulk_create(
        SLAAlert(
            kind=one.kind,
            ticket_id=one.clock.ticket_id,
            metric=one.clock.metric,
            cycle=one.clock.cycle,
            at=one.at,
            raised_at=now,
            owner_id=_owner(owners.get(one.clock.ticket_id, ()), one.at),
            department_id=tickets[one.clock.ticket_id].department_id,
            priority=_priority(tickets[one.clock.ticket_id], priorities.get(one.clock.ticket_id, ()), one.at),
            policy_version_id=one.clock.ticket.sla.policy_version_id,
            calendar_version_id=one.clock.ticket.sla.calendar_version_id,
        )
        for one in due
    )


def _assignments(ticket_ids: Iterable[int]) -> dict[int, list[Assignment]]:
    found: dict[int, list[Assignment]] = {}
    for assignment in Assignment.objects.filter(ticket__in=list(ticket_ids)).order_by("assigned_at", "pk"):
        found.setdefault(assignment.ticket_id, []).append(assignment)
    return found


def _owner(assignments: Iterable[Assignment], at: datetime) -> int | None:
    """Who had the ticket then."""
    had = [one for one in assignments if one.assigned_at <= at and (one.ended_at is None or one.ended_at > at)]
    return had[-1].agent_id if had else None


def _priority_changes(ticket_ids: Iterable[int]) -> dict[int, list[Event]]:
    found: dict[int, list[Event]] = {}
    changes = Event.objects.filter(subject_type="ticket", name=TicketPriorityChanged.name)
    for change in changes.filter(subject_id__in=list(ticket_ids)).order_by("pk"):
        found.setdefault(change.subject_id, []).append(change)
    return found


def _priority(ticket: Ticket, changes: Iterable[Event], at: datetime) -> str:
    """What it was then: what the first change after it took away."""
    after = next((change for change in changes if change.at > at), None)
    return str(after.payload["before"]) if after else ticket.priority


def _event(one: _Due) -> DeadlineEvent:
    due_at = one.at if one.kind == AlertKind.BREACH else one.clock.due_at or one.clock.breached_at
    return EVENTS[one.kind](
        subject_id=one.clock.ticket_id,
        metric=one.clock.metric,
        cycle=one.clock.cycle,
        due_at=f"{due_at.astimezone(UTC).replace(tzinfo=None).isoformat()}Z" if due_at else None,
    )
