"""What shops have and we have not shows in a figure; so does what is late about tokens, versions and privacy."""

from datetime import timedelta
from io import StringIO

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from integrations import comparing, tasks
from integrations.enums import PrivacyRequest
from integrations.models import Connection, DataSubjectRequest, SyncCursor
from integrations.shopify.sandbox.credentials import TOKEN
from integrations.shopify.sandbox.exchange import Scripted
from integrations.shopify.sandbox.server import Sandbox
from integrations.tests.builders import SECRET, make_connection
from supportdesk.tests.test_metrics import scraped

pytestmark = pytest.mark.django_db


@pytest.fixture
def known(shopify: Sandbox) -> Connection:
    made = make_connection(changes={"access_token": TOKEN, "webhook_secret": SECRET})
    for number in range(1, 4):
        shopify.add_customer(number)
        shopify.add_product(number)
    for resource in ("customers", "products"):
        call_command("import_shopify", resource, stdout=StringIO(), stderr=StringIO())
    return made


def test_what_is_not_here_is_counted(shopify: Sandbox, known: Connection) -> None:
    tasks.compare_one_shop(known.pk)
    assert comparing.missing() == {("shopify", "customers"): 0, ("shopify", "products"): 0}
    shopify.add_customer(4)
    shopify.add_customer(5)
    tasks.compare_one_shop(known.pk)
    assert scraped().value("supportdesk_records_missing", provider="shopify", resource="customers") == 2
    cursor = SyncCursor.objects.get(resource="customers")
    assert (cursor.counted_there, cursor.counted_here) == (5, 3)


def test_what_was_not_imported_and_whom_nobody_answers_for_is_not_counted(shopify: Sandbox, known: Connection) -> None:
    for operation in ("CustomersCount", "ProductsCount"):
        shopify.script(operation, *[Scripted(status=423)] * 3)
    comparing.compare(known, now=timezone.now())
    assert comparing.missing() == {}
    shopify.scripted.clear()
    comparing.compare(known, now=timezone.now())
    assert set(comparing.missing()) == {("shopify", "customers"), ("shopify", "products")}  # no orders
    Connection.objects.update(status="paused")
    assert comparing.missing() == {}


def test_what_is_late_shows_in_figures() -> None:
    now, known = timezone.now(), make_connection()
    before = scraped()
    assert before.value("supportdesk_shops_outdated") == 0
    assert before.labels("supportdesk_privacy_due_seconds") == before.labels("supportdesk_token_overdue_seconds") == []
    Connection.objects.update(refresh_token="shprt", expires_at=now - timedelta(hours=1), api_version="2026-01")
    for number, days in enumerate((2, 20)):
        DataSubjectRequest.objects.create(
            source=known.account_key,
            kind=PrivacyRequest.EXPORT,
            request_key=str(number),
            connection=known,
            subject="1",
            received_at=now,
            due_at=now + timedelta(days=days),
        )
    after = scraped()
    assert after.value("supportdesk_shops_outdated") == 1
    assert 3_600 <= after.value("supportdesk_token_overdue_seconds", provider="shopify") < 3_700
    assert 47 * 3_600 < after.value("supportdesk_privacy_due_seconds") <= 48 * 3_600
    Connection.objects.update(api_version=settings.SHOPIFY_API_VERSION)
    assert scraped().value("supportdesk_shops_outdated") == 0
