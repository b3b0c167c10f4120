"""A pretend Shopify on loopback."""

import hmac
import json
import re
import secrets
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR
from threading import Thread
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from integrations.shopify.sandbox.answers import Answers
from integrations.shopify.sandbox.credentials import SECRET, SHOP
from integrations.shopify.sandbox.exchange import Scripted
from integrations.shopify.sandbox.pages import page

MOST_BYTES = 1_000_000
MOST_FIRST = 250
DEPRECATED = re.compile(r"(?<![$\w])(addresses|orderNumber|callbackUrl)\b")  # and what no customer here has
_ENDPOINT = re.compile(r"/admin/api/(20\d\d-(?:01|04|07|10))/graphql\.json")
_OPERATION = re.compile(r"\s*(query|mutation)\s+(\w+)\s*(?:\(([^)]*)\))?")
_VARIABLE = re.compile(r"\$(\w+)\s*:\s*([\w\[\]!]+)")


class Sandbox(Answers):
    """The shop and its API, where they can be called."""

    def __init__(self, port: int = 0, *, grace: bool = True) -> None:
        super().__init__(grace=grace)
        self.server = _Server(("127.0.0.1", port), type("Handler", (_Handler,), {"sandbox": self}))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """Whoever asked is gone."""


class _Handler(BaseHTTPRequestHandler):
    sandbox: Sandbox
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        raw = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), MOST_BYTES))
        try:
            given = json.loads(raw)
        except ValueError:
            given = None
        path = urlsplit(self.path).path
        if path == "/buy" and self.sandbox.customers:
            self.sandbox.buy()
            self._send(Scripted(303, "", {"Location": "/"}))
        elif not isinstance(given, dict):
            self._send(Scripted(400, {"errors": "not JSON"}))
        elif path == "/admin/oauth/access_token":
            self._answer(self.sandbox.answer("token", given, lambda: self.sandbox.token(given)))
        elif endpoint := _ENDPOINT.fullmatch(path):
            self._graphql(given, endpoint[1])
        else:
            self._send(Scripted(404, {"errors": "Not Found"}))

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/admin/oauth/authorize":
            asked = dict(parse_qsl(parts.query))
            code = secrets.token_hex(16)
            self.sandbox.codes[code] = asked.get("scope", "")
            to = f"{asked.get('redirect_uri', '')}?{callback(asked.get('state', ''), code=code)}"
            self._send(Scripted(302, "", {"Location": to}))
        else:
            self._send(Scripted(body=page(self.sandbox), headers={"Content-Type": "text/html; charset=utf-8"}))

    def _graphql(self, given: dict[str, Any], version: str) -> None:
        box = self.sandbox
        query, variables = given.get("query"), given.get("variables", {})
        named = _OPERATION.match(query) if isinstance(query, str) else None
        if self.headers.get("X-Shopify-Access-Token") not in box.access:
            refused = {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
            operation = named[2] if named else ""
            self._answer(box.answer("unauthorized", {"operation": operation}, lambda: Scripted(401, refused)))
        elif named is None or (problem := _problem(named, str(query), variables)):
            self._send(Scripted(body={"errors": [{"message": problem if named else "no operation"}]}))
        else:
            self._answer(box.answer(named[2], variables, lambda: box.graphql(named, str(query), variables, version)))

    def _answer(self, answer: Scripted) -> None:
        if answer.drop:
            self.close_connection = True
            self.connection.shutdown(SHUT_RDWR)
        else:
            self._send(answer)

    def _send(self, answer: Scripted) -> None:
        is_text = isinstance(answer.body, str)
        body = (answer.body if is_text else json.dumps(answer.body)).encode()
        self.send_response(answer.status)
        kind = "text/html" if is_text else "application/json"
        for name, value in {"Content-Type": kind, **answer.headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """What was asked is noted in the sandbox."""


def _problem(named: re.Match[str], query: str, variables: Any) -> str:
    """What is wrong with a request; empty when nothing is."""
    if not isinstance(variables, dict):
        return "variables must be an object"
    declared = dict(_VARIABLE.findall(named[3] or ""))
    if unknown := set(variables) - set(declared):
        return f"Variables {sorted(unknown)} are not declared"
    if missing := {name for name, kind in declared.items() if kind.endswith("!")} - set(variables):
        return f"Variables {sorted(missing)} were not provided"
    if int(variables.get("first") or 1) > MOST_FIRST:
        return "first must be at most 250"
    if found := DEPRECATED.search(query):
        return f"Field {found[1]} is deprecated"
    return "" if query.count("{") == query.count("}") else "unbalanced"


def callback(state: str, *, code: str = "code-of-the-merchant", shop: str = SHOP, secret: str = SECRET) -> str:
    """The query with which a merchant's browser comes back."""
    given = {"code": code, "host": "c2FuZGJveA", "shop": shop, "state": state, "timestamp": str(int(time.time()))}
    text = "&".join(f"{name}={value}" for name, value in sorted(given.items()))
    return urlencode({**given, "hmac": hmac.digest(secret.encode(), text.encode(), "sha256").hex()})
