"""How long a fact takes to a socket while many others are idle, and what a socket costs the server."""

import asyncio
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from django.db import connection
from django.utils import timezone

from agents import feed
from agents.enums import FeedKind
from agents.events import AgentUpdated
from agents.models import Agent
from agents.tests.builders import SYSTEM, occurrence_of
from supportdesk.core.devservices.ports import free_port
from supportdesk.tests.chaos.report import Drill, Outcome, Setting
from supportdesk.tests.chaos.sockets import Client, answering, log_in, make_desk, running, socket_server, until, worker
from tickets.services import lifecycle

TABS = 5  # of each agent
WARM = 25  # sockets that are open before memory is first looked at


def run(setting: Setting) -> Outcome:
    sockets, facts, burst = (1_000, 200, 2_000) if setting.full else (100, 30, 200)
    with tempfile.TemporaryDirectory() as logs:
        return asyncio.run(_run(sockets, facts, burst, Path(logs)))


async def _run(sockets: int, facts: int, burst: int, logs: Path) -> Outcome:
    port = free_port()
    owners = await asyncio.to_thread(make_desk, sockets // TABS)
    agents = list({agent.pk: agent for agent in owners.values()}.values())
    server = socket_server(port, logs)
    with ExitStack() as stack:
        for process in (server, worker(logs)):
            stack.callback(process.kill)
            process.start()
        await answering(port, server)
        access = {agent.pk: await asyncio.to_thread(log_in, agent) for agent in agents}
        clients = [Client(agent=agent, port=port, access=access[agent.pk]) for agent in agents for _ in range(TABS)]
        async with running(clients[:WARM]):
            warm = server.memory
            async with running(clients[WARM:]):
                await asyncio.sleep(2)
                full = server.memory
                clock = _Clock(clients)
                times = [await clock.of_change(*item) for item in _spread(owners, facts)]
                tellings = [await clock.of_telling([agent]) for _, agent in _spread(owners, facts)]
                broadcast = await clock.of_telling(agents)
                burst_seconds, lost = await clock.of_burst(agents[0], burst)
    shown = {
        "sockets": sockets,
        "kib_per_socket": round((full - warm) / (sockets - WARM), 1),
        "facts": len(times),
        "fact_to_socket_p50_ms": round(statistics.median(times), 1),
        "fact_to_socket_p99_ms": round(statistics.quantiles(times, n=100)[98], 1),
        "telling_to_socket_p50_ms": round(statistics.median(tellings), 1),
        "telling_to_socket_p99_ms": round(statistics.quantiles(tellings, n=100)[98], 1),
        "broadcast_to_all_ms": round(broadcast, 1),
        "burst": burst,
        "burst_seconds": round(burst_seconds, 1),
    }
    return Outcome(counts={"lost_in_burst": (lost, 0)}, shown=shown)


def _spread(owners: dict[int, Agent], facts: int) -> list[tuple[int, Agent]]:
    items = list(owners.items())
    return [items[number * 7 % len(items)] for number in range(facts)]


class _Clock:
    """Measures from just before the fact is written to its arrival at the last socket that it concerns."""

    def __init__(self, clients: list[Client]) -> None:
        self.clients = clients

    async def of_change(self, ticket: int, agent: Agent) -> float:
        """Milliseconds: service, commit, worker, feed, nudge, socket."""
        return await self._timed(self._of(agent), _change, ticket)

    async def of_telling(self, agents: list[Agent]) -> float:
        """Milliseconds from the feed on, to all sockets of the agents."""
        sockets = [client for agent in agents for client in self._of(agent)]
        return await self._timed(sockets, _tell, [agent.pk for agent in agents], agents[0])

    async def of_burst(self, agent: Agent, count: int) -> tuple[float, int]:
        """Seconds until the last socket of an agent has all of a burst, and how many are missing then."""
        sockets = self._of(agent)
        wanted = [len(client.shown) + count for client in sockets]
        began = time.monotonic()
        await asyncio.to_thread(_burst, agent, count)
        await until(lambda: [len(client.shown) for client in sockets] >= wanted, "the burst is there")
        shown = sum(len(client.shown) for client in sockets)
        return time.monotonic() - began, sum(wanted) - shown

    def _of(self, agent: Agent) -> list[Client]:
        return [client for client in self.clients if client.agent.pk == agent.pk]

    async def _timed(self, sockets: list[Client], act: Any, *given: Any) -> float:
        left = {id(client) for client in sockets}
        over = asyncio.Event()

        def told(client: Client, message: dict[str, Any]) -> None:
            left.discard(id(client))
            if not left:
                over.set()

        for client in sockets:
            client.told = lambda message, client=client: told(client, message)
        began = time.perf_counter()
        await asyncio.gather(asyncio.to_thread(act, *given), over.wait())
        elapsed = (time.perf_counter() - began) * 1_000
        for client in sockets:
            client.told = None
        return elapsed


def _change(ticket: int) -> None:
    tags = [f"t{time.monotonic_ns()}"]
    lifecycle.update_ticket(ticket_id=ticket, changes={"tags": tags}, by=SYSTEM, now=timezone.now())


def _tell(ids: list[int], about: Agent) -> None:
    feed.append(
        kind=FeedKind.AGENT_STATUS,
        recipients=ids,
        occurrence=occurrence_of(AgentUpdated(subject_id=about.pk, fields=["name"])),
        subject_id=about.pk,
        version=1,
        changed=["name"],
        now=timezone.now(),
    )


def _burst(agent: Agent, count: int) -> None:
    for _ in range(count):
        _tell([agent.pk], agent)
    connection.close()


DRILL = Drill(run=run, faults={})
