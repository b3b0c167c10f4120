"""Sockets under kills of their server and cuts of their line: nothing missing, nothing twice, nothing to others."""

import asyncio
import random
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from django.db import connection
from django.db.models import Count, QuerySet
from django.utils import timezone

from agents.models import Agent, FeedEntry, FeedHead
from supportdesk.core.actor import Door, system
from supportdesk.core.devservices.ports import free_port
from supportdesk.core.models import Delivery, Event
from supportdesk.tests.chaos import faults
from supportdesk.tests.chaos.report import Drill, Outcome, Setting
from supportdesk.tests.chaos.sockets import (
    Client,
    Line,
    Process,
    answering,
    make_desk,
    running,
    socket_server,
    until,
    worker,
)
from tickets.enums import Priority, Status
from tickets.services import lifecycle

SHOWN_SECONDS = 120.0
BROKEN_SECONDS = 20.0  # a broken build may never be done
TELLING = ("tickets.tell_agents", "agents.tell_availability")
WRITER = system("drill", origin=Door.COMMAND)


@dataclass(frozen=True, kw_only=True)
class Size:
    sockets: int
    events: int
    kills: int
    cuts: int
    cut_seconds: float


CI = Size(sockets=20, events=500, kills=1, cuts=1, cut_seconds=3.0)
FULL = Size(sockets=200, events=20_000, kills=3, cuts=3, cut_seconds=30.0)


def run(setting: Setting) -> Outcome:
    with tempfile.TemporaryDirectory() as logs:
        return asyncio.run(_run(FULL if setting.full else CI, setting, Path(logs)))


async def _run(size: Size, setting: Setting, logs: Path) -> Outcome:
    port = free_port()
    owners = await asyncio.to_thread(make_desk, size.sockets)
    server, line = socket_server(port, logs, setting.broken), Line(port)
    with ExitStack() as stack:
        for process in (server, worker(logs)):
            stack.callback(process.kill)
            process.start()
        await answering(port, server)
        await line.start()
        clients = [Client(agent=agent, port=line.port) for agent in {a.pk: a for a in owners.values()}.values()]
        async with running(clients):
            writing = asyncio.create_task(asyncio.to_thread(_write, list(owners), size.events, setting.seed))
            await _trouble(size, server, line, port, clients)
            await writing
            written = time.monotonic()
            await _caught_up(clients, owners, BROKEN_SECONDS if setting.broken else SHOWN_SECONDS)
            behind = time.monotonic() - written
    counts = await asyncio.to_thread(_compare, clients, owners)
    shown = {
        "sockets": size.sockets,
        "facts": sum(len(client.shown) for client in clients),
        "kills": size.kills,
        "cuts": size.cuts,
        "cut_seconds": size.cut_seconds,
        "reconnects": sum(client.opened - 1 for client in clients),
        "done_after_the_last_fact_seconds": round(behind, 1),
    }
    return Outcome(counts={name: (found, 0) for name, found in counts.items()}, shown=shown)


def _write(tickets: list[int], events: int, seed: int) -> None:
    """Changes by the service, some of which are several facts, until there are so many."""
    choice = random.Random(seed)
    while _facts(tickets).count() < events:
        for _ in range(20):
            changes = {
                "priority": choice.choice(Priority.values),
                "status": choice.choice([Status.OPEN, Status.PENDING, Status.ON_HOLD]),
                "tags": [str(choice.randrange(10**6))],
            }
            lifecycle.update_ticket(ticket_id=choice.choice(tickets), changes=changes, by=WRITER, now=timezone.now())
    connection.close()


def _facts(tickets: Iterable[int]) -> QuerySet[Event]:
    return Event.objects.filter(subject_type="ticket", subject_id__in=tickets, actor_name=WRITER.name)


async def _trouble(size: Size, server: Process, line: Line, port: int, clients: list[Client]) -> None:
    """Kills and cuts in turn, each when everybody is back from the one before."""
    for number in range(max(size.kills, size.cuts)):
        if number < size.kills:
            async with _all_back(clients):
                server.kill()
                await asyncio.sleep(1)
                server.start()
                await answering(port, server)
        if number < size.cuts:
            async with _all_back(clients):
                await line.cut(size.cut_seconds)


@asynccontextmanager
async def _all_back(clients: list[Client]) -> AsyncIterator[None]:
    await asyncio.sleep(2)
    before = [client.opened for client in clients]
    yield
    await until(lambda: all(c.opened > n for c, n in zip(clients, before, strict=True)), "all are back")


async def _caught_up(clients: list[Client], owners: dict[int, Agent], seconds: float) -> None:
    """Returns when all is delivered and everybody stands at the end of their feed, or the time for that is over."""

    agents = {client.agent.pk for client in clients}

    def delivered() -> bool:
        waiting = Delivery.objects.pending().filter(reaction__in=TELLING, subject_id__in={*owners, *agents})
        left = waiting.exists()
        connection.close()
        return not left

    def shown() -> bool:
        heads = dict(FeedHead.objects.values_list("agent_id", "last_seq"))
        connection.close()
        return all(client.last_seq == heads.get(client.agent.pk, 0) for client in clients)

    while not await asyncio.to_thread(delivered):
        await asyncio.sleep(1)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and not await asyncio.to_thread(shown):
        await asyncio.sleep(1)


def _compare(clients: list[Client], owners: dict[int, Agent]) -> dict[str, int]:
    """What was shown against the feed, and against the facts themselves, which know nothing of the feed."""
    missing = twice = unordered = wrong = 0
    of_ticket: Counter[int] = Counter()
    for client in clients:
        seqs = [message["seq"] for message in client.shown]
        told = FeedEntry.objects.filter(agent=client.agent, seq__gt=client.began).values_list("seq", flat=True)
        missing += len(set(told) - set(seqs))
        twice += len(seqs) - len(set(seqs))
        unordered += sum(later < earlier for earlier, later in pairwise(seqs))
        for message in client.shown:
            if message["type"] == "ticket_update":
                of_ticket[message["ticket_id"]] += 1
                wrong += owners[message["ticket_id"]].pk != client.agent.pk
    facts = dict(_facts(owners).values_list("subject_id").annotate(Count("pk")))
    connection.close()
    return {
        "missing": missing,
        "facts_not_shown": sum(max(0, count - of_ticket[ticket]) for ticket, count in facts.items()),
        "shown_twice": twice,
        "out_of_order": unordered,
        "to_the_wrong_agent": wrong,
        "resyncs": sum(client.resyncs for client in clients),
    }


DRILL = Drill(run=run, faults=faults.FAULTS)
