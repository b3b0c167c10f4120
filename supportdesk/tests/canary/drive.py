"""The whole product, used well and badly, with a marked value wherever a person's could stand."""

import csv
import io
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlencode

from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client, override_settings
from django.utils import timezone

from agents.models import Agent
from agents.tests.builders import PASSWORD, SYSTEM, make_agent, make_department
from customers import services as customers
from customers.models import Customer
from customers.orders import OrderItem, record_order
from customers.tests.orders import told
from integrations import receipts
from integrations.enums import Provider
from integrations.gorgias import polling
from integrations.gorgias.sandbox.exchange import Scripted
from integrations.gorgias.sandbox.server import Sandbox as Gorgias
from integrations.shopify.sandbox.credentials import TOKEN
from integrations.tests.builders import (
    CHANGES,
    GorgiasDesk,
    encoded,
    make_connection,
    path_of,
    send,
    send_gorgias,
    shopify_headers,
)
from sla.tests.builders import minutes, raise_due
from supportdesk.celery import app
from supportdesk.core import delivery
from supportdesk.importing.mapping import TICKETS
from supportdesk.schedule import SCHEDULE
from supportdesk.tests.canary.marks import Marks
from supportdesk.tests.canary.places import Places
from supportdesk.tests.client import Api
from tickets.models import Ticket
from tickets.services import lifecycle
from tickets.tests.builders import make_ticket

IMPORTED_CUSTOMERS, IMPORTED_TICKETS = 120, 60
ADMIN = "/admin"


class Drive:
    """Steps through every door, and remembers what answered how."""

    def __init__(self, marks: Marks, places: Places, folder: Path) -> None:
        self.marks, self.places, self.folder = marks, places, folder
        self.answers: Counter[tuple[str, str, int]] = Counter()  # by method, route and status
        self.me = make_agent(role="admin", name=marks.text("name"), department=make_department())
        self.browser = Client(raise_request_exception=False)
        self.browser.force_login(self.me)
        self.api = Api(self.me)

    def all(self) -> None:
        self.import_files()
        self.live_a_day()
        self.hear_of_partners()
        self.talk_over_gorgias()
        self.use_the_admin()
        self.guess_and_forge()
        self.send_nonsense()
        self.break_things()
        self.run_commands()
        self.ask_workers()

    # Doors

    def ask(self, method: str, path: str, body: Any = None, *, query: dict[str, str] | None = None, **more: Any) -> Any:
        """The answer of the API as JSON; noted. `headers` replace the login's."""
        headers = more.get("headers", {**self.api.headers, **more.get("extra", {})})
        encoded = urlencode(query or {})
        url = f"{path}?{encoded}" if encoded else path
        if isinstance(body, dict) and "file" in body:
            response = self.api.client.post(url, body, headers=headers)
        else:
            data = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
            response = self.api.client.generic(method, url, data, content_type="application/json", headers=headers)
        self._note(response, encoded)
        is_json = "json" in response.headers.get("Content-Type", "") and response.content
        return response.json() if is_json else None

    def browse(self, path: str, form: dict[str, Any] | None = None, *, query: dict[str, str] | None = None) -> Any:
        url = f"{ADMIN}{path}?{urlencode(query)}" if query else f"{ADMIN}{path}"
        response = self.browser.get(url) if form is None else self.browser.post(url, form)
        self._note(response, urlencode(query or {}))
        return response

    def _note(self, response: Any, query: str = "") -> None:
        if response.streaming:
            b"".join(response.streaming_content)
        request = response.wsgi_request
        route = getattr(request.resolver_match, "route", "")
        self.answers[request.method, route, response.status_code] += 1
        self.places.note(response, query)

    # Steps

    def import_files(self) -> None:
        """Good rows and bad ones, twice, so that rows are met again, changed and refused."""
        marks = self.marks
        rows = [
            [number, marks.text("name"), marks.email(), marks.phone(), marks.text("address")]
            for number in range(IMPORTED_CUSTOMERS)
        ]
        bad = [
            [900, marks.text("name"), marks.word("email"), "", ""],
            [901, "", marks.email(), marks.word("phone"), ""],
        ]
        customers_file = self._csv(["Customer ID", "Name", "Email", "Phone", "Address"], [*rows, *bad])
        changed = self._csv(
            ["Customer ID", "Name", "Email", "Phone", "Address"], [[*rows[0][:4], marks.text("address")]]
        )
        plain = {"Ticket Status": "Closed", "Ticket Type": "Refund request", "Ticket Priority": "Low"}
        plain |= {"Ticket Channel": "Email", "First Response Time": "2023-06-01 12:15:36"}
        columns = TICKETS.wanted_columns()
        tickets = [
            plain
            | {"Ticket ID": str(number), "Customer Name": marks.text("name"), "Customer Email": marks.email()}
            | {"Ticket Subject": marks.text("subject"), "Ticket Description": marks.text("body")}
            | {"Resolution": marks.text("body"), "Product Purchased": marks.text("attribute")}
            for number in range(IMPORTED_TICKETS)
        ]
        tickets.append(plain | {"Ticket ID": "999", "Customer Email": marks.word("email")})
        tickets_file = self._csv(columns, [[row.get(column, "") for column in columns] for row in tickets])
        rejects = str(self.folder / "rejects.csv")
        for command, path in (
            ("import_customers", customers_file),
            ("import_customers", changed),
            ("import_tickets", tickets_file),
            ("import_tickets", tickets_file),
        ):
            call_command(command, path, rejects=rejects, stdout=io.StringIO())

    def live_a_day(self) -> None:
        """Every route of the API as it is meant to be used."""
        marks, ask = self.marks, self.ask
        department = {"department_id": self.me.department_id}
        other = {"email": marks.email("agent"), "name": marks.text("name"), "password": marks.text("password")}
        agent = ask("POST", "/api/agents", {**other, **department})
        ask("PATCH", f"/api/agents/{agent['id']}", {"name": marks.text("name"), "password": marks.text("password")})
        ask("GET", "/api/agents", query={"q": marks.word("name")})
        ask("GET", f"/api/agents/{agent['id']}")
        key = ask(
            "POST", "/api/api-keys", {"name": marks.text("name"), "scopes": ["tickets:read"], **self._in_a_year()}
        )
        ask("GET", "/api/api-keys")
        ask("GET", "/api/tickets", headers={"X-API-Key": key["key"]})
        ask("DELETE", f"/api/api-keys/{key['id']}")
        for number in range(12):
            self._live_with_a_customer(agent["id"], number)
        login = {"email": self.me.email, "password": PASSWORD}
        tokens = ask("POST", "/api/auth/login", login, headers={})
        ask("POST", f"/api/agents/{self.me.pk}/login", login, headers={})
        ask("POST", f"/api/agents/{self.me.pk}/ws-ticket", {}, extra={"Origin": "https://desk.example.com"})
        ask("GET", f"/api/agents/{self.me.pk}/stream", headers={"X-Stream-Ticket": marks.token()})
        self._promise()
        self._lift()
        ask("POST", "/api/auth/refresh", {"refresh": tokens["refresh"]}, headers={})
        bearer = {"Authorization": f"Bearer {tokens['access']}"}
        ask("POST", f"/api/agents/{self.me.pk}/logout", {}, headers=bearer)

    def _live_with_a_customer(self, agent_id: int, number: int) -> None:
        marks, ask = self.marks, self.ask
        given: dict[str, Any] = {"name": marks.text("name"), "email": marks.email(), "phone": marks.phone()}
        given |= {"address": marks.text("address"), "attributes": {"nick": marks.text("attribute")}}
        given["identities"] = [{"source": "shopify", "external_id": marks.word("identity")}]
        customer = ask("POST", "/api/customers", given, extra={"Idempotency-Key": f"key-{number}"})
        again = ask("POST", "/api/customers", given, extra={"Idempotency-Key": f"key-{number}"})
        assert again["id"] == customer["id"]
        ask("POST", "/api/customers", given)  # taken
        path = f"/api/customers/{customer['id']}"
        ask("PATCH", path, {"email": marks.email(), "phone": marks.phone(), "address": marks.text("address")})
        ask("PATCH", path, {"name": marks.text("name")}, extra={"If-Match": '"1"'})
        for query in (
            {"email": given["email"]},
            {"phone": given["phone"]},
            {"q": marks.word("name")},
            {"page_size": "1"},
        ):
            ask("GET", "/api/customers", query=query)
        ask("GET", path)
        ticket = {"customer_id": customer["id"], "subject": marks.text("subject"), "description": marks.text("body")}
        ticket |= {"tags": [marks.word("tag")], "attributes": {"x": marks.text("attribute")}}
        opened = ask("POST", "/api/tickets", ticket)["ticket"]
        here = f"/api/tickets/{opened['id']}"
        ask("POST", f"{here}/messages", {"body": marks.text("body"), "sender": "customer"})
        ask("POST", f"{here}/messages", {"body": marks.text("body"), "last_seen_position": 0})
        ask("POST", f"{here}/notes", {"body": marks.text("note"), "mentions": [agent_id]})
        name, content = f"{marks.word('file')}.txt", marks.text("body").encode()
        file = ask("POST", f"{here}/attachments", {"file": SimpleUploadedFile(name, content)})
        ask("POST", f"{here}/messages", {"body": marks.text("body"), "attachments": [file["id"]]})
        for part in ("", "/messages", "/notes", "/attachments", "/events", f"/attachments/{file['id']}"):
            ask("GET", f"{here}{part}", query={"page_size": "1"} if part in {"/messages", "/events"} else None)
        ask("PATCH", here, {"subject": marks.text("subject"), "tags": [marks.word("tag")]})
        ask("PATCH", here, {"subject": marks.text("subject")}, extra={"If-Match": '"1"'})
        ask(
            "POST",
            "/api/tickets/bulk",
            {"tickets": [{"id": opened["id"]}], "changes": {"subject": marks.text("subject")}},
        )
        self._hand_over(here, agent_id)
        ask("GET", f"{path}/tickets")
        self._ask_quimbi(customer["id"], opened["id"])
        ask("GET", "/api/tickets", query={"q": marks.word("body"), "page_size": "1"})
        ask("GET", "/api/tickets", query={"q": "about", "tag": marks.word("tag")})
        ask("GET", "/api/tickets/export", query={"q": opened["subject"]})
        view = ask("POST", "/api/views", {"name": marks.text("name"), "query": {"q": given["name"]}})
        ask("PATCH", f"/api/views/{view['id']}", {"query": {"q": given["name"], "page_size": "1"}})
        ask("PATCH", f"/api/views/{view['id']}", {"query": {"q": given["name"]}})
        for look in ("/api/views", f"/api/views/{view['id']}"):
            ask("GET", look)
        ask("GET", f"/api/views/{view['id']}/tickets", query={"page_size": "1"})
        ask("DELETE", f"/api/views/{view['id']}")
        ask("GET", f"{path}/export")
        if number % 2:
            ask("DELETE", here)
            ask("POST", f"{path}/erase", {"confirm": "erase"})

    def _ask_quimbi(self, customer_id: int, ticket_id: int) -> None:
        order = told(self.marks.word("order"), number=self.marks.word("order"))
        order = replace(order, items=[OrderItem(name=self.marks.text("item"), quantity=1)])
        record_order(customer_id=customer_id, told=order, by=SYSTEM, now=timezone.now())
        self.ask("GET", f"/api/customers/{customer_id}/orders")
        for path in (f"customers/{customer_id}/dna", f"customers/{customer_id}/churn"):
            self.ask("GET", f"/api/ai/{path}")
            self.ask("GET", f"/api/ai/{path}", query={"refresh": "1"})
        self.ask("GET", f"/api/ai/tickets/{ticket_id}/recommend")
        self.ask("GET", f"/api/ai/tickets/{ticket_id}/draft", query={"tone": "formal"})
        self.ask("POST", f"/api/ai/tickets/{ticket_id}/draft", {"tone": "empathetic"})
        self.ask("GET", "/api/ai/report")

    def _hand_over(self, ticket: str, agent_id: int) -> None:
        ask, me, transfer = self.ask, self.me.pk, {"from_agent_id": self.me.pk, "agent_id": agent_id}
        ask("POST", f"{ticket}/auto-assign", {})
        ask("POST", f"{ticket}/assign", {"agent_id": me})
        ask("POST", f"{ticket}/transfer", transfer | {"reason": self.marks.text("note")})
        ask("POST", f"{ticket}/transfer", transfer | {"reason": self.marks.text("note")})  # it is not ours any more
        for path in (f"{ticket}/assignments", "/api/agents/available"):
            ask("GET", path)
        for path in ("/api/tickets/unassigned", f"/api/agents/{me}/queue"):
            ask("GET", path, query={"q": self.marks.word("name"), "page_size": "1"})

    def _promise(self) -> None:
        """Calendars, policies, and a promise that is broken; words about them are people's too."""
        marks, ask = self.marks, self.ask
        hours = {"name": marks.text("name"), "timezone": "UTC", "week": {"monday": ["09:00-17:00"]}}
        calendar = f"/api/sla/calendars/{ask('POST', '/api/sla/calendars', hours)['id']}"
        ask("PATCH", calendar, {"name": marks.text("name")})
        ask("POST", f"{calendar}/holidays/import", {"country": "DE", "years": [2027]})
        given = {"name": marks.text("name"), "calendar_id": int(calendar.rpartition("/")[2])}
        promise = given | {"targets": minutes(resolution=60), "conditions": {"tags": [marks.word("tag")]}}
        policy = f"/api/sla/policies/{ask('POST', '/api/sla/policies', promise)['id']}"
        ask("PATCH", policy, {"name": marks.text("name")})
        ask("POST", f"{policy}/activate", {})
        job = ask("POST", f"{policy}/apply", {"preview": True})
        trial = ask("POST", f"{policy}/simulate", {"days": 30})
        raise_due(timezone.now() + timedelta(days=90))
        breach = ask("GET", "/api/sla/breaches")["results"][0]
        ask("POST", f"/api/sla/breaches/{breach['id']}/acknowledge", {"reason": marks.text("note")})
        looks = ["/api/sla/calendars", "/api/sla/policies", "/api/sla/at-risk", f"/api/sla/applications/{job['id']}"]
        looks += [f"/api/sla/simulations/{trial['id']}", "/api/sla/dashboard", calendar, policy]
        for path in (*looks, f"{calendar}/versions", f"{policy}/versions"):
            ask("GET", path)
        ask("GET", f"/api/sla/tickets/{breach['ticket']['id']}")
        ask("GET", f"/api/tickets/{breach['ticket']['id']}/rank")

    def _lift(self) -> None:
        """A topic alert: its phrase may be what a customer wrote."""
        ask, ends_at = self.ask, (timezone.now() + timedelta(hours=1)).isoformat()
        given = {"phrase": self.marks.text("subject"), "minutes": 30, "ends_at": ends_at}
        alert = f"/api/topic-alerts/{ask('POST', '/api/topic-alerts', given)['id']}"
        for path in ("/api/topic-alerts", alert):
            ask("GET", path)
        ask("POST", f"{alert}/end", {})

    def hear_of_partners(self) -> None:
        """Deliveries about people, signed and not; and a Slack that is told and one that nobody answers."""
        marks, secret = self.marks, self.marks.token()
        shop = make_connection(changes={"webhook_secret": secret, "access_token": TOKEN})
        desk = make_connection(Provider.GORGIAS, changes={**CHANGES[Provider.GORGIAS], "webhook_secret": secret})
        make_connection(Provider.SLACK, changes={"access_token": marks.token(), "channel": "C0123456"})
        for number in range(6):
            person = {"id": number, "email": marks.email(), "phone": marks.phone(), "note": marks.text("note")}
            raw = encoded({**person, "shop_domain": shop.account_key, "customer": {"id": 7, "email": marks.email()}})
            for topic in ("customers/update", "orders/create", marks.word("name")):
                headers = shopify_headers(raw, topic, secret=secret)
                self._note(send(path_of(shop), raw, headers))
            with override_settings(SHOPIFY_CLIENT_SECRETS=[secret]):
                headers = shopify_headers(raw, "customers/redact", secret=secret)
                self._note(send("/api/integrations/shopify/webhook", raw, headers))
            self._note(send(path_of(shop), raw, {"X-Shopify-Hmac-Sha256": marks.token()}))
            self._note(send_gorgias(desk, raw, secret))
            self._note(send_gorgias(desk, raw[:-1], secret))
            self._note(send_gorgias(desk, raw, marks.token()))
        self.ask("GET", "/api/integrations/shopify/products/7")
        make_ticket(priority="urgent", subject=marks.text("subject"))
        while delivery.run_due(limit=1_000):
            pass
        while receipts.work_off(limit=1_000):
            pass

    def talk_over_gorgias(self) -> None:
        """Customers and agents write there and here; it fails, refuses, bounces, and is looked at without calling."""
        marks, there = self.marks, Gorgias()
        there.start()
        with override_settings(GORGIAS_BASE_URL=there.url):
            desk = GorgiasDesk(there)
            for number in range(3):
                person = there.add_customer(marks.email(), name=marks.text("name"), phone=marks.phone())
                pk = int(there.open_ticket(person, marks.text("body"), subject=marks.text("subject"))["id"])
                there.say(pk, marks.text("note"), user=there.me, public=False)
                there.change(pk, tags=[marks.word("tag")])
                desk.arrive()
                if number == 1:
                    refused = Scripted(status=400, body={"error": {"msg": marks.email()}})
                    there.script("POST", "/api/tickets", refused)
                self.ask("POST", f"/api/tickets/{desk.ticket(pk).pk}/messages", {"body": marks.text("body")})
                desk.leave()
                there.fail_sending(pk, there.tickets[pk]["messages"][-1]["id"], f"{marks.email()} is full")
                there.calls.clear()
                polling.poll(desk.known, now=timezone.now())
            desk.known.api_key = marks.token()
            desk.known.save()
            polling.poll(desk.known, now=timezone.now())
        there.stop()

    def use_the_admin(self) -> None:
        """Every form, filled well and badly, and every search."""
        marks, browse = self.marks, self.browse
        for number in range(8):
            person = {"name": marks.text("name"), "email": marks.email(), "phone": marks.phone()}
            person |= {"address": marks.text("address"), "tier": "vip"}
            location = browse("/customers/customer/add/", person).headers["Location"].removeprefix(ADMIN)
            browse(location, person | {"email": marks.email(), "version": 1})
            browse(location, person | {"phone": marks.word("phone"), "email": marks.word("email"), "version": number})
            browse("/customers/customer/", query={"q": person["email"]})
            browse("/customers/customer/", query={"q": person["phone"]})
            browse("/customers/customer/", query={marks.word("name"): marks.word("name")})
            browse(location)
        page = f"/tickets/ticket/{_open_ticket()}/change/"
        browse(page, {"do": "reply", "reply-body": marks.text("body"), "reply-last_seen_position": 0})
        browse(page, {"do": "reply", "reply-body": marks.text("body")})
        browse(page, {"do": "note", "note-body": marks.text("note")})
        browse(page, {"do": "assign", "assign-agent": self.me.pk})
        browse(page, {"do": "assign", "assign-agent": marks.word("name")})
        ticket = {"subject": marks.text("subject"), "status": "open", "priority": "low", "tags": marks.word("tag")}
        browse(page, ticket | {"category": "general", "channel": "email"})
        browse(page, ticket | {"category": marks.word("tag"), "channel": marks.word("tag")})
        browse("/tickets/ticket/", query={"q": marks.text("subject")})
        browse("/tickets/ticket/", {"action": "archive", "_selected_action": marks.word("name")})
        agent = {"name": marks.text("name"), "role": "agent", "capacity": 3}
        browse("/agents/agent/add/", agent | {"email": marks.email("agent"), "password": marks.text("password")})
        browse("/agents/agent/add/", agent | {"email": marks.word("agent"), "password": marks.word("password")})
        browse("/agents/agent/", query={"q": marks.email("agent")})
        browse("/agents/apikey/add/", {"name": marks.text("name"), "scopes": ["tickets:read"], "expires_at": "x"})

    def guess_and_forge(self) -> None:
        """Logins that are none, and credentials that are nobody's."""
        marks, ask = self.marks, self.ask
        for _ in range(15):
            guess = {"email": marks.email("agent"), "password": marks.text("password")}
            ask("POST", "/api/auth/login", guess, headers={})
            ask("POST", f"/api/agents/{self.me.pk}/login", guess | {"email": self.me.email}, headers={})
            ask("POST", "/api/auth/refresh", {"refresh": marks.token()}, headers={})
            form = {"username": marks.email("agent"), "password": marks.text("password")}
            self._note(Client(raise_request_exception=False).post(f"{ADMIN}/login/", form))
        for headers in (
            {"Authorization": f"Bearer {marks.token()}"},
            {"Authorization": f"Basic {marks.token()}"},
            {"X-API-Key": marks.token()},
            {"Cookie": f"supportdesk_admin={marks.token()}", "Referer": f"https://example.com/?{marks.token()}"},
            {
                "User-Agent": marks.token(),
                "X-Forwarded-For": marks.token(),
                "Host": f"{marks.word('token')}.example.com",
            },
            {"X-Request-ID": marks.email()},
        ):
            ask("GET", "/api/tickets", headers=headers)
            ask(marks.word("name").upper(), "/api/tickets", headers=headers)
            self._note(Client(raise_request_exception=False).get(f"{ADMIN}/", headers=headers))
            self._note(Client().get("/metrics", headers=headers, REMOTE_ADDR="192.0.2.1"))

    def send_nonsense(self) -> None:
        """Wrong values in every body, query and path."""
        marks, ask, customer = self.marks, self.ask, Customer.objects.latest("pk").pk
        ticket = _open_ticket()
        for method, path in (
            ("POST", "/api/customers"),
            ("PATCH", f"/api/customers/{customer}"),
            ("POST", f"/api/customers/{customer}/erase"),
            ("POST", "/api/tickets"),
            ("PATCH", f"/api/tickets/{ticket}"),
            ("POST", "/api/tickets/bulk"),
            ("POST", f"/api/tickets/{ticket}/messages"),
            ("POST", f"/api/tickets/{ticket}/notes"),
            ("POST", f"/api/tickets/{ticket}/attachments"),
            ("POST", f"/api/tickets/{ticket}/assign"),
            ("POST", f"/api/tickets/{ticket}/transfer"),
            ("POST", "/api/sla/calendars"),
            ("POST", "/api/sla/policies"),
            ("POST", "/api/agents"),
            ("PATCH", f"/api/agents/{self.me.pk}"),
            ("POST", "/api/api-keys"),
            ("POST", "/api/views"),
            ("POST", "/api/auth/login"),
        ):
            for body in self._wrong_bodies():
                ask(method, path, body)
        for path in (
            "customers",
            "tickets",
            "agents",
            "views",
            "api-keys",
            f"tickets/{ticket}/messages",
            "tickets/export",
        ):
            for name in (
                "ordering",
                "cursor",
                "page_size",
                "fields",
                "count",
                "status",
                "email",
                "phone",
                "q",
                "customer",
            ):
                ask("GET", f"/api/{path}", query={name: f"{marks.word('name')} {marks.email()}"})
            ask("GET", f"/api/{path}/{marks.word('name')}")
            ask("GET", f"/{marks.word('name')}/{path}")

    def _wrong_bodies(self) -> list[Any]:
        word = self.marks.word
        names = ("email", "phone", "timezone", "language", "role", "status", "channel", "sender", "scopes", "confirm")
        texts = {name: word("name") for name in names}
        kinds = {name: [{word("name"): 1}] for name in ("name", "subject", "description", "body", "password", "tags")}
        ids = {name: word("name") for name in ("customer_id", "department_id", "expires_at", "tickets", "mentions")}
        return [
            texts | {"name": self.marks.text("name"), "external_id": word("identity")},
            kinds | {"attributes": {"x": [word("attribute")]}, "identities": [word("identity")], "query": {"q": 1}},
            ids | {"nothing_of_that_name": word("name"), "changes": {"status": word("name")}},
            {"name": "x" * 70_000 + word("name"), "body": "x" * 70_000 + word("body"), "email": f"{word('email')}@"},
            {"email": self.marks.email("agent"), "name": "A", "password": word("password")[:11]},
            f'{{"name": "{word("name")}", "name": "{word("name")}"}}'.encode(),
            f'{{"name": {word("name")}'.encode(),
            f'["{word("name")}"]'.encode(),
            f'"{word("name")}'.encode() + b"\xff",
        ]

    def break_things(self) -> None:
        """Failures of ours in the middle of somebody's data, and a constraint of PostgreSQL's that quotes it."""
        marks = self.marks

        def fail(*_: Any, **__: Any) -> Any:
            raise ValueError(marks.text("name"), {"email": marks.email()})

        def double(*_: Any, **__: Any) -> Any:
            Agent.objects.get_queryset().create(email=self.me.email.upper(), name=marks.text("name"))

        customer, ticket = Customer.objects.latest("pk").pk, _open_ticket()
        broken: list[tuple[Any, str, Callable[[], Any]]] = [
            (customers, "_save", lambda: self.ask("PATCH", f"/api/customers/{customer}", {"name": marks.text("name")})),
            (
                lifecycle,
                "save",
                lambda: self.ask("PATCH", f"/api/tickets/{ticket}", {"subject": marks.text("subject")}),
            ),
            (customers, "_save", lambda: self._add_customer()),
        ]
        for how in (fail, double):
            for module, name, use in broken:
                with patch.object(module, name, how):
                    use()

    def _add_customer(self) -> Any:
        return self.browse("/customers/customer/add/", {"name": self.marks.text("name"), "tier": "standard"})

    def run_commands(self) -> None:
        marks, said = self.marks, io.StringIO()
        customer = Customer.objects.filter(erased_at__isnull=True).latest("pk").pk
        call_command("export_customer", str(customer), stdout=said)
        call_command("rotate_keys", stdout=said)
        call_command("erase_customers", str(customer), "--yes", stdout=said)
        with patch("sys.stdin", io.StringIO(marks.text("password") + "\n")):
            call_command("create_admin", marks.email("agent"), name=marks.text("name"), stdout=said)

    def ask_workers(self) -> None:
        """One message of every task that the clock sends; what requests send is sent when they commit."""
        app.loader.import_default_modules()
        for entry in SCHEDULE.values():
            app.tasks[entry["task"]].delay()

    def _in_a_year(self) -> dict[str, str]:
        return {"expires_at": f"{self.me.created_at.year + 1}-01-01T00:00:00Z"}

    def _csv(self, header: list[str], rows: list[list[Any]]) -> Path:
        path = self.folder / f"{len(list(self.folder.iterdir()))}.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        return path


def _open_ticket() -> int:
    return Ticket.objects.filter(archived_at__isnull=True).latest("pk").pk
