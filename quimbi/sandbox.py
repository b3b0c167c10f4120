"""A Quimbi on loopback for the demo and the tests: both dialects, strict about what it is sent, and able to fail.

It runs only where it is started by name and settings point to it; the gateway never falls back to it.
"""

import json
import socket
import struct
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

from quimbi import simulated
from quimbi.dialects import ABOUT_A_CUSTOMER, PATHS, Dialect, Function

KEY = "sandbox"
WELL = "well"
PLAYS = (
    *(WELL, "refuse", "reset", "hang", "slow", "429", "500", "html", "huge", "nan", "wrong-customer", "flapping"),
    *("spotty", "401", "404", "422", "redirect", "drip", "cut", "empty", "boolean"),
)
ROUTES: Mapping[str, tuple[Dialect, Function]] = {
    path: (dialect, function) for dialect, paths in PATHS.items() for function, path in paths.items()
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """One that arrived. `play` is what was played at it."""

    function: Function
    dialect: Dialect
    customer_id: str
    at: float  # time.monotonic
    play: str
    body: Mapping[str, Any] = field(repr=False)


class Sandbox:
    """`play` says how it behaves from now on: one of PLAYS. `requests` is what arrived and was understood."""

    def __init__(self, *, port: int = 0, key: str = KEY, unknown: float = 0.0, remembers: int | None = None) -> None:
        self.key, self.unknown = key, unknown  # the share of customers it has no profile of
        self.requests: deque[Request] = deque(maxlen=remembers)
        self.refused: Counter[int] = Counter()  # by status, of what was not understood
        self.told: dict[tuple[Function, str], dict[str, Any]] = {}
        self.strangers: set[str] = set()
        self.kind, self.seconds, self.retry_after = WELL, 10.0, "60"
        self.next_plays: list[str] = []  # for one request each, before `play` goes on
        self.takes = 0.0  # seconds for an answer when all is well
        self.before_answering: Callable[[], object] = lambda: None
        self.at_once = self.most_at_once = 0
        self.released = threading.Event()
        self.lock = threading.Lock()
        self.server = _Server(self, port)
        self.port = self.server.server_port
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "Sandbox":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.released.set()
        self.server.close()

    def play(self, kind: str, *, seconds: float = 10.0, retry_after: str = "60") -> None:
        """`seconds` is how long `slow`, `hang` and `drip` take, and each half of `flapping` lasts."""
        if kind not in PLAYS:
            raise ValueError(f"One of: {', '.join(PLAYS)}.")
        was, self.kind, self.seconds, self.retry_after = self.kind, kind, seconds, retry_after
        self.released.set()
        self.released = threading.Event()
        if (kind == "refuse") != (was == "refuse"):
            if kind == "refuse":
                self.server.close()
            else:
                self.server = _Server(self, self.port)
                self.start()

    def say(self, function: Function, customer_id: str, **fields: Any) -> None:
        """What the answer about a customer says besides, or instead."""
        self.told[function, customer_id] = fields

    def forget(self) -> None:
        """What arrived so far."""
        with self.lock:
            self.requests.clear()

    def count(self, *functions: Function) -> int:
        """Of requests that arrived, of these functions or of all."""
        with self.lock:
            return sum(not functions or one.function in functions for one in self.requests)

    def arrived(self, dialect: Dialect, function: Function, customer_id: str, body: Mapping[str, Any]) -> str:
        """Notes a request; what is played at it."""
        with self.lock:
            play = self.played()
            self.requests.append(
                Request(
                    function=function,
                    dialect=dialect,
                    customer_id=customer_id,
                    at=time.monotonic(),
                    play=play,
                    body=body,
                )
            )
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        return play

    def left(self) -> None:
        with self.lock:
            self.at_once -= 1

    def played(self) -> str:
        """What is played at the next request."""
        if self.next_plays:
            return self.next_plays.pop(0)
        if self.kind == "flapping":
            return "500" if int(time.monotonic() / self.seconds) % 2 else WELL
        if self.kind == "spotty":
            return "500" if len(self.requests) % 3 == 0 else WELL
        return self.kind

    def knows(self, customer_id: str) -> bool:
        if customer_id in self.strangers or "unknown" in customer_id:
            return False
        return simulated.share(customer_id, "known") >= self.unknown


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, sandbox: Sandbox, port: int) -> None:
        self.sandbox = sandbox
        self.lines: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        line, address = super().get_request()
        self.lines.add(line)
        return line, address

    def shutdown_request(self, request: Any) -> None:
        self.lines.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that gave up are what this is for."""

    def close(self) -> None:
        self.shutdown()
        self.server_close()
        for line in list(self.lines):
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        if self.path in {"/health", "/health/ready", "/health/live"}:
            return self._send(200, {"status": "healthy"})
        known = self.path in ROUTES
        return self._refuse(405 if known else 404, "Method Not Allowed" if known else "Not Found")

    def do_POST(self) -> None:
        sandbox = self.server.sandbox
        length = self.headers.get("Content-Length", "")
        raw = self.rfile.read(int(length)) if length.isdecimal() else b""
        route = ROUTES.get(urlsplit(self.path).path)
        if route is None:
            return self._refuse(404, "Not Found", code="ENDPOINT_NOT_FOUND")
        if (problem := self._stranger()) is not None:
            return self._refuse(*problem)
        try:
            given = json.loads(raw)
        except ValueError:
            given = None
        if wrong := simulated.faults(*route, given):
            return self._refuse(422, "Request validation failed", code="VALIDATION_ERROR", wrong=wrong)
        profile = given.get("customer_profile") or {}
        customer = str(given.get("customer_id") or profile.get("customer_id") or "")
        play = sandbox.arrived(*route, customer, given)
        try:
            sandbox.before_answering()
            if play != WELL:
                return self._fail(play, route, given)
            time.sleep(sandbox.takes)
            return self._answer(route, given, customer)
        finally:
            sandbox.left()

    def log_message(self, *_: Any) -> None:
        """What arrives holds conversations."""

    def _stranger(self) -> tuple[int, str] | None:
        given = self.headers.get("X-API-Key")
        if given is None:
            return 401, "Missing API key"
        if given != self.server.sandbox.key:
            return 403, "Invalid API key"
        if self.headers.get_content_type() != "application/json":
            return 415, "Unsupported Media Type"
        return None

    def _answer(self, route: tuple[Dialect, Function], given: dict[str, Any], customer: str) -> None:
        sandbox, (_, function) = self.server.sandbox, route
        if function in ABOUT_A_CUSTOMER and not sandbox.knows(customer):
            return self._refuse(404, f"Customer {customer} not found", code="HTTP_ERROR")
        answer = simulated.answer(*route, given) | sandbox.told.get((function, customer), {})
        return self._send(200, answer)

    def _fail(self, play: str, route: tuple[Dialect, Function], given: dict[str, Any]) -> None:
        sandbox = self.server.sandbox
        right = simulated.answer(*route, given)
        match play:
            case "reset":
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.close_connection = True
            case "hang":
                sandbox.released.wait(sandbox.seconds)
                self.close_connection = True
            case "slow":
                sandbox.released.wait(sandbox.seconds)
                self._send(200, right)
            case "429":
                said = {"error": "Rate limit exceeded", "message": "Too many requests"}
                self._send(429, said, Retry_After=sandbox.retry_after)
            case "500":
                self._refuse(500, "Internal Server Error: KeyError 'x' at /srv/app.py", code="INTERNAL_ERROR")
            case "html":
                self._write(200, [b"<!doctype html><title>Sign in</title>"], "text/html")
            case "huge":
                self._write(200, (b" " * 65_536 for _ in range(64)), length=64 * 65_536)
            case "nan":
                self._write(200, [json.dumps(_spoilt(right, float("nan"))).encode()])
            case "boolean":
                self._send(200, _spoilt(right, True))
            case "wrong-customer":
                self._send(200, {**right, "customer_id": "somebody-else"})
            case "401":
                self._refuse(401, "Invalid API key", code="INVALID_API_KEY")
            case "404":
                self._refuse(404, "Not Found", code="ENDPOINT_NOT_FOUND")
            case "422":
                wrong = [{"field": "customer_id", "message": "Field required", "type": "missing"}]
                self._refuse(422, "Request validation failed", code="VALIDATION_ERROR", wrong=wrong)
            case "redirect":
                self._send(307, {}, Location=f"http://127.0.0.2:{sandbox.port}{self.path}")
            case "drip":
                whole = json.dumps(right).encode()
                self._write(200, self._drops(whole), length=len(whole))
            case "cut":
                self._write(200, [b'{"customer_id":'], length=4_000)
                self.close_connection = True
            case "empty":
                self._write(200, [])

    def _drops(self, whole: bytes) -> Iterable[bytes]:
        pause = self.server.sandbox.seconds / len(whole)
        for number in range(len(whole)):
            time.sleep(pause)
            yield whole[number : number + 1]

    def _refuse(self, status: int, message: str, *, code: str = "HTTP_ERROR", wrong: Any = None) -> None:
        self.server.sandbox.refused[status] += 1
        details = {"validation_errors": wrong} if wrong else {}
        self._send(status, {"error": {"code": code, "message": message, "details": details}})

    def _send(self, status: int, said: Any, **headers: str) -> None:
        self._write(status, [json.dumps(said).encode()], headers=headers)

    def _write(
        self,
        status: int,
        parts: Iterable[bytes],
        kind: str = "application/json",
        length: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        known = list(parts) if length is None else parts
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(sum(map(len, known)) if length is None else length))
        for name, value in (headers or {}).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        for part in known:
            self.wfile.write(part)


def _spoilt(right: dict[str, Any], value: Any) -> dict[str, Any]:
    """The answer with every number of it replaced, as a faulty model would."""
    return {
        name: _spoilt(one, value)
        if isinstance(one, dict)
        else value
        if isinstance(one, float | int) and not isinstance(one, bool)
        else one
        for name, one in right.items()
    }
