"""What a pretend Gorgias keeps, and what people there do with it."""

import json
import re
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from itertools import count
from threading import RLock
from typing import Any
from urllib.request import Request, urlopen

from integrations.gorgias.sandbox.credentials import EMAIL
from integrations.gorgias.sandbox.exchange import Wrong

ADDRESS = "support@example.test"  # the connected one
STATUSES, PRIORITIES = ("open", "closed"), ("critical", "high", "normal", "low")
_PLACE = re.compile(r"\{\{\s*([a-z_.]+)\s*\}\}")


class Account:
    """Its state, and what people there do. `calls` are those of its integrations that were not made yet: address,
    headers, body. `first`: the smallest id.
    """

    def __init__(self, *, clock: Callable[[], float] = time.time, first: int = 231_000_001) -> None:
        self.lock, self.clock = RLock(), clock
        self.tickets: dict[int, dict[str, Any]] = {}
        self.customers: dict[int, dict[str, Any]] = {}
        self.users: dict[int, dict[str, Any]] = {}
        self.tags: dict[str, int] = {}
        self.integrations: dict[int, dict[str, Any]] = {}
        self.calls: list[tuple[str, dict[str, str], bytes]] = []
        self._numbers, self._latest = count(first), 0.0
        self.me = self.add_user(EMAIL, "Agent One")

    def now(self) -> str:
        """A moment later each time."""
        with self.lock:
            self._latest = max(self._latest + 1e-6, self.clock())
            return datetime.fromtimestamp(self._latest, UTC).isoformat()

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

    def change(self, ticket_id: int, **changes: Any) -> None:
        """Somebody changes a ticket there; `tags` are names."""
        with self.lock:
            ticket = self.tickets[ticket_id]
            names = changes.pop("tags", None)
            if names is not None:
                ticket["tags"] = [self._tag(name) for name in names]
            self._change(ticket, changes)

    def _change(self, ticket: dict[str, Any], changes: Mapping[str, Any]) -> None:
        if changes.get("status", "open") not in STATUSES or changes.get("priority", "low") not in PRIORITIES:
            raise Wrong(400, "Not a valid choice.")
        wanted = dict(changes)
        if "assignee_user" in wanted and wanted["assignee_user"] is not None:
            if (user := self.users.get(wanted["assignee_user"].get("id"))) is None:
                raise Wrong(400, "No such user.")
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

    def _tag(self, name: str) -> dict[str, Any]:
        pk = self.tags.setdefault(name, next(self._numbers))
        return {"id": pk, "name": name, "uri": f"/api/tags/{pk}/", "decoration": None}

    def _touch(self, ticket: dict[str, Any]) -> None:
        ticket["updated_datetime"] = self.now()

    def change_customer(self, customer_id: int, **changes: Any) -> dict[str, Any]:
        """Nobody is called about it. An address that another customer has is refused."""
        with self.lock:
            if any(one["email"] == changes.get("email", "") for pk, one in self.customers.items() if pk != customer_id):
                raise Wrong(400, "A customer with this email already exists.")
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


def _filled(template: str, context: Mapping[str, Any]) -> str:
    """As theirs: everything becomes text."""

    def value(found: re.Match[str]) -> str:
        here: Any = context
        for part in found[1].split("."):
            here = here.get(part) if isinstance(here, Mapping) else None
        return "" if here is None else str(here)

    return _PLACE.sub(value, template)
