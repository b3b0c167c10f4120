"""Connections as an administrator has them: made, watched, tested, paused; and the commands beside the admin."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from agents.tests.builders import SYSTEM, make_agent
from integrations import connections, doctor, receipts
from integrations.connections import ConnectionTaken, NotReady
from integrations.enums import Provider
from integrations.gorgias.sandbox.exchange import Scripted as GorgiasScripted
from integrations.gorgias.sandbox.server import Sandbox as Gorgias
from integrations.models import Connection, SyncCursor, WebhookReceipt
from integrations.reading import Unreadable
from integrations.shopify.sandbox.server import Sandbox as Shopify
from integrations.slack.sandbox import Sandbox, Scripted
from integrations.tests.builders import SECRET, Work, make_connection, make_slack, send_shopify
from supportdesk.core.crypto import encrypted_columns
from supportdesk.core.errors import InvalidInput
from supportdesk.core.models import Event
from supportdesk.tests.test_metrics import scraped

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
TOKENS = ("access_token", "refresh_token", "api_key", "webhook_secret", "webhook_secret_previous")
NOW = timezone.now


def browser() -> Client:
    client = Client()
    client.force_login(make_agent(role="admin"))
    return client


def page(known: Connection) -> str:
    return f"/admin/integrations/connection/{known.pk}/change/"


def said(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


# Connections


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


# The admin


@pytest.mark.vuln
def test_the_admin_makes_and_changes_a_connection_and_shows_no_secret() -> None:
    client = browser()
    given = {"provider": "gorgias", "account_key": "desk"}
    location = client.post("/admin/integrations/connection/add/", given).headers["Location"]
    assert client.post(location, {"webhook_secret": SECRET}).status_code == 302
    known = Connection.objects.get()
    shown = client.get(location).content.decode()
    assert (known.webhook_secret, known.status) == (SECRET, "pending")
    assert f"/api/integrations/gorgias/webhook/{known.public_id}" in shown
    assert SECRET not in shown
    assert SECRET not in client.get("/admin/integrations/connection/").content.decode()
    assert client.post(location, {"webhook_secret": ""}).status_code == 302
    known.refresh_from_db()
    assert known.webhook_secret == SECRET
    weak = client.post(location, {"webhook_secret": "short"})
    assert "at least 32" in weak.content.decode()


def test_the_admin_asks_of_a_connection_what_its_provider_has() -> None:
    client, always = browser(), {"version", "provider", "account_key"}
    added = client.get("/admin/integrations/connection/add/").context["form"]
    assert added.fields.keys() == always
    for known, asked in (
        (make_connection(Provider.SHOPIFY), {"access_token", "webhook_secret", "write_back"}),
        (make_connection(Provider.GORGIAS), {"api_key", "webhook_secret", "email", "address"}),
        (make_slack(), {"access_token", "api_key", "channel"}),
    ):
        shown = client.get(page(known))
        assert shown.context["form"].fields.keys() == always | {"do"} | asked
        assert ("Incoming webhook" in shown.content.decode()) == (known.provider == Provider.SLACK)


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


def test_the_admin_activates_pauses_and_says_what_is_missing() -> None:
    client, known = browser(), make_connection(active=False, changes={})
    refused = client.post(page(known), {"do": "activate"})
    assert "It needs a webhook secret" in refused.content.decode()
    client.post(page(known), {"webhook_secret": SECRET})
    for do, status in (("activate", "active"), ("pause", "paused"), ("activate", "active")):
        assert client.post(page(known), {"do": do}).status_code == 302
        known.refresh_from_db()
        assert known.status == status


def test_the_admin_has_what_was_given_up_worked_off_again(work: Work) -> None:
    client, known, other = browser(), make_connection(), make_connection()
    work.error = Unreadable("no id")
    for one in (known, known, other):
        send_shopify(one, {"id": 1})
    receipts.work_off(limit=10)
    assert "what was given up" in client.get(page(known)).content.decode()
    work.error = None
    done = client.post(page(known), {"do": "replay"}, follow=True).content.decode()
    receipts.work_off(limit=10)
    assert ("Worked off again: 2." in done, "what was given up" in client.get(page(known)).content.decode()) == (
        True,
        False,
    )
    statuses = WebhookReceipt.objects.order_by("pk").values_list("connection", "status")
    assert list(statuses) == [(known.pk, "done"), (known.pk, "done"), (other.pk, "dead")]


def test_the_admins_test_says_what_slack_says(slack: Sandbox) -> None:
    client, known = browser(), make_slack()
    good = client.post(page(known), {"do": "test"}, follow=True)
    assert "ok  token: Slack knows it" in said(good)
    assert "chat:write" in good.content.decode()
    slack.script("auth.test", Scripted(body={"ok": False, "error": "token_revoked"}))
    bad = client.post(page(known), {"do": "test"}, follow=True)
    assert "FAULT  token: Slack says token_revoked" in said(bad)


def test_the_list_shows_what_came_last_what_is_due_and_what_was_given_up(work: Work) -> None:
    known = make_connection()
    work.error = Unreadable("no id")
    send_shopify(known, {"id": 1})
    receipts.work_off(limit=10)
    client = browser()
    shown = client.get("/admin/integrations/connection/")
    (row,) = shown.context["cl"].result_list
    assert (row.dead, row.due_since) == (1, None)
    assert row.last_received_at is not None
    dead = client.get("/admin/integrations/webhookreceipt/", {"status": "dead"})
    assert "no id" in dead.content.decode()


def test_the_admin_replays_what_was_given_up(work: Work) -> None:
    work.error = Unreadable("no id")
    send_shopify(make_connection(), {"id": 1})
    receipts.work_off(limit=10)
    work.error = None
    receipt = WebhookReceipt.objects.get()
    again = {"action": "replay", "_selected_action": receipt.pk}
    assert browser().post("/admin/integrations/webhookreceipt/", again).status_code == 302
    assert receipts.work_off(limit=10) == 1
    assert len(work.jobs) == 1


@pytest.mark.vuln
def test_the_page_of_a_delivery_does_not_show_what_it_says(work: Work) -> None:
    send_shopify(make_connection(), {"id": 1, "email": "zoe@example.com"})
    receipt = WebhookReceipt.objects.get()
    shown = browser().get(f"/admin/integrations/webhookreceipt/{receipt.pk}/change/").content.decode()
    assert "zoe" not in shown


# Commands


def replay(*arguments: str) -> str:
    said = StringIO()
    call_command("webhook_replay", *arguments, stdout=said, stderr=said)
    return said.getvalue()


def test_a_range_is_replayed_in_its_order(work: Work) -> None:
    known = make_connection()
    work.error = Unreadable("no id")
    for number in range(4):
        send_shopify(known, {"id": number})
    receipts.work_off(limit=10)
    first, *_, last = WebhookReceipt.objects.order_by("pk")
    WebhookReceipt.objects.filter(pk=first.pk).update(received_at=NOW() - timedelta(hours=2))
    WebhookReceipt.objects.filter(pk=last.pk).update(received_at=NOW() + timedelta(hours=2))
    work.error = None
    since, until = (NOW() + timedelta(hours=hours) for hours in (-1, 1))
    span = ("--since", since.isoformat(), "--until", until.isoformat())
    assert replay(*span, "--dry-run") == "2 to be worked off again.\n"
    assert replay(*span) == "2 of 2 worked off again.\n"
    receipts.work_off(limit=10)
    assert work.ids == [1, 2]
    assert replay(str(first.pk)) == "1 of 1 worked off again.\n"
    assert replay("--provider", "shopify", "--topic", "customers/update") == "1 of 1 worked off again.\n"


@pytest.mark.parametrize("arguments", [(), ("--since", "yesterday"), ("--since", "2026-01-01T00:00:00"), ("999",)])
def test_a_replay_of_nothing_in_particular_is_refused(arguments: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        replay(*arguments)


# Connections from the command line


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


def test_the_sweep_works_off_what_is_due_and_says_how_many(work: Work) -> None:
    known, told = make_connection(), StringIO()
    for number in range(3):
        send_shopify(known, {"id": number})
    call_command("webhook_sweep", "--limit", "2", stdout=told)
    call_command("webhook_sweep", stdout=told)
    call_command("webhook_sweep", stdout=told)
    assert told.getvalue().splitlines() == ["2 worked off, and more are due.", "1 worked off.", "0 worked off."]
    assert work.ids == [0, 1, 2]


# The doctor


def diagnosis(*arguments: str) -> tuple[int, str]:
    told, code = StringIO(), 0
    try:
        call_command("integration_doctor", *arguments, stdout=told, stderr=told)
    except SystemExit as ended:
        code = int(str(ended.code))
    return code, told.getvalue()


def test_the_doctor_finds_nothing_wrong_where_nothing_is(slack: Sandbox, work: Work) -> None:
    assert diagnosis() == (0, "There is no connection to look at.\n")
    make_slack()
    make_connection()
    code, told = diagnosis()
    assert (code, told.count("FAULT")) == (0, 0)
    assert "scopes: chat:write, users:read, users:read.email" in told


BROKEN = [
    (Scripted(body={"ok": False, "error": "invalid_auth"}), "token: Slack says invalid_auth"),
    (Scripted(body={"ok": False, "error": "account_inactive"}), "token: Slack says account_inactive"),
    (Scripted(status=503, body="<html>"), "token: Slack does not answer (http 503)"),
    (Scripted(drop=True), "token: Slack does not answer (RemoteDisconnected)"),
    (Scripted(body={"ok": True}, headers={"X-OAuth-Scopes": "users:read"}), "scopes: users:read (needs chat:write)"),
]


@pytest.mark.parametrize(("answer", "fault"), BROKEN)
def test_the_doctor_names_what_is_wrong_with_slack(answer: Scripted, fault: str, slack: Sandbox) -> None:
    make_slack()
    slack.script("auth.test", answer)
    code, told = diagnosis()
    assert code == 1
    assert f"FAULT  {fault}" in told


def test_the_doctor_names_what_is_wrong_with_an_inbox(work: Work) -> None:
    known = make_connection()
    work.error = Unreadable("no id")
    send_shopify(known, {"id": 1})
    receipts.work_off(limit=10)
    send_shopify(known, {"id": 2})
    WebhookReceipt.objects.filter(status="received").update(next_attempt_at=NOW() - timedelta(hours=1))
    Connection.objects.update(webhook_secret="short", status="reauth", last_error="invalid_grant")
    found = {finding.what for finding in doctor.examine(Connection.objects.get(), now=NOW()) if not finding.is_fine}
    assert found == {"state", "equipment", "oldest receipt", "dead receipts"}
    assert diagnosis("--connection", str(known.pk))[0] == 1
    connections.pause(connection_id=known.pk, by=SYSTEM, now=NOW())
    assert diagnosis()[0] == 0


def test_the_doctor_ends_with_one_when_gorgias_is_down(gorgias: Gorgias) -> None:
    make_connection(Provider.GORGIAS)
    gorgias.script("GET", "/api/account", *[GorgiasScripted(status=503, body="<html>")] * 5)
    code, told = diagnosis("--provider", "gorgias")
    assert code == 1
    assert "FAULT  account: Gorgias does not answer (http 503)" in told
    gorgias.stop()
    code, told = diagnosis("--provider", "gorgias")
    assert code == 1
    assert "FAULT  account: Gorgias does not answer" in told
    assert "clock" not in told


@pytest.mark.django_db(transaction=True, databases=["default", "tokens"])
def test_the_doctor_ends_with_one_when_shopify_refuses_the_token(shopify: Shopify) -> None:
    known = make_connection(changes={"access_token": "shpat_of_nobody", "webhook_secret": SECRET})
    code, told = diagnosis("--provider", "shopify")
    assert code == 1
    assert "FAULT  token: Shopify: " in told
    known.refresh_from_db()
    assert known.status == "reauth"


def test_the_doctor_says_when_a_sync_is_late_or_refuses_records(shopify: Shopify) -> None:
    known, now = make_connection(), NOW()
    for resource, hours, failed in (("customers", 0, 0), ("orders", 2, 0), ("products", 1, 3)):
        at = now - timedelta(hours=hours)
        SyncCursor.objects.create(connection=known, resource=resource, last_full_at=at, failed=failed)
    SyncCursor.objects.create(connection=known, resource="never")
    found = [one for one in doctor.examine(known, now=now) if one.what.startswith("sync")]
    assert [(one.what, one.is_fine) for one in found] == [
        ("sync of customers", True),
        ("sync of orders", False),
        ("sync of products", False),
    ]
    assert found[2].detail.endswith("UTC, 3 refused")


@pytest.mark.parametrize(("minutes", "is_fine"), [(0, True), (10, False), (-10, False)])
def test_the_doctor_compares_clocks(minutes: int, is_fine: bool, shopify: Shopify, gorgias: Gorgias) -> None:
    now = NOW() + timedelta(minutes=minutes)
    for provider in (Provider.SHOPIFY, Provider.GORGIAS):
        found = doctor.examine(make_connection(provider), now=now)
        assert [one.is_fine for one in found if one.what == "clock"] == [is_fine], provider


def test_the_doctor_looks_at_what_gorgias_granted(gorgias: Gorgias, settings: Any) -> None:
    settings.GORGIAS_SCOPES = ["tickets:read", "tickets:write"]
    known, now = make_connection(Provider.GORGIAS), NOW()
    given = {"api_key": None, "access_token": "opaque", "scopes": ["tickets:read"], "expires_at": now}
    Connection.objects.filter(pk=known.pk).update(**given)
    known.refresh_from_db()
    found = {one.what: one for one in doctor.examine(known, now=now + timedelta(minutes=5))}
    assert (found["scopes"].is_fine, found["scopes"].detail) == (False, "lacks tickets:write")
    assert (found["token"].is_fine, found["token"].detail) == (False, "expired 5 minutes ago")


def test_figures_of_partners_are_told(work: Work) -> None:
    known, before = make_connection(), scraped()
    send_shopify(known, {"id": 1})
    send_shopify(known, {"id": 1}, secret="x" * 32)
    work.error = Unreadable("no id")
    receipts.work_off(limit=10)
    after = scraped()

    def grown(name: str, **labels: str) -> float:
        return after.value(name, **labels) - before.value(name, **labels)

    for outcome in ("stored", "unverified"):
        assert grown("supportdesk_webhooks_total", provider="shopify", outcome=outcome) == 1
    assert grown("supportdesk_receipts_total", provider="shopify", outcome="dead") == 1
    assert after.value("supportdesk_receipts", state="dead") == 1
    assert after.value("supportdesk_connections", provider="shopify", status="active") == 1
    assert after.labels("supportdesk_partner_silent_seconds") == [{"provider": "shopify"}]
