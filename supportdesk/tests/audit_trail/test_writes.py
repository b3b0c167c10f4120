"""Every write of the API: who changed what, and nothing of it unrecorded."""

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone

from agents.tests.builders import PASSWORD
from sla.tests.builders import minutes
from supportdesk.core.actor import Actor
from supportdesk.core.errors import Conflict
from supportdesk.core.events import Reactions
from supportdesk.tests.audit_trail.world import (
    MARK,
    World,
    api_routes,
    changed,
    embedded,
    facts,
    fingerprints,
    newest,
)
from supportdesk.tests.client import Api

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
PARTNERS = "/api/integrations"
Ask = Callable[[World], tuple[str, Any]]


def _customer(w: World) -> str:
    return f"/api/customers/{w.customer.pk}"


def _ticket(w: World) -> str:
    return f"/api/tickets/{w.ticket.pk}"


def tomorrow() -> str:
    return (timezone.now() + timedelta(days=1)).isoformat()


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


@embedded
@pytest.mark.parametrize("route", WRITES, ids=" ".join)
def test_without_a_record_nothing_is_changed(unrecorded: World, route: tuple[str, str]) -> None:
    rows = fingerprints()
    response = send(unrecorded, route[0], WRITES[route][0])
    assert (response.status_code, response.json()["code"]) == (503, "unavailable")
    assert changed(rows) == []
