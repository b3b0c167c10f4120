"""Webhooks under kills of what takes them in and of what works them off: each has its effect, once; the newest wins.

The sender does as partners do: it sends some twice and some out of order, and sends again what was not answered 2xx.
"""

import itertools
import os
import random
import statistics
import tempfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests
from django.db.models import Count
from django.utils import timezone

from customers import services as customers
from customers.models import Customer
from customers.services import Identity
from integrations import intake, receipts
from integrations.contract import Inbox, Job, Label, Processor
from integrations.enums import Provider, ReceiptStatus
from integrations.models import Connection, WebhookReceipt
from integrations.providers import INBOXES as REAL
from integrations.reading import read_object
from integrations.tests.builders import encoded, make_connection, path_of, shopify_headers
from supportdesk.core.actor import Door, system
from supportdesk.core.devservices.ports import free_port
from supportdesk.tests.chaos.report import Drill, Outcome, Setting
from supportdesk.tests.chaos.sockets import Process

SETTINGS, FAULT = "supportdesk.tests.chaos.hooked", "SUPPORTDESK_CHAOS_FAULT"
TOPIC = "customers/update"
SENDERS = 8
VERSIONS = 5  # of each thing
PATIENCE, SETTLED = 300.0, 90.0
AGAIN = 0.2  # seconds until what was not answered is sent again
ACKNOWLEDGED_MS, DRAINED_SECONDS = 500.0, 120.0  # what the full profile holds to


@dataclass(frozen=True, kw_only=True)
class Size:
    deliveries: int
    worker_kills: int
    web_kills: int
    doubled: float = 0.3
    out_of_order: float = 0.2


CI, FULL = Size(deliveries=400, worker_kills=2, web_kills=1), Size(deliveries=10_000, worker_kills=5, web_kills=1)


def apply(job: Job, found: Any) -> None:
    """A customer by the id of the sender: says which version is newest, and how many of them were worked off."""
    external, version = str(job.body["id"]), int(job.body["version"])
    known = Customer.objects.filter(identities__source="shopify", identities__external_id=external).first()
    if known is None:
        identity = Identity(source="shopify", external_id=external)
        given = {"version": version, "applied": 1}
        customers.create_customer(name=_name(version), identities=[identity], attributes=given, by=job.by, now=job.now)
        return
    newest = max(version, known.attributes["version"])
    changes = {"name": _name(newest), "attributes": {"version": newest, "applied": known.attributes["applied"] + 1}}
    customers.update_customer(customer_id=known.pk, changes=changes, by=job.by, now=job.now)


def _name(version: int) -> str:
    return f"Version {version}"


INBOXES: Mapping[Provider, Inbox] = {
    Provider.SHOPIFY: replace(
        REAL[Provider.SHOPIFY], processors={TOPIC: Processor(apply=lambda job, found: apply(job, found))}
    )
}


def run(setting: Setting) -> Outcome:
    size, chance = FULL if setting.full else CI, random.Random(setting.seed)
    known, port = make_connection(), free_port()
    posts = _posts(size, chance)
    with tempfile.TemporaryDirectory() as logs, ExitStack() as stack:
        parts = _parts(port, Path(logs), setting.broken)
        for part in parts.values():
            stack.callback(part.kill)
            part.start()
        _until(lambda: _answers(port), "the web process does not answer")
        sender = _Sender(f"http://127.0.0.1:{port}{path_of(known)}", posts)
        kills = _Kills(parts, sender, size, chance)
        with ThreadPoolExecutor(1) as beside:
            sending = beside.submit(sender.send_all)
            kills.run()  # here: what a thread starts ends with the thread
            sending.result()
        sent = time.monotonic()
        _settle(known, PATIENCE if setting.full else SETTLED)
        drained = time.monotonic() - sent
    return _outcome(known, posts, sender, kills, drained, full=setting.full)


def _posts(size: Size, chance: random.Random) -> list[tuple[bytes, dict[str, str]]]:
    """In the order in which they are sent, some of them twice."""
    things = size.deliveries // VERSIONS
    first = 10**15 + chance.randrange(10**9)
    bodies = [{"id": first + thing, "version": version} for version in range(VERSIONS) for thing in range(things)]
    for number in range(len(bodies)):
        if chance.random() < size.out_of_order:
            other = min(len(bodies) - 1, number + chance.randrange(things * 2))
            bodies[number], bodies[other] = bodies[other], bodies[number]
    posts = [(raw := encoded(body), shopify_headers(raw, TOPIC)) for body in bodies]
    again = chance.sample(posts, round(len(posts) * size.doubled))
    for post in again:
        posts.insert(chance.randrange(len(posts)), post)
    return posts


class _Sender:
    """Several at once, each until it is answered."""

    def __init__(self, url: str, posts: Sequence[tuple[bytes, dict[str, str]]]) -> None:
        self.url, self.posts = url, posts
        self.seconds: list[float] = []
        self.unanswered = 0
        self.sessions = threading.local()

    @property
    def progress(self) -> float:
        return len(self.seconds) / len(self.posts)

    def send_all(self) -> None:
        with ThreadPoolExecutor(SENDERS) as pool:
            list(pool.map(self._send, self.posts))

    def _send(self, post: tuple[bytes, dict[str, str]]) -> None:
        raw, headers = post
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            began = time.monotonic()
            try:
                session = self.sessions.__dict__.setdefault("session", requests.Session())
                status = session.post(self.url, data=raw, headers=headers, timeout=5).status_code
            except requests.RequestException:
                status = 0
            if status == 202:
                self.seconds.append(time.monotonic() - began)
                return
            self.unanswered += 1
            time.sleep(AGAIN)
        raise TimeoutError("a delivery was never answered")


class _Kills:
    """Kills -9 at points of the way, and starts again what it killed."""

    def __init__(self, parts: Mapping[str, Process], sender: _Sender, size: Size, chance: random.Random) -> None:
        self.parts, self.sender, self.done = parts, sender, Counter[str]()
        names = ["worker"] * size.worker_kills + ["web"] * size.web_kills
        self.plan = sorted((chance.uniform(0.1, 0.95), name) for name in names)

    def run(self) -> None:
        for point, name in self.plan:
            while self.sender.progress < point:
                time.sleep(0.01)
            self.parts[name].kill()
            self.done[name] += 1
            self.parts[name].start()


def _parts(port: int, logs: Path, fault: str) -> dict[str, Process]:
    web = ["granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--blocking-threads", "4"]
    worker = ["celery", "-A", "supportdesk", "worker", "--concurrency", "2", "--loglevel", "ERROR"]
    beat = ["celery", "-A", "supportdesk", "beat", "--loglevel", "ERROR", "--pidfile", ""]
    given = {"DJANGO_SETTINGS_MODULE": SETTINGS, FAULT: fault}
    return {
        "web": Process("web", [*web, "supportdesk.wsgi:application"], logs, SUPPORTDESK_PROCESS="web", **given),
        "worker": Process("worker", worker, logs, SUPPORTDESK_PROCESS="worker", **given),
        "beat": Process("beat", beat, logs, SUPPORTDESK_PROCESS="beat", **given),
    }


def _settle(known: Connection, patience: float) -> None:
    """Until nothing is to be worked off, or nobody will any more."""
    deadline = time.monotonic() + patience
    while known.receipts.get_queryset().filter(finished_at__isnull=True).exists() and time.monotonic() < deadline:
        time.sleep(0.2)


def _outcome(
    known: Connection, posts: Sequence[tuple[bytes, Any]], sender: _Sender, kills: _Kills, drained: float, *, full: bool
) -> Outcome:
    """Times are promises of the full profile; the short one runs where others are at work as well."""
    expected = _expected(posts)
    found = {
        identity: (customer.name, customer.attributes)
        for customer in Customer.objects.prefetch_related("identities")
        for identity in [one.external_id for one in customer.identities.all()]
    }
    applied = {external: found.get(external, ("", {"applied": 0}))[1]["applied"] for external in expected}
    rows = WebhookReceipt.objects.filter(connection=known)
    p99 = 1_000 * statistics.quantiles(sender.seconds, n=100)[98]
    in_time = {
        "acknowledged_in_time": (p99 <= ACKNOWLEDGED_MS, True),
        "drained_in_time": (drained <= DRAINED_SECONDS, True),
    }
    return Outcome(
        counts=(in_time if full else {})
        | {
            "killed": (dict(kills.done), dict(Counter(name for _, name in kills.plan))),
            "answered": (len(sender.seconds), len(posts)),
            "lost": (sum(max(0, len(versions) - applied[one]) for one, versions in expected.items()), 0),
            "doubled": (sum(max(0, applied[one] - len(versions)) for one, versions in expected.items()), 0),
            "wrong_final_states": (
                sum(found.get(one, ("", {}))[0] != _name(max(versions)) for one, versions in expected.items()),
                0,
            ),
            "unfinished": (rows.exclude(status=ReceiptStatus.DONE).count(), 0),
        },
        shown={
            "deliveries": len(posts),
            "states": sorted(rows.values_list("status", "error").annotate(Count("pk")).order_by()),
            "sent_again": sender.unanswered,
            "ack_p50_ms": round(1_000 * statistics.median(sender.seconds), 1),
            "ack_p99_ms": round(p99, 1),
            "ack_max_ms": round(1_000 * max(sender.seconds), 1),
            "drained_after_seconds": round(drained, 1),
        },
    )


def _expected(posts: Sequence[tuple[bytes, Any]]) -> dict[str, set[int]]:
    """Each thing's versions that were sent."""
    found = defaultdict[str, set[int]](set)
    for raw, _ in posts:
        body = read_object(raw)
        found[str(body["id"])].add(int(body["version"]))
    return dict(found)


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/healthz", timeout=2).status_code == 200
    except requests.RequestException:
        return False


def _until(true: Callable[[], object], complaint: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError(complaint)
        time.sleep(0.1)


def forget_keys() -> None:
    """Each delivery has a key of its own, as if none were known again."""
    real = REAL[Provider.SHOPIFY].label

    def label(delivered: Any) -> Label:
        return replace(real(delivered), delivery_id=os.urandom(16).hex())

    globals()["INBOXES"] = {Provider.SHOPIFY: replace(INBOXES[Provider.SHOPIFY], label=label)}


def mark_first() -> None:
    """What is worked off is marked before it is, as a task is that is acknowledged when it is taken."""

    def process(claimed: Any) -> None:
        claimed.mine.update(status=ReceiptStatus.DONE, finished_at=timezone.now())
        time.sleep(0.05)
        receipt = claimed.receipt
        by = system("drill", origin=Door.SHOPIFY)
        body = read_object(receipt.raw_body)
        given = {"receipt_id": receipt.pk, "connection": None, "topic": receipt.topic, "body": body, "by": by}
        apply(Job(**given, received_at=receipt.received_at, triggered_at=None, now=timezone.now()), None)

    receipts._process = process


def believe_the_last() -> None:
    """Whatever is worked off last is what holds."""
    real = apply

    def blindly(job: Job, found: Any) -> None:
        real(job, found)
        customer = Customer.objects.get(identities__source="shopify", identities__external_id=str(job.body["id"]))
        changes = {"name": _name(int(job.body["version"]))}
        customers.update_customer(customer_id=customer.pk, changes=changes, by=job.by, now=job.now)

    globals()["apply"] = blindly


def ask_outside() -> None:
    """The door asks somebody else before it answers, who is slow every twentieth time."""
    real, asked = intake._store, itertools.count()

    def store(*given: Any, **named: Any) -> bool:
        time.sleep(0.8 if next(asked) % 20 == 0 else 0.0)
        return real(*given, **named)

    intake._store = store


def nap() -> None:
    """A worker sleeps after each delivery."""
    real = receipts._attempt

    def attempt(claimed: Any) -> None:
        real(claimed)
        time.sleep(0.1)

    receipts._attempt = attempt


FAULTS = {
    "forget-keys": forget_keys,
    "mark-first": mark_first,
    "believe-the-last": believe_the_last,
    "ask-outside": ask_outside,
    "nap": nap,
}
if os.environ.get(FAULT):
    FAULTS[os.environ[FAULT]]()  # in the processes that the drill started

DRILL = Drill(run=run, faults=FAULTS)
