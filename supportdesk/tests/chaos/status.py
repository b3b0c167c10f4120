"""Eight who change the status of the same ticket: with the version they saw, one wins; without it, whatever is answered
with 200 is part of one history, each step of which is allowed.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Any

from supportdesk.core.models import Event
from supportdesk.tests.chaos import desk
from supportdesk.tests.chaos.crew import crew
from supportdesk.tests.chaos.report import Drill, Outcome, Setting
from tickets.enums import Status
from tickets.models import Ticket
from tickets.services import lifecycle
from tickets.status import TRANSITIONS

RIVALS = 8
REVERSIBLE = (Status.OPEN, Status.PENDING, Status.ON_HOLD, Status.RESOLVED)


@dataclass(frozen=True, kw_only=True)
class Wish:
    key: str
    ticket: int
    status: str
    version: int | None


def change(wish: Wish) -> tuple[int, str, int]:
    """HTTP status; status and version of the ticket as answered."""
    seen = {"if_match": f'"{wish.version}"'} if wish.version else {}
    answer = desk.api(wish.key).patch(f"/api/tickets/{wish.ticket}", {"status": wish.status}, **seen)
    if answer.status != 200:
        return answer.status, "", 0
    return answer.status, answer.body["ticket"]["status"], answer.body["ticket"]["version"]


def run(setting: Setting) -> Outcome:
    rounds, processes = (500, 4) if setting.full else (30, 2)
    random = Random(setting.seed)
    department, _ = desk.make_team(1, capacity=1)
    key, (ticket,) = desk.make_machine(), desk.make_tickets(1, department)
    one_winner = errors = 0
    answered: list[tuple[str, int]] = []
    with crew(processes=processes, threads=RIVALS // processes, fault=DRILL.faults.get(setting.broken)) as rivals:
        for number in range(rounds):
            ticket.refresh_from_db()
            versioned = number % 2 == 0
            targets = [*set(REVERSIBLE) & TRANSITIONS[Status(ticket.status)]] if versioned else [*REVERSIBLE]
            wishes = [
                Wish(
                    key=key,
                    ticket=ticket.pk,
                    status=random.choice(sorted(targets)),
                    version=ticket.version if versioned else None,
                )
                for _ in range(RIVALS)
            ]
            answers = rivals.race(change, wishes)
            tally = Counter(code for code, _, _ in answers)
            if versioned:
                one_winner += tally == {200: 1, 412: RIVALS - 1}
            errors += sum(count for code, count in tally.items() if code not in {200, 409, 412})
            answered += [(status, version) for code, status, version in answers if code == 200]
    return Outcome(
        counts={
            "one_winner": (one_winner, (rounds + 1) // 2),
            **_history(ticket, answered),
            "errors_5xx": (errors, 0),
        },
        shown={"rounds": rounds, "rivals": RIVALS, "answered_200": len(answered)},
    )


def _history(ticket: Ticket, answered: list[tuple[str, int]]) -> dict[str, tuple[Any, Any]]:
    """Facts of the ticket's status against its versions, the table of transitions, and what was answered."""
    ticket.refresh_from_db()
    facts = Event.objects.filter(subject_type="ticket", subject_id=ticket.pk, name="ticket.status_changed")
    steps = [
        (Status(step["before"]), Status(step["after"]))
        for step in facts.order_by("pk").values_list("payload", flat=True)
    ]
    standing = [Status.OPEN, *(after for _, after in steps)]  # by version, the first of which is 1
    return {
        "steps": (len(steps), ticket.version - 1),
        "broken_links": (sum(before[1] != after[0] for before, after in pairwise(steps)), 0),
        "illegal_steps": (sum(after not in TRANSITIONS[before] for before, after in steps), 0),
        "ends_elsewhere": (int(standing[-1] != ticket.status), 0),
        "answered_and_missing": (
            sum(version > len(standing) or standing[version - 1] != status for status, version in answered),
            0,
        ),
    }


def unlocked() -> None:
    """The ticket is read without its lock."""

    def read(ticket_id: int, *, by: Any, alerts_at: Any = None) -> Ticket:
        return Ticket.objects.visible_to(by).get(pk=ticket_id)

    lifecycle.locked = read


DRILL = Drill(run=run, faults={"unlocked": unlocked})
