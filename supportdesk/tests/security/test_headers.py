"""The headers of answers that the table of rights does not meet; those that it meets are looked at there."""

from typing import Any

import pytest
from django.test import Client

from customers.api.views import CustomerViewSet
from supportdesk.core.api import docs
from supportdesk.tests.security.headers import missing_headers
from supportdesk.tests.security.world import World

pytestmark = [pytest.mark.django_db, pytest.mark.vuln]


@pytest.mark.parametrize(
    ("status", "method", "path", "headers"),
    [
        (400, "GET", "/api/tickets?tag=%00", {}),
        (400, "GET", "/api/tickets?none=1", {}),
        (400, "GET", "/admin/", {"Host": "evil.example"}),
        (400, "GET", "/api/tickets", {"Host": "evil.example"}),
        (401, "GET", "/api/tickets", {"Authorization": "Bearer x"}),
        (403, "GET", "/api/api-keys", {}),
        (404, "GET", "/api/tickets/999999", {}),
        (404, "GET", "/api/nothing", {}),
        (404, "GET", "/nothing", {}),
        (404, "GET", "/admin/agents/agent/x/y/z", {}),
        (404, "GET", "/static/nothing.css", {}),
        (405, "PUT", "/api/tickets", {}),
        (405, "POST", "/healthz", {}),
        (406, "GET", "/api/tickets", {"Accept": "application/xml"}),
        (413, "POST", "/api/tickets", {"Content-Length": str(2**40)}),
        (413, "POST", "/admin/login/", {"Content-Length": str(2**40)}),
        (415, "POST", "/api/tickets", {"Content-Type": "text/plain"}),
        (200, "GET", "/static/supportdesk/admin.css", {}),
        (302, "GET", "/", {}),
    ],
)
def test_every_failure_and_every_file_carries_them(
    status: int, method: str, path: str, headers: dict[str, str], world: World
) -> None:
    caller = world.callers["boss"][0]
    response = caller.client().generic(method, path, b"x", headers={**caller.headers, **headers})
    assert response.status_code == status
    assert missing_headers(response) == set()


@pytest.mark.parametrize("path", ["/api/customers", "/admin/customers/customer/"])
def test_an_error_of_ours_carries_them_and_says_nothing(
    path: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("the secret of zoe@example.com")

    monkeypatch.setattr(CustomerViewSet, "_visible", broken)
    monkeypatch.setattr("customers.admin.audit.record_listing", broken)
    caller = world.callers["admin"][0]
    response = caller.client().get(path, headers=caller.headers)
    assert response.status_code == 500
    assert missing_headers(response) == set()
    assert "zoe" not in response.content.decode()
    assert response.headers["X-Request-ID"] in response.content.decode()


def test_a_post_from_another_site_is_refused_with_them(world: World) -> None:
    client = Client(enforce_csrf_checks=True)
    client.cookies.update(world.callers["admin"][0].client().cookies)
    response = client.post("/admin/customers/customer/add/", {"name": "New"})
    assert response.status_code == 403
    assert missing_headers(response) == set()


def test_cookies_are_for_this_site_and_out_of_reach_of_scripts(world: World) -> None:
    client = Client()
    given = {"username": world.values["boss_email"], "password": world.values["password"]}
    cookie = client.post("/admin/login/", given).cookies["supportdesk_admin"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Strict")


@pytest.mark.parametrize("query", ["version=%0d%0aX-Evil:%201", "version=%22", "lang=../../etc", "lang=" + "x" * 9_000])
def test_the_document_is_the_same_whatever_the_query_says(query: str) -> None:
    plain, asked = Client().get("/api/schema"), Client().get(f"/api/schema?{query}")
    assert (asked.status_code, asked.content) == (200, plain.content)
    assert "X-Evil" not in asked.headers


@pytest.mark.parametrize(
    ("accept", "query", "kind"),
    [
        ("*/*", "", "application/vnd.oai.openapi"),
        ("text/html", "", "application/vnd.oai.openapi"),
        ("application/json", "", "application/json"),
        ("*/*", "?format=json", "application/json"),
    ],
)
def test_the_document_is_made_once_for_everybody(
    accept: str, query: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Client().get(f"/api/schema{query}", headers={"Accept": accept})
    monkeypatch.setattr(docs, "SchemaGenerator", None)
    again = Client().get(f"/api/schema{query}", headers={"Accept": accept})
    assert again.content == first.content
    assert again.headers["Content-Type"] == kind
    assert b"/api/tickets/{id}/messages" in again.content
