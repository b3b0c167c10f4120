"""What an agent's browser is told, line by line: logs in like one, opens a socket like one, and prints what comes."""

import getpass
import json
import random
import sys
import time
import uuid
from argparse import ArgumentParser
from typing import Any
from urllib.parse import urlsplit

import requests
from django.core.management.base import BaseCommand, CommandError
from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import ClientConnection, connect

TIMEOUT = 10  # seconds
COMES_BACK = frozenset({1006, 1012, 1013})  # codes after which a client tries again
HEARTBEAT = json.dumps({"type": "heartbeat"})


class _Away(Exception):
    """Nobody answers, or not now."""


class Command(BaseCommand):
    help = (
        "Prints the events of an agent as they happen, over the running desk's own API and WebSocket; comes back after "
        "a lost connection and goes on where it was. The password is asked for, or read from standard input without a "
        "terminal. Logging in makes the agent online, as any login does."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("email")
        parser.add_argument("--url", default="http://127.0.0.1:8000", help="where the desk is")

    def handle(self, *args: Any, **options: Any) -> None:
        self.site = options["url"].rstrip("/")
        self.http = requests.Session()
        self.tab, self.last_seq = str(uuid.uuid4()), None
        self._log_in(options["email"], _password())
        try:
            while True:
                try:
                    self._follow()
                except _Away as away:
                    self.stderr.write(str(away))
                time.sleep(random.uniform(1, 3))  # noqa: S311 - spreads clients, no secret
        except KeyboardInterrupt:
            self._post(f"/api/agents/{self.agent}/logout", {})

    def _log_in(self, email: str, password: str) -> None:
        try:
            login = self._post("/api/auth/login", {"email": email, "password": password})
        except _Away as away:
            raise CommandError(str(away)) from None
        self.agent = login["agent"]["id"]
        self._use(login)

    def _follow(self) -> None:
        """One connection from hello to its end. Raises CommandError when it is not to be opened again."""
        self._use(self._post("/api/auth/refresh", {"refresh": self.refresh}))
        ticket = self._post(f"/api/agents/{self.agent}/ws-ticket", {})
        parts = urlsplit(self.site)
        address = parts._replace(scheme="wss" if parts.scheme == "https" else "ws", path=ticket["path"]).geturl()
        origin = {"Origin": f"{parts.scheme}://{parts.netloc}"}
        try:
            with connect(address, additional_headers=origin, open_timeout=TIMEOUT, proxy=None) as line:
                place: dict[str, Any] = {} if self.last_seq is None else {"last_seq": self.last_seq}
                line.send(json.dumps({"type": "hello", "ticket": ticket["ticket"], "tab": self.tab, **place}))
                self._print(line)
        except ConnectionClosed as closed:
            code, reason = (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (1006, "The connection was lost.")
            self.stderr.write(f"{code} {reason}".rstrip())
            if code not in COMES_BACK:
                raise CommandError("The desk closed the connection for good.") from None
        except (OSError, WebSocketException) as problem:
            self.stderr.write(f"Cannot be opened: {problem}")

    def _print(self, line: ClientConnection) -> None:
        beaten = time.monotonic()
        for text in line:
            message = json.loads(text)
            self.last_seq = message.get("seq", self.last_seq)
            if time.monotonic() - beaten >= 15:  # something comes every 15 seconds
                line.send(HEARTBEAT)
                beaten = time.monotonic()
            if message["type"] != "heartbeat":
                self.stdout.write(json.dumps(message, ensure_ascii=False))
                self.stdout.flush()

    def _use(self, login: dict[str, Any]) -> None:
        self.refresh = login["refresh"]
        self.http.headers["Authorization"] = f"Bearer {login['access']}"

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Raises CommandError with what the desk says, and _Away."""
        try:
            answer = self.http.post(f"{self.site}{path}", json=body, timeout=TIMEOUT)
            found: dict[str, Any] = answer.json() if answer.content else {}
        except (requests.RequestException, ValueError):
            raise _Away(f"No desk answers at {self.site}.") from None
        if answer.status_code >= 500:
            raise _Away(f"The desk answered {answer.status_code}.")
        if not answer.ok:
            raise CommandError(found.get("detail", f"The desk answered {answer.status_code}."))
        return found


def _password() -> str:
    """Never from the command line, where other users of the machine could read it."""
    return getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\n")
