"""What every request goes through before a view: body, path, query, ids, logs, failures."""

import json
import logging
from typing import Any

import pytest
from django.db import connection
from django.test import Client, override_settings

from agents.tests.builders import make_agent
from supportdesk.core.api.guards import body_too_large
from supportdesk.tests.client import Api

PROBLEM = {"type", "title", "status", "detail", "code", "errors", "request_id"}


@pytest.fixture
def me(db: None) -> Api:
    return Api(make_agent(role="admin"))


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "invalid"),
        (b"{", "parse_error"),
        (b"[]", "parse_error"),
        (b'"text"', "parse_error"),
        (b"null", "parse_error"),
        (b"\xff\xfe", "parse_error"),
        (b'{"name": NaN}', "parse_error"),
        (b'{"name": Infinity}', "parse_error"),
        (b'{"name": "a", "name": "b"}', "parse_error"),
        (b'{"name": "a"} trailing', "parse_error"),
        (b'{"a":' * 21 + b"1" + b"}" * 21, "parse_error"),
        (b'{"a":' * 100_000, "parse_error"),
        (b'{"name": "a\\u0000b"}', "invalid"),
        (b'{"name": "\\ud800"}', "invalid"),
        (b'{"\\udc00": 1}', "invalid"),
        (b'{"name": "' + b"9" * 5000 + b'"}', "invalid"),
        (b'{"name": ' + b"9" * 5000 + b"}", "parse_error"),
        (b'{"name": 1e999}', "parse_error"),
    ],
)
def test_a_broken_body_is_a_400_in_the_one_shape(me: Api, body: bytes, code: str) -> None:
    answer = me.send("POST", "/api/customers", body)
    assert (answer.status, answer.body["code"]) == (400, code), answer.body
    assert set(answer.body) == PROBLEM
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_the_field_with_text_that_cannot_be_stored_is_named(me: Api) -> None:
    answer = me.send("POST", "/api/customers", b'{"attributes": {"a": ["x", "\\u0000"]}}')
    assert answer.fields == {"attributes.a[1]": "invalid_text"}


def test_a_body_above_the_limit_is_a_413(me: Api) -> None:
    assert body_too_large(100).status == 413
    answer = me.send("POST", "/api/customers", b" " * (1024 * 1024 + 1))
    assert (answer.status, answer.body["code"]) == (413, "body_too_large")
    just = json.dumps({"name": "a", "address": "x" * (1024 * 1024 - 40)}).encode()
    assert me.send("POST", "/api/customers", just).fields == {"address": "max_length"}


def test_a_body_in_chunks_is_a_411(me: Api) -> None:
    """The WSGI server would hand us none of it, and we would say that every field is missing."""
    answer = me.send("POST", "/api/customers", {"name": "Zoë"}, transfer_encoding="chunked")
    assert (answer.status, answer.body["code"]) == (411, "length_required")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_another_media_type_is_a_415(me: Api, kind: str) -> None:
    answer = me.send("POST", "/api/customers", b"name=a", content_type=kind)
    assert (answer.status, answer.body["code"]) == (415, "unsupported_media_type")


def test_an_answer_in_another_format_is_a_406(me: Api) -> None:
    response = me.client.get("/api/customers", headers={**me.headers, "Accept": "application/xml"})
    assert response.status_code == 406


@pytest.mark.parametrize(
    "path",
    [
        "/api/tickets/0",
        "/api/tickets/-1",
        "/api/tickets/01",
        "/api/tickets/9223372036854775808",
        "/api/tickets/" + "9" * 400,
        "/api/tickets/1.5",
        "/api/tickets/one",
        "/api/tickets/",
        "/api/tickets/1/",
        "/api/none",
        "/api/x\xff",
        "/api/tickets/\u0663",
    ],
)
def test_a_path_that_names_nothing_is_a_404(me: Api, path: str) -> None:
    answer = me.get(path)
    assert (answer.status, set(answer.body)) == (404, PROBLEM)


@pytest.mark.parametrize("path", ["/api/tickets/%00", "/api/tickets?tag=%00", "/api/tickets?%00=a"])
def test_a_path_or_query_that_is_no_text_is_a_400(me: Api, path: str) -> None:
    response = me.client.generic("GET", path, headers=me.headers)
    assert response.status_code == 400
    assert set(response.json()) == PROBLEM


@pytest.mark.parametrize("method", ["PUT", "OPTIONS", "TRACE"])
def test_a_method_that_a_route_does_not_have_is_a_405(me: Api, method: str) -> None:
    answer = me.send(method, "/api/tickets")
    assert (answer.status, answer.body["code"]) == (405, "method_not_allowed")


@pytest.mark.parametrize("header", ["Bearer", "Bearer ", "Bearer x", "Bearer \x00", "Basic eDp5", "x" * 9000])
def test_a_bad_authorization_header_is_a_401(me: Api, header: str) -> None:
    me.headers["Authorization"] = header
    assert me.get("/api/tickets").status == 401


@pytest.mark.parametrize(
    ("offered", "kept"), [("abc-12345", True), ("short", False), ("a" * 65, False), ("bad id 1234", False), ("", False)]
)
def test_a_harmless_request_id_is_kept_and_any_other_replaced(db: None, offered: str, kept: bool) -> None:
    response = Client().get("/api/tickets", headers={"X-Request-ID": offered})
    given = response["X-Request-ID"]
    assert (given == offered) is kept
    assert given == response.json()["request_id"]
    assert len(given) >= 8


def test_one_log_line_per_request_without_query_or_body(me: Api, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "supportdesk.request")
    caplog.clear()
    me.get("/api/customers", email="canary@example.com")
    me.post("/api/customers", {"name": "Canary", "email": "canary@example.com"})
    lines: list[Any] = [record.msg for record in caplog.records if record.name == "supportdesk.request"]
    assert [(line["method"], line["route"], line["status"]) for line in lines] == [
        ("GET", "api/customers", 200),
        ("POST", "api/customers", 201),
    ]
    assert "canary" not in caplog.text.lower()


def test_health_touches_nothing_and_readiness_asks_all_parts(db: None, django_assert_num_queries: Any) -> None:
    with django_assert_num_queries(0):
        assert Client().get("/healthz").json() == {"status": "ok"}
    ready = Client().get("/readyz")
    assert (ready.status_code, ready.json()["parts"]) == (200, {"database": "ok", "redis": "ok", "encryption": "ok"})


def test_readiness_names_the_part_that_does_not_answer(db: None) -> None:
    nobody = {
        "default": {
            "BACKEND": "django.core.cache.backends.redis.RedisCache",
            "LOCATION": "redis://127.0.0.1:1/0",
            "OPTIONS": {"socket_connect_timeout": 0.2},
        }
    }
    with override_settings(CACHES=nobody):
        answer = Client().get("/readyz")
    assert (answer.status_code, answer.json()["parts"]) == (
        503,
        {"database": "ok", "redis": "unavailable", "encryption": "ok"},
    )


@pytest.mark.django_db(transaction=True)
def test_a_lost_database_is_a_503_and_the_next_request_works() -> None:
    me = Api(make_agent())
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid = cursor.fetchone()[0]
    killer = connection.copy()
    with killer.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [pid])
    killer.close()
    answer = me.get("/api/tickets")
    assert (answer.status, answer.body["code"], answer.headers["Retry-After"]) == (503, "unavailable", "5")
    connection.close()
    assert me.get("/api/tickets").status == 200


@pytest.mark.parametrize("path", ["/admin/login/", "/api/tickets", "/healthz", "/api/docs"])
def test_every_answer_carries_the_protective_headers(db: None, path: str) -> None:
    response = Client().get(path)
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["Referrer-Policy"] == "same-origin"
    assert "default-src 'self'" in response["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in response["Content-Security-Policy"]
