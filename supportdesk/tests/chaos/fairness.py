"""Weeks at a desk with shifts, on a clock that runs by itself: every agent gets the share of the tickets that being
there, with the capacity they have, earns them.

Of each ticket that comes in, everybody who is online earns a part by their capacity. Agents work on all they have at
once, and on nothing while they are away; each ticket takes its time, whoever has it. In full, every step goes through
the services; else the same days are played with the rules of matching alone.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count
from random import Random
from typing import Protocol

from agents.enums import Availability
from agents.tests.builders import make_agent, make_department
from customers.tests.builders import make_customer
from supportdesk.core.actor import Door, system
from supportdesk.tests.chaos.report import Drill, Outcome, Setting
from tickets import matching
from tickets.matching import ONE, Candidate, Decision, Need
from tickets.models import Ticket
from tickets.services import assignment, lifecycle, waiting
from tickets.tests.builders import set_agent

START = datetime(2026, 1, 5, tzinfo=UTC)
ARRIVALS = 10_000
WITHIN = 0.10
HANDLING = timedelta(hours=1)  # on average, while its agent is there
USED = 0.6  # part of the capacity that is taken, on average
# Capacity, and the hours of the day at which the agent is online.
SHIFTS = [(4, 0, 24), (8, 0, 24), (12, 0, 24), (6, 0, 12), (10, 0, 12), (6, 12, 24), (10, 12, 24), (8, 6, 18)]
MEAN_CAPACITY = sum(capacity * (end - begin) / 24 for capacity, begin, end in SHIFTS)


class Desk(Protocol):
    """Where tickets and agents are; agents are numbered as in SHIFTS."""

    def open(self, now: datetime) -> tuple[int, int | None]:
        """A new ticket: its number, and who got it."""

    def resolve(self, ticket: int, now: datetime) -> None: ...

    def give_out(self, now: datetime) -> Iterator[tuple[int, int]]:
        """Tickets that waited, and who got each."""

    def set_online(self, agent: int, online: bool) -> None: ...


class PaperDesk:
    """The rules of matching, and nothing else."""

    def __init__(self) -> None:
        self.team = [
            Candidate(id=number, capacity=capacity, availability=Availability.OFFLINE)
            for number, (capacity, _, _) in enumerate(SHIFTS)
        ]
        self.numbers = count()
        self.queue: list[int] = []
        self.owner: dict[int, int] = {}

    def open(self, now: datetime) -> tuple[int, int | None]:
        ticket = next(self.numbers)
        who = self._give(ticket, now)
        if who is None:
            self.queue.append(ticket)
        return ticket, who

    def resolve(self, ticket: int, now: datetime) -> None:
        who = self.owner.pop(ticket)
        self.team[who] = replace(self.team[who], load=self.team[who].load - ONE)

    def give_out(self, now: datetime) -> Iterator[tuple[int, int]]:
        while self.queue and (who := self._give(self.queue[0], now)) is not None:
            yield self.queue.pop(0), who

    def set_online(self, agent: int, online: bool) -> None:
        availability = Availability.ONLINE if online else Availability.OFFLINE
        self.team[agent] = replace(self.team[agent], availability=availability)

    def _give(self, ticket: int, now: datetime) -> int | None:
        who = matching.choose(Need(category="general"), self.team).chosen
        if who is not None:
            self.owner[ticket] = who
            self.team[who] = replace(self.team[who], load=self.team[who].load + ONE, last_assigned_at=now)
        return who


class RealDesk:
    """The services, on a database."""

    by = system("drill", origin=Door.IMPORT)  # nothing follows by itself: the drill is the clock

    def __init__(self) -> None:
        self.department, self.customer = make_department(), make_customer(email=None)
        self.team = [
            make_agent(
                email=f"{self.department.pk}-{number}@example.com", department=self.department, capacity=capacity
            )
            for number, (capacity, _, _) in enumerate(SHIFTS)
        ]
        self.numbers = {agent.pk: number for number, agent in enumerate(self.team)}

    def open(self, now: datetime) -> tuple[int, int | None]:
        given = {"customer": self.customer, "department": self.department, "by": self.by, "now": now}
        ticket = lifecycle.create_ticket(subject="Drill", description="Drill", **given)  # type: ignore[arg-type]
        result = assignment.auto_assign(ticket_id=ticket.pk, by=self.by, now=now)
        return ticket.pk, self.numbers.get(result.ticket.assignee_id or 0)

    def resolve(self, ticket: int, now: datetime) -> None:
        lifecycle.update_ticket(ticket_id=ticket, changes={"status": "resolved"}, by=self.by, now=now)

    def give_out(self, now: datetime) -> Iterator[tuple[int, int]]:
        waited = Ticket.objects.filter(department=self.department, queued_at__isnull=False)
        ids = list(waited.values_list("pk", flat=True))
        if ids and waiting.assign_waiting(by=self.by, now=now):
            given = Ticket.objects.filter(pk__in=ids, assignee__isnull=False)
            yield from ((pk, self.numbers[who]) for pk, who in given.values_list("pk", "assignee_id"))

    def set_online(self, agent: int, online: bool) -> None:
        set_agent(self.team[agent], availability="online" if online else "offline")


class Days:
    """The clock and what happens by it."""

    def __init__(self, desk: Desk, random: Random) -> None:
        self.desk, self.random, self.now = desk, random, START
        self.agenda: list[tuple[datetime, int, str, int]] = []
        self.numbers = count()
        self.online: set[int] = set()
        self.left: dict[int, timedelta] = {}  # work that is left on a ticket
        self.since: dict[int, datetime] = {}  # since when it is being worked on
        self.tickets: dict[int, set[int]] = defaultdict(set)  # of each agent
        self.given: Counter[int] = Counter()
        self.earned: dict[int, float] = defaultdict(float)
        self.arrived = 0

    def play(self) -> None:
        for agent, (_, begin, _) in enumerate(SHIFTS):
            self.plan(START + timedelta(hours=begin), "come", agent)
        self.plan(START, "arrive")
        while self.arrived < ARRIVALS:
            self.now, _, what, which = heapq.heappop(self.agenda)
            match what:
                case "come":
                    self.come(which)
                case "go":
                    self.go(which)
                case "arrive":
                    self.arrive()
                case "done":
                    self.finish(which)

    def plan(self, at: datetime, what: str, which: int = 0) -> None:
        heapq.heappush(self.agenda, (at, next(self.numbers), what, which))

    def arrive(self) -> None:
        capacity = sum(SHIFTS[agent][0] for agent in self.online)
        for agent in self.online:
            self.earned[agent] += SHIFTS[agent][0] / capacity
        ticket, who = self.desk.open(self.now)
        self.left[ticket] = HANDLING * self.random.expovariate(1.0)
        if who is not None:
            self.take(ticket, who)
        self.arrived += 1
        self.plan(self.now + HANDLING / (USED * MEAN_CAPACITY) * self.random.expovariate(1.0), "arrive")

    def take(self, ticket: int, agent: int) -> None:
        self.given[agent] += 1
        self.tickets[agent].add(ticket)
        self.work_on(ticket)

    def work_on(self, ticket: int) -> None:
        self.since[ticket] = self.now
        self.plan(self.now + self.left[ticket], "done", ticket)

    def finish(self, ticket: int) -> None:
        if ticket not in self.since or self.since[ticket] + self.left[ticket] != self.now:
            return  # its agent went home in between
        self.desk.resolve(ticket, self.now)
        del self.since[ticket], self.left[ticket]
        next(theirs for theirs in self.tickets.values() if ticket in theirs).remove(ticket)
        self.give_out()

    def come(self, agent: int) -> None:
        self.desk.set_online(agent, True)
        self.online.add(agent)
        for ticket in sorted(self.tickets[agent]):
            self.work_on(ticket)
        self.give_out()
        _, begin, end = SHIFTS[agent]
        if end - begin < 24:
            self.plan(self.now + timedelta(hours=end - begin), "go", agent)

    def go(self, agent: int) -> None:
        self.desk.set_online(agent, False)
        self.online.remove(agent)
        for ticket in self.tickets[agent]:
            self.left[ticket] -= self.now - self.since.pop(ticket)
        _, begin, end = SHIFTS[agent]
        self.plan(self.now + timedelta(hours=24 - (end - begin)), "come", agent)

    def give_out(self) -> None:
        for ticket, agent in self.desk.give_out(self.now):
            self.take(ticket, agent)


def run(setting: Setting) -> Outcome:
    if setting.broken:
        DRILL.faults[setting.broken]()
    days = Days(RealDesk() if setting.full else PaperDesk(), Random(setting.seed))
    days.play()
    off = [days.given[agent] / days.earned[agent] - 1 for agent in range(len(SHIFTS))]
    at_hand = sum(len(tickets) for tickets in days.tickets.values())
    return Outcome(
        counts={
            "arrivals": (days.arrived, ARRIVALS),
            "given_or_waiting": (days.given.total() + len(days.left) - at_hand, ARRIVALS),
            "agents_off_their_share": (sum(abs(part) > WITHIN for part in off), 0),
        },
        shown={
            "through_services": setting.full,
            "agents": len(SHIFTS),
            "days": (days.now - START).days,
            "within": WITHIN,
            "worst": round(max(map(abs, off)), 4),
            "given_and_earned": [[days.given[agent], round(days.earned[agent])] for agent in range(len(SHIFTS))],
        },
    )


def first_come() -> None:
    """Whoever stands first in the list and can take it."""
    choose = matching.choose

    def choose_first(need: Need, candidates: list[Candidate]) -> Decision:
        fit = [candidate for candidate in candidates if matching.unfit(need, candidate) is None]
        return choose(need, sorted(fit, key=lambda candidate: candidate.id)[:1])

    for module in (matching, assignment):
        setattr(module, "choose", choose_first)  # noqa: B010 - a name that the module does not give out


DRILL = Drill(run=run, faults={"first-come": first_come})
