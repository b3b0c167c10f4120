"""Members of objects: who may set which, and who is shown which."""

import json
import re
from typing import Any

import pytest
from django.apps import apps
from django.db import transaction
from django.test import Client
from drf_spectacular.generators import SchemaGenerator

from agents.enums import EVERY_ROLE
from agents.models import Agent
from agents.tests.builders import make_agent
from supportdesk.core.models import Event
from supportdesk.tests.client import Api
from supportdesk.tests.security import doors
from supportdesk.tests.security.matrix import Row, rows
from supportdesk.tests.security.world import Caller, World
from tickets.models import Note

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.vuln]
# But for what partners send, which is kept as it came.
WRITES = [
    row
    for row in rows()
    if row.route.startswith("api/") and row.method in {"POST", "PATCH"} and "integrations/" not in row.route
]
# What attackers try whatever the model is.
GUESSES = frozenset(
    {"id", "pk", "is_staff", "is_superuser", "is_admin", "admin", "user", "account_id", "owner", "owner_id", "tenant"}
    | {"version", "created_at", "updated_at", "token_version", "digest", "__class__", "_state", "__proto__"}
    | {"customer__email", "department__id", "password_hash", "last_login", "groups", "user_permissions", "author_id"}
)
APPS = ("core", "agents", "customers", "tickets", "sla", "integrations", "quimbi")


@pytest.fixture(scope="module")
def documented() -> dict[tuple[str, str], set[str]]:
    """(method, route) to the members that the OpenAPI document lets a body have."""
    schema: Any = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    found = {}
    for path, operations in schema["paths"].items():
        for method, operation in operations.items():
            for content in operation.get("requestBody", {}).get("content", {}).values():
                if "integrations/" in path:
                    continue
                name = content["schema"]["$ref"].rpartition("/")[2]
                members = set(schema["components"]["schemas"][name].get("properties", {}))
                found[method.upper(), _shape(path)] = members
    return found


def _shape(path: str) -> str:
    return re.sub(r"[<{][^>}]*[>}]", "*", path).strip("/")


def every_column() -> set[str]:
    """The name of every field of every model of ours, and how its key is called."""
    models = [model for name in APPS for model in apps.get_app_config(name).get_models()]
    fields: list[Any] = [field for model in models for field in model._meta.get_fields()]
    return {name for field in fields for name in (field.name, getattr(field, "attname", field.name))}


@pytest.mark.parametrize("row", WRITES, ids=str)
def test_no_write_takes_a_member_that_is_not_documented(
    row: Row, world: World, documented: dict[tuple[str, str], set[str]]
) -> None:
    known = documented.get((row.method, _shape(row.route)), set())
    unknown = (every_column() | GUESSES) - known
    assert len(unknown) > 60
    before = Event.objects.count()
    response = _sent_with(row, dict.fromkeys(unknown, 1), world)
    assert response.status_code == 400, response.content
    refused = {error["field"]: error["code"] for error in response.json()["errors"]}
    assert refused == dict.fromkeys(unknown, "unknown_field")
    assert Event.objects.count() == before


@pytest.mark.parametrize("row", [row for row in WRITES if row.body.startswith("{")], ids=str)
def test_each_unknown_member_alone_is_enough(row: Row, world: World) -> None:
    before = Event.objects.count()
    for name in ("id", "version", "is_superuser", "token_version", "__class__"):
        response = _sent_with(row, {name: 1}, world)
        assert (response.status_code, [e["field"] for e in response.json()["errors"]]) == (400, [name])
    assert Event.objects.count() == before


def _sent_with(row: Row, more: dict[str, Any], world: World) -> Any:
    """The row's sound request with more in its body, by somebody who may."""
    name = next(name for name in ("agent", "admin") if row.cells[name] == "+")
    caller, path = world.callers[name][0], doors.path_of(row.route, world)
    if row.body == "FILE":
        form = doors.form_of(row, world) | {key: str(value) for key, value in more.items()}
        return caller.client().post(path, form, headers=caller.headers)
    body = json.dumps(doors.body_of(row, world) | more)
    return caller.client().generic(row.method, path, body, "application/json", headers=caller.headers)


# Which field of which agent a role may set: `+` yes, `.` no. The columns: themselves, a colleague, a supervisor of the
# same department, somebody elsewhere (who is not found at all: `?`).
AGENT_FIELDS = """
                   agent         senior        boss          rival         admin
name               + . . ?       + . . ?       + . . ?       + ? ? .       + + + +
password           + . . ?       + . . ?       + . . ?       + ? ? .       + + + +
languages          + . . ?       + . . ?       + + . ?       + ? ? +       + + + +
availability       + . . ?       + . . ?       + + . ?       + ? ? +       + + + +
capacity           . . . ?       . . . ?       . + . ?       . ? ? +       + + + +
specializations    . . . ?       . . . ?       . + . ?       . ? ? +       + + + +
email              . . . ?       . . . ?       . . . ?       . ? ? .       + + + +
role               . . . ?       . . . ?       . . . ?       . ? ? .       + + + +
department_id      . . . ?       . . . ?       . . . ?       . ? ? .       + + + +
leads              . . . ?       . . . ?       . . . ?       . ? ? .       + + + +
is_active          . . . ?       . . . ?       . . . ?       . ? ? .       + + + +
"""
VALUES: dict[str, Any] = {
    "name": "Renamed",
    "password": "another long pass phrase",
    "languages": ["fr"],
    "availability": "busy",
    "capacity": 3,
    "specializations": [],
    "email": "renamed@example.com",
    "role": "admin",
    "department_id": None,
    "leads": [],
    "is_active": False,
}


@pytest.mark.parametrize("field", VALUES)
@pytest.mark.parametrize("name", ["agent", "senior", "boss", "rival", "admin"])
def test_a_field_of_an_agent_is_set_by_whom_the_table_says(name: str, field: str, world: World) -> None:
    header, *lines = AGENT_FIELDS.strip("\n").splitlines()
    cells = next(line.split()[1:] for line in lines if line.split()[0] == field)
    start = header.split().index(name) * 4
    here = world.people["agent"].department
    colleague, lead = (make_agent(role=role, department=here, languages=["de"]) for role in ("agent", "supervisor"))
    targets = (world.people[name], colleague, lead, world.people["other"])
    assert [_set(field, target, world.callers[name][0]) for target in targets] == cells[start : start + 4]


def _set(field: str, target: Agent, caller: Caller) -> str:
    """What the table would say of the attempt; one that is refused has changed nothing."""
    before = Agent.objects.get_queryset().filter(pk=target.pk).values().get()
    body = json.dumps({field: VALUES[field]})
    with transaction.atomic():
        answer = caller.client().patch(f"/api/agents/{target.pk}", body, "application/json", headers=caller.headers)
        after = Agent.objects.get_queryset().filter(pk=target.pk).values().get()
        transaction.set_rollback(True)
    if answer.status_code == 400:
        errors = [(error["field"], error["code"]) for error in answer.json()["errors"]]
        assert errors == [(field.removesuffix("_id"), "forbidden_field")]
    assert answer.status_code == 200 or after == before
    return {200: "+", 400: ".", 404: "?"}[answer.status_code]


def test_the_table_names_every_field_that_can_be_set(documented: dict[tuple[str, str], set[str]]) -> None:
    assert set(VALUES) == documented["PATCH", "api/agents/*"]
    assert {line.split()[0] for line in AGENT_FIELDS.strip("\n").splitlines()[1:]} == set(VALUES)


@pytest.mark.parametrize("role", sorted(EVERY_ROLE - {"admin"}))
def test_nobody_but_an_administrator_makes_agents_or_keys(role: str) -> None:
    api = Api(make_agent(role=role))
    assert api.post("/api/agents", {"email": "new@example.com", "name": "New"}).status == 403
    assert api.post("/api/api-keys", {"name": "New", "scopes": ["tickets:read"]}).status == 403
    for path in ("/api/signup", "/api/register", "/api/auth/register", "/api/users", "/api/agents/invite"):
        assert Api().post(path, {"email": "new@example.com"}).status == 404
    client = Client()
    client.force_login(make_agent(role=role))
    assert client.post("/admin/agents/agent/add/", {"email": "new@example.com"}).status_code in {302, 403}
    assert not Agent.objects.get_queryset().filter(email="new@example.com").exists()


@pytest.mark.parametrize("name", ["agent", "senior", "boss"])
@pytest.mark.parametrize("change", [{"shared": True}, {"owner_id": 1}])
def test_a_view_is_shared_by_whom_may(name: str, change: dict[str, Any], world: World) -> None:
    caller, body = world.callers[name][0], json.dumps({"name": "New", "query": {}, **change})
    status = caller.client().post("/api/views", body, "application/json", headers=caller.headers).status_code
    assert status == (400 if "owner_id" in change else 201 if name == "boss" else 403)


# What is shown

CANARY = "canarynote7f3a"
READS = [row for row in rows() if row.route.startswith("api/") and row.method == "GET"]


@pytest.mark.parametrize("row", READS, ids=str)
def test_a_note_is_shown_where_notes_are_and_nowhere_else(row: Row, world: World) -> None:
    Note.objects.filter(ticket_id=world.values["ticket"]).update(body=CANARY)
    for name in ("admin", "agent", "all", "tr", "cr"):
        if row.cells[name] != "+":
            continue
        caller = world.callers[name][0]
        response = caller.client().get(doors.path_of(row.route, world), headers=caller.headers)
        body = b"".join(response) if response.streaming else response.content
        assert (CANARY.encode() in body) is (row.route.endswith("/notes")), name


def test_a_search_shows_a_note_to_those_who_read_notes_only(world: World) -> None:
    Note.objects.filter(ticket_id=world.values["ticket"]).update(body=CANARY)
    for name, reads in (("agent", True), ("all", True), ("nr", True), ("tr", False), ("tw", False)):
        caller = world.callers[name][0]
        found = caller.client().get("/api/tickets", {"q": CANARY}, headers=caller.headers).json()["results"]
        assert [row["highlight"]["where"] for row in found] == (["note"] if reads else [])


def test_what_a_customer_is_given_has_no_note_and_no_agent_in_it(world: World) -> None:
    Note.objects.filter(ticket_id=world.values["ticket"]).update(body=CANARY)
    caller = world.callers["admin"][0]
    path = f"/api/customers/{world.values['customer']}/export"
    given = caller.client().get(path, headers=caller.headers).json()
    (ticket,) = given["tickets"]
    assert set(ticket) == {
        "id", "subject", "status", "channel", "category", "tags", "attributes", "language",
        "satisfaction_rating", "created_at", "messages", "attachments",
    }  # fmt: skip
    assert {tuple(said) for said in ticket["messages"]} == {("sender", "body", "created_at")}
    text = json.dumps(given)
    assert CANARY not in text
    assert world.people["agent"].name not in text
    assert world.people["agent"].email not in text


NEVER = frozenset(
    {"password", "digest", "token_version", "email_index", "phone_index", "stored_as", "refresh_id", "network_index"}
)


@pytest.mark.parametrize("row", READS, ids=str)
def test_no_answer_has_a_member_that_is_for_us_alone(row: Row, world: World) -> None:
    for name in ("admin", "all"):
        caller = world.callers[name][0]
        response = caller.client().get(doors.path_of(row.route, world), headers=caller.headers)
        if response.headers["Content-Type"] == "application/json":
            assert not members(response.json()) & NEVER, name


def members(value: Any) -> set[str]:
    """Every name in a JSON value, however deep."""
    if isinstance(value, list):
        return {name for inner in value for name in members(inner)}
    if isinstance(value, dict):
        return set(value) | {name for inner in value.values() for name in members(inner)}
    return set()
