"""Partners are down for ten minutes: agents notice nothing, what they do waits, and goes out afterwards, in order and
once.

Time is what the drill says it is: instead of waiting it moves what waits. Gorgias answers 503, hangs up, limits us and
takes messages without saying so; Slack and Shopify are down as well, while notes on customers and their tags change.
"""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.utils import timezone

from agents.tests.builders import make_agent
from customers.models import Customer, ExternalIdentity
from integrations.enums import Provider
from integrations.gorgias import client, failures, outbound, turns
from integrations.gorgias.sandbox.credentials import EMAIL
from integrations.gorgias.sandbox.exchange import Asked, Scripted
from integrations.gorgias.sandbox.server import Sandbox
from integrations.models import Connection, SlackChannel
from integrations.shopify import client as shopify_client
from integrations.shopify import outbound as shopify_outbound
from integrations.shopify import sources
from integrations.shopify.sandbox.credentials import TOKEN
from integrations.shopify.sandbox.exchange import Scripted as ShopifyScripted
from integrations.shopify.sandbox.server import Sandbox as Shopify
from integrations.shopify.tags import split
from integrations.slack.sandbox import Sandbox as Slack
from integrations.slack.sandbox import Scripted as SlackScripted
from integrations.tests.builders import SECRET, GorgiasDesk, make_connection, make_slack
from supportdesk.core import delivery, http
from supportdesk.core.actor import Door, system
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

    def pass_(self, seconds: float) -> None:
        """Whatever waits has waited for so long more."""
        self.ahead += seconds
        past = timedelta(seconds=seconds)
        Delivery.objects.pending().update(due_at=F("due_at") - past)
        SlackChannel.objects.update(free_at=F("free_at") - past, gather_until=F("gather_until") - past)
        for known in Connection.objects.exclude(provider=Provider.SLACK):
            key = f"breaker:{known.provider}-{known.pk}"
            if kept := redis().get(key):
                state = json.loads(str(kept))
                for name in ("until", "paused"):
                    state[name] = max(0.0, state[name] - seconds)
                redis().set(key, json.dumps(state))


class Shop:
    """A Shopify, its customers here, and what agents make of them."""

    def __init__(self, customers: int) -> None:
        self.there = Shopify()
        self.there.start()
        self.there.points = self.there.most = self.there.restored = 1e6
        settings.SHOPIFY_BASE_URL = self.there.url
        changes = {"access_token": TOKEN, "webhook_secret": SECRET, "write_back": True}
        self.known = make_connection(changes=changes)
        self.known.scopes = [shopify_outbound.SCOPE]
        self.known.save(update_fields=["scopes"])
        for number in range(1, customers + 1):
            node = self.there.add_customer(number, tags=["vip"])
            with transaction.atomic():
                sources.write_customer(self.known, node, system("drill", origin=Door.SHOPIFY), timezone.now())
        self.here = {one.external_id: one.customer_id for one in ExternalIdentity.objects.filter(source="shopify")}
        self.notes = 0

    def fall(self) -> None:
        self.there.script("Customer", ShopifyScripted(status=503, body="<html>"), ShopifyScripted(drop=True))

    def act(self, api: Api, dice: random.Random) -> int:
        """An agent notes something about a customer, and changes their tags."""
        self.notes += 1
        tags = ", ".join(["vip"] * dice.randint(0, 1) + [f"tag {self.notes}"])
        changed = {"shopify_note": f"Note {self.notes}", "shopify_tags": tags}
        return api.patch(f"/api/customers/{self.here[dice.choice(sorted(self.here))]}", {"attributes": changed}).status

    def differing(self) -> int:
        """Customers whose note or tags are not in the shop as they are here."""
        return sum(not self._is_same(number) for number in self.here)

    def _is_same(self, number: str) -> bool:
        told, held = self.there.customers[number], Customer.objects.get(pk=self.here[number]).attributes
        same_tags = set(told["tags"]) == split(held.get("shopify_tags"))
        return same_tags and (told["note"] or "") == held.get("shopify_note", "")


def run(setting: Setting) -> Outcome:
    dice, clock, tickets = random.Random(setting.seed), Clock(), 40 if setting.full else 6
    if setting.broken:
        DRILL.faults[setting.broken]()
    client.FIRST = shopify_client.FIRST = 0.01  # between the tries of one call
    there, slack = Sandbox(clock=clock.now), Slack()
    there.start()
    slack.start()
    settings.GORGIAS_BASE_URL, settings.SLACK_BASE_URL = there.url, f"{slack.url}/api/"
    make_slack()
    shop = Shop(tickets)
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
        shop.fall()
        answers += [*_act(api, desk, dice.choice(known), said, dice), shop.act(api, dice)]
        _work()
        clock.pass_(TICK)
    calls_down, there.down = len(there.asked), None
    there.scripted.clear()
    slack.scripted.clear()
    shop.there.scripted.clear()
    drained = _drain(clock, desk)
    for one in (there, slack, shop.there):
        one.stop()
    shown = {"calls_while_down": calls_down, "drained_in": drained, "notes": shop.notes}
    outcome = _outcome(there, desk, known, said, answers, shown)
    return replace(outcome, counts={**outcome.counts, "differing_in_the_shop": (shop.differing(), 0)})


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
        clock.pass_(TICK)
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

    failures.Later = turns.Later = Failure  # type: ignore[assignment, attr-defined]
    shopify_outbound.Later = Failure  # type: ignore[assignment, attr-defined]


FAULTS: dict[str, Callable[[], None]] = {"impatient": impatient, "send-blindly": send_blindly, "give-up": give_up}
DRILL = Drill(run=run, faults=FAULTS)
