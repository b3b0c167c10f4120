"""A thousand tickets for two hundred places, over and over: every place is filled, none twice, and nobody is told that
there is none while there is one.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Q

from agents.models import Agent, Department
from supportdesk.tests.chaos import desk
from supportdesk.tests.chaos.crew import crew
from supportdesk.tests.chaos.report import Drill, Outcome, Setting
from tickets import workload
from tickets.enums import DecisionOutcome
from tickets.matching import ONE, Candidate
from tickets.models import AssignmentDecision, Ticket
from tickets.services import assignment, candidates

THREADS = 5


@dataclass(frozen=True, kw_only=True)
class Share:
    key: str
    tickets: Sequence[int]


def assign_all(share: Share) -> list[tuple[int, str]]:
    """Status and outcome of each."""
    answers = [desk.api(share.key).post(f"/api/tickets/{pk}/auto-assign") for pk in share.tickets]
    return [(answer.status, answer.body["decision"]["outcome"] if answer.status == 200 else "") for answer in answers]


def run(setting: Setting) -> Outcome:
    rounds, tickets, agents, capacity = (20, 1_000, 20, 10) if setting.full else (2, 100, 5, 4)
    places = agents * capacity
    department, team = desk.make_team(agents, capacity=capacity)
    key = desk.make_machine()
    tally: Counter[str] = Counter()
    seconds = 0.0
    fault = DRILL.faults.get(setting.broken)
    with crew(processes=4 if setting.full else 2, threads=THREADS, fault=fault) as rivals:
        rivals.race(desk.get_ready, [key] * rivals.rivals)
        for _ in range(rounds):
            ids = [ticket.pk for ticket in desk.make_tickets(tickets, department)]
            shares = [Share(key=key, tickets=ids[number :: rivals.rivals]) for number in range(rivals.rivals)]
            began = time.monotonic()
            answers = [answer for found in rivals.race(assign_all, shares) for answer in found]
            seconds += time.monotonic() - began
            tally += _counted(answers, department, team, places)
            Ticket.objects.filter(department=department).delete()
    return Outcome(
        counts={
            "assigned": (tally["assigned"], rounds * places),
            "told_nobody": (tally["nobody"], rounds * (tickets - places)),
            "over_capacity": (tally["over"], 0),
            "double": (tally["double"], 0),
            "false_nobody": (tally["false"], 0),
            "errors": (tally["errors"], 0),
        },
        shown={"rounds": rounds, "tickets": tickets, "places": places, "per_second": round(rounds * tickets / seconds)},
    )


def _counted(
    answers: Sequence[tuple[int, str]], department: Department, team: Sequence[Agent], places: int
) -> Counter[str]:
    loads = [workload.load_of(agent.pk) // ONE for agent in team]
    return Counter(
        {
            "assigned": Ticket.objects.filter(department=department, assignee__isnull=False).count(),
            "nobody": sum(outcome == DecisionOutcome.NOBODY for _, outcome in answers),
            "over": sum(max(0, load - agent.capacity) for load, agent in zip(loads, team, strict=True)),
            "double": _doubles(department),
            "false": _false_nobodies(department, places),
            "errors": sum(status != 200 for status, _ in answers),
        }
    )


def _doubles(department: Department) -> int:
    """Tickets with more than one open assignment, or with another one than the ticket says."""
    current = Count("assignments", filter=Q(assignments__ended_at__isnull=True))
    tickets: Any = Ticket.objects.filter(department=department).annotate(current=current)
    return sum(ticket.current != (ticket.assignee_id is not None) for ticket in tickets)


def _false_nobodies(department: Department, places: int) -> int:
    """Decisions that there is nobody, with fewer decisions for somebody before them than there are places."""
    made = AssignmentDecision.objects.filter(ticket__department=department).order_by("pk")
    given = false = 0
    for outcome in made.values_list("outcome", flat=True):
        given += outcome == DecisionOutcome.AUTO
        false += outcome == DecisionOutcome.NOBODY and given < places
    return false


def count_then_insert() -> None:
    """No lock at all: who has room is read, and then written."""
    assignment._one_at_a_time = lambda: None
    candidates.hold = lambda agent_id: Agent.objects.get_queryset().get(pk=agent_id)


def skip_locked() -> None:
    """No lock of the desk, and an agent whose row somebody else has is passed over."""
    assignment._one_at_a_time = lambda: None
    held = candidates.held

    def held_or_passed_over(agent_id: int, ticket: Ticket) -> Candidate:
        free = Agent.objects.get_queryset().select_for_update(no_key=True, skip_locked=True, of=("self",))
        if not free.filter(pk=agent_id).exists():
            return Candidate(id=agent_id, active=False)
        return held(agent_id, ticket)

    candidates.held = held_or_passed_over


DRILL = Drill(run=run, faults={"count-then-insert": count_then_insert, "skip-locked": skip_locked})
