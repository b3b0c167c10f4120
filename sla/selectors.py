"""Reading promises, within what the actor may see."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import F

from agents.models import Department
from sla import hours, versions, wording
from sla.clock import State
from sla.models import Policy, PolicyVersion, Simulation, SLAAlert, SLAClock, TicketSLA
from sla.models.alert import SLAAlertQuerySet
from sla.models.clock import SLAClockQuerySet
from sla.models.policy import PolicyQuerySet
from sla.services.simulating import NO_DEPARTMENT, Tally
from supportdesk.core.actor import Actor
from supportdesk.core.errors import NotFound
from tickets import selectors as tickets
from tickets.models import Ticket

CAUSES = {
    "created": "",
    "retargeted": " The priority changed, and the time used before counts.",
    "floored": " The priority changed so late that only the least time was left.",
    "reopened": " The ticket was reopened, and goes on with the time it had used.",
}


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A clock as it is now, whether or not anybody has noticed yet what became due. `remaining` is negative once it is
    overdue.
    """

    clock: SLAClock
    state: State
    warned_at: datetime | None
    breached_at: datetime | None
    elapsed: timedelta
    remaining: timedelta
    why: str


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """What a simulation found, by department; names of departments, and subjects of the examples, by id."""

    job: Simulation
    found: Mapping[int, Tally]
    departments: Mapping[int, str]
    tickets: Mapping[int, str]


def policies(actor: Actor) -> PolicyQuerySet:
    """In the order in which they are asked, with their open versions at hand."""
    return Policy.objects.visible_to(actor).prefetch_related("versions__calendar", "versions__created_by")


def of_ticket(*, ticket_id: int, actor: Actor) -> TicketSLA:
    """What the ticket was promised. Raises NotFound, also when it was promised nothing."""
    promised = TicketSLA.objects.select_related("policy_version__policy", "calendar_version__calendar")
    sla = promised.filter(ticket=tickets.seen(ticket_id, actor)).first()
    if sla is None:
        raise NotFound("This ticket has no promises, as imported ones do not.")
    return sla


def standings(sla: TicketSLA, *, now: datetime) -> list[Standing]:
    """Every clock that the ticket ever had, in the order in which they began."""
    clocks = SLAClock.objects.filter(ticket=sla.ticket_id).prefetch_related("pauses").order_by("started_at", "pk")
    return [standing(clock, sla.calendar_version_id, now=now) for clock in clocks]


def status_of(ticket: Ticket, *, now: datetime) -> tuple[PolicyVersion, dict[str, Standing]] | None:
    """The newest clock of each metric, with the policy; None without promises. One statement, for who sees the ticket;
    none while the ticket has at hand what was just begun.

    A ticket whose promises have not begun to run costs another.
    """
    if Ticket.sla.is_cached(ticket) and ticket.sla.begun is not None:
        return ticket.sla.policy_version, _standings(ticket.sla, ticket.sla.begun, now=now)
    clocks = SLAClock.objects.filter(ticket=ticket).order_by("metric", "-cycle").distinct("metric")
    newest = list(clocks.select_related("ticket__sla__policy_version__policy"))
    if not newest:
        sla = TicketSLA.objects.select_related("policy_version__policy").filter(ticket=ticket).first()
        return (sla.policy_version, {}) if sla else None
    sla = newest[0].ticket.sla
    return sla.policy_version, _standings(sla, newest, now=now)


def _standings(sla: TicketSLA, newest: Iterable[SLAClock], *, now: datetime) -> dict[str, Standing]:
    return {clock.metric: standing(clock, sla.calendar_version_id, now=now) for clock in newest}


def standing(clock: SLAClock, calendar_version_id: int, *, now: datetime) -> Standing:
    calendar = versions.hours(calendar_version_id)
    elapsed = clock.counted
    if clock.running_since is not None:
        elapsed += hours.between(calendar, clock.running_since, now)
    overdue = clock.state == State.RUNNING and clock.due_at is not None and clock.due_at <= now
    state = State.BREACHED if overdue else State(clock.state)
    breached_at = clock.due_at if overdue else clock.breached_at
    return Standing(
        clock=clock,
        state=state,
        warned_at=clock.warn_at if clock.warn_at and clock.warn_at <= now else clock.warned_at,
        breached_at=breached_at,
        elapsed=elapsed,
        remaining=clock.target - elapsed,
        why=_why(clock, state, elapsed, breached_at),
    )


def breaches(actor: Actor) -> SLAAlertQuerySet:
    """Rows for the list of breaches, in one statement."""
    found = SLAAlert.objects.visible_to(actor).breaches()
    return found.select_related("ticket", "owner", "department", "acknowledged_by").annotate(
        policy_id=F("policy_version__policy_id"),
        policy_name=F("policy_version__policy__name"),
        policy_number=F("policy_version__number"),
    )


def at_risk(actor: Actor, *, now: datetime) -> SLAClockQuerySet:
    """Running clocks that were warned of and are not due yet, in one statement."""
    running = SLAClock.objects.visible_to(actor).filter(state=State.RUNNING, warned_at__isnull=False, due_at__gt=now)
    return running.select_related("ticket").annotate(
        assignee_id=F("ticket__assignee_id"),
        assignee_name=F("ticket__assignee__name"),
        department_id=F("ticket__department_id"),
        department_name=F("ticket__department__name"),
        calendar_version_id=F("ticket__sla__calendar_version_id"),
    )


def simulated(simulation_id: int, *, actor: Actor) -> Simulated:
    """A simulation with what it found of departments and tickets that the actor sees. Raises NotFound."""
    job = Simulation.objects.visible_to(actor).filter(pk=simulation_id).first()
    if job is None:
        raise NotFound
    reach = {str(pk) for pk in actor.departments or ()} | {str(NO_DEPARTMENT)}
    found = {int(key): tally for key, tally in job.found.items() if actor.sees_everything or key in reach}
    examples = {one[0] for tally in found.values() for one in tally["gained_examples"] + tally["lost_examples"]}
    seen = Ticket.objects.visible_to(actor).filter(pk__in=examples)
    names = dict(Department.objects.filter(pk__in=found).values_list("pk", "name"))
    return Simulated(
        job=job,
        found={pk: Tally(**found[pk]) for pk in sorted(found)},
        departments=names,
        tickets=dict(seen.values_list("pk", "subject")),
    )


def unused_tags(tags: Iterable[str]) -> list[str]:
    """Those that no ticket bears, by the index of tags."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tag FROM unnest(%s::text[]) AS tag WHERE NOT EXISTS ("
            "SELECT FROM tickets_ticket WHERE tag_keys @> tickets_tag_keys(ARRAY[tag]::varchar[])) ORDER BY tag",
            [list(tags)],
        )
        return [tag for (tag,) in cursor.fetchall()]


def _why(clock: SLAClock, state: State, elapsed: timedelta, breached_at: datetime | None) -> str:
    used = f"{wording.span(elapsed)} of {wording.span(clock.target)}"
    match state:
        case State.RUNNING if clock.due_at:
            said = f"Runs: {used} used, due {wording.instant(clock.due_at)}."
        case State.PAUSED:
            said = f"Stands still while the ticket waits: {used} used."
        case State.BREACHED if breached_at:
            said = f"Overdue since {wording.instant(breached_at)}: {used} used."
        case State.MET:
            said = f"Met: {used} used."
        case State.MISSED if breached_at:
            said = f"Missed: due {wording.instant(breached_at)}, {used} used."
        case _:
            said = f"Ended with the ticket, without its aim: {used} used."
    return said + CAUSES[clock.cause]
