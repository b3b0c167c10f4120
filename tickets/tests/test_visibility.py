"""Who sees which ticket, at every door below it."""

from typing import Any

import pytest
from django.utils import timezone

from agents.models import Agent
from agents.tests.builders import SYSTEM, make_agent, make_department
from supportdesk.core.models import Event
from supportdesk.tests.client import Api
from tickets.models import Ticket
from tickets.services import assignment
from tickets.tests.builders import change, make_ticket, say

pytestmark = pytest.mark.django_db


@pytest.fixture
def world() -> dict[str, Any]:
    here, there = make_department(), make_department()
    mine = make_ticket(department=here)
    world = {
        "none": make_ticket(),
        "here": make_ticket(department=here),
        "there": make_ticket(department=there),
        "mine": mine,
        "agent": make_agent(department=here),
        "senior": make_agent(department=here, role="senior"),
        "led": make_agent(role="supervisor", leads=[there]),
        "own": make_agent(role="supervisor", department=here, leads=[there]),
        "all": make_agent(role="supervisor"),
        "admin": make_agent(role="admin"),
        "nowhere": make_agent(),
    }
    assignment.assign(ticket_id=world["mine"].pk, agent_id=world["agent"].pk, by=SYSTEM, now=timezone.now())
    change(mine, department=there)  # it moved on, and who has it still sees it
    return world


@pytest.mark.parametrize(
    ("who", "sees"),
    [
        ("agent", {"none", "here", "mine"}),
        ("senior", {"none", "here"}),
        ("led", {"none", "there", "mine"}),
        ("own", {"none", "here", "there", "mine"}),
        ("all", {"none", "here", "there", "mine"}),
        ("admin", {"none", "here", "there", "mine"}),
        ("nowhere", {"none"}),
    ],
)
def test_list_and_detail_show_the_same(world: dict[str, Any], who: str, sees: set[str]) -> None:
    api = Api(world[who])
    listed = {row["id"] for row in api.get("/api/tickets").body["results"]}
    assert listed == {world[name].pk for name in sees}
    for name in ("none", "here", "there", "mine"):
        assert api.get(f"/api/tickets/{world[name].pk}").status == (200 if name in sees else 404)


def test_a_foreign_ticket_and_a_missing_one_look_alike_at_every_door(world: dict[str, Any]) -> None:
    api = Api(world["senior"])
    foreign: Ticket = world["there"]
    events = Event.objects.count()
    doors: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("PATCH", "", {"subject": "Mine now"}),
        ("DELETE", "", None),
        ("GET", "/messages", None),
        ("POST", "/messages", {"body": "x"}),
        ("GET", "/notes", None),
        ("POST", "/notes", {"body": "x"}),
        ("GET", "/events", None),
    ]
    for method, suffix, body in doors:
        found = api.send(method, f"/api/tickets/{foreign.pk}{suffix}", body)
        missing = api.send(method, f"/api/tickets/987654321{suffix}", body)
        assert found.status == missing.status == 404, (method, suffix)
        assert found.body | {"request_id": ""} == missing.body | {"request_id": ""}
    assert Event.objects.count() == events
    foreign.refresh_from_db()
    assert (foreign.version, foreign.subject) == (1, "A question")


def test_a_cursor_of_somebody_else_shows_nothing_more(world: dict[str, Any]) -> None:
    first = Api(world["admin"]).get("/api/tickets", page_size=1).body
    shown = Api(world["nowhere"]).client.get(first["next"], headers=Api(world["nowhere"]).headers).json()
    assert {row["id"] for row in shown["results"]} <= {world["none"].pk}


def test_rights_are_those_of_today(world: dict[str, Any]) -> None:
    api = Api(world["senior"])
    path = f"/api/tickets/{world['here'].pk}"
    assert api.get(path).status == 200
    Agent.objects.get_queryset().filter(pk=world["senior"].pk).update(department=None)
    assert api.get(path).status == 404


def test_nobody_reads_anything_without_a_login(world: dict[str, Any]) -> None:
    say(world["none"])
    for path in ("/api/tickets", f"/api/tickets/{world['none'].pk}", "/api/customers", "/api/agents"):
        answer = Api().get(path)
        assert (answer.status, answer.body["code"]) == (401, "not_authenticated")
        assert answer.headers["WWW-Authenticate"] == "Bearer"
