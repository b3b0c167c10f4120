"""The clocks of a ticket: a pure function of what happened to it, its policy and its calendar.

No database, no wall clock. What is stored about clocks elsewhere is a copy of what this module answers, and a command
compares the two. Times count by `hours`; every instant is UTC.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import IntEnum, StrEnum

from sla.hours import Hours, between, end_of

ZERO = timedelta(0)
DONE = frozenset({"resolved", "closed"})


class Metric(StrEnum):
    FIRST_RESPONSE = "first_response"
    NEXT_RESPONSE = "next_response"
    RESOLUTION = "resolution"


class State(StrEnum):
    """`breached` still runs; `missed` was stopped too late; `cancelled` was stopped by something else than its aim."""

    RUNNING = "running"
    PAUSED = "paused"
    BREACHED = "breached"
    MET = "met"
    MISSED = "missed"
    CANCELLED = "cancelled"


class Kind(IntEnum):
    """What a clock listens to, in the order in which facts of one instant and number are taken.

    TAKEN_OVER is CREATED for a ticket that was answered elsewhere: it owes no first response.
    """

    CREATED = 0
    TAKEN_OVER = 1
    PRIORITY = 2
    CUSTOMER_SPOKE = 3
    REPLIED = 4
    STATUS = 5


@dataclass(frozen=True, kw_only=True, order=True)
class Fact:
    """One thing that happened. `value` is the new priority or status; `number` orders facts of one instant."""

    at: datetime
    number: int = 0
    kind: Kind
    value: str = ""


@dataclass(frozen=True, kw_only=True)
class Targets:
    """Working time allowed at one priority; None: not measured."""

    first_response: timedelta | None = None
    next_response: timedelta | None = None
    resolution: timedelta | None = None

    def of(self, metric: Metric) -> timedelta | None:
        target: timedelta | None = getattr(self, metric.value)
        return target


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What is promised. `warn_at` is the share of a target after which it is at risk.

    A pending ticket waits for its customer: its resolution clock stands still, and with `pending_pauses_responses` the
    response clocks too. `on_hold_pauses` says the same of a ticket that waits for a third party. `floor` is the working
    time that is left at least when a target moves, so that raising a priority, or reopening, is no instant breach.
    """

    targets: Mapping[str, Targets]
    warn_at: float = 0.8
    floor: timedelta = timedelta(minutes=10)
    pending_pauses_responses: bool = False
    on_hold_pauses: bool = False

    def pauses(self, metric: Metric, status: str) -> bool:
        if status == "pending":
            return metric == Metric.RESOLUTION or self.pending_pauses_responses
        return (
            status == "on_hold"
            and self.on_hold_pauses
            and (metric == Metric.RESOLUTION or self.pending_pauses_responses)
        )


@dataclass(frozen=True, kw_only=True)
class Pause:
    started_at: datetime
    ended_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Clock:
    """One promise. `elapsed` is working time until now or until it stopped; `target` what is allowed of it.

    Of `elapsed`, `counted` was used before `running_since`, where the stretch begins that counts now (None: it stands
    still). All but `elapsed` changes only when something happens, or when a warning or the end becomes due.
    `due_at` and `warn_at` are None while it does not run. `breached_at` and `warned_at` are the instants at which it
    was due, never those at which somebody noticed. `cause` says what the target comes from: `created`, `retargeted`
    (the priority changed), `floored` (it changed so late that only the floor was left) or `reopened`.
    """

    metric: Metric
    cycle: int
    started_at: datetime
    state: State
    target: timedelta
    elapsed: timedelta
    counted: timedelta
    running_since: datetime | None
    cause: str
    due_at: datetime | None = None
    warn_at: datetime | None = None
    warned_at: datetime | None = None
    breached_at: datetime | None = None
    stopped_at: datetime | None = None
    pauses: tuple[Pause, ...] = ()

    @property
    def remaining(self) -> timedelta:
        """Working time that is left; negative once it is overdue."""
        return self.target - self.elapsed

    @property
    def open(self) -> bool:
        return self.state in {State.RUNNING, State.PAUSED, State.BREACHED}


def clocks(facts: Iterable[Fact], *, policy: Policy, hours: Hours, now: datetime) -> list[Clock]:
    """Every clock the ticket ever had, the first cycle of a metric first. Facts may come in any order.

    Without a fact that begins it there is none. Raises hours.NoWorkingTime.
    """
    ticket = _Ticket(policy, hours)
    for fact in sorted(facts):
        if fact.at <= now:
            ticket.take(fact)
    return [run.clock(now) for run in ticket.runs]


@dataclass
class _Run:
    """A clock that is being wound through the facts."""

    metric: Metric
    cycle: int
    started_at: datetime
    target: timedelta
    warn_share: float
    hours: Hours
    elapsed: timedelta = ZERO
    cause: str = "created"
    since: datetime | None = None  # begin of the stretch that counts; None while it stands still
    warned_at: datetime | None = None
    breached_at: datetime | None = None
    stopped_at: datetime | None = None
    ending: State | None = None
    pauses: list[Pause] = field(default_factory=list)

    def resume(self, at: datetime) -> None:
        if self.since is None:
            self.since = at
            if self.pauses and self.pauses[-1].ended_at is None:
                begun = self.pauses.pop().started_at
                if begun < at:
                    self.pauses.append(Pause(started_at=begun, ended_at=at))

    def pause(self, at: datetime) -> None:
        if self.since is not None:
            self._count(at)
            self.since = None
            self.pauses.append(Pause(started_at=at))

    def retarget(self, at: datetime, target: timedelta, floor: timedelta) -> None:
        """From now on `target`; a shorter one leaves the floor, but no more than was left before."""
        self._count(at)
        least = min(self.elapsed + floor, self.target)
        self.target, self.cause = (target, "retargeted") if target >= least else (least, "floored")

    def carry_on(self, elapsed: timedelta, floor: timedelta) -> None:
        """Begins with what an earlier cycle used; at least the floor is left."""
        self.elapsed, self.cause = elapsed, "reopened"
        self.target = max(self.target, elapsed + floor)

    def stop(self, at: datetime, ending: State) -> None:
        self.pause(at)
        if self.pauses and self.pauses[-1].started_at == at:
            self.pauses.pop()  # it does not wait, it is over
        elif self.pauses and self.pauses[-1].ended_at is None:
            self.pauses[-1] = Pause(started_at=self.pauses[-1].started_at, ended_at=at)
        self.stopped_at = at
        self.ending = State.MISSED if ending == State.MET and self.breached_at else ending

    def start_again(self) -> None:
        """Takes a stop back, from which nothing followed; the time of it does not count."""
        begun, self.stopped_at, self.ending = self.stopped_at, None, None
        if begun is not None:
            self.pauses.append(Pause(started_at=begun))

    def clock(self, now: datetime) -> Clock:
        counted, since = self.elapsed, self.since
        self._count(now)
        runs = since is not None
        state = self.ending or (State.RUNNING if runs else State.PAUSED)
        due_at = self.breached_at or (self._instant_of(self.target) if runs else None)
        return Clock(
            metric=self.metric,
            cycle=self.cycle,
            started_at=self.started_at,
            state=State.BREACHED if self.breached_at and self.ending is None else state,
            target=self.target,
            elapsed=self.elapsed,
            counted=counted,
            running_since=since,
            cause=self.cause,
            due_at=due_at if self.ending is None else None,
            warn_at=self._instant_of(self.warn_after) if runs and not self.warned_at else None,
            warned_at=self.warned_at,
            breached_at=self.breached_at,
            stopped_at=self.stopped_at,
            pauses=tuple(self.pauses),
        )

    @property
    def warn_after(self) -> timedelta:
        return self.target * self.warn_share

    def _count(self, to: datetime) -> None:
        """Adds the working time up to `to` and notes what became due on the way."""
        if self.since is None:
            return
        counted = between(self.hours, self.since, to)
        if self.warned_at is None and self.elapsed + counted >= self.warn_after:
            warned = self._instant_of(self.warn_after)
            self.warned_at = warned if warned <= to else None
        if self.breached_at is None and self.elapsed + counted >= self.target:
            breached = self._instant_of(self.target)
            self.breached_at = breached if breached <= to else None
        self.elapsed += counted
        self.since = to

    def _instant_of(self, elapsed: timedelta) -> datetime:
        """When the running clock shows this."""
        assert self.since is not None  # noqa: S101 - asked of running clocks only
        return end_of(self.hours, self.since, max(elapsed - self.elapsed, ZERO))


class _Ticket:
    """The ticket as the facts make it, with its clocks."""

    def __init__(self, policy: Policy, hours: Hours) -> None:
        self.policy, self.hours = policy, hours
        self.runs: list[_Run] = []
        self.status, self.priority = "open", ""
        self.answered = False

    def take(self, fact: Fact) -> None:
        match fact.kind:
            case Kind.CREATED:
                self.priority = fact.value
                self._start(Metric.FIRST_RESPONSE, fact.at)
                self._start(Metric.RESOLUTION, fact.at)
            case Kind.TAKEN_OVER:
                self.priority, self.answered = fact.value, True
                self._start(Metric.RESOLUTION, fact.at)
            case Kind.PRIORITY:
                self._reprioritise(fact.value, fact.at)
            case Kind.CUSTOMER_SPOKE:
                if self.answered and self._open(Metric.NEXT_RESPONSE) is None:
                    self._start(Metric.NEXT_RESPONSE, fact.at)
            case Kind.REPLIED:
                self.answered = True
                for metric in (Metric.FIRST_RESPONSE, Metric.NEXT_RESPONSE):
                    if run := self._open(metric):
                        run.stop(fact.at, State.MET)
            case Kind.STATUS:
                self._move(fact.value, fact.at)

    def _move(self, status: str, at: datetime) -> None:
        was_done, self.status = self.status in DONE, status
        if status in DONE:
            for run in self.runs:
                if run.ending is None:
                    run.stop(at, State.MET if run.metric == Metric.RESOLUTION else State.CANCELLED)
            return
        if was_done:
            self._reopen(at)
        for run in self.runs:
            if run.ending is None:
                self._settle(run, at)

    def _reopen(self, at: datetime) -> None:
        """Resolution goes on in a new cycle with what was used before; a first response never given is owed again."""
        last = self._last(Metric.RESOLUTION)
        run = self._start(Metric.RESOLUTION, at) if last else None
        if last and run:
            run.carry_on(last.elapsed, self.policy.floor)
        first = self._last(Metric.FIRST_RESPONSE)
        if first is not None and first.ending == State.CANCELLED:
            first.start_again()

    def _reprioritise(self, priority: str, at: datetime) -> None:
        self.priority = priority
        for run in self.runs:
            target = self._target(run.metric)
            if run.ending is None and target is not None:
                run.retarget(at, target, self.policy.floor)

    def _start(self, metric: Metric, at: datetime) -> _Run | None:
        target = self._target(metric)
        if target is None:
            return None
        cycle = sum(run.metric == metric for run in self.runs) + 1
        run = _Run(metric, cycle, at, target, self.policy.warn_at, self.hours)
        self.runs.append(run)
        run.resume(at)
        self._settle(run, at)
        return run

    def _settle(self, run: _Run, at: datetime) -> None:
        if self.status in DONE or self.policy.pauses(run.metric, self.status):
            run.pause(at)
        else:
            run.resume(at)

    def _target(self, metric: Metric) -> timedelta | None:
        targets = self.policy.targets.get(self.priority)
        return targets.of(metric) if targets else None

    def _open(self, metric: Metric) -> _Run | None:
        return next((run for run in self.runs if run.metric == metric and run.ending is None), None)

    def _last(self, metric: Metric) -> _Run | None:
        return next((run for run in reversed(self.runs) if run.metric == metric), None)
