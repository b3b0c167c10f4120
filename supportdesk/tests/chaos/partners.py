"""Partners are down for ten minutes: agents notice nothing, what they do waits, and goes out afterwards, in order and
once.

Time is what the drill says it is: instead of waiting it moves what waits. Gorgias answers 503, hangs up, limits us and
takes messages without saying so; Slack is down as well.
"""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db.models import F

from agents.tests.builders import make_agent
from integrations.gorgias import client, failures, outbound, turns
from integrations.gorgias.sandbox import EMAIL, Asked, Sandbox, Scripted
from integrations.models import SlackChannel
from integrations.slack.sandbox import Sandbox as Slack
from integrations.slack.sandbox import Scripted as SlackScripted
from integrations.tests.builders import GorgiasDesk, make_slack
from supportdesk.core import delivery, http
from supportdesk.core.asking import redis
from supportdesk.core.breaker import Breaker
from supportdesk.core.models import Delivery
from supportdesk.tests.chaos.report import Drill, Outcome, Setting
from supportdesk.tests.client import Api

OURS = "integrations."
TICK, OUTAGE, PATIENCE = 15.0, 600.0, 3_600.0  # seconds on the drill's clock
LIMITED = 45  # seconds that a 429 asks for
WAYS = (
    Scripted(status=503, body="<html>"),
    Scripted(drop=True),
    Scripted(status=429, headers={"Retry-after": str(LIMITED)}, body={}),
)


class Clock:
    """Moves on by itself, and by what the drill adds."""

    ahead = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def pass_(self, seconds: float, connection_id: int) -> None:
        """Whatever waits has waited for so long more."""
        self.ahead += seconds
        past = timedelta(seconds=seconds)
        Delivery.objects.pending().update(due_at=F("due_at") - past)
        SlackChannel.objects.update(free_at=F("free_at") - past, gather_until=F("gather_until") - past)
        key = f"breaker:gorgias-{connection_id}"
        if kept := redis().get(key):
            state = json.loads(str(kept))
            for name in ("until", "paused"):
                state[name] = max(0.0, state[name] - seconds)
            redis().set(key, json.dumps(state))


def run(setting: Setting) -> Outcome:
    dice, clock, tickets = random.Random(setting.seed), Clock(), 40 if setting.full else 6
    if setting.broken:
        DRILL.faults[setting.broken]()
    client.FIRST = 0.01  # between the tries of one call
    there, slack = Sandbox(clock=clock.now), Slack()
    there.start()
    slack.start()
    settings.GORGIAS_BASE_URL, settings.SLACK_BASE_URL = there.url, f"{slack.url}/api/"
    make_slack()
    desk, api = GorgiasDesk(there), Api(make_agent(email=EMAIL, role="admin"))
    person = there.add_customer("zoe@example.com")
    known = [int(there.open_ticket(person, f"Question {number}")["id"]) for number in range(tickets)]
    desk.arrive()
    desk.leave()
    there.asked.clear()
    said: dict[int, list[str]] = {pk: [] for pk in known}
    answers, calls_down = list[int](), 0
    for at in range(0, int(OUTAGE), int(TICK)):
        there.down = None
        if dice.random() < 0.25:  # it takes one, and does not say so
            there.script("POST", "/api/tickets", Scripted(drop=True, stores=True))
        else:
            there.down = WAYS[at // 120 % len(WAYS)]
        slack.script("chat.postMessage", SlackScripted(status=503, body="<html>"))
        answers += _act(api, desk, dice.choice(known), said, dice)
        _work()
        clock.pass_(TICK, desk.known.pk)
    calls_down, there.down = len(there.asked), None
    there.scripted.clear()
    slack.scripted.clear()
    drained = _drain(clock, desk)
    there.stop()
    slack.stop()
    return _outcome(there, desk, known, said, answers, {"calls_while_down": calls_down, "drained_in": drained})


def _act(api: Api, desk: GorgiasDesk, pk: int, said: dict[int, list[str]], dice: random.Random) -> Iterator[int]:
    """An agent replies, and decides something about the ticket."""
    ours, text = desk.ticket(pk).pk, f"{pk} {len(said[pk])}"
    said[pk].append(text)
    yield api.post(f"/api/tickets/{ours}/messages", {"body": text}).status
    yield api.patch(f"/api/tickets/{ours}", {"priority": dice.choice(["urgent", "high", "low"])}).status


def _work() -> None:
    delivery.run_due(limit=10_000)


def _drain(clock: Clock, desk: GorgiasDesk) -> float:
    """Seconds on the drill's clock until nothing of ours waits any more."""
    since = clock.ahead
    while Delivery.objects.pending().filter(reaction__startswith=OURS).exists() and clock.ahead - since < PATIENCE:
        _work()
        clock.pass_(TICK, desk.known.pk)
    desk.arrive()
    return clock.ahead - since


def _outcome(
    there: Sandbox,
    desk: GorgiasDesk,
    known: list[int],
    said: dict[int, list[str]],
    answers: list[int],
    shown: dict[str, Any],
) -> Outcome:
    written = {pk: [one["body_text"] for one in there.tickets[pk]["messages"][1:]] for pk in known}
    twice = sum(count - 1 for texts in written.values() for count in Counter(texts).values())
    same = [there.tickets[pk]["priority"] == _there(desk.ticket(pk).priority) for pk in known]
    dead = Delivery.objects.dead().filter(reaction__startswith=OURS)
    return Outcome(
        counts={
            "api_errors": (sum(status not in {200, 201} for status in answers), 0),
            "in_order": (sum(written[pk] == said[pk] for pk in known), len(known)),
            "sent_twice": (twice, 0),
            "lost": (sum(len(set(said[pk]) - set(written[pk])) for pk in known), 0),
            "same_priority": (sum(same), len(known)),
            "calls_too_soon": (_too_soon(there.asked), 0),
            "given_up": (dead.count(), 0),
            "waiting": (Delivery.objects.pending().filter(reaction__startswith=OURS).count(), 0),
            "written_here": (sum(desk.ticket(pk).messages.count() - 1 - len(said[pk]) for pk in known), 0),
        },
        shown={"replies": sum(map(len, said.values())), **shown},
    )


def _there(priority: str) -> str:
    return {"urgent": "critical"}.get(priority, priority)


def _too_soon(asked: list[Asked]) -> int:
    """Calls within what the 429 before them asked for, on the drill's clock."""
    limits = [one.at for one in asked if one.answered == 429]
    return sum(any(limit < one.at < limit + LIMITED - 1 for limit in limits) for one in asked)


def impatient() -> None:
    """What a partner asks us to wait for is not heard."""
    http.retry_after = lambda value, *, now: 12.0  # more than a call may take
    Breaker.pause = lambda self, seconds: None  # type: ignore[method-assign]


def send_blindly() -> None:
    """What may have been sent is not looked for."""
    outbound.mark = lambda kind, number: f"other:{random.random()}"  # type: ignore[attr-defined]
    outbound._is_there = lambda turn, kind, local_id: False


def give_up() -> None:
    """To wait is a try, as any failure is."""

    class Failure(Exception):
        def __init__(self, seconds: float) -> None:
            super().__init__(seconds)

    failures.Later = turns.Later = Failure  # type: ignore[assignment, attr-defined, misc]


FAULTS: dict[str, Callable[[], None]] = {"impatient": impatient, "send-blindly": send_blindly, "give-up": give_up}
DRILL = Drill(run=run, faults=FAULTS)
