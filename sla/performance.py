"""How promises are kept: figures of a period, added up by the database in one pass over indexed rows.

A promise is decided when it is met or broken, whichever comes first, and belongs to the day of that instant (UTC). One
that was broken counts for the priority, the department and the agent of that instant, which its evidence names; one
that was kept for those that its ticket has.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.db import connection
from django.db.models import Avg, Count, Q

from agents.enums import Availability
from agents.events import AgentAvailabilityChanged
from sla.clock import Metric
from supportdesk.core.actor import Actor
from supportdesk.core.errors import InvalidInput
from tickets.enums import AssignmentReason
from tickets.models import Assignment, Ticket

MOST_DAYS = 366
USUAL_DAYS = 30
ONE_DAY = timedelta(days=1)
GROUPS = ("priority", "channel", "department_id", "agent_id", "day")

# The condition and the order of the index clock_decided.
_FIGURES = """
WITH seen AS ({seen}), decided AS (
    SELECT c.metric, extract(epoch FROM c.counted) AS used, c.breached_at IS NULL AS kept, t.channel,
        c.state IN ('met', 'missed') AS ended,
        CASE WHEN a.id IS NULL THEN t.priority ELSE a.priority END AS priority,
        CASE WHEN a.id IS NULL THEN t.department_id ELSE a.department_id END AS department_id,
        CASE WHEN a.id IS NULL THEN t.assignee_id ELSE a.owner_id END AS agent_id,
        (COALESCE(c.breached_at, c.stopped_at) AT TIME ZONE 'UTC')::date AS day
    FROM sla_slaclock c JOIN seen t ON t.id = c.ticket_id
    LEFT JOIN sla_slaalert a ON c.breached_at IS NOT NULL AND a.ticket_id = c.ticket_id AND a.metric = c.metric
        AND a.cycle = c.cycle AND a.kind = 'breach'
    WHERE COALESCE(c.breached_at, c.stopped_at) >= %s AND COALESCE(c.breached_at, c.stopped_at) < %s
        AND (c.breached_at IS NOT NULL OR c.state = 'met')
)
SELECT grouping({groups}), {groups},
    count(*) FILTER (WHERE kept), count(*) FILTER (WHERE NOT kept),
    {metrics},
    percentile_cont(0.5) WITHIN GROUP (ORDER BY used) FILTER (WHERE ended AND metric = 'first_response'),
    percentile_cont(0.9) WITHIN GROUP (ORDER BY used) FILTER (WHERE ended AND metric = 'first_response'),
    percentile_cont(0.5) WITHIN GROUP (ORDER BY used) FILTER (WHERE ended AND metric = 'resolution')
FROM decided {which} GROUP BY GROUPING SETS ({sets}) ORDER BY {groups}
"""

# What is due soon is found by clock_next_check, of which a running clock always has one; what is overdue by
# clock_overdue.
_LOAD = """
WITH seen AS ({seen}), ahead AS (
    SELECT ticket_id, due_at FROM sla_slaclock
    WHERE next_check_at <= %s AND state = 'running' AND due_at <= %s
    UNION ALL
    SELECT ticket_id, due_at FROM sla_slaclock WHERE state = 'breached'
)
SELECT grouping(t.department_id), t.department_id, count(*) FILTER (WHERE due_at <= %s), {within}
FROM ahead JOIN seen t ON t.id = ahead.ticket_id GROUP BY GROUPING SETS ((), (t.department_id)) ORDER BY 2
"""

# Each change says what was before it, so a stretch is known by the change at its end; the last one by what is now.
_ONLINE = """
WITH bounds AS (
    SELECT id, availability, GREATEST(created_at, %s) AS begins FROM agents_agent WHERE id = %s
), changes AS (
    SELECT at, payload ->> 'before' AS before, lag(at) OVER (ORDER BY at, id) AS last FROM core_event
    WHERE subject_type = 'agent' AND subject_id = %s AND at >= %s AND at <= %s AND name = %s
), stretches AS (
    SELECT before AS state, COALESCE(last, begins) AS begins, at AS ends FROM changes, bounds
    UNION ALL SELECT availability, COALESCE((SELECT max(at) FROM changes), begins), %s FROM bounds
)
SELECT COALESCE(sum(extract(epoch FROM ends - begins)), 0) FROM stretches WHERE state <> %s AND ends > begins
"""
AHEAD = {"within_1_hour": 1, "within_4_hours": 4, "within_24_hours": 24}


@dataclass(frozen=True, kw_only=True)
class Period:
    """Days by UTC, both included."""

    since: date
    until: date

    @property
    def starts_at(self) -> datetime:
        return datetime.combine(self.since, time(), UTC)

    @property
    def ends_at(self) -> datetime:
        """The first instant that is no longer in it."""
        return datetime.combine(self.until + ONE_DAY, time(), UTC)


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Promises that were decided. Times are seconds of working time; None without anything to count."""

    kept: int = 0
    broken: int = 0
    first_response_kept: int = 0
    first_response_broken: int = 0
    next_response_kept: int = 0
    next_response_broken: int = 0
    resolution_kept: int = 0
    resolution_broken: int = 0
    first_response_median: float | None = None
    first_response_p90: float | None = None
    resolution_median: float | None = None

    @property
    def attainment(self) -> float | None:
        return _share(self.kept, self.broken)

    def attainment_of(self, metric: Metric) -> float | None:
        return _share(getattr(self, f"{metric.value}_kept"), getattr(self, f"{metric.value}_broken"))


@dataclass(frozen=True, kw_only=True)
class AgentPerformance:
    """What an agent did in a period that ends now. `handled` are those of their tickets that were resolved in it."""

    during: Period
    figures: Figures
    handled: int
    rated: int
    rating: float | None
    open: int
    hours_online: float
    transferred_away: int
    transferred_to: int

    @property
    def handled_per_hour(self) -> float | None:
        return round(self.handled / self.hours_online, 2) if self.hours_online >= 1 else None


@dataclass(frozen=True, kw_only=True)
class Load:
    """Promises that still can be broken, and those that were and are still owed."""

    overdue: int = 0
    within_1_hour: int = 0
    within_4_hours: int = 0
    within_24_hours: int = 0


NAMES = tuple(member.name for member in fields(Figures))


def period(*, since: date | None, until: date | None, now: datetime) -> Period:
    """The last 30 days, today included, unless told otherwise. Raises InvalidInput naming the end that cannot be."""
    today = now.astimezone(UTC).date()
    until = until or today
    if until > today:
        raise InvalidInput.on("until", "Must not lie ahead.", "out_of_range")
    since = since or until - (USUAL_DAYS - 1) * ONE_DAY
    if since > until:
        raise InvalidInput.on("since", "Must not be after the last day.", "out_of_range")
    if until - since >= MOST_DAYS * ONE_DAY:
        raise InvalidInput.on("since", f"Must be at most {MOST_DAYS} days in all.", "out_of_range")
    return Period(since=since, until=until)


def figures(actor: Actor, during: Period) -> dict[str | None, dict[Any, Figures]]:
    """By each of GROUPS, value to figures; under None those of all. Of tickets that the actor sees: one statement."""
    found: dict[str | None, dict[Any, Figures]] = {None: {None: Figures()}, **{group: {} for group in GROUPS}}
    seen, given = _seen(actor)
    for grouped, values, counted in _rows(seen, [*given, during.starts_at, during.ends_at]):
        found[grouped][values[grouped] if grouped else None] = counted
    return found


def figures_of_agent(agent_id: int, during: Period) -> Figures:
    """Of whatever the agent has or had; whoever asks may read their record. One statement.

    Found through the agent's tickets, by indices that begin with the agent.
    """
    theirs = """
        SELECT id, priority, channel, department_id, assignee_id FROM tickets_ticket WHERE id IN (
            SELECT id FROM tickets_ticket WHERE assignee_id = %s
            UNION SELECT ticket_id FROM sla_slaalert WHERE owner_id = %s AND kind = 'breach' AND at >= %s AND at < %s
        )"""
    bounds = [during.starts_at, during.ends_at]
    given = [agent_id, agent_id, *bounds, *bounds, agent_id]
    rows = _rows(theirs, given, groups=("agent_id",), which="WHERE agent_id = %s")
    return next((counted for grouped, _, counted in rows if grouped is None), Figures())


def of_agent(agent_id: int, *, now: datetime) -> AgentPerformance:
    """The last 30 days, of all their tickets: who asks may read the agent's record. Six statements."""
    during = period(since=None, until=None, now=now)
    then = Q(resolved_at__gte=during.starts_at, resolved_at__lt=during.ends_at)
    theirs = Ticket.objects.filter(assignee_id=agent_id)
    handled = theirs.filter(then).aggregate(
        count=Count("pk"), rated=Count("satisfaction_rating"), rating=Avg("satisfaction_rating")
    )
    moves = Assignment.objects.filter(
        reason=AssignmentReason.TRANSFER, assigned_at__gte=during.starts_at, assigned_at__lt=during.ends_at
    )
    return AgentPerformance(
        during=during,
        figures=figures_of_agent(agent_id, during),
        handled=handled["count"],
        rated=handled["rated"],
        rating=None if handled["rating"] is None else round(handled["rating"], 2),
        open=theirs.unfinished().count(),
        hours_online=_hours_online(agent_id, during, now=now),
        transferred_away=moves.filter(previous_agent=agent_id).count(),
        transferred_to=moves.filter(agent=agent_id).count(),
    )


def load(actor: Actor, *, now: datetime) -> dict[int | None, dict[int | None, Load]]:
    """What lies ahead of the tickets that the actor sees: 0 to the whole, 1 to departments. One statement."""
    seen, given = _seen(actor)
    horizon = now + timedelta(hours=max(AHEAD.values()))
    within = ", ".join("count(*) FILTER (WHERE due_at > %s AND due_at <= %s)" for _ in AHEAD)
    bounds = [instant for hours in AHEAD.values() for instant in (now, now + timedelta(hours=hours))]
    found: dict[int | None, dict[int | None, Load]] = {0: {None: Load()}, 1: {}}
    with connection.cursor() as cursor:
        cursor.execute(_LOAD.format(seen=seen, within=within), [*given, horizon, horizon, now, *bounds])
        for grouped, department_id, overdue, *counts in cursor.fetchall():
            whole = 0 if grouped else 1
            ahead = dict(zip(AHEAD, counts, strict=True))
            found[whole][None if grouped else department_id] = Load(overdue=overdue, **ahead)
    return found


def _hours_online(agent_id: int, during: Period, *, now: datetime) -> float:
    start, name, away = during.starts_at, AgentAvailabilityChanged.name, Availability.OFFLINE.value
    with connection.cursor() as cursor:
        cursor.execute(_ONLINE, [start, agent_id, agent_id, start, now, name, now, away])
        (seconds,) = cursor.fetchone()
    return round(float(seconds) / 3600, 2)


def _rows(
    seen: str, given: Sequence[Any], *, groups: Sequence[str] = GROUPS, which: str = ""
) -> Iterator[tuple[str | None, Mapping[str, Any], Figures]]:
    """What each row is grouped by (None: nothing, the row of all), its values, and its figures."""
    metrics = ",\n    ".join(
        f"count(*) FILTER (WHERE {'' if kept else 'NOT '}kept AND metric = '{metric.value}')"
        for metric in Metric
        for kept in (True, False)
    )
    sets = ", ".join(["()", *(f"({group})" for group in groups)])
    statement = _FIGURES.format(seen=seen, groups=", ".join(groups), metrics=metrics, which=which, sets=sets)
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        rows = cursor.fetchall()
    for mask, *columns in rows:
        values = dict(zip(groups, columns, strict=False))
        grouped = next((group for place, group in enumerate(reversed(groups)) if not mask >> place & 1), None)
        yield grouped, values, Figures(**dict(zip(NAMES, columns[len(groups) :], strict=True)))


def _seen(actor: Actor) -> tuple[str, list[Any]]:
    """The statement of the tickets that the actor sees, with what it is given."""
    tickets = Ticket.objects.visible_to(actor).order_by()
    columns = tickets.values("id", "priority", "channel", "department_id", "assignee_id")
    statement, given = columns.query.sql_with_params()
    return statement, list(given)


def _share(kept: int, broken: int) -> float | None:
    return round(kept / (kept + broken), 4) if kept + broken else None
