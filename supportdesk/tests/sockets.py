"""Sockets as a browser opens them: over a real ASGI server on a free port, in a thread of the tests or a process."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import uvicorn
from django.conf import settings
from django.db import connection
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from agents.api import hub
from agents.models import Agent
from supportdesk.asgi import application
from supportdesk.core.api.fields import MAX_ID
from supportdesk.core.devservices.ports import free_port
from supportdesk.tests.client import Api

BEYOND = MAX_ID + 1  # more than any id or position
PATIENCE = 30.0  # seconds; what takes so long has not happened
CLOSE_SECONDS = 2.0  # for a server whose reader reads no more to answer that it is left
OF_THE_LINE = {"heartbeat", "delivery"}
OPTIONS: dict[str, Any] = {
    "host": "127.0.0.1",
    "ws_max_size": 65_536,
    "ws_per_message_deflate": False,
    "lifespan": "off",
    "log_config": None,
    "timeout_graceful_shutdown": 2,
}


def wait_for(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class Socket:
    """A client. What the server says of the line alone is left out: that it is open, and how fast it is."""

    def __init__(self, line: ClientConnection) -> None:
        self.line = line
        self.code: int | None = None
        self.ready: dict[str, Any] = {}

    def say(self, **message: Any) -> None:
        self.line.send(json.dumps(message))

    def next(self, seconds: float = PATIENCE, *, leaving_out: Collection[str] = OF_THE_LINE) -> dict[str, Any]:
        while True:
            message: dict[str, Any] = json.loads(self.line.recv(timeout=seconds))
            if message["type"] not in leaving_out:
                return message

    def take(self, count: int) -> list[dict[str, Any]]:
        return [self.next() for _ in range(count)]

    def is_quiet(self, seconds: float = 0.5) -> bool:
        """Whether nothing comes."""
        try:
            self.next(seconds)
        except TimeoutError:
            return True
        return False

    def drain(self) -> None:
        """Takes what comes until nothing does."""
        while not self.is_quiet():
            pass

    def is_open(self) -> bool:
        """Whether the server still answers at the level of the protocol."""
        return self.line.ping().wait(PATIENCE)

    def closed(self, seconds: float = PATIENCE) -> int:
        """The code that the server closes with; what it says before that is dropped."""
        deadline = time.monotonic() + seconds
        try:
            while time.monotonic() < deadline:
                self.line.recv(timeout=max(0.01, deadline - time.monotonic()))
        except ConnectionClosed as closed:
            assert closed.rcvd is not None, "closed without a code"
            return int(closed.rcvd.code)
        raise AssertionError("still open")

    def leave(self) -> None:
        self.line.close()


class Desk:
    """Where sockets are opened. `extra` headers replace the Origin of our own page."""

    def __init__(self, port: int) -> None:
        self.port, self.lines = port, ExitStack()
        self.origin = f"http://127.0.0.1:{port}"

    def dial(self, path: str, *, headers: list[tuple[str, str]] | None = None, **given: Any) -> Socket:
        """A bare connection. Raises InvalidStatus when the handshake is refused."""
        extra = [("Origin", self.origin)] if headers is None else headers
        given = {"max_size": None, "ping_interval": None, "proxy": None, "close_timeout": CLOSE_SECONDS, **given}
        opening = connect(f"ws://127.0.0.1:{self.port}{path}", additional_headers=extra, **given)
        return Socket(self.lines.enter_context(opening))

    def ticket(self, agent: Agent, api: Api | None = None, **headers: str) -> str:
        answer = (api or Api(agent)).post(f"/api/agents/{agent.pk}/ws-ticket", **headers)
        assert answer.status == 201, answer.body
        return str(answer.body["ticket"])

    def open(self, agent: Agent, api: Api | None = None, **hello: Any) -> Socket:
        """A socket that has said hello and was answered."""
        dialled = self.dial(f"/ws/agent/{agent.pk}")
        dialled.say(type="hello", ticket=self.ticket(agent, api), **hello)
        dialled.ready = dialled.next()
        assert dialled.ready["type"] == "ready", dialled.ready
        return dialled

    def hang_up(self) -> None:
        self.lines.close()


class ThreadedServer:
    """uvicorn in a thread of the test process, so that a test can look into its hub."""

    def __init__(self) -> None:
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32_768)  # the kernel would hold megabytes for us
        self.socket.bind(("127.0.0.1", 0))
        self.port = int(self.socket.getsockname()[1])
        self.server = uvicorn.Server(uvicorn.Config(application, **OPTIONS))
        self.loop: asyncio.AbstractEventLoop | None = None
        self.thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self.thread.start()
        wait_for(lambda: self.server.started)

    def stop(self) -> None:
        self.server.should_exit = True
        self.thread.join(PATIENCE)

    def subscriptions(self) -> int:
        return sum(len(list(one)) for one in list(hub._HUBS.values()))

    def is_idle(self) -> bool:
        """Whether nobody is connected, and so nothing works on the database."""
        return self.subscriptions() == 0 and not self.server.server_state.tasks

    def _run(self) -> None:
        asyncio.run(self.server.serve(sockets=[self.socket]))


class ServerProcess:
    """The command of docs/operations.md on the tests' database, in a process that can be killed."""

    def __init__(self, application: str = "supportdesk.asgi:application", **environment: str) -> None:
        self.port = free_port()
        self.command = [
            *(sys.executable, "-m", "uvicorn", application, "--host", "127.0.0.1", "--port", str(self.port)),
            *(
                "--ws-max-size",
                "65536",
                "--ws-per-message-deflate",
                "false",
                "--lifespan",
                "off",
                "--no-proxy-headers",
                "--timeout-graceful-shutdown",
                "2",
            ),
        ]
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "supportdesk.settings.test",
            "SUPPORTDESK_PROCESS": "sockets",
            "DATABASE_URL": _database_url(),
            "REDIS_URL": settings.REDIS_URL,
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, cwd=settings.BASE_DIR, env=self.environment, stdin=subprocess.DEVNULL, start_new_session=True
        )
        wait_for(lambda: _answers(self.port) or self.process is None or self.process.poll() is not None, 60)
        assert self.process.poll() is None, "the server did not start"

    def kill(self) -> None:
        """As kill -9 does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    @property
    def memory(self) -> int:
        """Resident, in bytes."""
        assert self.process is not None
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _database_url() -> str:
    database = connection.settings_dict
    folder = quote(str(database["HOST"]), safe="")
    account = f"{database['USER']}:{quote(str(database['PASSWORD']), safe='')}"
    port = f":{database['PORT']}" if database["PORT"] else ""
    return f"postgres://{account}@{folder}{port}/{database['NAME']}"


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
