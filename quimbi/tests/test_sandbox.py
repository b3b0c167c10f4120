"""The sandbox is strict about what it is sent, and always says the same."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from django.conf import settings

from quimbi.dialects import Function
from quimbi.sandbox import PLAYS, Sandbox
from supportdesk.core.devservices.ports import free_port

CHURN, ANALYZE = "/api/intelligence/predict/churn", "/api/ml/customer/analyze"
PLAIN = {"X-API-Key": "sandbox", "Content-Type": "application/json"}


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox() as running:
        yield running


def post(sandbox: Sandbox, path: str, body: Any, **headers: str | None) -> tuple[int, Any]:
    sent = {name: value for name, value in {**PLAIN, **headers}.items() if value is not None}
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urlopen(Request(f"{sandbox.url}{path}", data=data, headers=sent), timeout=5) as answer:  # noqa: S310
            return answer.status, json.load(answer)
    except HTTPError as refusal:
        with refusal:
            return refusal.code, json.load(refusal)


def test_the_same_is_said_of_a_customer_whenever_it_is_asked(sandbox: Sandbox) -> None:
    first, again, other = (post(sandbox, CHURN, {"customer_id": who}) for who in ("9001", "9001", "9002"))
    assert first == again != other
    assert first[0] == 200
    assert first[1]["customer_id"] == "9001"
    assert sandbox.count() == sandbox.count(Function.CHURN) == 3


@pytest.mark.parametrize(
    ("path", "body", "fields"),
    [
        (CHURN, {}, ["customer_id"]),
        (CHURN, {"customer_id": 9001}, ["customer_id"]),
        (CHURN, {"customer_id": None}, ["customer_id"]),
        (CHURN, {"customer_id": "1", "prediction_window_days": 400}, ["prediction_window_days"]),
        (CHURN, {"customer_id": "1", "prediction_window_days": True}, ["prediction_window_days"]),
        (CHURN, [], ["body"]),
        (CHURN, b"{", ["body"]),
        (CHURN, {"customer_id": "1", "context": {"email": "a@example.com"}}, ["email"]),
        (ANALYZE, {"customer_id": "1"}, ["orders", "interactions"]),
        (ANALYZE, {"customer_id": "1", "orders": [{}], "interactions": []}, ["orders"]),
        (ANALYZE, {"customer_id": "1", "orders": [], "interactions": [{"type": "x"}]}, ["interactions"]),
    ],
)
def test_what_is_wrong_is_refused_by_field(sandbox: Sandbox, path: str, body: Any, fields: list[str]) -> None:
    status, said = post(sandbox, path, body)
    assert (status, said["error"]["code"]) == (422, "VALIDATION_ERROR")
    assert [one["field"] for one in said["error"]["details"]["validation_errors"]] == fields
    assert sandbox.count() == 0


def test_what_the_service_ignores_is_ignored(sandbox: Sandbox) -> None:
    assert post(sandbox, CHURN, {"customer_id": "1", "more": 1})[0] == 200


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (CHURN, {"X-API-Key": None}, 401),
        (CHURN, {"X-API-Key": "other"}, 403),
        (CHURN, {"Content-Type": "text/plain"}, 415),
        ("/api/ml/nothing", {}, 404),
    ],
)
def test_who_knocks_wrongly_is_refused(sandbox: Sandbox, path: str, headers: dict[str, Any], status: int) -> None:
    assert post(sandbox, path, {"customer_id": "1"}, **headers)[0] == status
    assert sandbox.refused == {status: 1}


def test_customers_it_does_not_know(sandbox: Sandbox) -> None:
    assert post(sandbox, CHURN, {"customer_id": "unknown-1"})[0] == 404
    sandbox.strangers.add("9001")
    assert post(sandbox, CHURN, {"customer_id": "9001"})[0] == 404
    sandbox.unknown = 1.0
    assert post(sandbox, CHURN, {"customer_id": "9002"})[0] == 404


def test_only_what_it_can_play_is_played(sandbox: Sandbox) -> None:
    with pytest.raises(ValueError, match="One of"):
        sandbox.play("sing")
    assert len(set(PLAYS)) == len(PLAYS)


def test_it_comes_back_at_the_same_address(sandbox: Sandbox) -> None:
    sandbox.play("refuse")
    with pytest.raises(OSError, match="refused"):
        post(sandbox, CHURN, {"customer_id": "1"})
    sandbox.play("well")
    assert post(sandbox, CHURN, {"customer_id": "1"})[0] == 200


@pytest.mark.slow
def test_the_command_serves_until_it_is_stopped() -> None:
    port = free_port()
    command = [sys.executable, "manage.py", "quimbi_sandbox", "--port", str(port), "--play", "500", "--key", "k"]
    child = subprocess.Popen(command, cwd=settings.BASE_DIR, env=os.environ, stdout=subprocess.PIPE)
    try:
        assert child.stdout
        assert f"http://127.0.0.1:{port} (QUIMBI_BASE_URL), key k." in child.stdout.readline().decode()
        url, headers = f"http://127.0.0.1:{port}{CHURN}", {**PLAIN, "X-API-Key": "k"}
        request = Request(url, data=b'{"customer_id": "1"}', headers=headers)
        with pytest.raises(HTTPError) as raised:
            urlopen(request, timeout=5)  # noqa: S310
        with raised.value as refusal:
            assert refusal.code == 500
        taken = subprocess.run(command, cwd=settings.BASE_DIR, env=os.environ, capture_output=True, text=True)
        assert taken.returncode == 1
        assert f"Port {port}" in taken.stderr
    finally:
        child.terminate()
        child.wait(10)
