"""Every page of the admin: who was shown whose data, who changed what, and nothing of either unrecorded."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib import admin
from django.test import Client
from django.urls import URLResolver

from agents.models import Department, Specialization
from agents.tests.builders import PASSWORD
from integrations.models import Connection, DataSubjectRequest, WebhookReceipt
from supportdesk.tests.audit_trail.world import (
    MARK,
    SECRET,
    World,
    changed,
    embedded,
    facts,
    fingerprints,
    newest,
)

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

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


@embedded
@pytest.mark.parametrize("path", [path for path, left in ADMIN_READS.items() if left])
def test_without_a_record_the_admin_shows_nothing(unrecorded: World, path: str) -> None:
    ids = {"customer": unrecorded.customer.pk, "ticket": unrecorded.ticket.pk, "mark": "Zoë"}
    response = unrecorded.browser.get(ADMIN + path.format(**ids))
    assert (response.status_code, MARK in response.content.decode()) == (503, False)


@embedded
@pytest.mark.parametrize("name", ADMIN_WRITES)
def test_without_a_record_the_admin_changes_nothing(unrecorded: World, name: str) -> None:
    rows = fingerprints()
    response = post(unrecorded, name)
    assert response.status_code == 503
    assert [table for table in changed(rows) if table != "django_session"] == []
    assert settings.SESSION_COOKIE_NAME not in response.cookies
