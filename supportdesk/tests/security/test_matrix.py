"""Every cell of the table, asked for real."""

from collections.abc import Collection
from typing import Any

import pytest
from django.contrib.admin import AdminSite
from django.db import transaction

from agents.models import AgentQuerySet
from customers.models import CustomerQuerySet
from supportdesk.core.api.permissions import RoleAllowed
from supportdesk.tests.security import doors
from supportdesk.tests.security.headers import missing_headers
from supportdesk.tests.security.matrix import NAMES, Row, rows
from supportdesk.tests.security.world import Caller, World
from tickets.models.attachment import AttachmentQuerySet
from tickets.models.saved_view import SavedViewQuerySet
from tickets.models.ticket import TicketQuerySet

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.vuln]
ROWS = rows()
LOGIN, FIRST_PAGE = "/admin/login/", "/admin/"
ENTRANCES = {"admin/login/", "admin/logout/"}


def symbol(response: Any, row: Row) -> str:
    """What the table would say of the answer."""
    status, in_admin = response.status_code, row.route.startswith(doors.ADMIN)
    location = response.headers.get("Location", "").partition("?")[0]
    if in_admin and location in {LOGIN, FIRST_PAGE} and row.route not in ENTRANCES:
        return "-" if location == LOGIN else "?"
    if status in row.codes:
        return "+"
    known = {400: "!", 401: "-", 403: ".", 404: "?"} | ({200: "!"} if in_admin else {})
    return known.get(status, str(status))


def outcomes(row: Row, world: World, names: Collection[str] = NAMES) -> dict[str, str]:
    """The symbol of each kind of caller. One kind has several credentials: what differs between them shows as well."""
    answers: dict[Caller, set[str]] = {}
    for caller in {_as_seen(row, caller) for name in names for caller in world.callers[name]}:
        with transaction.atomic():
            response = doors.knock(row, caller, world)
            transaction.set_rollback(True)
        answers[caller] = {symbol(response, row), *missing_headers(response)}
    found = {name: set().union(*(answers[_as_seen(row, caller)] for caller in world.callers[name])) for name in names}
    return {name: " ".join(sorted(symbols)) for name, symbols in found.items()}


def _as_seen(row: Row, caller: Caller) -> Caller:
    """In the admin without headers, which it does not read (`test_no_header_opens_the_admin`): asked once for many."""
    return Caller(session=caller.session) if row.route.startswith(doors.ADMIN) else caller


def unlisted(routes: dict[str, set[str]]) -> set[tuple[str, str]]:
    """What the product serves and the table does not say, and the other way round."""
    return {(row.route, row.method) for row in ROWS} ^ {
        (route, method) for route, methods in routes.items() for method in methods
    }


def test_table_holds_every_route_and_method_and_no_other() -> None:
    assert unlisted(doors.routes()) == set()
    assert len({(row.route, row.method) for row in ROWS}) == len(ROWS)


def test_a_route_or_a_method_that_the_table_does_not_hold_is_found() -> None:
    planted = doors.routes()
    planted["api/open"] = {"GET"}
    planted["api/tickets"].add("PUT")
    del planted["healthz"]
    assert unlisted(planted) == {("api/open", "GET"), ("api/tickets", "PUT"), ("healthz", "GET")}


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_every_caller_gets_what_the_table_says(row: Row, world: World) -> None:
    assert outcomes(row, world) == row.cells


@pytest.mark.parametrize(
    ("route", "methods"),
    [(route, methods) for route, methods in doors.routes().items() if not route.startswith(doors.ADMIN)],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_no_route_serves_another_method(route: str, methods: set[str], world: World) -> None:
    path, answers = doors.path_of(route, world), {}
    for method in set(doors.METHODS) - methods:
        for name in ("anon", "agent", "admin", "all"):
            caller = world.callers[name][0]
            answers[method, name] = caller.client().generic(method, path, headers=caller.headers).status_code
    if route == "api/docs":
        assert {answers.pop(("OPTIONS", name)) for name in ("anon", "agent", "admin", "all")} == {200}
    assert set(answers.values()) == {405}, answers


def test_a_session_of_the_admin_opens_nothing_at_the_api(world: World) -> None:
    client = world.callers["admin"][0].client()
    assert client.get("/admin/").status_code == 200
    for row in (row for row in ROWS if row.route.startswith("api/") and row.cells["anon"] == "-"):
        assert client.generic(row.method, doors.path_of(row.route, world)).status_code == 401, row


@pytest.mark.parametrize("path", ["/admin/", "/admin/tickets/ticket/", "/admin/agents/agent/add/"])
def test_no_header_opens_the_admin(path: str, world: World) -> None:
    for callers in world.callers.values():
        for caller in callers:
            response = Caller().client().get(path, headers=caller.headers)
            assert (response.status_code, response.headers["Location"].partition("?")[0]) == (302, LOGIN)


@pytest.mark.parametrize(
    ("where", "name"),
    [
        (RoleAllowed, "has_permission"),
        (AdminSite, "has_permission"),
        (TicketQuerySet, "visible_to"),
        (CustomerQuerySet, "visible_to"),
        (AgentQuerySet, "visible_to"),
        (AttachmentQuerySet, "visible_to"),
        (SavedViewQuerySet, "visible_to"),
    ],
)
def test_a_check_that_never_says_no_is_noticed(
    where: type, name: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, name, lambda self, *_: True if name == "has_permission" else self)
    assert any(outcomes(row, world, {"other", "rival"}).items() - row.cells.items() for row in ROWS)
