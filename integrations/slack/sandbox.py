"""A Slack of our own on this machine, as strict as theirs: for tests, drills and the demo.

`python -m integrations.slack.sandbox --port 8031` keeps what is written to it and shows it at `/`. Other answers than
the good one can be scripted, and every request is noted with the instant at which it came.
"""

import argparse
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape, unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR
from threading import Lock, Thread
from typing import Any
from urllib.parse import parse_qs

TOKEN = "xoxb-sandbox-token-of-nobody"  # noqa: S105 - opens nothing but this
CHANNEL = "C0SANDBOX1"
HOOK = "/services/T0SANDBOX/B0SANDBOX/of-nobody"
SCOPES = "chat:write,users:read,users:read.email"
MOST_BYTES = 1_000_000
BLOCKS, TEXT, SECTION, HEADER, TOTAL = 50, 4_000, 3_000, 150, 13_000
FIELDS = {
    "chat.postMessage": frozenset(
        {"channel", "text", "blocks", "unfurl_links", "unfurl_media", "metadata", "thread_ts", "reply_broadcast"}
    ),
    "chat.update": frozenset({"channel", "ts", "text", "blocks"}),
    "users.lookupByEmail": frozenset({"email"}),
    "auth.test": frozenset[str](),
    "hook": frozenset({"text", "blocks"}),
}


@dataclass(frozen=True)
class Asked:
    """One request: when, which method of the API (`hook` for the incoming webhook), with what, and by whom for what."""

    at: float
    method: str
    given: Mapping[str, Any]
    answered: int
    agent: str = ""
    request_id: str = ""


@dataclass(frozen=True)
class Scripted:
    """What the next request to a method is answered with. `drop` closes the line once it was read instead; `stores`:
    what was asked is done all the same.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    stores: bool = False


class Sandbox:
    """Its state: what it was asked, what was written, and what it will answer."""

    def __init__(self, port: int = 0) -> None:
        self.lock = Lock()
        self.asked: list[Asked] = []
        self.messages: dict[str, dict[str, Any]] = {}
        self.users: dict[str, dict[str, Any]] = {}
        self.scripted: dict[str, list[Scripted]] = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"sandbox": self}))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def start(self) -> None:
        Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def script(self, method: str, *answers: Scripted) -> None:
        self.scripted.setdefault(method, []).extend(answers)

    def of(self, method: str) -> list[Asked]:
        return [one for one in self.asked if one.method == method]

    def answer(self, method: str, given: Mapping[str, Any], *, agent: str = "", request_id: str = "") -> Scripted:
        """What is answered, and the effect that it has."""
        with self.lock:
            waiting = self.scripted.get(method) or []
            found = waiting.pop(0) if waiting else None
            good = self._good(method, given) if found is None or found.stores else None
            answer = found or good or Scripted()
            self.asked.append(Asked(time.time(), method, given, 0 if answer.drop else answer.status, agent, request_id))
            return answer

    def _good(self, method: str, given: Mapping[str, Any]) -> Scripted:
        problem = _problem(method, given)
        if problem:
            return Scripted(body={"ok": False, "error": problem})
        match method:
            case "chat.postMessage" | "hook":
                ts = f"{time.time():.0f}.{len(self.messages):06}"
                self.messages[ts] = {**given, "ts": ts}
                return Scripted(body={"ok": True, "channel": given.get("channel", ""), "ts": ts})
            case "chat.update":
                if given["ts"] not in self.messages:
                    return Scripted(body={"ok": False, "error": "message_not_found"})
                self.messages[given["ts"]] |= given
                return Scripted(body={"ok": True, "channel": given["channel"], "ts": given["ts"]})
            case "users.lookupByEmail":
                user = self.users.get(str(given["email"]))
                return Scripted(body={"ok": True, "user": user} if user else {"ok": False, "error": "users_not_found"})
        body = {"ok": True, "url": self.url, "team": "Sandbox", "user": "desk", "team_id": "T0SANDBOX"}
        return Scripted(body=body, headers={"X-OAuth-Scopes": SCOPES})


def _problem(method: str, given: Mapping[str, Any]) -> str:
    """Slack's word for what is wrong with a request; empty when nothing is."""
    if unknown := set(given) - FIELDS[method]:
        return f"invalid_arguments_{'_'.join(sorted(unknown))}"
    if method in {"chat.postMessage", "chat.update"} and given.get("channel") != CHANNEL:
        return "channel_not_found"
    if method in {"chat.postMessage", "chat.update", "hook"}:
        return _problem_of_text(given)
    return ""


def _problem_of_text(given: Mapping[str, Any]) -> str:
    text, blocks = given.get("text"), given.get("blocks", [])
    if not isinstance(text, str) or not text:
        return "no_text"
    if len(text) > TEXT:
        return "msg_too_long"
    if not isinstance(blocks, list) or len(blocks) > BLOCKS or not all(map(_is_block, blocks)):
        return "invalid_blocks"
    return "msg_blocks_too_long" if len(json.dumps(blocks)) > TOTAL else ""


def _is_block(block: Any) -> bool:
    kind, text = block.get("type"), block.get("text", {})
    match kind:
        case "header":
            return text.get("type") == "plain_text" and 0 < len(text["text"]) <= HEADER
        case "section":
            return text.get("type") in {"plain_text", "mrkdwn"} and 0 < len(text["text"]) <= SECTION
        case "context":
            return 0 < len(block["elements"]) <= 10 and all(part["type"] == "mrkdwn" for part in block["elements"])
        case "actions":
            return all(part["type"] == "button" and len(part["url"]) <= SECTION for part in block["elements"])
    return False


class _Handler(BaseHTTPRequestHandler):
    sandbox: Sandbox
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        raw = self.rfile.read(min(length, MOST_BYTES))
        method = "hook" if self.path == HOOK else self.path.removeprefix("/api/")
        if method not in FIELDS or (method != "hook" and not self.path.startswith("/api/")):
            self._send(Scripted(status=404, body="no_service"))
            return
        if method != "hook" and self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._send(Scripted(body={"ok": False, "error": "invalid_auth"}))
            return
        told = {"agent": self.headers.get("User-Agent", ""), "request_id": self.headers.get("X-Request-ID", "")}
        answer = self.sandbox.answer(method, self._given(raw), **told)
        if answer.drop:
            self.close_connection = True
            self.connection.shutdown(SHUT_RDWR)
            return
        is_good = method == "hook" and isinstance(answer.body, dict)
        self._send(Scripted(body="ok") if is_good and answer.body.get("ok") else answer)

    def do_GET(self) -> None:
        """What was written, for people."""
        newest = sorted(self.sandbox.messages.values(), key=lambda message: str(message["ts"]), reverse=True)
        shown = "".join(f"<li><pre>{escape(_readable(message))}</pre></li>" for message in newest[:100])
        page = f"<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=5><title>Slack</title>{_STYLE}"
        body = f"{page}<h1>#{CHANNEL}</h1><p>A pretend Slack: what the desk would tell there.</p><ul>{shown}</ul>"
        self._send(Scripted(body=body, headers={"Content-Type": "text/html; charset=utf-8"}))

    def _given(self, raw: bytes) -> dict[str, Any]:
        if "json" in self.headers.get("Content-Type", ""):
            found = json.loads(raw or b"{}")
            return dict(found) if isinstance(found, dict) else {}
        return {name: values[0] for name, values in parse_qs(raw.decode()).items()}

    def _send(self, answer: Scripted) -> None:
        body = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        kind = "text/plain" if isinstance(answer.body, str) else "application/json"
        self.send_response(answer.status)
        for name, value in {"Content-Type": kind, **answer.headers, "Content-Length": str(len(body.encode()))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: Any) -> None:
        """What was asked is noted in the sandbox."""


_STYLE = "<style>body{font:15px sans-serif;margin:2em}li{border-left:4px solid;padding-left:1em}</style>"


def _readable(message: Mapping[str, Any]) -> str:
    lines = []
    for block in message.get("blocks", []):
        parts = [block["text"]] if "text" in block else block.get("elements", [])
        lines += [str(part["text"]["text"] if isinstance(part["text"], dict) else part["text"]) for part in parts]
    text = "\n".join(lines) or str(message.get("text", ""))
    return unescape(_LINK.sub(r"\1", text))


_LINK = re.compile(r"<[^<>|]*\|([^<>]*)>")  # also a time, with what is shown where it is not understood


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m integrations.slack.sandbox")
    parser.add_argument("--port", type=int, default=0)
    sandbox = Sandbox(parser.parse_args().port)
    print(f"A pretend Slack: {sandbox.url}/", flush=True)
    sandbox.server.serve_forever()


if __name__ == "__main__":
    main()
