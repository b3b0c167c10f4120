"""Gorgias' API as it answers and as it fails, over HTTP."""

from typing import Any

import pytest

from integrations.enums import Provider
from integrations.gorgias import client, pace
from integrations.gorgias.client import Down, Refused
from integrations.gorgias.sandbox.account import ADDRESS
from integrations.gorgias.sandbox.exchange import Scripted
from integrations.gorgias.sandbox.server import Sandbox
from integrations.models import Connection
from integrations.tests.builders import make_connection

pytestmark = pytest.mark.django_db
LEFT = 3.0
REPLY = {
    "channel": "email",
    "via": "api",
    "from_agent": True,
    "source": {"from": {"address": ADDRESS}, "to": [{"address": "zoe@example.com"}]},
    "body_text": "We are on it.",
}


@pytest.fixture
def known(gorgias: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Connection:
    monkeypatch.setattr(client, "FIRST", 0.01)
    return make_connection(Provider.GORGIAS)


def test_a_ticket_is_read_with_its_messages(gorgias: Sandbox, known: Connection) -> None:
    made = gorgias.open_ticket(gorgias.add_customer("zoe@example.com"), "Hallo")
    found = client.ticket(known, str(made["id"]), left=LEFT)
    assert [one["body_text"] for one in found["messages"]] == ["Hallo"]
    assert gorgias.of("GET")[0].path == f"/api/tickets/{made['id']}"


def test_every_row_of_a_list_is_read_page_by_page(
    gorgias: Sandbox, known: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "PAGE", 2)
    for number in range(4):
        gorgias.add_user(f"agent{number}@example.com", "Agent")
    assert len(list(client.every(known, "users", left=LEFT))) == 5
    assert len(gorgias.of("GET", "/api/users")) == 3


@pytest.mark.parametrize(
    ("answer", "kind", "reason", "asked"),
    [
        (Scripted(status=500, body={}), Down, "http 500", 3),
        (Scripted(status=503, body="<html>"), Down, "http 503", 3),
        (Scripted(drop=True), Down, "unreachable", 3),
        (Scripted(status=429, headers={"Retry-after": "7"}, body={}), Down, "rate limited", 1),
        (Scripted(status=404, body={}), Refused, "http 404", 1),
        (Scripted(status=400, body={}), Refused, "http 400", 1),
        (Scripted(status=302, headers={"Location": "https://evil.example/"}, body=""), Refused, "http 302", 1),
        (Scripted(body="<html>hello"), Refused, "bad answer", 1),
        (Scripted(body=[1]), Refused, "bad answer", 1),
        (Scripted(status=402, body={}), Refused, "http 402", 1),
        (Scripted(status=403, body={}), Refused, "http 403", 1),
    ],
)
def test_a_failure_is_told_as_one_of_two_things(
    gorgias: Sandbox, known: Connection, answer: Scripted, kind: type[Exception], reason: str, asked: int
) -> None:
    gorgias.script("GET", "/api/account", *[answer] * 3)
    with pytest.raises(kind, match=reason) as failure:
        client.account(known, left=LEFT)
    assert (type(failure.value), len(gorgias.asked)) == (kind, asked)
    if isinstance(failure.value, Refused):
        assert failure.value.of_the_account is (reason == "http 402")


@pytest.mark.parametrize("answer", [Scripted(status=502, stores=True), Scripted(drop=True, stores=True)])
def test_a_message_is_posted_once_whatever_comes(gorgias: Sandbox, known: Connection, answer: Scripted) -> None:
    pk = str(gorgias.open_ticket(gorgias.add_customer("zoe@example.com"), "Hallo")["id"])
    gorgias.script("POST", f"/api/tickets/{pk}/messages", answer)
    with pytest.raises(Down) as failure:
        client.post_message(known, pk, REPLY, left=LEFT)
    assert failure.value.sent
    assert len(gorgias.of("POST")) == len(gorgias.mailed) == 1


def test_a_message_that_was_not_taken_is_posted_again(gorgias: Sandbox, known: Connection) -> None:
    pk = str(gorgias.open_ticket(gorgias.add_customer("zoe@example.com"), "Hallo")["id"])
    gorgias.script("POST", "/api/", Scripted(status=429, headers={"Retry-after": "0.05"}, body={}))
    client.post_message(known, pk, REPLY, left=LEFT)
    assert [one.answered for one in gorgias.of("POST")] == [429, 201]


def test_nobody_asks_before_it_may_be_asked_again(gorgias: Sandbox, known: Connection) -> None:
    gorgias.script("GET", "/api/", Scripted(status=429, headers={"Retry-after": "7"}, body={}))
    for _ in range(2):
        with pytest.raises(Down) as failure:
            client.account(known, left=LEFT)
    assert 6 < (failure.value.retry_after or 0) <= 7
    assert len(gorgias.asked) == 1


def test_the_limit_is_kept_away_from(gorgias: Sandbox, known: Connection) -> None:
    gorgias.limit = 10
    for _ in range(7):
        client.account(known, left=0.5)
    client.account(known, left=0.5)  # the eighth
    with pytest.raises(Down, match="paused"):
        client.account(known, left=0.5)
    assert [one.answered for one in gorgias.asked] == [200] * 8


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3/80", 0), ("63/80", 0), ("64/80", 0.25), ("79/80", 4), ("40/40", 4.5), ("80/40", 20), ("", 0)]
    + [(odd, 0) for odd in (None, "79", "/", "7/0", "-1/80", "a/b", "9" * 30 + "/1", "79 / 80")],
)
def test_how_long_a_limit_asks_us_to_rest(header: str | None, seconds: float) -> None:
    assert pace.rest_after(header) == pytest.approx(seconds)


def test_an_account_that_fails_is_left_in_peace(gorgias: Sandbox, known: Connection) -> None:
    gorgias.script("GET", "/api/", *[Scripted(status=500, body={})] * 9)
    for _ in range(3):
        with pytest.raises(Down):
            client.account(known, left=LEFT)
    assert len(gorgias.asked) == 6


@pytest.mark.parametrize("account", ["evil.example/", "desk\n", "a@b", ""])
def test_what_is_no_subdomain_is_asked_nothing(gorgias: Sandbox, known: Connection, account: str) -> None:
    known.account_key = account
    with pytest.raises(Refused, match="no subdomain"):
        client.account(known, left=LEFT)
    assert gorgias.asked == []


def test_a_wrong_key_is_refused_and_shown_nowhere(gorgias: Sandbox, known: Connection, caplog: Any) -> None:
    known.api_key = "wrong-key-5d1c"
    with pytest.raises(Refused) as failure:
        client.account(known, left=LEFT)
    assert failure.value.of_the_account
    assert "wrong-key" not in caplog.text + repr(failure.value)
