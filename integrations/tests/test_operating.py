"""Deliveries worked off again or swept by a command, and the figures of partners."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations import receipts
from integrations.models import WebhookReceipt
from integrations.reading import Unreadable
from integrations.tests.builders import Work, make_connection, send_shopify
from supportdesk.tests.test_metrics import scraped

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
NOW = timezone.now


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


def test_the_sweep_works_off_what_is_due_and_says_how_many(work: Work) -> None:
    known, told = make_connection(), StringIO()
    for number in range(3):
        send_shopify(known, {"id": number})
    call_command("webhook_sweep", "--limit", "2", stdout=told)
    call_command("webhook_sweep", stdout=told)
    call_command("webhook_sweep", stdout=told)
    assert told.getvalue().splitlines() == ["2 worked off, and more are due.", "1 worked off.", "0 worked off."]
    assert work.ids == [0, 1, 2]


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
