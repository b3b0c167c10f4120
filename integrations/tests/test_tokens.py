"""Tokens that expire: renewed once, kept whatever a caller undoes, and never given up for a network's sake."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone

from integrations import tokens
from integrations.enums import ConnectionStatus
from integrations.models import Connection
from integrations.shopify import access
from integrations.shopify.sandbox.exchange import Scripted
from integrations.shopify.sandbox.server import Sandbox
from integrations.tests.builders import SECRET, make_connection
from integrations.tokens import Grant, GrantRefused, NeedsReauth, Unauthorized
from supportdesk.core.http import Rejected, Unavailable

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True, databases=["default", "tokens"])]


@pytest.fixture
def known(shopify: Sandbox) -> Connection:
    """To the sandbox, with a token that has just expired."""
    shopify.grace = False
    made = make_connection()
    token, again = shopify.pair()
    gone = timezone.now() - timedelta(seconds=1)
    Connection.objects.filter(pk=made.pk).update(access_token=token, refresh_token=again, expires_at=gone)
    made.refresh_from_db()
    return made


def renewals(shopify: Sandbox) -> int:
    return len(shopify.of("token"))


def test_twenty_threads_that_need_a_token_renew_it_once(shopify: Sandbox, known: Connection) -> None:
    def need(_: int) -> str:
        try:
            return tokens.valid(known, access.refresh).text
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as threads:
        found = set(threads.map(need, range(20)))
    known.refresh_from_db()
    assert (renewals(shopify), found) == (1, {known.access_token})
    assert (known.refresh_token, known.token_version, known.refresh_lease_until) == (shopify.refresh, 1, None)
    assert known.expires_at is not None
    assert timedelta(minutes=59) < known.expires_at - timezone.now() <= timedelta(hours=1)


def test_what_a_caller_undoes_does_not_take_the_new_pair_back(shopify: Sandbox, known: Connection) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        tokens.valid(known, access.refresh)
        raise ZeroDivisionError
    known.refresh_from_db()
    assert known.refresh_token == shopify.refresh
    assert known.access_token in shopify.access
    assert tokens.valid(known, access.refresh).text == known.access_token
    assert renewals(shopify) == 1


def test_a_token_that_is_still_good_is_used_while_somebody_renews_it(shopify: Sandbox, known: Connection) -> None:
    soon = timezone.now() + timedelta(seconds=60)
    Connection.objects.filter(pk=known.pk).update(expires_at=soon, refresh_lease_until=soon)
    assert tokens.valid(known, access.refresh).text == known.access_token
    Connection.objects.filter(pk=known.pk).update(refresh_lease_until=timezone.now() - timedelta(seconds=1))
    assert tokens.valid(known, access.refresh).text != known.access_token
    assert renewals(shopify) == 1


@pytest.mark.parametrize("away", [Scripted(status=520, body="<html>"), Scripted(drop=True), Scripted(status=503)])
def test_a_partner_that_is_away_for_a_moment_costs_nothing(shopify: Sandbox, known: Connection, away: Scripted) -> None:
    shopify.script("token", away)
    assert tokens.valid(known, access.refresh).text in shopify.access
    shopify.script("token", away, away)
    with pytest.raises(Unavailable):
        tokens._another(known, access.refresh, than=tokens.valid(known, access.refresh))
    known.refresh_from_db()
    assert (known.status, known.refresh_token) == (ConnectionStatus.ACTIVE, shopify.refresh)
    assert known.refresh_lease_until is None


def test_an_answer_that_was_lost_is_asked_for_again(shopify: Sandbox, known: Connection) -> None:
    shopify.grace = True
    shopify.script("token", Scripted(drop=True, stores=True))
    assert tokens.valid(known, access.refresh).text in shopify.access
    assert renewals(shopify) == 2


@pytest.mark.parametrize(
    ("answer", "lives"),
    [
        ({"access_token": "shpat_x", "refresh_token": "r"}, timedelta(hours=1)),
        ({"access_token": "shpat_x", "refresh_token": "r", "expires_in": 0}, timedelta(hours=1)),
        ({"access_token": "shpat_x", "refresh_token": "r", "expires_in": 120}, timedelta(minutes=2)),
        ({"access_token": "shpat_x", "expires_in": 120}, timedelta(minutes=2)),
    ],
)
def test_an_answer_that_leaves_something_out(
    shopify: Sandbox, known: Connection, answer: dict[str, Any], lives: timedelta
) -> None:
    before = known.refresh_token
    shopify.script("token", Scripted(body=answer))
    tokens.valid(known, access.refresh)
    known.refresh_from_db()
    assert known.refresh_token == answer.get("refresh_token", before)
    assert known.expires_at is not None
    assert abs(known.expires_at - timezone.now() - lives) < timedelta(seconds=10)


@pytest.mark.parametrize(
    ("answer", "status", "error"),
    [
        (Scripted(400, {"error": "invalid_grant"}), ConnectionStatus.REAUTH, "invalid_grant"),
        (Scripted(401, {"error": "invalid_client"}), ConnectionStatus.ACTIVE, "invalid_client"),
    ],
)
def test_a_partner_that_gives_no_token(
    shopify: Sandbox, known: Connection, answer: Scripted, status: str, error: str
) -> None:
    shopify.script("token", answer)
    with pytest.raises(GrantRefused):
        tokens.valid(known, access.refresh)
    before, now = known.refresh_token, Connection.objects.get(pk=known.pk)
    assert (now.status, now.last_error, now.refresh_token) == (status, error, before)
    if status == ConnectionStatus.REAUTH:
        with pytest.raises(NeedsReauth):
            tokens.valid(known, access.refresh)
        assert renewals(shopify) == 1


def test_an_answer_that_is_none_keeps_what_we_have(shopify: Sandbox, known: Connection) -> None:
    shopify.script("token", Scripted(body={"hello": "there"}))
    with pytest.raises(Rejected):
        tokens.valid(known, access.refresh)
    assert Connection.objects.get(pk=known.pk).refresh_token == known.refresh_token


def test_a_refused_token_is_renewed_once_and_the_call_made_once_more(shopify: Sandbox, known: Connection) -> None:
    Connection.objects.filter(pk=known.pk).update(expires_at=timezone.now() + timedelta(hours=1))
    seen: list[str] = []

    def ask(token: str) -> str:
        seen.append(token)
        if len(seen) == 1:
            raise Unauthorized("unauthorized")
        return "answer"

    assert tokens.using(known, access.refresh, ask) == "answer"
    assert (len(set(seen)), renewals(shopify)) == (2, 1)


def test_a_new_token_that_is_refused_too_ends_the_connection(shopify: Sandbox, known: Connection) -> None:
    def ask(token: str) -> str:
        raise Unauthorized("unauthorized")

    Connection.objects.filter(pk=known.pk).update(expires_at=timezone.now() + timedelta(hours=1))
    with pytest.raises(NeedsReauth):
        tokens.using(known, access.refresh, ask)
    known.refresh_from_db()
    assert (known.status, renewals(shopify)) == (ConnectionStatus.REAUTH, 1)


def test_a_token_that_cannot_be_renewed_ends_the_connection_when_it_is_refused() -> None:
    known = make_connection(changes={"access_token": "shpat_private", "webhook_secret": SECRET})

    def ask(token: str) -> str:
        raise Unauthorized("unauthorized")

    assert tokens.valid(known, never).text == "shpat_private"
    with pytest.raises(NeedsReauth):
        tokens.using(known, never, ask)
    assert Connection.objects.get(pk=known.pk).status == ConnectionStatus.REAUTH


def never(known: Connection) -> Grant:
    raise AssertionError
