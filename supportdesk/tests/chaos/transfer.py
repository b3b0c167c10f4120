"""Eight who transfer the same ticket to eight agents: one wins, the others are told who, and the history is a chain."""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from supportdesk.tests.chaos import desk
from supportdesk.tests.chaos.crew import crew
from supportdesk.tests.chaos.report import Drill, Outcome, Setting
from tickets import workload
from tickets.enums import DecisionOutcome
from tickets.matching import ONE
from tickets.models import Assignment, AssignmentDecision, Ticket
from tickets.services import assignment
from tickets.tests.builders import assign

RIVALS = 8


@dataclass(frozen=True, kw_only=True)
class Wish:
    key: str
    ticket: int
    before: int
    after: int


def transfer(wish: Wish) -> tuple[int, Any]:
    """Status, and who has the ticket then as far as the answer says."""
    body = {"from_agent_id": wish.before, "agent_id": wish.after, "reason": "Drill"}
    answer = desk.api(wish.key).post(f"/api/tickets/{wish.ticket}/transfer", body)
    if answer.status == 200:
        return answer.status, answer.body["ticket"]["assignee"]["id"]
    return answer.status, answer.body.get("current", {}).get("assignee", {}).get("id")


def run(setting: Setting) -> Outcome:
    rounds, processes = (500, 4) if setting.full else (20, 2)
    department, team = desk.make_team(RIVALS + 1, capacity=1)
    key, (ticket,) = desk.make_machine(), desk.make_tickets(1, department)
    owner = team[0].pk
    assign(ticket, team[0])
    one_winner = told = errors = 0
    with crew(processes=processes, threads=RIVALS // processes, fault=DRILL.faults.get(setting.broken)) as rivals:
        for _ in range(rounds):
            others = [agent.pk for agent in team if agent.pk != owner]
            wishes = [Wish(key=key, ticket=ticket.pk, before=owner, after=after) for after in others]
            answers = rivals.race(transfer, wishes)
            owner = Ticket.objects.values_list("assignee_id", flat=True).get(pk=ticket.pk) or 0
            one_winner += Counter(status for status, _ in answers) == {200: 1, 409: len(others) - 1}
            told += all(who == owner for _, who in answers)
            errors += sum(status >= 500 for status, _ in answers)
    loads = {agent.pk: workload.load_of(agent.pk) for agent in team}
    transfers = AssignmentDecision.objects.filter(ticket=ticket, outcome=DecisionOutcome.TRANSFER)
    return Outcome(
        counts={
            "one_winner": (one_winner, rounds),
            "all_told_who": (told, rounds),
            "chain": (_chain(ticket), rounds + 1),
            "decisions": (transfers.count(), rounds),
            "load_elsewhere": (sum(loads.values()) - loads[owner], 0),
            "load_of_owner": (loads[owner], ONE),
            "errors_5xx": (errors, 0),
        },
        shown={"rounds": rounds, "rivals": RIVALS},
    )


def _chain(ticket: Ticket) -> int:
    """How many assignments there are, if each begins when the one before it ends, from whose it was; else 0."""
    entries = list(Assignment.objects.filter(ticket=ticket).order_by("pk"))
    linked = all(
        (before.ended_at, before.agent_id) == (after.assigned_at, after.previous_agent_id)
        for before, after in pairwise(entries)
    )
    return len(entries) if linked and [entry.ended_at for entry in entries].count(None) == 1 else 0


def unlocked() -> None:
    """The ticket is read without its lock."""

    def read(ticket_id: int, by: Any) -> Ticket:
        tickets: Any = Ticket.objects.visible_to(by).select_related("customer", "follow_up_of")
        ticket: Ticket = tickets.get(pk=ticket_id)
        return ticket

    assignment._locked = read


DRILL = Drill(run=run, faults={"unlocked": unlocked})
