"""What the drills on sockets work with: processes that are killed, a line that is cut, and clients that come back."""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from django.conf import settings
from django.db import connection
from django.utils import timezone
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from agents import sessions
from agents.models import Agent
from agents.tests.builders import PASSWORD, SYSTEM
from supportdesk.core import delivery
from supportdesk.core.devservices import processes
from supportdesk.tests.chaos import faults
from supportdesk.tests.chaos.desk import make_team, make_tickets
from tickets.services import assignment

HEARTBEAT_EVERY = 15.0  # seconds; something comes as often
PATIENCE = 600.0  # seconds for what must happen at last


class Process:
    """A process of the product that is killed and started again."""

    def __init__(self, name: str, command: list[str], logs: Path, **environment: str) -> None:
        self.command, self.log = [sys.executable, "-m", *command], logs / f"{name}.log"
        self.environment = {**os.environ, "SUPPORTDESK_ALLOWED_HOSTS": "127.0.0.1", **environment}
        self.child: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.child = processes.start(
            self.command,
            log=self.log,
            on_parent_death=signal.SIGKILL,
            cwd=settings.BASE_DIR,
            env=self.environment,
        )

    def kill(self) -> None:
        """As kill -9 of all of it does."""
        if self.child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.child.pid, signal.SIGKILL)
            self.child.wait()

    @property
    def memory(self) -> int:
        """Resident, in KiB."""
        assert self.child is not None
        pages = int(Path(f"/proc/{self.child.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") // 1024


def socket_server(port: int, logs: Path, fault: str = "") -> Process:
    application = "supportdesk.tests.chaos.faulty" if fault else "supportdesk.asgi"
    where = ["--host", "127.0.0.1", "--port", str(port), "--ws-max-size", "65536", "--lifespan", "off"]
    where += ["--ws-per-message-deflate", "false"]
    command = ["uvicorn", f"{application}:application", *where, "--no-proxy-headers"]
    return Process("sockets", command, logs, SUPPORTDESK_PROCESS="sockets", **{faults.VARIABLE: fault})


def worker(logs: Path) -> Process:
    command = ["celery", "-A", "supportdesk", "worker", "--concurrency", "2", "--loglevel", "ERROR"]
    return Process("worker", command, logs, SUPPORTDESK_PROCESS="worker")


async def answering(port: int, server: Process) -> None:
    """Returns when the server takes connections."""
    assert server.child is not None
    while server.child.poll() is None:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
    raise AssertionError(f"the server ended: {server.log.read_text()[-2_000:]}")


async def until(condition: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"in vain: {what}"
        await asyncio.sleep(0.1)


class Line:
    """A TCP proxy before the server: what clients connect to, and what is cut."""

    def __init__(self, target: int) -> None:
        self.target, self.port, self.is_cut = target, 0, False
        self.open: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = int(self.server.sockets[0].getsockname()[1])

    async def cut(self, seconds: float) -> None:
        """What was open is gone, and nothing can be opened."""
        self.is_cut = True
        for writer in list(self.open):
            writer.transport.abort()
        await asyncio.sleep(seconds)
        self.is_cut = False

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        self.open |= {writer, back}
        await asyncio.gather(_pass(reader, back), _pass(there, writer))
        self.open -= {writer, back}


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@dataclass(kw_only=True)
class Client:
    """A tab of an agent's browser: comes back with what it saw last, and remembers everything it was shown."""

    agent: Agent
    port: int
    access: str = ""
    tab: str = field(default_factory=lambda: str(uuid.uuid4()))
    last_seq: int | None = None
    began: int = 0
    opened: int = 0
    resyncs: int = 0
    shown: list[dict[str, Any]] = field(default_factory=list)
    told: Callable[[dict[str, Any]], None] | None = None

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            with contextlib.suppress(OSError, requests.RequestException, ValueError, WebSocketException):
                await self._connect()
            await asyncio.sleep(random.uniform(0.2, 1.5))

    async def _connect(self) -> None:
        """One connection, from its ticket to its end."""
        ticket = await asyncio.to_thread(self._ticket)
        address = f"ws://127.0.0.1:{self.port}/ws/agent/{self.agent.pk}"
        headers = {"Origin": f"http://127.0.0.1:{self.port}"}
        async with connect(address, additional_headers=headers, proxy=None, compression=None) as line:
            place = {} if self.last_seq is None else {"last_seq": self.last_seq}
            await line.send(json.dumps({"type": "hello", "ticket": ticket, "tab": self.tab, **place}))
            beaten = time.monotonic()
            async for text in line:
                self._take(json.loads(text))
                if time.monotonic() - beaten > HEARTBEAT_EVERY:
                    await line.send('{"type": "heartbeat"}')
                    beaten = time.monotonic()

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "ready":
            self.opened += 1
            if self.last_seq is None:
                self.began = self.last_seq = message["seq"]
        elif message["type"] == "resync":
            self.resyncs += 1
            self.last_seq = message["seq"]
        elif "seq" in message:
            self.last_seq = message["seq"]
            self.shown.append(message)
            if self.told is not None:
                self.told(message)

    def _ticket(self) -> str:
        if not self.access:
            self.access = log_in(self.agent)
        address = f"http://127.0.0.1:{self.port}/api/agents/{self.agent.pk}/ws-ticket"
        answer = requests.post(address, json={}, headers={"Authorization": f"Bearer {self.access}"}, timeout=30)
        if answer.status_code == 401:
            self.access = ""
        return str(answer.json().get("ticket", ""))


@asynccontextmanager
async def running(clients: list[Client]) -> AsyncIterator[None]:
    """With all of them connected."""
    tasks = [asyncio.create_task(client.run()) for client in clients]
    try:
        await until(lambda: all(client.opened for client in clients), "all are connected")
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def log_in(agent: Agent) -> str:
    """An access token."""
    try:
        return sessions.log_in(email=agent.email, password=PASSWORD, network="192.0.2.1", now=timezone.now()).access
    finally:
        connection.close()


def make_desk(agents: int) -> dict[int, Agent]:
    """Tickets, two for each agent, who keeps them. All see all of them: no right hides what is told wrongly."""
    owners: dict[int, Agent] = {}
    for _ in range(agents):
        _, [agent] = make_team(1, capacity=10)
        for ticket in make_tickets(2, None):
            assignment.assign(ticket_id=ticket.pk, agent_id=agent.pk, by=SYSTEM, now=timezone.now())
            owners[ticket.pk] = agent
    while delivery.run_due(limit=1_000):
        pass
    connection.close()
    return owners
