"""Connections: what they keep secret, what is refused of them, and how they are made from the command line."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from agents.tests.builders import SYSTEM
from integrations import connections
from integrations.connections import ConnectionTaken, NotReady
from integrations.enums import Provider
from integrations.models import Connection, WebhookReceipt
from integrations.tests.builders import SECRET, Work, make_connection, make_slack, send_shopify
from supportdesk.core.crypto import encrypted_columns
from supportdesk.core.errors import InvalidInput
from supportdesk.core.models import Event

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
TOKENS = ("access_token", "refresh_token", "api_key", "webhook_secret", "webhook_secret_previous")
NOW = timezone.now


@pytest.mark.vuln
def test_no_secret_can_be_read_off_the_database_or_a_text() -> None:
    known = make_connection()
    Connection.objects.filter(pk=known.pk).update(**dict.fromkeys(TOKENS, "xoxb-very-secret"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT t::text FROM integrations_connection t")
        assert "xoxb" not in cursor.fetchone()[0]
    known.refresh_from_db()
    assert [getattr(known, name) for name in TOKENS] == ["xoxb-very-secret"] * 5
    assert "xoxb" not in f"{known} {known!r}"


def test_every_secret_and_every_body_is_re_encrypted_with_the_keys(settings: Any, work: Work) -> None:
    columns = {field.context for _, field in encrypted_columns()}
    assert {f"integrations_connection.{name}" for name in TOKENS} <= columns
    assert "integrations_webhookreceipt.raw_body" in columns
    known, raw = make_connection(), b'{"id": 1, "x": "\xff\xc3"}'
    send_shopify(known, raw)
    (old,) = settings.ENCRYPTION_KEYS.values()
    settings.ENCRYPTION_KEYS = {"new": bytes(range(32)), **settings.ENCRYPTION_KEYS}
    call_command("rotate_keys", stdout=StringIO())
    settings.ENCRYPTION_KEYS = {"new": bytes(range(32))}
    known.refresh_from_db()
    assert (known.webhook_secret, WebhookReceipt.objects.get().raw_body) == (SECRET, raw)
    assert old


@pytest.mark.vuln
@pytest.mark.parametrize(
    ("provider", "account"),
    [
        (Provider.SHOPIFY, "x.myshopify.com\n"),
        (Provider.SHOPIFY, "x.myshopify.com/path"),
        (Provider.SHOPIFY, "user@x.myshopify.com"),
        (Provider.SHOPIFY, "x.myshopify.com.evil.example"),
        (Provider.SHOPIFY, "-x.myshopify.com"),
        (Provider.SHOPIFY, ""),
        (Provider.GORGIAS, "desk.evil.example/"),
        (Provider.GORGIAS, "desk\n"),
        (Provider.GORGIAS, "Desk"),
        (Provider.GORGIAS, "-desk"),
        (Provider.GORGIAS, "x" * 64),
        (Provider.SLACK, "\u202e"),
    ],
)
def test_an_account_that_would_lead_elsewhere_is_refused(provider: Provider, account: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        connections.create(provider=provider, account_key=account, by=SYSTEM, now=NOW())
    assert refused.value.errors[0].field == "account_key"


def test_one_connection_to_an_account() -> None:
    known = make_connection()
    with pytest.raises(ConnectionTaken):
        make_connection(account_key=known.account_key.capitalize())


@pytest.mark.parametrize("channel", ["#general", "general", "c012345", "C1", "C" * 40, "C012345\n"])
def test_a_channel_is_named_by_its_id(channel: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        make_slack(changes={"access_token": "x", "channel": f"{channel}\x00" if channel.endswith("\n") else channel})
    assert refused.value.errors[0].field == "channel"


@pytest.mark.parametrize("changes", [{}, {"access_token": "xoxb-1"}, {"channel": "C012345"}])
def test_slack_is_not_activated_without_what_it_needs(changes: dict[str, str]) -> None:
    with pytest.raises(NotReady):
        make_slack(changes=changes)


def test_a_secret_that_we_make_is_answered_once_and_the_one_before_it_lives_for_a_day() -> None:
    known = make_connection()
    made = connections.new_webhook_secret(connection_id=known.pk, by=SYSTEM, now=NOW())
    known.refresh_from_db()
    assert (len(made), known.webhook_secret, known.webhook_secret_previous) == (43, made, SECRET)
    assert known.previous_until and timedelta(hours=23) < known.previous_until - NOW() <= timedelta(days=1)


@pytest.mark.parametrize(
    ("provider", "name"),
    [
        (Provider.SHOPIFY, "api_key"),
        (Provider.SHOPIFY, "channel"),
        (Provider.GORGIAS, "access_token"),
        (Provider.GORGIAS, "write_back"),
        (Provider.SLACK, "webhook_secret"),
        (Provider.SLACK, "email"),
    ],
)
def test_a_setting_of_another_provider_is_refused_by_name(provider: Provider, name: str) -> None:
    known = make_connection(provider, changes={}, active=False)
    with pytest.raises(InvalidInput) as refused:
        connections.update(connection_id=known.pk, changes={name: SECRET}, by=SYSTEM, now=NOW())
    assert [(one.field, one.code) for one in refused.value.errors] == [(name, "unknown_field")]


def connect(*arguments: str) -> str:
    told = StringIO()
    call_command("integration_connect", *arguments, stdout=told)
    return told.getvalue()


def test_a_connection_is_made_and_changed_from_the_command_line(monkeypatch: pytest.MonkeyPatch) -> None:
    told = connect("gorgias", "desk", "--email", "bot@example.com")
    known = Connection.objects.get()
    assert (known.status, known.account_key, known.options) == ("pending", "desk", {"email": "bot@example.com"})
    assert "is Not yet active. It needs a user's e-mail address with an API key" in told
    monkeypatch.setenv("SUPPORTDESK_CONNECTION_API_KEY", "the-key")
    monkeypatch.setattr("sys.stdin", StringIO(f"SUPPORTDESK_CONNECTION_WEBHOOK_SECRET={SECRET}\n\n"))
    told = connect("gorgias", "desk", "--stdin")
    known.refresh_from_db()
    assert (known.status, known.api_key, known.webhook_secret) == ("active", "the-key", SECRET)
    assert told == f"Gorgias desk (#{known.pk}) is Active.\n"
    assert Event.objects.filter(name__startswith="connection.").count() == 3


def test_a_secret_that_the_provider_has_no_use_for_is_refused_by_the_name_of_its_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SUPPORTDESK_CONNECTION_WEBHOOK_SECRET", SECRET)
    with pytest.raises(CommandError, match=r"^SUPPORTDESK_CONNECTION_WEBHOOK_SECRET: Slack has no such setting"):
        connect("slack", "Workspace")
    assert not Connection.objects.exists()


def test_what_was_paused_or_let_go_of_is_not_activated_by_any_change(monkeypatch: pytest.MonkeyPatch) -> None:
    known = make_connection()
    connections.pause(connection_id=known.pk, by=SYSTEM, now=NOW())
    assert "is Paused" in connect("shopify", known.account_key.upper().replace("MYSHOPIFY.COM", "myshopify.com"))
    connections.uninstall(connection_id=known.pk, by=SYSTEM, now=NOW())
    assert "is Uninstalled" in connect("shopify", known.account_key, "--write-back")
    monkeypatch.setenv("SUPPORTDESK_CONNECTION_ACCESS_TOKEN", "shpat_2")
    assert "is Active" in connect("shopify", known.account_key)
    known.refresh_from_db()
    assert (known.access_token, known.options) == ("shpat_2", {"write_back": True})


@pytest.mark.vuln
@pytest.mark.parametrize(
    ("arguments", "lines", "reason"),
    [
        (("shopify", "evil.example/x.myshopify.com"), "", "account_key: Must be a shop's domain"),
        (("slack", "Team", "--channel", "#general"), "", "channel: Must be the id of a channel"),
        (
            ("shopify", "x.myshopify.com", "--stdin"),
            "SUPPORTDESK_CONNECTION_WEBHOOK_SECRET=short",
            "_WEBHOOK_SECRET: Must be",
        ),
        (("shopify", "x.myshopify.com", "--stdin"), "the-very-secret", "A line must be one of"),
        (("shopify", "x.myshopify.com", "--stdin"), "SECRET_KEY=the-very-secret", "A line must be one of"),
    ],
)
def test_a_connection_that_cannot_be_right_is_refused_without_its_secrets(
    arguments: tuple[str, ...], lines: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO(lines))
    with pytest.raises(CommandError, match=reason) as refused:
        connect(*arguments)
    assert "the-very-secret" not in str(refused.value)
    assert not Connection.objects.exists()


@pytest.mark.vuln
@pytest.mark.parametrize("name", sorted(connections.SECRETS))
def test_no_secret_is_an_argument(name: str) -> None:
    with pytest.raises(CommandError, match="unrecognized arguments"):
        connect("shopify", "x.myshopify.com", f"--{name.replace('_', '-')}", "the-very-secret")
