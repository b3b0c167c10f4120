"""The whole product on one machine, for trying it: web, worker and beat as one process group, and a simulated Quimbi
beside them where no other is named.
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from argparse import ArgumentParser
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError
from django.utils import timezone

from agents.models import Agent
from integrations.shopify.sandbox import credentials as shopify
from quimbi.sandbox import KEY
from supportdesk.core.devservices import processes
from supportdesk.core.devservices.ports import free_port
from supportdesk.core.observability import health, multiprocess
from supportdesk.demo import partners
from supportdesk.demo.logins import DEMO_LOGINS

TICK = 0.2  # seconds
GRACE = 8.0  # seconds for a part to end by itself
HEALTHY_AFTER = 30.0  # seconds
START_SECONDS = 120.0  # until the web server answers, on a slow machine
FAST_DEATHS = 5  # in a row, before we give up
BIN = Path(sys.executable).parent
NOT_READY = {
    "database": "The database of DATABASE_URL went away.",
    "redis": "The Redis of REDIS_URL does not answer.",
    "encryption": "The keys of SUPPORTDESK_ENCRYPTION_KEYS do not read what is stored in the database.",
}


@dataclass
class Part:
    """One process of the product, and how often it died in a row."""

    name: str
    command: list[str]
    log: Path
    # What the kernel sends it when we are killed: web needs the chance to say goodbye, Celery's children notice.
    on_parent_death: signal.Signals = signal.SIGKILL
    process: str = ""  # what it is to the settings
    environment: dict[str, str] = field(default_factory=dict)  # besides ours
    child: subprocess.Popen[bytes] | None = None
    born: float = 0.0
    deaths: int = field(default=0)

    def start(self) -> None:
        self.born = time.monotonic()
        self.child = processes.start(
            self.command,
            log=self.log,
            on_parent_death=self.on_parent_death,
            cwd=settings.BASE_DIR,
            env={
                **os.environ,
                **self.environment,
                **({"SUPPORTDESK_PROCESS": self.process} if self.process else {}),
                multiprocess.VARIABLE: str(self.log.parent.with_name("metrics")),
            },
        )

    def restart_if_dead(self, say: Any) -> None:
        """Raises CommandError when it keeps dying."""
        if self.child is None or self.child.poll() is None:
            return
        with suppress(ProcessLookupError):
            os.killpg(self.child.pid, signal.SIGKILL)  # what it left of its own children would hold the port
        self.deaths = 1 if time.monotonic() - self.born > HEALTHY_AFTER else self.deaths + 1
        if self.deaths >= FAST_DEATHS:
            raise CommandError(f"{self.name} keeps ending; see {self.log}.")
        say(f"{self.name} ended with code {self.child.returncode}; starting it again. Its log is {self.log}.")
        time.sleep(min(self.deaths, 5) - 1)
        self.start()


def not_ready(parts: Mapping[str, bool]) -> str:
    """What is wrong, by whether each part works; without a database nothing is known of the keys."""
    said = {part: NOT_READY[part] for part, works in parts.items() if not works}
    if "database" in said:
        said.pop("encryption", None)
    return " ".join(said.values())


class Command(BaseCommand):
    help = "Runs the product with demo data: migrates, fills an empty database, starts web, worker and beat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        default = os.environ.get("SUPPORTDESK_PORT", "8000")
        parser.add_argument("--port", type=int, default=default, help="of the web server (SUPPORTDESK_PORT)")
        parser.add_argument("--folder", type=Path, default=Path(".local"), help="where logs and metrics lie (.local)")
        parser.add_argument("--with-parent", action="store_true", help="end when the process that started this is gone")

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("This is for the demo. In production, run the processes of docs/operations.md.")
        port, logs = options["port"], options["folder"] / "logs"
        self.slack, self.gorgias = free_port(), free_port()
        os.environ.setdefault("SLACK_BASE_URL", f"http://127.0.0.1:{self.slack}/api/")  # for every part
        os.environ.setdefault("GORGIAS_BASE_URL", f"http://127.0.0.1:{self.gorgias}")
        self.shopify = free_port()
        os.environ.setdefault("SHOPIFY_BASE_URL", f"http://127.0.0.1:{self.shopify}")
        os.environ.setdefault("SHOPIFY_CLIENT_ID", shopify.CLIENT_ID)
        os.environ.setdefault("SHOPIFY_CLIENT_SECRET", shopify.SECRET)
        os.environ["SUPPORTDESK_PORT"] = str(port)
        self.parent = os.getppid() if options["with_parent"] else None
        self._refuse_taken(port)
        parts = self._parts(port, Path(settings.BASE_DIR, logs))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _leave)
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup leaves it
            signal.signal(signal.SIGHUP, _leave)
        try:
            self._prepare(parts, port)
            for part in parts:
                part.log.unlink(missing_ok=True)
                part.start()
            self._wait_for_web(port, parts[0])
            self._welcome(port, logs)
            while True:
                self._watch(parts)
        except _Leave:
            with suppress(OSError):  # nobody may be left to read it
                self.stdout.write("\nStopping …")
        finally:
            _stop(parts)

    def _prepare(self, parts: list[Part], port: int) -> None:
        self.stdout.write("Migrating the database …")
        try:
            call_command("migrate", verbosity=0)
        except OperationalError as problem:
            raise CommandError(f"The database of DATABASE_URL cannot be used: {str(problem).strip()}") from None
        if fault := not_ready(health.parts()):
            raise CommandError(fault)
        call_command("load_demo", stdout=self.stdout)
        partners.connect(now=timezone.now())
        for part in parts:
            if part.name == "gorgias":
                arguments, part.environment = partners.gorgias_calls(f"http://127.0.0.1:{port}")
                part.command += arguments

    def _watch(self, parts: list[Part]) -> None:
        """One look at everything. Raises CommandError for a part that keeps ending, _Leave when the parent is gone."""
        if self.parent is not None and os.getppid() != self.parent:
            raise _Leave
        for part in parts:
            part.restart_if_dead(self.stdout.write)
        time.sleep(TICK)

    def _parts(self, port: int, logs: Path) -> list[Part]:
        logs.mkdir(parents=True, exist_ok=True)
        parts = self._product(port, logs)
        if settings.QUIMBI_BASE_URL:
            return parts
        sandbox = str(free_port())
        for part in parts:
            part.environment = {"QUIMBI_BASE_URL": f"http://127.0.0.1:{sandbox}", "QUIMBI_API_KEY": KEY}
        command = [sys.executable, "manage.py", "quimbi_sandbox", "--port", sandbox, "--key", KEY]
        return [*parts, Part("quimbi", command, logs / "quimbi.log")]

    def _product(self, port: int, logs: Path) -> list[Part]:
        uvicorn = [str(BIN / "uvicorn"), "--host", "127.0.0.1", "--port", str(port), "--ws-max-size", "65536"]
        uvicorn += ["--ws-per-message-deflate", "false"]  # messages are short, and a compressor per socket is not
        quiet = ["--lifespan", "off", "--no-proxy-headers", "--no-access-log", "--timeout-graceful-shutdown", "3"]
        children = str(settings.CONNECTIONS["worker"][0])
        celery = [str(BIN / "celery"), "-A", "supportdesk"]
        return [
            Part(
                "web",
                [*uvicorn, *quiet, "supportdesk.asgi:application"],
                logs / "web.log",
                signal.SIGTERM,
                process="alone",
            ),
            Part(
                "worker",
                [*celery, "worker", "--concurrency", children, "--loglevel", "INFO"],
                logs / "worker.log",
                process="worker",
            ),
            Part(
                "slack",
                [sys.executable, "-m", "integrations.slack.sandbox", "--port", str(self.slack)],
                logs / "slack.log",
            ),
            Part(
                "gorgias",
                [sys.executable, "-m", "integrations.gorgias.sandbox", "--port", str(self.gorgias)],
                logs / "gorgias.log",
            ),
            Part(
                "shopify",
                [sys.executable, "-m", "integrations.shopify.sandbox", "--port", str(self.shopify)],
                logs / "shopify.log",
            ),
            Part("beat", [*celery, "beat", "--loglevel", "INFO", "--pidfile", ""], logs / "beat.log", process="beat"),
        ]

    def _refuse_taken(self, port: int) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except (OSError, OverflowError) as problem:
                reason = problem.strerror if isinstance(problem, OSError) else problem
                raise CommandError(f"Port {port}: {reason}. Choose another: SUPPORTDESK_PORT=8001 make run") from None

    def _wait_for_web(self, port: int, web: Part) -> None:
        """Returns when the product is ready. Raises CommandError when that takes too long."""
        deadline = time.monotonic() + START_SECONDS
        while not _is_ready(port):
            if time.monotonic() > deadline:
                raise CommandError(f"The web server does not get ready; see {web.log}.")
            self._watch([web])

    def _welcome(self, port: int, logs: Path) -> None:
        site = f"http://127.0.0.1:{port}"
        lines = [
            "",
            "Support Desk is running.",
            "",
            f"  Admin      {site}/admin/      for supervisors and administrators",
            f"  API        {site}/api/docs    the document itself: {site}/api/schema",
            f"  WebSocket  ws://127.0.0.1:{port}/ws/agent/ID    see docs/api.md",
            f"  Health     {site}/readyz",
            f"  Metrics    {site}/metrics",
            f"  Slack      http://127.0.0.1:{self.slack}/    a pretend one, where alerts appear: open an urgent ticket",
            f"  Gorgias    http://127.0.0.1:{self.gorgias}/    a pretend one: write as a customer, answer in the admin",
            f"  Shopify    http://127.0.0.1:{self.shopify}/    a pretend shop: register its webhooks in the admin, buy",
            f"  Logs       {logs}/web.log, worker.log, beat.log, slack.log, gorgias.log, shopify.log",
            "",
            *_advice(),
            "",
            *_logins(site),
            "",
            "Ctrl-C stops everything; the data stays.",
        ]
        self.stdout.write("\n".join(lines))
        self.stdout.flush()


def _advice() -> list[str]:
    if settings.QUIMBI_BASE_URL:
        return [f"  Insights   of the Quimbi at {settings.QUIMBI_BASE_URL}"]
    return [
        "  Insights   are SIMULATED: no QUIMBI_BASE_URL is set, so DNA, churn, drafts and actions are made up by a",
        "             sandbox on this machine. None of it is about anybody.",
    ]


def _logins(site: str) -> list[str]:
    """The demo's, where this is the demo's data."""
    known = {login.email for login in DEMO_LOGINS}
    if Agent.objects.get_queryset().filter(email__in=known).count() < len(known):
        return ["  Logins: those of this database, which was not empty. `manage.py create_admin EMAIL` makes one."]
    login = DEMO_LOGINS[-1]
    width = max(len(login.email) for login in DEMO_LOGINS)
    curl = (
        f'curl -s {site}/api/tickets?page_size=3 -H "Authorization: Bearer $(curl -s {site}/api/auth/login '
        f'-H \'Content-Type: application/json\' -d \'{{"email":"{login.email}","password":"{login.password}"}}\' '
        '| sed \'s/.*"access":"\\([^"]*\\).*/\\1/\')"'
    )
    watch = f"echo '{login.password}' | make -s manage ARGS=\"watch_feed {login.email} --url {site}\""
    return [
        "  Logins (of the demo only)",
        *(f"    {login.role:<10}  {login.email:<{width}}  {login.password}" for login in DEMO_LOGINS),
        "",
        "  Try it:",
        f"    {curl}",
        "",
        "  See an agent's events as they happen:",
        f"    {watch}",
    ]


def _is_ready(port: int) -> bool:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        line.request("GET", "/readyz")
        return line.getresponse().status == HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        line.close()


class _Leave(Exception):
    """A signal asked us to end."""


def _leave(number: int, frame: object) -> None:
    raise _Leave


def _stop(parts: list[Part]) -> None:
    """Asks every part to end at once, then waits; a second Ctrl-C does not interrupt that."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    running = [part.child for part in parts if part.child and part.child.poll() is None]
    for child in running:
        os.killpg(child.pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    for child in running:
        try:
            child.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
