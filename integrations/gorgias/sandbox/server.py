"""A pretend Gorgias on loopback."""

import base64
import json
import time
from collections.abc import Callable
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR
from threading import Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

from integrations.gorgias.sandbox.answers import Answers
from integrations.gorgias.sandbox.credentials import EMAIL, KEY
from integrations.gorgias.sandbox.exchange import Scripted
from integrations.gorgias.sandbox.pages import page

MOST_BYTES = 1_000_000


class Sandbox(Answers):
    """The account and its API, where they can be called."""

    def __init__(
        self, port: int = 0, *, limit: int = 4_000, clock: Callable[[], float] = time.time, first: int = 231_000_001
    ) -> None:
        super().__init__(limit=limit, clock=clock, first=first)
        self.server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"sandbox": self}))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def start(self) -> None:
        Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Handler(BaseHTTPRequestHandler):
    sandbox: Sandbox
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def do_PUT(self) -> None:
        self._serve("PUT")

    def do_DELETE(self) -> None:
        self._serve("DELETE")

    def _serve(self, method: str) -> None:
        raw = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), MOST_BYTES))
        parts = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(parts.query, keep_blank_values=True).items()}
        if parts.path == "/oauth/token" and method == "POST":
            form = {name: values[-1] for name, values in parse_qs(raw.decode("utf-8", "replace")).items()}
            self._send(self.sandbox.token(form, self._login()))
        elif not parts.path.startswith("/api/"):
            self._show(method, raw)
        elif not self._is_known():
            self._send(Scripted(status=401, body={"error": {"msg": "Unauthorized"}}))
        else:
            try:
                given = json.loads(raw or b"{}")
            except ValueError:
                given = None
            if not isinstance(given, dict):
                self._send(Scripted(status=400, body={"error": {"msg": "Invalid JSON"}}))
                return
            answer = self.sandbox.answer(method, parts.path, given, query)
            if answer.drop:
                self.close_connection = True
                self.connection.shutdown(SHUT_RDWR)
                return
            self._send(answer)

    def _is_known(self) -> bool:
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        return value in self.sandbox.tokens if kind == "Bearer" else self._login() == f"{EMAIL}:{KEY}"

    def _login(self) -> str:
        kind, _, value = self.headers.get("Authorization", "").partition(" ")
        with suppress(ValueError):
            return base64.b64decode(value, validate=True).decode() if kind == "Basic" else ""
        return ""

    def _show(self, method: str, raw: bytes) -> None:
        """For people: what is there, and a form to write as a customer."""
        if method == "POST":
            given = {name: values[-1] for name, values in parse_qs(raw.decode("utf-8", "replace")).items()}
            text, ticket = given.get("text", ""), given.get("ticket", "")
            if ticket.isdecimal() and int(ticket) in self.sandbox.tickets:
                self.sandbox.say(int(ticket), text)
            elif text:
                email = given.get("email") or "visitor@example.com"
                known = [one for one in self.sandbox.customers.values() if one["email"] == email]
                person = known[0] if known else self.sandbox.add_customer(email)
                self.sandbox.open_ticket(person, text, subject=given.get("subject") or "A question")
            self._send(Scripted(status=303, body="", headers={"Location": "/"}))
            return
        self._send(Scripted(body=page(self.sandbox), headers={"Content-Type": "text/html; charset=utf-8"}))

    def _send(self, answer: Scripted) -> None:
        body = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        raw = b"" if answer.status == 204 else body.encode()
        kind = "text/plain" if isinstance(answer.body, str) else "application/json"
        self.send_response(answer.status)
        for name, value in {"Content-Type": kind, **answer.headers}.items():
            self.send_header(name, value)
        if answer.status != 204:
            self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: Any) -> None:
        """What was asked is noted in the sandbox."""
