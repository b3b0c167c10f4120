"""What the API of a pretend Gorgias answers, and the effect that it has."""

import base64
import json
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from integrations.gorgias.sandbox.account import ADDRESS, PRIORITIES, STATUSES, Account
from integrations.gorgias.sandbox.credentials import CLIENT_ID, CLIENT_SECRET, REFRESH
from integrations.gorgias.sandbox.exchange import Asked, Scripted, Wrong

MOST_ROWS, ROWS = 100, 30
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


class Answers(Account):
    """The account behind its API: what it was asked, and what it will answer."""

    def __init__(self, *, limit: int = 4_000, clock: Callable[[], float] = time.time, first: int = 231_000_001) -> None:
        super().__init__(clock=clock, first=first)
        self.limit = limit
        self.asked: list[Asked] = []
        self.scripted: list[tuple[str, str, Scripted]] = []
        self.mailed: list[dict[str, Any]] = []
        self.tokens: set[str] = set()
        self.codes: set[str] = set()  # of owners who gave their permission
        self.grants: list[Scripted] = []  # what the next requests for a token are answered with
        self.lives = 0  # seconds of a token, as it is told
        self.asked_for_tokens: list[Mapping[str, str]] = []
        self.bounces = False  # what is mailed comes back
        self.down: Scripted | None = None  # what everything is answered with, while it is
        self.meanwhile: Callable[[], object] | None = None  # happens once, after the next answer is made
        self._times: list[float] = []

    def script(self, method: str, path: str, *answers: Scripted) -> None:
        """For the next requests of the method whose path begins so."""
        self.scripted += [(method, path, one) for one in answers]

    def of(self, method: str, path: str = "/api/") -> list[Asked]:
        return [one for one in self.asked if one.method == method and one.path.startswith(path)]

    def answer(self, method: str, path: str, given: Mapping[str, Any], query: Mapping[str, str]) -> Scripted:
        """What is answered, and the effect that it has."""
        with self.lock:
            found = self._scripted(method, path) or self.down
            good: Scripted | None = None
            if found is None or found.stores:
                try:
                    good = self._limited() or self._good(method, path.rstrip("/"), given, query)
                except Wrong as wrong:
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
        raise Wrong(404, "Not found")

    def _ticket(self, pk: str) -> dict[str, Any]:
        if not pk.isdecimal() or int(pk) not in self.tickets:
            raise Wrong(404, f"Ticket {pk[:20]} does not exist")
        return self.tickets[int(pk)]

    def _page(self, kind: str, path: str, query: Mapping[str, str]) -> Scripted:
        if unknown := set(query) - FILTERS[kind] - {"limit", "cursor", "order_by"}:
            raise Wrong(400, f"Unknown: {sorted(unknown)}")
        named, _, way = query.get("order_by", f"{ORDERS[kind][0]}:desc").partition(":")
        limit = int(query.get("limit", ROWS))
        if named not in ORDERS[kind] or way not in {"asc", "desc"} or not 0 < limit <= MOST_ROWS:
            raise Wrong(400, "Invalid order or limit")
        rows = sorted(self._rows(kind, query), key=lambda row: str(row.get(named)), reverse=way == "desc")
        try:
            start = int(base64.b64decode(query.get("cursor", "MA==")).decode())
        except ValueError:
            raise Wrong(400, "Invalid cursor") from None
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
            raise Wrong(400, "Missing data for required field.")
        if given.get("status", "open") not in STATUSES or given.get("priority", "low") not in PRIORITIES:
            raise Wrong(400, "Not a valid choice.")
        known = [one for one in self.customers.values() if one["email"] == person["email"]]
        customer = known[0] if known else self.add_customer(person["email"], name=person.get("name"))
        over = {name: given[name] for name in ("subject", "status", "priority", "external_id") if name in given}
        tags = [self._tag(tag["name"]) for tag in given.get("tags", [])]
        ticket = self._new_ticket(customer, {**over, "via": "api", "tags": tags})
        for message in messages:
            self._post_message(ticket, message)
        return ticket

    def _retag(self, method: str, ticket: dict[str, Any], given: Mapping[str, Any]) -> Scripted:
        _only(given, frozenset({"ids", "names"}))
        names = [str(name) for name in given.get("names", [])]
        if not names:
            raise Wrong(400, "Missing data for required field.")
        kept = [tag for tag in ticket["tags"] if tag["name"] not in names]
        ticket["tags"] = kept if method == "DELETE" else [*kept, *map(self._tag, names)]
        self._touch(ticket)
        self.fire("ticket-updated", ticket)
        return Scripted(status=201 if method == "POST" else 204, body="")

    def _post_message(self, ticket: dict[str, Any], given: Mapping[str, Any]) -> Scripted:
        _only(given, MESSAGE_FIELDS)
        if not all(name in given for name in ("channel", "via", "from_agent")):
            raise Wrong(400, "Missing data for required field.")
        source, public = given.get("source") or {}, given.get("public", True)
        if public and given["from_agent"]:
            to = source.get("to") or []
            if not to or not to[0].get("address"):
                raise Wrong(400, "No address to send to.")
            if given["channel"] == "email" and (source.get("from") or {}).get("address") != ADDRESS:
                raise Wrong(400, "The sending address is not connected.")
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

    def _register(self, given: Mapping[str, Any]) -> dict[str, Any]:
        _only(given, frozenset({"name", "description", "type", "http"}))
        http = given.get("http") or {}
        if given.get("type") != "http" or not http.get("url") or set(http.get("triggers", {})) - set(TRIGGERS):
            raise Wrong(400, "Invalid integration.")
        made = {"id": next(self._numbers), "deactivated_datetime": None, "created_datetime": self.now(), **given}
        self.integrations[made["id"]] = made
        return made


def _only(given: Mapping[str, Any], names: frozenset[str]) -> None:
    if unknown := set(given) - names:
        raise Wrong(400, f"Unknown field: {sorted(unknown)}")


def register(sandbox: Answers, url: str, secret: str) -> None:
    """As its administrator would: one integration for each trigger."""
    ids = {"ticket_id": "{{ticket.id}}", "message_id": "{{message.id}}", "updated": "{{ticket.updated_datetime}}"}
    for trigger in TRIGGERS[:6]:
        http = {"url": url, "method": "POST", "headers": {"X-Webhook-Token": secret}, "form": {"event": trigger, **ids}}
        sandbox._register({"name": trigger, "type": "http", "http": {**http, "triggers": {trigger: True}}})
