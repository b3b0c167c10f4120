"""Every door, one after the other: who was shown whose data, who changed what, and nothing of either unrecorded."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, NamedTuple, cast

import pytest
from django.conf import settings
from django.contrib import admin
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client
from django.urls import URLResolver
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from agents import structure
from agents.models import Agent, ApiKey, Department, Specialization
from agents.tests.builders import PASSWORD, SYSTEM, actor_of, make_agent, make_key
from customers.models import Customer
from customers.tests.builders import make_customer
from integrations.models import Connection, DataSubjectRequest, WebhookReceipt
from integrations.shopify.sandbox.credentials import TOKEN
from integrations.shopify.sandbox.server import Sandbox as Shopify
from integrations.tests.builders import make_connection, send_shopify
from sla.models import Calendar, SLAAlert
from sla.services import applying, policies, simulating
from sla.tests.builders import make_policy, minutes, raise_due, seed_default_policy
from supportdesk.core.actor import Actor
from supportdesk.core.errors import Conflict
from supportdesk.core.events import Reactions
from supportdesk.core.models import Event
from supportdesk.management.commands import migrate
from supportdesk.tests.client import Api
from supportdesk.tests.partners import partners
from supportdesk.urls import urlpatterns
from tickets.models import Attachment, SavedView, Ticket
from tickets.services import assignment, attachments, conversation, saved_views, topic_alerts
from tickets.tests.builders import make_ticket, say

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
MARK = "canary2d84"
PARTNERS = "/api/integrations"
SECRET = f"{MARK}-3f9e1c7a5b2d8046e1f7a9"
ROLE = "supportdesk_app"
embedded = pytest.mark.skipif("SUPPORTDESK_TEST_DATABASE_URL" in os.environ, reason="needs the embedded server's roles")


class World(NamedTuple):
    """One customer with one of everything, and an administrator who looks at it."""

    me: Agent
    api: Api
    browser: Client
    customer: Customer
    ticket: Ticket
    file: Attachment
    view: SavedView
    key_id: int
    refresh: str
    colleague: Agent
    held: Ticket  # which the administrator has
    ids: dict[str, int]  # of what promises are made of


@pytest.fixture
def world(built: World, db: None) -> World:
    """With logins of the test's own, whatever one before did with its."""
    browser = Client(raise_request_exception=False)
    browser.force_login(built.me)
    return built._replace(browser=browser, api=Api(built.me))


@pytest.fixture(scope="module")
def built(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """One for all, in a transaction around those of the tests: what a test does to it is gone after the test."""
    with partners() as shopify, django_db_blocker.unblock(), transaction.atomic():
        seed_default_policy()
        world = _world(shopify)
        connection.run_on_commit.clear()  # else the first test to commit would do it, and the next find it begun
        yield world
        transaction.set_rollback(True)


def _world(shopify: Shopify) -> World:
    shopify.add_product(7)
    make_connection(changes={"webhook_secret": SECRET, "access_token": TOKEN})
    me = make_agent(role="admin", email="admin@example.com")
    customer = make_customer(name=f"Zoë {MARK}", email=f"{MARK}@example.com", attributes={"nick": MARK})
    ticket = make_ticket(customer=customer, subject=f"about {MARK}", description=f"{MARK} asks")
    say(ticket, f"{MARK} asks again")
    by, now = actor_of(me), ticket.created_at
    conversation.add_note(ticket_id=ticket.pk, body=f"{MARK} is odd", by=by, now=now)
    file = attachments.attach(
        ticket_id=ticket.pk, name=f"{MARK}.txt", content=SimpleUploadedFile("x", MARK.encode()), by=by, now=now
    )
    view = saved_views.create_view(name="mine", query={"q": MARK}, by=by, now=now)
    make_key("tickets:read")
    (key_id,) = ApiKey.objects.values_list("pk", flat=True)
    tokens = Api().post("/api/auth/login", {"email": me.email, "password": PASSWORD}).body
    held = make_ticket(customer=customer, subject=f"again {MARK}")
    assignment.assign(ticket_id=held.pk, agent_id=me.pk, by=by, now=now)
    ids = promised(ticket, by)
    return World(me, Api(), Client(), customer, ticket, file, view, key_id, tokens["refresh"], make_agent(), held, ids)


def promised(ticket: Ticket, by: Actor) -> dict[str, int]:
    """A policy with a draft, one that is being applied, and a promise that was broken."""
    now = ticket.created_at
    policy, applied = make_policy(now), make_policy(now)
    policies.update_policy(policy_id=policy.pk, changes={"warning_percent": 50}, by=by, now=now)
    job = applying.request(policy_id=applied.pk, preview=True, by=by, now=now)
    simulation = simulating.request(policy_id=applied.pk, by=by, now=now)
    raise_due(now + timedelta(days=90))
    breach = SLAAlert.objects.filter(ticket=ticket).breaches().earliest("pk")
    calendar = Calendar.objects.earliest("pk")
    ids = {"policy": policy.pk, "calendar": calendar.pk, "job": job.pk, "breach": breach.pk}
    ends_at = now + timedelta(hours=1)
    alert = topic_alerts.begin(tag="outage", minutes=5, ends_at=ends_at, by=by, now=now)
    return ids | {"simulation": simulation.pk, "alert": alert.pk}


def tomorrow() -> str:
    return (timezone.now() + timedelta(days=1)).isoformat()


def api_routes(*methods: str) -> set[tuple[str, str]]:
    """Method and route of every action of the API."""
    found, patterns = set(), cast("list[Any]", urlpatterns)
    for pattern in patterns:
        actions = getattr(getattr(pattern, "callback", None), "actions", None) or {}
        found |= {(method.upper(), str(pattern.pattern)) for method in actions if method.upper() in methods}
    return found


def newest() -> int:
    return Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def facts(after: int) -> list[Event]:
    return list(Event.objects.filter(pk__gt=after).order_by("pk"))


# Reads

Read = Callable[[World], str]
# Path, and what the look at it leaves: name and `through` of each fact.
READS: dict[str, tuple[Read, list[tuple[str, str]]]] = {
    "api/customers": (lambda w: "/api/customers", [("customers.listed", "list")]),
    "api/customers/<id:pk>": (lambda w: f"/api/customers/{w.customer.pk}", [("customer.read", "record")]),
    "api/customers/<id:pk>/export": (
        lambda w: f"/api/customers/{w.customer.pk}/export",
        [("customer.read", "export")],
    ),
    "api/customers/<id:pk>/orders": (
        lambda w: f"/api/customers/{w.customer.pk}/orders",
        [("customer.read", "orders")],
    ),
    "api/ai/customers/<id:pk>/churn": (
        lambda w: f"/api/ai/customers/{w.customer.pk}/churn",
        [("customer.read", "insights")],
    ),
    "api/ai/customers/<id:pk>/dna": (
        lambda w: f"/api/ai/customers/{w.customer.pk}/dna",
        [("customer.read", "insights")],
    ),
    "api/ai/tickets/<id:pk>/draft": (
        lambda w: f"/api/ai/tickets/{w.ticket.pk}/draft",
        [("customer.read", "draft")],
    ),
    "api/ai/tickets/<id:pk>/recommend": (
        lambda w: f"/api/ai/tickets/{w.ticket.pk}/recommend",
        [("customer.read", "insights")],
    ),
    "api/customers/<id:pk>/tickets": (
        lambda w: f"/api/customers/{w.customer.pk}/tickets",
        [("customer.read", "history")],
    ),
    "api/tickets/export": (lambda w: "/api/tickets/export", [("tickets.exported", "")]),
    "api/tickets/<id:pk>": (lambda w: f"/api/tickets/{w.ticket.pk}", [("customer.read", "ticket")]),
    "api/tickets/<id:pk>/messages": (
        lambda w: f"/api/tickets/{w.ticket.pk}/messages",
        [("customer.read", "messages")],
    ),
    "api/tickets/<id:pk>/notes": (lambda w: f"/api/tickets/{w.ticket.pk}/notes", [("customer.read", "notes")]),
    "api/tickets/<id:pk>/attachments": (
        lambda w: f"/api/tickets/{w.ticket.pk}/attachments",
        [("customer.read", "attachments")],
    ),
    "api/tickets/<id:pk>/attachments/<id:attachment>": (
        lambda w: f"/api/tickets/{w.ticket.pk}/attachments/{w.file.pk}",
        [("customer.read", "file")],
    ),
    "api/views/<id:pk>/tickets": (lambda w: f"/api/views/{w.view.pk}/tickets", [("tickets.searched", "list")]),
}
# A list of work is how agents find what to do next; the rest says nothing of customers.
NOT_READS: dict[str, Read] = {
    "api/tickets": lambda w: "/api/tickets",
    "api/tickets/unassigned": lambda w: "/api/tickets/unassigned",
    "api/agents/<id:pk>/queue": lambda w: f"/api/agents/{w.me.pk}/queue",
    "api/ai/report": lambda w: "/api/ai/report",
    "api/sla/at-risk": lambda w: "/api/sla/at-risk",
    "api/sla/breaches": lambda w: "/api/sla/breaches",
    "api/sla/dashboard": lambda w: "/api/sla/dashboard",
    "api/sla/tickets/<id:pk>": lambda w: f"/api/sla/tickets/{w.ticket.pk}",
    "api/sla/applications/<id:pk>": lambda w: f"/api/sla/applications/{w.ids['job']}",
    "api/sla/simulations/<id:pk>": lambda w: f"/api/sla/simulations/{w.ids['simulation']}",
    "api/sla/calendars": lambda w: "/api/sla/calendars",
    "api/sla/calendars/<id:pk>": lambda w: f"/api/sla/calendars/{w.ids['calendar']}",
    "api/sla/calendars/<id:pk>/versions": lambda w: f"/api/sla/calendars/{w.ids['calendar']}/versions",
    "api/sla/policies": lambda w: "/api/sla/policies",
    "api/sla/policies/<id:pk>": lambda w: f"/api/sla/policies/{w.ids['policy']}",
    "api/sla/policies/<id:pk>/versions": lambda w: f"/api/sla/policies/{w.ids['policy']}/versions",
    "api/tickets/<id:pk>/assignments": lambda w: f"/api/tickets/{w.held.pk}/assignments",
    "api/agents/available": lambda w: "/api/agents/available",
    "api/tickets/<id:pk>/rank": lambda w: f"/api/tickets/{w.ticket.pk}/rank",
    "api/tickets/<id:pk>/events": lambda w: f"/api/tickets/{w.ticket.pk}/events",
    "api/agents": lambda w: "/api/agents",
    "api/agents/<id:pk>": lambda w: f"/api/agents/{w.me.pk}",
    "api/integrations/shopify/products/<id:pk>": lambda w: "/api/integrations/shopify/products/7",
    "api/topic-alerts": lambda w: "/api/topic-alerts",
    "api/topic-alerts/<id:pk>": lambda w: f"/api/topic-alerts/{w.ids['alert']}",
    "api/api-keys": lambda w: "/api/api-keys",
    "api/views": lambda w: "/api/views",
    "api/views/<id:pk>": lambda w: f"/api/views/{w.view.pk}",
}


# Sends ids and names of what happened, each entry within today's rights; and only where sockets are served.
STREAMS = frozenset({"api/agents/<id:pk>/stream"})


def test_every_route_that_reads_is_declared() -> None:
    assert {route for _, route in api_routes("GET")} == set(READS) | set(NOT_READS) | STREAMS


@pytest.mark.parametrize("route", [*READS, *NOT_READS])
def test_a_read_leaves_its_row(world: World, route: str) -> None:
    path, expected = (READS | {name: (read, []) for name, read in NOT_READS.items()})[route]
    before = newest()
    response = world.api.client.get(path(world), headers=world.api.headers)
    assert response.status_code == 200
    left = facts(before)
    assert [(fact.name, fact.payload.get("through", "")) for fact in left] == expected
    assert MARK not in str([fact.payload for fact in left])
    for fact in left:
        assert (fact.actor_kind, fact.actor_id, fact.origin) == ("person", world.me.pk, "api")
        assert fact.request_id == response.headers["X-Request-ID"]
        if fact.name == "customer.read":
            assert fact.subject_id == world.customer.pk
            assert fact.payload["ticket_id"] == (world.ticket.pk if "/tickets/" in path(world) else None)
        elif fact.name == "tickets.searched":
            assert fact.payload["parameters"] == ["q"]
            assert {world.ticket.pk, world.held.pk} & set(fact.payload["ids"])


@pytest.mark.parametrize(
    ("query", "parameters"),
    [
        ({"q": MARK}, ["q"]),
        ({"q": "nobody like this"}, ["q"]),
        ({"customer": "1", "status": "open"}, ["customer", "status"]),
        ({"status": "open", "tag": "x"}, None),
    ],
)
def test_a_list_of_tickets_is_recorded_when_it_looks_for_somebody(
    world: World, query: dict[str, str], parameters: list[str] | None
) -> None:
    for path in ("/api/tickets", "/api/tickets/unassigned", f"/api/agents/{world.me.pk}/queue"):
        before = newest()
        assert world.api.get(path, **query).status == 200
        assert [fact.payload["parameters"] for fact in facts(before)] == ([parameters] if parameters else []), path


def test_a_machine_that_reads_a_ticket_leaves_a_row_of_its_own(world: World) -> None:
    machine, before = Api(make_key("tickets:read")), newest()
    assert machine.get(f"/api/tickets/{world.ticket.pk}").body["customer"] is None
    assert machine.get(f"/api/tickets/{world.ticket.pk}/messages").status == 200
    left = [fact for fact in facts(before) if fact.name == "customer.read"]
    assert [(fact.actor_kind, fact.payload["through"]) for fact in left] == [
        ("machine", "ticket"),
        ("machine", "messages"),
    ]


@pytest.mark.parametrize(
    ("fields", "recorded"),
    [("ticket.subject,assignment", 0), ("ticket.description", 1), ("ticket", 1), ("customer.id", 1), ("sla", 0)],
)
def test_a_trimmed_ticket_is_recorded_when_it_tells_of_its_customer(world: World, fields: str, recorded: int) -> None:
    before = newest()
    assert world.api.get(f"/api/tickets/{world.ticket.pk}", fields=fields).status == 200
    assert len(facts(before)) == recorded


@pytest.mark.vuln
def test_what_a_refused_or_empty_change_shows_is_recorded_as_read(world: World) -> None:
    """Without that, a PATCH of nothing would be a way to read unseen."""
    customer, ticket = f"/api/customers/{world.customer.pk}", f"/api/tickets/{world.ticket.pk}"
    tries: list[tuple[Callable[[], Any], int, str]] = [
        (lambda: world.api.patch(customer, {}), 200, "record"),
        (lambda: world.api.patch(customer, {"name": "x"}, if_match='"9"'), 412, "record"),
        (lambda: world.api.patch(ticket, {}), 200, "ticket"),
        (lambda: world.api.patch(ticket, {"subject": "x"}, if_match='"99"'), 412, "ticket"),
        (lambda: world.api.post(f"/api/tickets/{world.held.pk}/assign", {"agent_id": world.me.pk}), 200, "ticket"),
        (lambda: world.api.post(f"{ticket}/messages", {"body": "x", "last_seen_position": 1}), 409, "messages"),
        (
            lambda: world.api.post(
                f"{ticket}/messages", {"body": "x", "last_seen_position": 1}, idempotency_key="one-key"
            ),
            409,
            "messages",
        ),
    ]
    for ask, status, through in tries:
        before = newest()
        answer = ask()
        assert (answer.status, MARK in str(answer.body)) == (status, True)
        assert [(fact.name, fact.payload["through"]) for fact in facts(before)] == [("customer.read", through)]
    before = newest()
    assert world.api.patch(customer, {"name": "Zoë"}).status == 200
    assert [fact.name for fact in facts(before)] == ["customer.updated"]


# Path in the admin, and what the look at it leaves.
ADMIN = "/admin/"
ADMIN_READS: dict[str, list[tuple[str, str]]] = {
    "customers/customer/": [("customers.listed", "admin")],
    "customers/customer/?q={mark}": [("customers.listed", "admin")],
    "customers/customer/{customer}/change/": [("customer.read", "admin")],
    "tickets/ticket/": [],
    "tickets/ticket/?q={mark}": [("tickets.searched", "admin")],
    "tickets/ticket/{ticket}/change/": [("customer.read", "admin")],
}


@pytest.mark.parametrize("path", ADMIN_READS)
def test_a_look_in_the_admin_leaves_its_row(world: World, path: str) -> None:
    before = newest()
    response = world.browser.get(ADMIN + path.format(customer=world.customer.pk, ticket=world.ticket.pk, mark=MARK))
    assert (response.status_code, MARK in response.content.decode()) == (200, True)
    left = facts(before)
    assert [(fact.name, fact.payload["through"]) for fact in left] == ADMIN_READS[path]
    assert {(fact.actor_id, fact.origin, fact.request_id) for fact in left} <= {
        (world.me.pk, "admin", response.headers["X-Request-ID"])
    }


@pytest.mark.vuln
def test_no_other_page_of_the_admin_shows_a_customer(world: World) -> None:
    """Every page of the site that the table above does not name, for a customer and for a ticket."""
    models = ("customers_customer", "tickets_ticket")
    declared = {"index", "logout", *(f"{model}_{page}" for model in models for page in ("changelist", "change"))}
    pages, before = 0, newest()
    for name, route in admin_routes(admin.site.get_urls(), ADMIN):
        if name in declared:
            continue
        for pk in {world.customer.pk, world.ticket.pk}:
            if name == "agents_agent_change" and pk == world.me.pk:
                continue  # by chance of its number, who has a ticket: it is listed there, as in their queue
            path = re.sub(r"<\w+:\w+>", str(pk), route)
            for query in ("", "?q=Zoë&app_label=tickets&model_name=ticket&field_name=customer&term=Zoë"):
                assert MARK not in world.browser.get(f"{path}{query}").content.decode(), f"{name} {path}{query}"
            pages += 1
    assert pages > 50
    assert facts(before) == []


def admin_routes(patterns: Any, prefix: str) -> Iterator[tuple[str, str]]:
    """Name and route of every page of the admin, but for the list of an app's models, which is a regular expression."""
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from admin_routes(pattern.url_patterns, route)
        elif pattern.name and "(?P<" not in route:
            yield pattern.name, route


# Writes

Ask = Callable[[World], tuple[str, Any]]


def _customer(w: World) -> str:
    return f"/api/customers/{w.customer.pk}"


def _ticket(w: World) -> str:
    return f"/api/tickets/{w.ticket.pk}"


# Path and body, and the names of the facts that the write leaves.
WRITES: dict[tuple[str, str], tuple[Ask, list[str]]] = {
    ("POST", "api/auth/login"): (
        lambda w: ("/api/auth/login", {"email": w.me.email, "password": PASSWORD}),
        ["agent.logged_in"],
    ),
    ("POST", "api/agents/<id:pk>/login"): (
        lambda w: (f"/api/agents/{w.me.pk}/login", {"email": w.me.email, "password": PASSWORD}),
        ["agent.logged_in"],
    ),
    ("POST", "api/agents/<id:pk>/logout"): (lambda w: (f"/api/agents/{w.me.pk}/logout", {}), ["agent.logged_out"]),
    ("POST", "api/agents"): (
        lambda w: ("/api/agents", {"email": f"{MARK}2@example.com", "name": MARK, "password": PASSWORD}),
        ["agent.created"],
    ),
    ("PATCH", "api/agents/<id:pk>"): (
        lambda w: (f"/api/agents/{w.me.pk}", {"name": MARK, "availability": "busy"}),
        ["agent.updated", "agent.availability_changed"],
    ),
    ("POST", "api/api-keys"): (
        lambda w: (
            "/api/api-keys",
            {"name": MARK, "scopes": ["tickets:read"], "expires_at": f"{w.ticket.created_at.year + 1}-01-01T00:00:00Z"},
        ),
        ["api_key.created"],
    ),
    ("DELETE", "api/api-keys/<id:pk>"): (lambda w: (f"/api/api-keys/{w.key_id}", None), ["api_key.revoked"]),
    ("POST", "api/customers"): (lambda w: ("/api/customers", {"name": MARK}), ["customer.created"]),
    ("PATCH", "api/customers/<id:pk>"): (lambda w: (_customer(w), {"phone": "+49 30 901820"}), ["customer.updated"]),
    ("POST", "api/customers/<id:pk>/erase"): (
        lambda w: (f"{_customer(w)}/erase", {"confirm": "erase"}),
        ["customer.erased"],
    ),
    ("POST", "api/tickets"): (
        lambda w: ("/api/tickets", {"customer_id": w.customer.pk, "subject": MARK, "description": MARK}),
        ["ticket.created", "ticket.message_added"],
    ),
    ("PATCH", "api/tickets/<id:pk>"): (
        lambda w: (_ticket(w), {"subject": f"{MARK} changed", "status": "pending", "priority": "high"}),
        ["ticket.status_changed", "ticket.priority_changed", "ticket.updated"],
    ),
    ("DELETE", "api/tickets/<id:pk>"): (
        lambda w: (_ticket(w), None),
        ["ticket.status_changed", "ticket.archived"],
    ),
    ("POST", "api/tickets/bulk"): (
        lambda w: ("/api/tickets/bulk", {"tickets": [{"id": w.ticket.pk}], "changes": {"priority": "urgent"}}),
        ["ticket.priority_changed"],
    ),
    ("POST", "api/tickets/<id:pk>/messages"): (
        lambda w: (f"{_ticket(w)}/messages", {"body": MARK, "attachments": [w.file.pk]}),
        ["ticket.message_added"],
    ),
    ("POST", "api/tickets/<id:pk>/notes"): (lambda w: (f"{_ticket(w)}/notes", {"body": MARK}), ["ticket.note_added"]),
    ("POST", "api/tickets/<id:pk>/attachments"): (
        lambda w: (f"{_ticket(w)}/attachments", {"file": SimpleUploadedFile(f"{MARK}.txt", MARK.encode())}),
        ["ticket.attachment_added"],
    ),
    ("POST", "api/tickets/<id:pk>/assign"): (
        lambda w: (f"{_ticket(w)}/assign", {"agent_id": w.colleague.pk}),
        ["ticket.assigned"],
    ),
    ("POST", "api/tickets/<id:pk>/auto-assign"): (lambda w: (f"{_ticket(w)}/auto-assign", {}), ["ticket.queued"]),
    ("POST", "api/tickets/<id:pk>/transfer"): (
        lambda w: (
            f"/api/tickets/{w.held.pk}/transfer",
            {"from_agent_id": w.me.pk, "agent_id": w.colleague.pk, "reason": MARK},
        ),
        ["ticket.assigned"],
    ),
    ("POST", "api/sla/breaches/<id:pk>/acknowledge"): (
        lambda w: (f"/api/sla/breaches/{w.ids['breach']}/acknowledge", {"reason": MARK}),
        ["sla.breach_acknowledged"],
    ),
    ("POST", "api/sla/calendars"): (
        lambda w: ("/api/sla/calendars", {"name": MARK, "timezone": "UTC", "week": {"monday": ["09:00-17:00"]}}),
        ["sla_calendar.created"],
    ),
    ("PATCH", "api/sla/calendars/<id:pk>"): (
        lambda w: (f"/api/sla/calendars/{w.ids['calendar']}", {"name": MARK}),
        ["sla_calendar.updated"],
    ),
    ("POST", "api/sla/calendars/<id:pk>/holidays/import"): (
        lambda w: (f"/api/sla/calendars/{w.ids['calendar']}/holidays/import", {"country": "DE", "years": [2027]}),
        ["sla_calendar.updated"],
    ),
    ("POST", "api/sla/policies"): (
        lambda w: (
            "/api/sla/policies",
            {"name": MARK, "calendar_id": w.ids["calendar"], "targets": minutes(resolution=60)},
        ),
        ["sla_policy.created"],
    ),
    ("PATCH", "api/sla/policies/<id:pk>"): (
        lambda w: (f"/api/sla/policies/{w.ids['policy']}", {"name": MARK}),
        ["sla_policy.updated"],
    ),
    ("POST", "api/sla/policies/<id:pk>/activate"): (
        lambda w: (f"/api/sla/policies/{w.ids['policy']}/activate", {}),
        ["sla_policy.activated"],
    ),
    ("POST", "api/sla/policies/<id:pk>/apply"): (
        lambda w: (f"/api/sla/policies/{w.ids['policy']}/apply", {"preview": True}),
        ["sla_policy.application_begun"],
    ),
    ("POST", "api/sla/policies/<id:pk>/simulate"): (
        lambda w: (f"/api/sla/policies/{w.ids['policy']}/simulate", {"days": 7}),
        ["sla_policy.simulation_begun"],
    ),
    ("POST", "api/ai/tickets/<id:pk>/draft"): (
        lambda w: (f"/api/ai/tickets/{w.ticket.pk}/draft", {"tone": "formal"}),
        ["customer.read"],
    ),
    ("POST", "api/topic-alerts"): (
        lambda w: ("/api/topic-alerts", {"phrase": MARK, "minutes": 30, "ends_at": tomorrow()}),
        ["topic_alert.begun"],
    ),
    ("POST", "api/topic-alerts/<id:pk>/end"): (
        lambda w: (f"/api/topic-alerts/{w.ids['alert']}/end", {}),
        ["topic_alert.ended"],
    ),
    ("POST", "api/views"): (lambda w: ("/api/views", {"name": MARK, "query": {}}), ["saved_view.changed"]),
    ("PATCH", "api/views/<id:pk>"): (lambda w: (f"/api/views/{w.view.pk}", {"name": MARK}), ["saved_view.changed"]),
    ("DELETE", "api/views/<id:pk>"): (lambda w: (f"/api/views/{w.view.pk}", None), ["saved_view.changed"]),
}
# A login goes on: its beginning and its end are facts, and so is a refresh token that comes a second time.
NO_FACT: dict[tuple[str, str], Ask] = {
    ("POST", "api/agents/<id:pk>/ws-ticket"): lambda w: (f"/api/agents/{w.me.pk}/ws-ticket", {}),
    ("POST", "api/auth/refresh"): lambda w: ("/api/auth/refresh", {"refresh": w.refresh}),
    # What a partner sends is kept as it came; the facts are those of what is done about it.
    ("POST", "api/integrations/gorgias/webhook/<public_id:public_id>"): lambda w: (f"{PARTNERS}/gorgias/webhook", {}),
    ("POST", "api/integrations/shopify/webhook/<public_id:public_id>"): lambda w: (f"{PARTNERS}/shopify/webhook", {}),
    ("POST", "api/integrations/shopify/webhook"): lambda w: (f"{PARTNERS}/shopify/webhook", {}),
}


def send(world: World, method: str, ask: Ask) -> Any:
    """The response. Files go as a form, everything else as JSON."""
    path, body = ask(world)
    if isinstance(body, dict) and "file" in body:
        return world.api.client.post(path, body, headers=world.api.headers)
    api = Api() if path.endswith(("/login", "/refresh")) else world.api
    return api.send(method, path, body).response


def test_every_route_that_writes_is_declared() -> None:
    assert api_routes("POST", "PUT", "PATCH", "DELETE") == set(WRITES) | set(NO_FACT)


@pytest.mark.parametrize("route", WRITES, ids=" ".join)
def test_a_write_leaves_who_where_and_under_which_request(world: World, route: tuple[str, str]) -> None:
    ask, names = WRITES[route]
    before, rows = newest(), fingerprints()
    response = send(world, route[0], ask)
    assert response.status_code < 300, response.content
    left = facts(before)
    assert [fact.name for fact in left] == names
    for fact in left:
        assert (fact.actor_kind, fact.actor_id, fact.origin) == ("person", world.me.pk, "api")
        assert fact.request_id == response.headers["X-Request-ID"]
        assert MARK not in str(fact.payload)
    assert set(changed(rows)) > {"core_event"}, "nothing was changed"


class _Refusing(Mapping[type, Reactions]):
    """Reactions that refuse every change, after its fact and its rows were written."""

    def __getitem__(self, event: type) -> Reactions:
        return Reactions(within=(self.refuse,))

    def __contains__(self, event: object) -> bool:
        return True

    def __iter__(self) -> Iterator[type]:
        return iter(())

    def __len__(self) -> int:
        return 0

    def refuse(self, event: Any, *, by: Actor, at: Any) -> None:
        raise Conflict("Refused.")


REFUSING = _Refusing()


@pytest.mark.parametrize("route", WRITES, ids=" ".join)
def test_a_write_that_fails_leaves_no_fact_and_no_change(world: World, route: tuple[str, str], settings: Any) -> None:
    settings.REACTIONS = f"{__name__}.REFUSING"
    rows = fingerprints()
    response = send(world, route[0], WRITES[route][0])
    assert response.status_code == (200 if route[1] == "api/tickets/bulk" else 409), response.content
    assert changed(rows) == []


def fingerprints() -> dict[str, str]:
    """A hash of each table's rows."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            rows = f"SELECT md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')) FROM \"{table}\" t"  # noqa: S608
            cursor.execute(rows)
            found[table] = cursor.fetchone()[0]
    return found


def changed(before: dict[str, str]) -> list[str]:
    return sorted(table for table, rows in fingerprints().items() if rows != before[table])


# Path below the admin, what its form posts, and the facts that it leaves.
ADMIN_WRITES: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "customer": (
        "customers/customer/{customer}/change/",
        {"name": f"Zoë {MARK} 2", "email": f"{MARK}@example.com", "tier": "standard", "version": 1},
        ["customer.updated"],
    ),
    "new customer": ("customers/customer/add/", {"name": MARK, "tier": "vip"}, ["customer.created"]),
    "ticket": (
        "tickets/ticket/{ticket}/change/",
        {"subject": MARK, "status": "resolved", "priority": "low", "category": "general", "channel": "email"},
        ["ticket.status_changed", "ticket.priority_changed", "ticket.updated"],
    ),
    "reply": (
        "tickets/ticket/{ticket}/change/",
        {"do": "reply", "reply-body": MARK, "reply-last_seen_position": 2},
        ["ticket.message_added"],
    ),
    "note": ("tickets/ticket/{ticket}/change/", {"do": "note", "note-body": MARK}, ["ticket.note_added"]),
    "assign": ("tickets/ticket/{ticket}/change/", {"do": "assign", "assign-agent": "{me}"}, ["ticket.assigned"]),
    "auto": ("tickets/ticket/{ticket}/change/", {"do": "auto"}, ["ticket.queued"]),
    "transfer": (
        "tickets/ticket/{held}/change/",
        {"do": "transfer", "transfer-agent": "{colleague}", "transfer-from_agent": "{me}", "transfer-reason": MARK},
        ["ticket.assigned"],
    ),
    "take": ("tickets/ticket/", {"action": "take", "_selected_action": "{ticket}"}, ["ticket.assigned"]),
    "archive": (
        "tickets/ticket/",
        {"action": "archive", "_selected_action": "{ticket}"},
        ["ticket.status_changed", "ticket.archived"],
    ),
    "agent": (
        "agents/agent/{me}/change/",
        {"name": MARK, "email": "new@example.com", "role": "admin", "capacity": 3, "availability": "offline"}
        | {"is_active": "on"},
        ["agent.updated", "agent.availability_changed"],
    ),
    "new agent": (
        "agents/agent/add/",
        {"name": MARK, "email": f"{MARK}3@example.com", "role": "agent", "capacity": 3},
        ["agent.created"],
    ),
    "new department": ("agents/department/add/", {"name": MARK}, ["department.created"]),
    "department": ("agents/department/{department}/change/", {"name": MARK}, ["department.renamed"]),
    "new skill": ("agents/specialization/add/", {"slug": MARK, "name": MARK}, ["specialization.created"]),
    "skill": (
        "agents/specialization/{skill}/change/",
        {"slug": MARK, "name": MARK},
        ["specialization.updated"],
    ),
    "new key": (
        "agents/apikey/add/",
        {"name": MARK, "scopes": ["tickets:read"], "expires_at": "{expiry}"},
        ["api_key.created"],
    ),
    "revoke": ("agents/apikey/", {"action": "revoke", "_selected_action": "{key}"}, ["api_key.revoked"]),
    "new connection": (
        "integrations/connection/add/",
        {"provider": "gorgias", "account_key": "desk", "webhook_secret": SECRET},
        ["connection.created"],
    ),
    "connection": (
        "integrations/connection/{connection}/change/",
        {"webhook_secret": SECRET},
        ["connection.changed"],
    ),
    "pause": ("integrations/connection/{connection}/change/", {"do": "pause"}, ["connection.status_changed"]),
    "delivered export": (
        "integrations/datasubjectrequest/",
        {"action": "mark_delivered", "_selected_action": "{privacy}"},
        ["privacy.delivered"],
    ),
    "replay": (
        "integrations/webhookreceipt/",
        {"action": "replay", "_selected_action": "{receipt}"},
        ["receipt.replayed"],
    ),
    "login": ("login/", {"username": "admin@example.com", "password": PASSWORD}, ["agent.logged_in"]),
    "logout": ("logout/", {}, ["agent.logged_out"]),
}


def post(world: World, name: str) -> Any:
    path, given, _ = ADMIN_WRITES[name]
    now = world.ticket.created_at
    ids = {
        "customer": world.customer.pk,
        "ticket": world.ticket.pk,
        "me": world.me.pk,
        "key": world.key_id,
        "held": world.held.pk,
        "colleague": world.colleague.pk,
        "department": getattr(Department.objects.first(), "pk", 0),
        "skill": getattr(Specialization.objects.first(), "pk", 0),
        "connection": getattr(Connection.objects.first(), "pk", 0),
        "privacy": getattr(DataSubjectRequest.objects.first(), "pk", 0),
        "receipt": getattr(WebhookReceipt.objects.first(), "pk", 0),
        "expiry": f"{now.year + 1}-01-01 00:00:00",
    }
    filled = {key: value.format(**ids) if isinstance(value, str) else value for key, value in given.items()}
    browser = Client(raise_request_exception=False) if name == "login" else world.browser
    return browser.post(f"{ADMIN}{path.format(**ids)}", filled)


@pytest.fixture
def team(world: World) -> World:
    structure.create_department(name="Old", by=SYSTEM, now=world.ticket.created_at)
    structure.create_specialization(slug="old", name="Old", categories=[], by=SYSTEM, now=world.ticket.created_at)
    send_shopify(make_connection(), {"id": 7}, "bulk_operations/finish")  # of which nothing is to be done
    now = world.ticket.created_at
    DataSubjectRequest.objects.create(source="shopify:x", kind="export", subject="7", received_at=now, due_at=now)
    return world


@pytest.mark.parametrize("name", ADMIN_WRITES)
def test_a_form_of_the_admin_leaves_who_where_and_under_which_request(team: World, name: str) -> None:
    before, rows = newest(), fingerprints()
    response = post(team, name)
    assert response.status_code == 302, response.content.decode()
    left = facts(before)
    assert [fact.name for fact in left] == ADMIN_WRITES[name][2]
    for fact in left:
        assert (fact.actor_kind, fact.actor_id, fact.origin) == ("person", team.me.pk, "admin")
        assert fact.request_id == response.headers["X-Request-ID"]
        assert MARK not in str(fact.payload)
    assert set(changed(rows)) > {"core_event"}, "nothing was changed"


# Without the record


@pytest.fixture
def unrecorded(team: World) -> Iterator[World]:
    """The product as its own database role, which may no longer add to what happened. Undone with the test."""
    migrate._grant(ROLE)
    with connection.cursor() as cursor:
        cursor.execute(f"REVOKE INSERT ON core_event FROM {ROLE}")
        cursor.execute(f"SET LOCAL ROLE {ROLE}")
    yield team
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")


@embedded
@pytest.mark.parametrize("route", READS)
def test_without_a_record_nothing_is_shown(unrecorded: World, route: str) -> None:
    response = unrecorded.api.client.get(READS[route][0](unrecorded), headers=unrecorded.api.headers)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert MARK not in response.content.decode()


@embedded
@pytest.mark.parametrize("path", [path for path, left in ADMIN_READS.items() if left])
def test_without_a_record_the_admin_shows_nothing(unrecorded: World, path: str) -> None:
    ids = {"customer": unrecorded.customer.pk, "ticket": unrecorded.ticket.pk, "mark": "Zoë"}
    response = unrecorded.browser.get(ADMIN + path.format(**ids))
    assert (response.status_code, MARK in response.content.decode()) == (503, False)


@embedded
@pytest.mark.parametrize("route", WRITES, ids=" ".join)
def test_without_a_record_nothing_is_changed(unrecorded: World, route: tuple[str, str]) -> None:
    rows = fingerprints()
    response = send(unrecorded, route[0], WRITES[route][0])
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert changed(rows) == []


@embedded
@pytest.mark.parametrize("name", ADMIN_WRITES)
def test_without_a_record_the_admin_changes_nothing(unrecorded: World, name: str) -> None:
    rows = fingerprints()
    response = post(unrecorded, name)
    assert response.status_code == 503
    assert [table for table in changed(rows) if table != "django_session"] == []
    assert settings.SESSION_COOKIE_NAME not in response.cookies


@embedded
@pytest.mark.parametrize("route", NOT_READS)
def test_work_that_needs_no_record_goes_on(unrecorded: World, route: str) -> None:
    response = unrecorded.api.client.get(NOT_READS[route](unrecorded), headers=unrecorded.api.headers)
    assert response.status_code == 200
