"""A day of work, replayed fast: how many insights are there when a ticket is opened, with and without asking ahead.

A minute of the day takes half a second, or as long as it takes; what is kept grows old by it, and the budget is that of
as many hours. What arrives at Quimbi is counted by the minute of the day.
"""

import random
import time
from bisect import bisect
from collections import Counter
from dataclasses import dataclass, field

from django.conf import settings
from django.utils import timezone

from agents.models import Agent, Department
from agents.tests.builders import SYSTEM
from customers.models import Customer
from customers.tests.builders import make_customer
from quimbi.sandbox import Sandbox
from quimbi.types import Purpose, Source
from supportdesk.tests.chaos import desk
from supportdesk.tests.chaos.report import Drill, Outcome, Setting
from tickets.models import Ticket
from tickets.services import advising, lifecycle
from tickets.tests.builders import assign, make_ticket

MINUTE = 0.5  # seconds that a minute of the day takes at least
REGULARS = 0.3  # of the tickets are of somebody who wrote before


@dataclass(kw_only=True)
class Day:
    agents: list[Agent]
    department: Department
    chance: random.Random
    customers: list[Customer] = field(default_factory=list)
    sources: Counter[Source] = field(default_factory=Counter)
    viewed: int = 0
    begun: list[float] = field(default_factory=list)  # the minutes

    def live(self, minutes: int, *, ahead: bool) -> None:
        for _ in range(minutes):
            began = time.monotonic()
            self.begun.append(began)
            self._arrive()
            if ahead:
                advising.meet_queues(by=SYSTEM, now=timezone.now())
            for agent in self.agents:
                if self.chance.random() < 1 / 6:  # a ticket takes an agent six minutes
                    self._work(agent)
            time.sleep(max(0.0, MINUTE - (time.monotonic() - began)))

    def _arrive(self) -> None:
        for agent in self.agents:
            if self.chance.random() < 1 / 6:
                known = self.customers and self.chance.random() < REGULARS
                customer = self.chance.choice(self.customers) if known else make_customer(email=None)
                self.customers.append(customer)
                assign(make_ticket(customer=customer, department=self.department), agent)

    def _work(self, agent: Agent) -> None:
        """Opens what comes first, answers it and is done with it."""
        ticket = Ticket.objects.unfinished().filter(assignee=agent).order_by("rank_at", "pk").first()
        if ticket is None:
            return
        found = advising.insights_of([ticket.customer_id], purpose=Purpose.REQUEST)[ticket.customer_id]
        self.viewed += 1
        self.sources += Counter([found.dna.source, found.churn.source])
        lifecycle.update_ticket(ticket_id=ticket.pk, changes={"status": "resolved"}, by=SYSTEM, now=timezone.now())


def run(setting: Setting) -> Outcome:
    if setting.broken:
        DRILL.faults[setting.broken]()
    minutes, agents = (480, 12) if setting.full else (25, 4)
    settings.QUIMBI_CACHE_INTELLIGENCE_TTL = round(15 * MINUTE)
    settings.QUIMBI_CACHE_CHURN_TTL = round(60 * MINUTE)
    a_minute, allowed = settings.QUIMBI_CALLS_PER_MINUTE, settings.QUIMBI_CALLS_PER_HOUR
    settings.QUIMBI_CALLS_PER_MINUTE = round(allowed / MINUTE)  # in sixty seconds are so many hours of the day
    settings.QUIMBI_CALLS_PER_HOUR = 60 * settings.QUIMBI_CALLS_PER_MINUTE
    there: dict[bool, float] = {}
    shown: dict[str, object] = {}
    busiest = 0
    for ahead in (True, False):
        department, team = desk.make_team(agents, capacity=500)
        with Sandbox(key=settings.QUIMBI_API_KEY) as sandbox:
            settings.QUIMBI_BASE_URL = sandbox.url
            desk.forget_quimbi()
            day = Day(agents=team, department=department, chance=random.Random(setting.seed))
            day.live(minutes, ahead=ahead)
            arrived = [one.at for one in sandbox.requests]
        by_minute = Counter(bisect(day.begun, at) for at in arrived)
        busiest = max([busiest, *by_minute.values()])
        there[ahead] = day.sources[Source.CACHE] / max(1, day.sources.total())
        shown["ahead" if ahead else "not_ahead"] = {
            "viewed": day.viewed,
            "there_when_opened": round(there[ahead], 3),
            "missing": day.sources[Source.NONE],
            "calls_per_viewed_ticket": round(len(arrived) / max(1, day.viewed), 2),
            "calls_in_the_busiest_minute": max(by_minute.values(), default=0),
        }
    return Outcome(
        counts={
            "over_the_minutes_budget": (max(0, busiest - a_minute), 0),
            "asking_ahead_pays": (there[True] > there[False] + 0.2, True),
        },
        shown=shown,
    )


def look_away() -> None:
    """Nobody asks ahead."""
    advising.meet_queues = lambda **_: 0


DRILL = Drill(run=run, faults={"look-away": look_away})
