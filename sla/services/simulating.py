"""What would have been broken: the clocks of past tickets, wound again by words and hours that they did not have.

Asked of tickets of the last days, as far as their facts go until the simulation began. What was broken is what was
raised, or due by then; what would have been is what the pure clock says. A ticket is wound by the simulated words when
it has the policy, or when the policy's conditions would take it now and did not before; by the present words of another
policy, when the conditions would no longer take it. Every other ticket is as it was.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from django.db import transaction
from django.db.models import Count, Min

from sla import clock, versions
from sla.conditions import Candidate, choose
from sla.enums import JobState, VersionState
from sla.events import SimulationBegun
from sla.hours import Hours
from sla.models import Calendar, Policy, PolicyVersion, Simulation, SLAAlert, TicketSLA
from sla.models.clock import TicketSLAQuerySet
from sla.services import calendars, clocks, policies, promising, records
from sla.services.records import Record
from sla.services.rights import author, refuse_others
from supportdesk.core.actor import Actor
from supportdesk.core.errors import Conflict, InvalidInput
from supportdesk.core.events import emit
from tickets.models import Ticket

BATCH = 100
BATCHES = 5  # of one delivery, which must end within its lease
MOST_DAYS = 366
EXAMPLES = 5  # of each kind, of each department
NO_DEPARTMENT = 0
SIMULATED = Candidate(policy_version_id=0, calendar_version_id=0, conditions={}, is_default=False)

Promise = tuple[str, int]  # metric and cycle of a ticket
Breaches = Mapping[Promise, datetime]


class StillSimulating(Conflict):
    """This policy is being simulated already."""

    code = "still_simulating"


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What is simulated: the words of a version and the hours of a calendar, over tickets created from `since` on."""

    policy_id: int
    number: int
    words: Mapping[str, Any]
    hours: Mapping[str, Any]
    since: datetime
    until: datetime

    @cached_property
    def policy(self) -> clock.Policy:
        words = {name: value for name, value in self.words.items() if name != "conditions"}
        return versions.policy_of(PolicyVersion(**words))

    @cached_property
    def calendar(self) -> Hours:
        return versions.build_hours(self.hours["timezone"], self.hours["week"], self.hours["holidays"])


@dataclass(kw_only=True)
class Tally:
    """Promises of one department's tickets. Examples are `[ticket, metric, instant of the breach]`."""

    tickets: int = 0
    recorded: int = 0
    simulated: int = 0
    gained: int = 0
    lost: int = 0
    gained_examples: list[list[Any]] = field(default_factory=list)
    lost_examples: list[list[Any]] = field(default_factory=list)

    def count(self, ticket_id: int, recorded: Breaches, simulated: Breaches) -> None:
        gained = {promise: at for promise, at in simulated.items() if promise not in recorded}
        lost = {promise: at for promise, at in recorded.items() if promise not in simulated}
        self.tickets += 1
        self.recorded += len(recorded)
        self.simulated += len(simulated)
        self.gained += len(gained)
        self.lost += len(lost)
        for examples, found in ((self.gained_examples, gained), (self.lost_examples, lost)):
            new = [[ticket_id, metric, at.isoformat()] for (metric, _), at in sorted(found.items())]
            examples += new[: EXAMPLES - len(examples)]


@dataclass(frozen=True, kw_only=True)
class _Compared:
    """A ticket's breaches as they were and as they would have been, by metric and cycle."""

    ticket_id: int
    department_id: int | None
    recorded: Breaches
    simulated: Breaches


def draft(
    *,
    policy_id: int,
    days: int,
    by: Actor,
    now: datetime,
    number: int | None = None,
    calendar: Mapping[str, Any] | None = None,
) -> Draft:
    """What is to be simulated: version `number` of the policy, else its draft, else what is active; by the present
    hours of its calendar, or by those of `calendar` (timezone, week, holidays).

    Raises Forbidden, NotFound, InvalidInput (days, number, calendar).
    """
    refuse_others(by)
    if not 1 <= days <= MOST_DAYS:
        raise InvalidInput.on("days", f"Must be 1 to {MOST_DAYS}.", "out_of_range")
    with transaction.atomic():
        policy = policies.locked(policy_id, by=by)
        version = _version(policy, number)
    words = {name: getattr(version, name) for name in policies.WORDS if name != "calendar"}
    hours = _hours(version.calendar) if calendar is None else _other_hours(calendar)
    found = Draft(
        policy_id=policy.pk,
        number=version.number,
        words=words,
        hours=hours,
        since=now - timedelta(days=days),
        until=now,
    )
    promising.refuse_too_much(
        words["targets"], words["floor_minutes"], found.calendar, of=policy.name, field="calendar"
    )
    return found


def request(
    *,
    policy_id: int,
    by: Actor,
    now: datetime,
    days: int = 30,
    number: int | None = None,
    calendar: Mapping[str, Any] | None = None,
) -> Simulation:
    """Has it done by whoever runs the deliveries. Raises as `draft` does, and StillSimulating."""
    wanted = draft(policy_id=policy_id, days=days, number=number, calendar=calendar, by=by, now=now)
    with transaction.atomic():
        policies.locked(policy_id, by=by)
        under_way = Simulation.objects.filter(policy=policy_id, state__in=[JobState.PENDING, JobState.RUNNING])
        if under_way.exists():
            raise StillSimulating("This policy is being simulated already; wait until that is done.")
        first, total = extent(wanted)
        job = Simulation.objects.create(
            policy_id=policy_id,
            number=wanted.number,
            days=days,
            words=wanted.words,
            hours=wanted.hours,
            through=first - 1,
            total=total,
            created_by_id=author(by),
            created_at=now,
        )
        emit(_call(job), by=by, at=now)
    return job


def work(simulation_id: int, *, by: Actor, now: datetime) -> int:
    """Does the next few batches and calls for more when there is more; returns how many tickets it looked at."""
    looked_at = 0
    for number in range(BATCHES):
        with transaction.atomic():
            job = Simulation.objects.select_for_update(of=("self",)).filter(pk=simulation_id).first()
            if job is None or job.state == JobState.DONE:
                return looked_at
            looked_at += _next_batch(job, now=now)
            job.save()
            if job.finished_at is None and number == BATCHES - 1:
                emit(_call(job), by=by, at=now)
    return looked_at


def run(wanted: Draft) -> Iterator[tuple[int, dict[int, Tally]]]:
    """All of it, at once: after each batch, how many tickets were looked at and what was found so far."""
    first, _ = extent(wanted)
    through, looked_at, found = first - 1, 0, dict[int, Tally]()
    while ids := _ids(wanted, through):
        for one in compare(wanted, ids):
            _tally(found, one)
        through, looked_at = ids[-1], looked_at + len(ids)
        yield looked_at, found


def extent(wanted: Draft) -> tuple[int, int]:
    """The id of the first ticket to look at (0 without any), and how many there are."""
    found = _promised(wanted).aggregate(first=Min("pk"), total=Count("pk"))
    return found["first"] or 0, found["total"]


def compare(wanted: Draft, ticket_ids: Sequence[int]) -> list[_Compared]:
    """Six statements for any number of tickets."""
    with_policy = dict(TicketSLA.objects.filter(pk__in=ticket_ids).values_list("pk", "policy_version__policy"))
    departments = dict(Ticket.objects.filter(pk__in=ticket_ids).values_list("pk", "department"))
    raised = _raised(ticket_ids, wanted.until)
    chosen = _choices(wanted, ticket_ids)
    compared = []
    for record in records.read(ticket_ids):
        before, after = chosen[record.ticket_id]
        recorded = {**raised.get(record.ticket_id, {}), **_due(record, wanted.until)}
        compared.append(
            _Compared(
                ticket_id=record.ticket_id,
                department_id=departments[record.ticket_id],
                recorded=recorded,
                simulated=_simulated(wanted, record, before, after, with_policy[record.ticket_id], recorded),
            )
        )
    return compared


def _simulated(
    wanted: Draft, record: Record, before: bool, after: Candidate | None, policy_id: int, recorded: Breaches
) -> Breaches:
    """`before`: whether the policy would take the ticket as it is; `after`: what would, with the simulated words."""
    has_it, takes = policy_id == wanted.policy_id, after is SIMULATED
    if has_it and before and after is not None and not takes:
        policy, hours = versions.policy(after.policy_version_id), versions.hours(after.calendar_version_id)
        return _wound(record, policy, hours, wanted.until)
    if has_it or (takes and not before):
        return _wound(record, wanted.policy, wanted.calendar, wanted.until)
    return recorded


def _wound(record: Record, policy: clock.Policy, hours: Hours, until: datetime) -> Breaches:
    wound = clock.clocks(record.history.facts, policy=policy, hours=hours, now=until)
    return {(one.metric.value, one.cycle): one.breached_at for one in wound if one.breached_at}


def _due(record: Record, until: datetime) -> Breaches:
    """Breaches that the ticket's clocks show, noticed or not."""
    rows = [stored.row.found(until) for stored in record.stored]
    return {(row.metric, row.cycle): row.breached_at for row in rows if row.breached_at and row.breached_at <= until}


def _raised(ticket_ids: Sequence[int], until: datetime) -> dict[int, dict[Promise, datetime]]:
    found: dict[int, dict[Promise, datetime]] = {}
    alerts = SLAAlert.objects.breaches().filter(ticket__in=ticket_ids, at__lte=until)
    for ticket_id, metric, cycle, at in alerts.values_list("ticket", "metric", "cycle", "at"):
        found.setdefault(ticket_id, {})[metric, cycle] = at
    return found


def _choices(wanted: Draft, ticket_ids: Sequence[int]) -> dict[int, tuple[bool, Candidate | None]]:
    """Of each ticket: whether the policy takes it by its present conditions, and what would by the simulated ones."""
    listed = list(Policy.objects.filter(active=True).order_by("position", "pk").values_list("pk", "position"))
    policy = Policy.objects.get(pk=wanted.policy_id)
    simulated = replace(SIMULATED, conditions=wanted.words["conditions"], is_default=policy.is_default)
    place = sum((position, pk) < (policy.position, policy.pk) for pk, position in listed)
    is_listed = policy.pk in {pk for pk, _ in listed}
    found = {}
    for ticket_id, case, candidates in clocks.cases(ticket_ids):
        others = [*candidates[:place], simulated, *candidates[place + is_listed :]]
        before = candidates[place] if is_listed else None
        chosen = choose(case, others)
        found[ticket_id] = (
            before is not None and choose(case, candidates) == before,
            SIMULATED if chosen is simulated else chosen,
        )
    return found


def _next_batch(job: Simulation, *, now: datetime) -> int:
    """Moves the job on by a batch; the caller saves it."""
    job.state = JobState.RUNNING
    wanted = Draft(
        policy_id=job.policy_id,
        number=job.number,
        words=job.words,
        hours=job.hours,
        since=job.created_at - timedelta(days=job.days),
        until=job.created_at,
    )
    ids = _ids(wanted, job.through)
    if not ids:
        job.state, job.finished_at = JobState.DONE, now
        return 0
    found = {int(department): Tally(**tally) for department, tally in job.found.items()}
    for one in compare(wanted, ids):
        _tally(found, one)
    job.found = {str(department): asdict(tally) for department, tally in found.items()}
    job.through, job.tickets = ids[-1], job.tickets + len(ids)
    return len(ids)


def _tally(found: dict[int, Tally], one: _Compared) -> None:
    tally = found.setdefault(one.department_id or NO_DEPARTMENT, Tally())
    tally.count(one.ticket_id, one.recorded, one.simulated)


def _promised(wanted: Draft) -> TicketSLAQuerySet:
    return TicketSLA.objects.filter(ticket__created_at__gte=wanted.since, ticket__created_at__lte=wanted.until)


def _ids(wanted: Draft, through: int) -> list[int]:
    return list(_promised(wanted).filter(pk__gt=through).order_by("pk").values_list("pk", flat=True)[:BATCH])


def _version(policy: Policy, number: int | None) -> PolicyVersion:
    known = policy.versions.select_related("calendar").order_by("-number")
    wanted = known.filter(state__in=promising.OPEN_STATES) if number is None else known.filter(number=number)
    version = wanted.first()
    if version is None:
        raise InvalidInput.on("number", f"This policy has no version {number}.", "not_found")
    return version


def _hours(calendar: Calendar) -> dict[str, Any]:
    version = calendar.versions.get(state=VersionState.ACTIVE)
    return {"timezone": version.timezone, "week": version.week, "holidays": version.holidays}


def _other_hours(calendar: Mapping[str, Any]) -> dict[str, Any]:
    """Raises InvalidInput naming what is wrong within `calendar`."""
    try:
        return calendars.checked_hours(**calendar)
    except InvalidInput as wrong:
        errors = [replace(error, field=f"calendar.{error.field}") for error in wrong.errors]
        raise InvalidInput(wrong.detail, errors=errors) from None


def _call(job: Simulation) -> SimulationBegun:
    return SimulationBegun(subject_id=job.policy_id, simulation_id=job.pk, through=job.through)
