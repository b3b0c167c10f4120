"""Every read of the API: who was shown whose data, and nothing of it unrecorded."""

from collections.abc import Callable
from typing import Any

import pytest

from agents.tests.builders import make_key
from supportdesk.tests.audit_trail.world import MARK, STREAMS, World, api_routes, embedded, facts, newest
from supportdesk.tests.client import Api

pytestmark = [pytest.mark.slow, pytest.mark.django_db]

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


@embedded
@pytest.mark.parametrize("route", READS)
def test_without_a_record_nothing_is_shown(unrecorded: World, route: str) -> None:
    response = unrecorded.api.client.get(READS[route][0](unrecorded), headers=unrecorded.api.headers)
    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert MARK not in response.content.decode()


@embedded
@pytest.mark.parametrize("route", NOT_READS)
def test_work_that_needs_no_record_goes_on(unrecorded: World, route: str) -> None:
    response = unrecorded.api.client.get(NOT_READS[route](unrecorded), headers=unrecorded.api.headers)
    assert response.status_code == 200
