"""A Gorgias of our own on this machine, as strict as theirs: for tests, drills and the demo.

`python -m integrations.gorgias.sandbox --port 8032` keeps tickets, shows them at `/`, lets a visitor write as a
customer there, and calls the HTTP integrations that are registered. Failures can be scripted, every request is noted,
and what a customer would have been mailed stands in `mailed`.
"""

import argparse
import base64
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from socket import SHUT_RDWR
from threading import RLock, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit
from urllib.request import Request, urlopen

EMAIL, KEY = "agent.one@example.com", "sandbox-key-of-nobody"  # opens nothing but this
SECRET = "GORGIAS_SANDBOX_SECRET"  # noqa: S105 - the variable's name
ADDRESS = "support@example.test"  # the connected one
CLIENT_ID, CLIENT_SECRET = "the-gorgias-app-of-tests", "sandbox-secret-of-a-gorgias-app"
REFRESH = "sandbox-refresh-token-of-nobody"
MOST_BYTES, MOST_ROWS, ROWS = 1_000_000, 100, 30
TRIGGERS = (
    *("ticket-created", "ticket-updated", "ticket-message-created", "ticket-message-failed"),
    *("ticket-assignment-updated", "ticket-status-updated", "ticket-self-unsnoozed", "ticket-handed-over"),
)
MESSAGE_FIELDS = frozenset(
    {
        *("channel", "via", "from_agent", "public", "external_id", "source", "sender", "receiver", "subject"),
        *("body_text", "body_html", "attachments", "sent_datetime", "created_datetime", "integration_id"),
    }
)
TICKET_FIELDS = frozenset({"status", "priority", "assignee_user", "subject", "external_id", "spam", "trashed_datetime"})
CUSTOMER_FIELDS = frozenset({"name", "email", "external_id", "language", "timezone", "note", "data", "channels"})
STATUSES, PRIORITIES = ("open", "closed"), ("critical", "high", "normal", "low")
ORDERS = {
    "tickets": ("created_datetime", "updated_datetime"),
    "messages": ("created_datetime",),
    "customers": ("created_datetime", "updated_datetime"),
    "users": ("created_datetime",),
    "integrations": ("created_datetime",),
}
FILTERS = {
    "tickets": frozenset({"external_id", "customer_id", "trashed"}),
    "messages": frozenset({"ticket_id"}),
    "customers": frozenset({"email", "external_id"}),
    "users": frozenset[str](),
    "integrations": frozenset({"type"}),
}
_PLACE = re.compile(r"\{\{\s*([a-z_.]+)\s*\}\}")


@dataclass(frozen=True)
class Asked:
    """One request: when, its method and path without the query, with what, and what was answered (0: nothing)."""

    at: float
    method: str
    path: str
    given: Mapping[str, Any]
    query: Mapping[str, str]
    answered: int


@dataclass(frozen=True)
class Scripted:
    """What the next request is answered with. `drop` closes the line once it was read instead; `stores`: what was asked
    is done all the same.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    stores: bool = False


class _Wrong(Exception):
    """What is asked for is not there, or is not as it should be."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.answer = Scripted(status=status, body={"error": {"msg": message}})


class Sandbox:
    """Its state, and what people there do. `calls` are those of its integrations that were not made yet: address,
    headers, body. `first`: the smallest id.
    """

    def __init__(
        self, port: int = 0, *, limit: int = 4_000, clock: Callable[[], float] = time.time, first: int = 231_000_001
    ) -> None:
        self.lock, self.clock, self.limit = RLock(), clock, limit
        self.asked: list[Asked] = []
        self.scripted: list[tuple[str, str, Scripted]] = []
        self.tickets: dict[int, dict[str, Any]] = {}
        self.customers: dict[int, dict[str, Any]] = {}
        self.users: dict[int, dict[str, Any]] = {}
        self.tags: dict[str, int] = {}
        self.integrations: dict[int, dict[str, Any]] = {}
        self.mailed: list[dict[str, Any]] = []
        self.calls: list[tuple[str, dict[str, str], bytes]] = []
        self.tokens: set[str] = set()
        self.codes: set[str] = set()  # of owners who gave their permission
        self.grants: list[Scripted] = []  # what the next requests for a token are answered with
        self.lives = 0  # seconds of a token, as it is told
        self.asked_for_tokens: list[Mapping[str, str]] = []
        self.bounces = False  # what is mailed comes back
        self.down: Scripted | None = None  # what everything is answered with, while it is
        self.meanwhile: Callable[[], object] | None = None  # happens once, after the next answer is made
        self._numbers, self._latest = count(first), 0.0
        self._times: list[float] = []
        self.me = self.add_user(EMAIL, "Agent One")
        self.server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"sandbox": self}))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def start(self) -> None:
        Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def script(self, method: str, path: str, *answers: Scripted) -> None:
        """For the next requests of the method whose path begins so."""
        self.scripted += [(method, path, one) for one in answers]

    def of(self, method: str, path: str = "/api/") -> list[Asked]:
        return [one for one in self.asked if one.method == method and one.path.startswith(path)]

    # What people do there

    def add_user(self, email: str, name: str) -> dict[str, Any]:
        user: dict[str, Any] = {"id": next(self._numbers), "email": email, "name": name, "created_datetime": self.now()}
        self.users[user["id"]] = user
        return user

    def add_customer(
        self, email: str | None = None, *, name: str | None = None, phone: str | None = None, shopify: int | None = None
    ) -> dict[str, Any]:
        channels = [("email", email), ("phone", phone)]
        customer: dict[str, Any] = {"id": next(self._numbers), "email": email, "name": name, "firstname": ""}
        customer |= {"lastname": "", "meta": None, "created_datetime": self.now(), "updated_datetime": self.now()}
        customer["channels"] = [{"type": kind, "address": given} for kind, given in channels if given]
        bought = {"__integration_type__": "shopify", "customer": {"id": shopify, "email": email}}
        customer["integrations"] = {"82001": bought} if shopify else {}
        self.customers[customer["id"]] = customer
        return customer

    def open_ticket(self, customer: Mapping[str, Any] | None, text: str, **over: Any) -> dict[str, Any]:
        """A customer writes for the first time."""
        with self.lock:
            ticket = self._new_ticket(customer, over)
        self.say(ticket["id"], text)
        return ticket

    def _new_ticket(self, customer: Mapping[str, Any] | None, over: Mapping[str, Any]) -> dict[str, Any]:
        with self.lock:
            at, pk = self.now(), next(self._numbers)
            ticket: dict[str, Any] = dict.fromkeys(
                ("external_id", "language", "assignee_user", "assignee_team", "meta", "closed_datetime")
            )
            ticket |= {"id": pk, "status": "open", "priority": "normal", "channel": "email", "via": "email"}
            ticket |= {"spam": False, "customer": customer, "subject": "A question", "tags": [], "messages": []}
            ticket |= {"snooze_datetime": None, "trashed_datetime": None, "created_datetime": at}
            ticket |= {"updated_datetime": at, **over}
            self.tickets[pk] = ticket
            self.fire("ticket-created", ticket)
            return ticket

    def say(self, ticket_id: int, text: str, *, user: Mapping[str, Any] | None = None, **over: Any) -> dict[str, Any]:
        """A customer writes, or a user who works there."""
        ticket = self.tickets[ticket_id]
        customer = ticket["customer"] or {}
        who = {"name": customer.get("name") or "", "address": customer.get("email") or "visitor-000"}
        us = {"name": "Support", "address": ADDRESS}
        source = {"type": ticket["channel"], "from": us if user else who, "to": [who if user else us]}
        given = {"channel": ticket["channel"], "via": "helpdesk" if user else ticket["via"], "public": True}
        given |= {"from_agent": user is not None, "sender": user or ticket["customer"], "source": source}
        return self._add(ticket, {**given, "body_text": text, "sent_datetime": self.now(), **over})

    def change(self, ticket_id: int, **changes: Any) -> None:
        """Somebody changes a ticket there; `tags` are names."""
        with self.lock:
            ticket = self.tickets[ticket_id]
            names = changes.pop("tags", None)
            if names is not None:
                ticket["tags"] = [self._tag(name) for name in names]
            self._change(ticket, changes)

    def change_customer(self, customer_id: int, **changes: Any) -> dict[str, Any]:
        """Nobody is called about it. An address that another customer has is refused."""
        with self.lock:
            if any(one["email"] == changes.get("email", "") for pk, one in self.customers.items() if pk != customer_id):
                raise _Wrong(400, "A customer with this email already exists.")
            self.customers[customer_id] |= {**changes, "updated_datetime": self.now()}
            return self.customers[customer_id]

    def fail_sending(self, ticket_id: int, message_id: int, error: str) -> None:
        with self.lock:
            ticket = self.tickets[ticket_id]
            message = next(one for one in ticket["messages"] if one["id"] == message_id)
            message |= {"failed_datetime": self.now(), "sent_datetime": None, "last_sending_error": {"error": error}}
            self._touch(ticket)
            self.fire("ticket-message-failed", ticket, message)

    def fire(self, trigger: str, ticket: Mapping[str, Any], message: Mapping[str, Any] | None = None) -> None:
        """Has whoever registered for it called."""
        for one in list(self.integrations.values()):
            http = one["http"]
            if http["triggers"].get(trigger) and one["deactivated_datetime"] is None:
                context = {"ticket": ticket, "message": message or {}}
                form = {name: _filled(str(value), context) for name, value in http["form"].items()}
                self.calls.append((http["url"], dict(http["headers"]), json.dumps(form).encode()))

    def deliver(self) -> int:
        """Makes the calls that are to be made; how many were answered well."""
        with self.lock:
            calls, self.calls = self.calls, []
        good = 0
        for url, headers, body in calls:
            with suppress(OSError):
                request = Request(url, body, {"Content-Type": "application/json", **headers}, method="POST")  # noqa: S310
                good += urlopen(request, timeout=5).status < 300  # noqa: S310 - our own address
        return good

    # The API

    def now(self) -> str:
        """A moment later each time."""
        with self.lock:
            self._latest = max(self._latest + 1e-6, self.clock())
            return datetime.fromtimestamp(self._latest, UTC).isoformat()

    def answer(self, method: str, path: str, given: Mapping[str, Any], query: Mapping[str, str]) -> Scripted:
        """What is answered, and the effect that it has."""
        with self.lock:
            found = self._scripted(method, path) or self.down
            good: Scripted | None = None
            if found is None or found.stores:
                try:
                    good = self._limited() or self._good(method, path.rstrip("/"), given, query)
                except _Wrong as wrong:
                    good = wrong.answer
            answer = found or good or Scripted()
            happening, self.meanwhile = self.meanwhile, None
            if happening is not None:
                happening()
            status = 0 if answer.drop else answer.status
            self.asked.append(Asked(self.clock(), method, path, given, query, status))
            headers = {"X-Gorgias-Account-Api-Call-Limit": f"{len(self._times)}/{self.limit}", **answer.headers}
            return Scripted(answer.status, answer.body, headers, answer.drop)

    def token(self, form: Mapping[str, str], login: str) -> Scripted:
        """What is answered to a form for a token."""
        with self.lock:
            self.asked_for_tokens.append(form)
            if self.grants:
                return self.grants.pop(0)
            if login != f"{CLIENT_ID}:{CLIENT_SECRET}":
                return Scripted(status=401, body={"error": "invalid_client"})
            first = form.get("grant_type") == "authorization_code"
            fits = form.get("code") in self.codes if first else form.get("refresh_token") == REFRESH
            if not fits or (first and not form.get("redirect_uri")):
                return Scripted(status=400, body={"error": "invalid_grant"})
            self.codes.discard(form.get("code", ""))
            claims = json.dumps({"exp": int(self.clock()) + 3_600, "n": next(self._numbers)}).encode()
            token = ".".join(["head", base64.urlsafe_b64encode(claims).decode().rstrip("="), "mark"])
            self.tokens.add(token)
            body = {"access_token": token, "token_type": "Bearer", "expires_in": self.lives, "scope": "tickets:read"}
            return Scripted(body=body | ({"refresh_token": REFRESH} if first else {}))

    def _scripted(self, method: str, path: str) -> Scripted | None:
        for place, (wanted, begins, answer) in enumerate(self.scripted):
            if wanted == method and path.startswith(begins):
                del self.scripted[place]
                return answer
        return None

    def _limited(self) -> Scripted | None:
        now = self.clock()
        self._times = [at for at in self._times if at > now - 20]
        if len(self._times) >= self.limit:
            wait = f"{max(1.0, self._times[0] + 20 - now):.0f}"
            body = {"error": {"msg": "Rate limit exceeded"}}
            return Scripted(status=429, body=body, headers={"Retry-after": wait})
        self._times.append(now)
        return None

    def _good(self, method: str, path: str, given: Mapping[str, Any], query: Mapping[str, str]) -> Scripted:
        parts = path.removeprefix("/api/").split("/")
        match method, parts:
            case "GET", ["account"]:
                return Scripted(body={"domain": "sandbox", "status": {"status": "active"}})
            case "GET", [("tickets" | "messages" | "customers" | "users" | "integrations") as kind]:
                return self._page(kind, path, query)
            case "GET", ["tickets", pk]:
                return Scripted(body=self._ticket(pk))
            case "PUT", ["tickets", pk]:
                _only(given, TICKET_FIELDS)
                self._change(self._ticket(pk), given)
                return Scripted(status=202, body=self._row(self._ticket(pk)))
            case "GET", ["customers", pk] if pk.isdecimal() and int(pk) in self.customers:
                return Scripted(body=self.customers[int(pk)])
            case "PUT", ["customers", pk] if pk.isdecimal() and int(pk) in self.customers:
                _only(given, CUSTOMER_FIELDS)
                return Scripted(status=202, body=self.change_customer(int(pk), **given))
            case "POST", ["tickets"]:
                return Scripted(status=201, body=self._open(given))
            case (("POST" | "DELETE"), ["tickets", pk, "tags"]):
                return self._retag(method, self._ticket(pk), given)
            case "POST", ["tickets", pk, "messages"]:
                return self._post_message(self._ticket(pk), given)
            case "POST", ["integrations"]:
                return Scripted(status=201, body=self._register(given))
            case "PUT", ["integrations", pk] if pk.isdecimal() and int(pk) in self.integrations:
                self.integrations[int(pk)] |= given
                return Scripted(status=202, body=self.integrations[int(pk)])
        raise _Wrong(404, "Not found")

    def _ticket(self, pk: str) -> dict[str, Any]:
        if not pk.isdecimal() or int(pk) not in self.tickets:
            raise _Wrong(404, f"Ticket {pk[:20]} does not exist")
        return self.tickets[int(pk)]

    def _page(self, kind: str, path: str, query: Mapping[str, str]) -> Scripted:
        if unknown := set(query) - FILTERS[kind] - {"limit", "cursor", "order_by"}:
            raise _Wrong(400, f"Unknown: {sorted(unknown)}")
        named, _, way = query.get("order_by", f"{ORDERS[kind][0]}:desc").partition(":")
        limit = int(query.get("limit", ROWS))
        if named not in ORDERS[kind] or way not in {"asc", "desc"} or not 0 < limit <= MOST_ROWS:
            raise _Wrong(400, "Invalid order or limit")
        rows = sorted(self._rows(kind, query), key=lambda row: str(row.get(named)), reverse=way == "desc")
        try:
            start = int(base64.b64decode(query.get("cursor", "MA==")).decode())
        except ValueError:
            raise _Wrong(400, "Invalid cursor") from None
        after = base64.b64encode(str(start + limit).encode()).decode() if start + limit < len(rows) else None
        body = {"data": rows[start : start + limit], "object": "list", "uri": path}
        return Scripted(body={**body, "meta": {"prev_cursor": None, "next_cursor": after}})

    def _rows(self, kind: str, query: Mapping[str, str]) -> Iterable[dict[str, Any]]:
        if kind == "messages":
            wanted = query.get("ticket_id")
            return [
                one for pk, ticket in self.tickets.items() if wanted in {None, str(pk)} for one in ticket["messages"]
            ]
        if kind == "tickets":
            rows = [self._row(ticket) for ticket in self.tickets.values()]
        else:
            held: Mapping[str, dict[int, dict[str, Any]]] = {"customers": self.customers, "users": self.users}
            rows = list(held.get(kind, self.integrations).values())
        named = {name: query[name] for name in ("external_id", "email", "type") if name in query}
        return [row for row in rows if all(str(row.get(name)) == value for name, value in named.items())]

    def _row(self, ticket: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in ticket.items() if name != "messages"}

    def _open(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """As an app does it: with its messages, and a customer who is known by their address."""
        _only(given, TICKET_FIELDS | {"channel", "via", "customer", "tags", "messages", "created_datetime"})
        messages, person = given.get("messages"), given.get("customer") or {}
        if not isinstance(messages, list) or not 1 <= len(messages) <= 500 or not person.get("email"):
            raise _Wrong(400, "Missing data for required field.")
        if given.get("status", "open") not in STATUSES or given.get("priority", "low") not in PRIORITIES:
            raise _Wrong(400, "Not a valid choice.")
        known = [one for one in self.customers.values() if one["email"] == person["email"]]
        customer = known[0] if known else self.add_customer(person["email"], name=person.get("name"))
        over = {name: given[name] for name in ("subject", "status", "priority", "external_id") if name in given}
        tags = [self._tag(tag["name"]) for tag in given.get("tags", [])]
        ticket = self._new_ticket(customer, {**over, "via": "api", "tags": tags})
        for message in messages:
            self._post_message(ticket, message)
        return ticket

    def _change(self, ticket: dict[str, Any], changes: Mapping[str, Any]) -> None:
        if changes.get("status", "open") not in STATUSES or changes.get("priority", "low") not in PRIORITIES:
            raise _Wrong(400, "Not a valid choice.")
        wanted = dict(changes)
        if "assignee_user" in wanted and wanted["assignee_user"] is not None:
            if (user := self.users.get(wanted["assignee_user"].get("id"))) is None:
                raise _Wrong(400, "No such user.")
            wanted["assignee_user"] = user
        changed = {name for name, value in wanted.items() if ticket.get(name) != value}
        ticket |= wanted
        if "status" in changed:
            ticket["closed_datetime"] = self.now() if ticket["status"] == "closed" else None
        self._touch(ticket)
        self.fire("ticket-updated", ticket)
        if "status" in changed:
            self.fire("ticket-status-updated", ticket)
        if "assignee_user" in changed:
            self.fire("ticket-assignment-updated", ticket)

    def _retag(self, method: str, ticket: dict[str, Any], given: Mapping[str, Any]) -> Scripted:
        _only(given, frozenset({"ids", "names"}))
        names = [str(name) for name in given.get("names", [])]
        if not names:
            raise _Wrong(400, "Missing data for required field.")
        kept = [tag for tag in ticket["tags"] if tag["name"] not in names]
        ticket["tags"] = kept if method == "DELETE" else [*kept, *map(self._tag, names)]
        self._touch(ticket)
        self.fire("ticket-updated", ticket)
        return Scripted(status=201 if method == "POST" else 204, body="")

    def _tag(self, name: str) -> dict[str, Any]:
        pk = self.tags.setdefault(name, next(self._numbers))
        return {"id": pk, "name": name, "uri": f"/api/tags/{pk}/", "decoration": None}

    def _post_message(self, ticket: dict[str, Any], given: Mapping[str, Any]) -> Scripted:
        _only(given, MESSAGE_FIELDS)
        if not all(name in given for name in ("channel", "via", "from_agent")):
            raise _Wrong(400, "Missing data for required field.")
        source, public = given.get("source") or {}, given.get("public", True)
        if public and given["from_agent"]:
            to = source.get("to") or []
            if not to or not to[0].get("address"):
                raise _Wrong(400, "No address to send to.")
            if given["channel"] == "email" and (source.get("from") or {}).get("address") != ADDRESS:
                raise _Wrong(400, "The sending address is not connected.")
        if not given["from_agent"]:
            return Scripted(status=201, body=self._add(ticket, {**given, "sender": ticket["customer"]}))
        sender = given.get("sender") or {"id": self.me["id"]}
        message = self._add(ticket, {**given, "sender": self.users.get(int(sender.get("id") or 0), self.me)})
        if public and given["from_agent"] and not given.get("sent_datetime"):
            self.mailed.append(message)
            if self.bounces:
                self.fail_sending(ticket["id"], message["id"], "The mailbox is full")
            else:
                message["sent_datetime"] = self.now()
        return Scripted(status=201, body=message)

    def _add(self, ticket: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
        with self.lock:
            message: dict[str, Any] = dict.fromkeys(
                ("external_id", "body_text", "body_html", "stripped_text", "headers", "failed_datetime", "subject")
            )
            message |= {"last_sending_error": None, "sent_datetime": None, "receiver": None, "attachments": []}
            message |= {"id": next(self._numbers), "ticket_id": ticket["id"], "created_datetime": self.now(), **given}
            ticket["messages"].append(message)
            if not message["from_agent"] and ticket["status"] == "closed":
                self._change(ticket, {"status": "open"})
            self._touch(ticket)
            self.fire("ticket-message-created", ticket, message)
            self.fire("ticket-updated", ticket)
            return message

    def _touch(self, ticket: dict[str, Any]) -> None:
        ticket["updated_datetime"] = self.now()

    def _register(self, given: Mapping[str, Any]) -> dict[str, Any]:
        _only(given, frozenset({"name", "description", "type", "http"}))
        http = given.get("http") or {}
        if given.get("type") != "http" or not http.get("url") or set(http.get("triggers", {})) - set(TRIGGERS):
            raise _Wrong(400, "Invalid integration.")
        made = {"id": next(self._numbers), "deactivated_datetime": None, "created_datetime": self.now(), **given}
        self.integrations[made["id"]] = made
        return made


def _only(given: Mapping[str, Any], names: frozenset[str]) -> None:
    if unknown := set(given) - names:
        raise _Wrong(400, f"Unknown field: {sorted(unknown)}")


def _filled(template: str, context: Mapping[str, Any]) -> str:
    """As theirs: everything becomes text."""

    def value(found: re.Match[str]) -> str:
        here: Any = context
        for part in found[1].split("."):
            here = here.get(part) if isinstance(here, Mapping) else None
        return "" if here is None else str(here)

    return _PLACE.sub(value, template)


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
        with self.sandbox.lock:
            newest = sorted(self.sandbox.tickets.values(), key=lambda one: str(one["updated_datetime"]), reverse=True)
            shown = "".join(map(_shown, newest[:50]))
        body = f"{_HEAD}{_FORM.format(hidden='', fields=_NEW)}{shown}"
        self._send(Scripted(body=body, headers={"Content-Type": "text/html; charset=utf-8"}))

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


_HEAD = (
    "<!doctype html><meta charset=utf-8><title>Gorgias</title>"
    "<style>body{font:15px sans-serif;margin:2em}article{border-left:4px solid;padding-left:1em;margin:2em 0}</style>"
    "<h1>A pretend Gorgias</h1><p>What you write here as a customer arrives in the desk; what agents answer there "
    'arrives here. <a href="/">Look again</a></p>'
)
_FORM = (
    '<form method="post">{hidden}{fields}<input name="text" size="60" required placeholder="Write"> '
    "<button>Send</button></form>"
)
_NEW = (
    '<input name="email" type="email" value="visitor@example.com"> <input name="subject" value="Where is my order?"> '
)


def _shown(ticket: Mapping[str, Any]) -> str:
    lines = "".join(
        f"<p><b>{'Desk' if one['from_agent'] else 'Customer'}{'' if one.get('public', True) else ', a note'}:</b> "
        f"{escape(str(one['body_text'] or ''))}</p>"
        for one in ticket["messages"]
    )
    tags = escape(", ".join(tag["name"] for tag in ticket["tags"]))
    head = f"<h2>{escape(str(ticket['subject']))}</h2><p>{ticket['status']}, {ticket['priority']} {tags}</p>"
    hidden = f'<input type="hidden" name="ticket" value="{ticket["id"]}">'
    return f"<article>{head}{lines}{_FORM.format(hidden=hidden, fields='')}</article>"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m integrations.gorgias.sandbox")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--calls", default="", help=f"an address that is called, with what {SECRET} holds")
    given = parser.parse_args()
    sandbox = Sandbox(given.port, limit=80, first=int(time.time()))  # ids that no earlier one gave
    if given.calls:
        register(sandbox, given.calls, os.environ.get(SECRET, ""))
    sandbox.start()
    print(f"A pretend Gorgias: {sandbox.url}/", flush=True)
    while True:
        time.sleep(0.3)
        sandbox.deliver()


def register(sandbox: Sandbox, url: str, secret: str) -> None:
    """As its administrator would: one integration for each trigger."""
    ids = {"ticket_id": "{{ticket.id}}", "message_id": "{{message.id}}", "updated": "{{ticket.updated_datetime}}"}
    for trigger in TRIGGERS[:6]:
        http = {"url": url, "method": "POST", "headers": {"X-Webhook-Token": secret}, "form": {"event": trigger, **ids}}
        sandbox._register({"name": trigger, "type": "http", "http": {**http, "triggers": {trigger: True}}})


if __name__ == "__main__":
    main()
