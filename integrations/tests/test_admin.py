"""Connections and their deliveries as an administrator has them: made, watched, tested, paused."""

from typing import Any

import pytest
from django.test import Client

from agents.tests.builders import make_agent
from integrations import receipts
from integrations.enums import Provider
from integrations.models import Connection, WebhookReceipt
from integrations.reading import Unreadable
from integrations.slack.sandbox import Sandbox, Scripted
from integrations.tests.builders import SECRET, Work, make_connection, make_slack, send_shopify

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


def browser() -> Client:
    client = Client()
    client.force_login(make_agent(role="admin"))
    return client


def page(known: Connection) -> str:
    return f"/admin/integrations/connection/{known.pk}/change/"


def said(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


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
