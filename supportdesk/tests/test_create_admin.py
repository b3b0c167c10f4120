import io

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from agents.models import Agent
from supportdesk.core.models import Event
from supportdesk.tests.client import Api

pytestmark = pytest.mark.django_db


def create(monkeypatch: pytest.MonkeyPatch, email: str, password: str) -> str:
    out = io.StringIO()
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
    call_command("create_admin", email, stdout=out)
    return out.getvalue()


def test_the_administrator_can_log_in(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Created administrator" in create(monkeypatch, "first@example.com", "a good long pass phrase")
    credentials = {"email": "first@example.com", "password": "a good long pass phrase"}
    assert Api().post("/api/auth/login", credentials).status == 200
    assert Event.objects.get(name="agent.created").origin == "command"


@pytest.mark.parametrize(
    ("email", "password", "reason"),
    [
        ("first", "a good long pass phrase", "is not an e-mail address"),
        ("first@example.com", "short", "too short"),
        ("first@example.com", "", "too short"),
    ],
)
def test_bad_input_is_one_sentence(monkeypatch: pytest.MonkeyPatch, email: str, password: str, reason: str) -> None:
    with pytest.raises(CommandError, match=reason):
        create(monkeypatch, email, password)
    assert not Agent.objects.get_queryset().exists()


def test_an_address_is_used_once(monkeypatch: pytest.MonkeyPatch) -> None:
    create(monkeypatch, "first@example.com", "a good long pass phrase")
    with pytest.raises(CommandError, match="cannot be used"):
        create(monkeypatch, "FIRST@example.com", "a good long pass phrase")
