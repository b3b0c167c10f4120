"""What the doctor finds of connections, and how it ends."""

from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone

from agents.tests.builders import SYSTEM
from integrations import connections, doctor, receipts
from integrations.enums import Provider
from integrations.gorgias.sandbox.exchange import Scripted as GorgiasScripted
from integrations.gorgias.sandbox.server import Sandbox as Gorgias
from integrations.models import Connection, SyncCursor, WebhookReceipt
from integrations.reading import Unreadable
from integrations.shopify.sandbox.server import Sandbox as Shopify
from integrations.slack.sandbox import Sandbox, Scripted
from integrations.tests.builders import SECRET, Work, make_connection, make_slack, send_shopify

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
NOW = timezone.now


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
