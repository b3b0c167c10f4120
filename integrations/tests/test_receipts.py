"""The inbox: believed or refused, stored once, worked off once and in order, replayed, erased, pruned."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.utils import timezone

from agents.tests.builders import SYSTEM
from customers import privacy
from customers.models import Customer
from customers.services import Identity
from customers.tests.builders import make_customer
from integrations import connections, intake, receipts
from integrations.contract import Ignored
from integrations.enums import Provider
from integrations.models import UNFINISHED, Connection, WebhookReceipt
from integrations.reading import Unreadable
from integrations.receipts import NotReplayable
from integrations.tests import builders
from integrations.tests.builders import (
    SECRET,
    Work,
    encoded,
    make_connection,
    path_of,
    send,
    send_gorgias,
    send_shopify,
    shopify_headers,
)
from supportdesk.core import wakeup
from supportdesk.core.errors import Unavailable
from supportdesk.core.models import Event
from supportdesk.tests.client import counted_statements
from supportdesk.tests.logs import written_log
from supportdesk.tests.plans import look_at, plan
from supportdesk.tests.races import race
from supportdesk.tests.test_metrics import scraped

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
OTHER = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"
UPDATE = {"id": 8123456789012, "email": "zoe@example.com", "updated_at": "2026-11-20T16:02:41-05:00"}


def one() -> WebhookReceipt:
    return WebhookReceipt.objects.get()


def work_off() -> int:
    return receipts.work_off(limit=1_000)


def make_due() -> None:
    """The pauses between tries are over."""
    WebhookReceipt.objects.filter(next_attempt_at__isnull=False).update(next_attempt_at=timezone.now())


def lose_leases() -> None:
    WebhookReceipt.objects.update(lease_until=timezone.now() - timedelta(seconds=1))


# At the door


def test_an_authentic_delivery_is_stored_as_it_came_and_answered_202(work: Work) -> None:
    known, raw = make_connection(), encoded(UPDATE) + b" \x00\xff"
    answer = send(
        path_of(known), raw, shopify_headers(raw, **{"X-Shopify-Triggered-At": "2026-11-20T21:02:41.318472615Z"})
    )
    assert (answer.status_code, answer.content) == (202, b"")
    receipt = one()
    assert (receipt.raw_body, receipt.status, receipt.topic) == (raw, "received", "customers/update")
    assert (receipt.source, receipt.connection_id) == (f"shopify:{known.account_key}", known.pk)
    assert receipt.triggered_at and receipt.triggered_at.isoformat() == "2026-11-20T21:02:41.318472+00:00"
    assert "x-shopify-hmac-sha256" not in receipt.headers
    with connection.cursor() as cursor:
        cursor.execute("SELECT raw_body FROM integrations_webhookreceipt")
        assert "zoe" not in cursor.fetchone()[0]


@pytest.mark.parametrize(("hours", "is_told"), [(23, False), (25, True)])
def test_a_delivery_that_is_said_to_be_old_is_an_alarm_and_worked_off(hours: int, is_told: bool, work: Work) -> None:
    known, before = make_connection(), scraped()
    at = (timezone.now() - timedelta(hours=hours)).isoformat()
    with written_log() as log:
        for _ in range(2):
            send_shopify(known, UPDATE, **{"X-Shopify-Triggered-At": at, "X-Shopify-Webhook-Id": "once"})
    told = [line for line in log.lines() if line["event"] == "delivery of a partner is old"]
    assert [(line["level"], line["provider"], line["topic"]) for line in told] == [
        ("warning", "shopify", "customers/update")
    ] * is_told
    counted = [one.value("supportdesk_webhooks_late_total", provider="shopify") for one in (before, scraped())]
    assert counted[1] - counted[0] == is_told
    assert work_off() == 1
    assert one().status == "done"


def test_the_door_asks_little_and_nobody_else(work: Work) -> None:
    known = make_connection()
    with counted_statements() as statements:
        assert send_shopify(known, UPDATE).status_code == 202
    assert len(statements) == 2


@pytest.mark.vuln
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Shopify-Hmac-Sha256": ""},
        {"X-Shopify-Hmac-Sha256": "AAAA"},
        {"X-Shopify-Hmac-Sha256": "é" * 44},
        {"X-Shopify-Hmac-Sha256": "=" * 44},
        {"X-Shopify-Hmac-Sha256": builders.signature(encoded(UPDATE), OTHER)},
        {"X-Shopify-Hmac-Sha256": builders.signature(encoded(UPDATE)).rstrip("=")},
        {"X-Shopify-Hmac-Sha256": builders.signature(encoded(UPDATE) + b" ")},
        {"X-Webhook-Token": SECRET},
    ],
)
def test_what_is_not_signed_is_a_401_and_not_stored(headers: dict[str, str], work: Work) -> None:
    answer = send(path_of(make_connection()), encoded(UPDATE), {"X-Shopify-Topic": "customers/update", **headers})
    assert (answer.status_code, answer.json()["code"]) == (401, "bad_signature")
    assert WebhookReceipt.objects.count() == 0


def test_two_secrets_are_live_while_one_replaces_the_other(work: Work) -> None:
    known, now = make_connection(), timezone.now()
    connections.update(connection_id=known.pk, changes={"webhook_secret": OTHER}, by=SYSTEM, now=now)
    assert [send_shopify(known, UPDATE, secret=secret).status_code for secret in (SECRET, OTHER)] == [202, 202]
    Connection.objects.update(previous_until=now - timedelta(seconds=1))
    assert [send_shopify(known, UPDATE, secret=secret).status_code for secret in (SECRET, OTHER)] == [401, 202]


@pytest.mark.vuln
@pytest.mark.parametrize("secret", [None, "", "short", "change-me-change-me-change-me-change-me"])
def test_a_connection_without_a_sound_secret_is_not_activated_and_answers_401(secret: str | None, work: Work) -> None:
    known = make_connection(active=False)
    Connection.objects.filter(pk=known.pk).update(webhook_secret=secret)
    with pytest.raises(connections.NotReady):
        connections.activate(connection_id=known.pk, by=SYSTEM, now=timezone.now())
    assert send_shopify(known, UPDATE, secret=secret or "").status_code == 401


def test_without_a_secret_of_its_own_a_shop_is_believed_by_that_of_the_app(work: Work, settings: Any) -> None:
    settings.SHOPIFY_CLIENT_SECRETS = [OTHER, SECRET]
    known = make_connection(changes={})
    assert [send_shopify(known, UPDATE, secret=secret).status_code for secret in (SECRET, OTHER, "x" * 32)] == [
        202,
        202,
        401,
    ]


def test_unknown_addresses_and_other_methods(work: Work) -> None:
    known = make_connection()
    client = Client()
    assert send(path_of(known)[:-1] + "x", b"{}", shopify_headers(b"{}")).status_code == 404
    assert send(path_of(known) + "x", b"{}", shopify_headers(b"{}")).status_code == 404
    assert send(path_of(known).replace("shopify", "gorgias"), b"{}", shopify_headers(b"{}")).status_code == 404
    assert {getattr(client, name)(path_of(known)).status_code for name in ("get", "put", "patch", "delete")} == {405}


@pytest.mark.vuln
def test_what_is_too_long_is_a_413_and_what_is_long_is_taken(work: Work, settings: Any) -> None:
    known = make_connection()
    assert send_shopify(known, b'{"id": 1, "x": "' + b"x" * 3_000_000 + b'"}').status_code == 202
    settings.MAX_WEBHOOK_BYTES = 100
    assert send_shopify(known, b" " * 101).status_code == 413


@pytest.mark.parametrize("accept", ["text/html", "application/xml;q=0.1", "nonsense", ""])
def test_whatever_a_partner_says_of_itself_an_authentic_delivery_is_taken(accept: str, work: Work) -> None:
    known, raw = make_connection(), encoded(UPDATE)
    headers = shopify_headers(raw, Accept=accept, Authorization="Bearer nobody", **{"X-API-Key": "none"})
    answer = Client().generic("POST", path_of(known), raw, content_type="a/b; charset=nowhere", headers=headers)
    assert answer.status_code == 202


HOSTILE = [
    b"",
    b"[]",
    b'"text"',
    b"\xff\xfe\x00",
    b"{" * 50_000,
    b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
    b'{"id": NaN}',
    b'{"id": 1e999}',
    b'{"id": ' + b"9" * 5_000 + b"}",
    b"\0" * 10,
]


@pytest.mark.vuln
@pytest.mark.parametrize("raw", HOSTILE)
def test_an_authentic_body_that_nobody_can_read_is_stored_and_given_up_with_an_alarm(raw: bytes, work: Work) -> None:
    assert send_shopify(make_connection(), raw).status_code == 202
    with written_log() as log:
        assert work_off() == 1
    receipt = one()
    assert (receipt.status, receipt.raw_body, receipt.attempts) == ("dead", raw, 1)
    assert [line["event"] for line in log.lines() if line["level"] == "error"] == ["delivery of a partner given up"]
    assert work.jobs == []


@pytest.mark.vuln
def test_texts_that_cannot_be_stored_are_cleaned_for_whoever_works_with_them(work: Work) -> None:
    raw = b'{"id": 1, "a\\u0000": "x\\u0000y\\ud800z", "b": ["\\udfff"]}'
    send_shopify(make_connection(), raw)
    work_off()
    assert work.jobs[0].body == {"id": 1, "a": "xy\ufffdz", "b": ["\ufffd"]}


@pytest.mark.vuln
@pytest.mark.parametrize(
    "headers",
    [
        {"X-Shopify-Webhook-Id": ""},
        {"X-Shopify-Webhook-Id": "x" * 500},
        {"X-Shopify-Webhook-Id": "a b"},
        {"X-Shopify-Event-Id": "y" * 500, "X-Shopify-Triggered-At": "yesterday"},
        {"X-Shopify-Triggered-At": "2026-13-45T99:00:00Z", "X-Shopify-Name": "n" * 5_000},
        {"X-Shopify-API-Version": "2026-10\u00e9"},
    ],
)
def test_odd_headers_of_an_authentic_delivery_do_not_keep_it_out(headers: dict[str, str], work: Work) -> None:
    known = make_connection()
    assert send_shopify(known, UPDATE, **headers).status_code == 202
    work_off()
    assert one().status == "done"


def test_the_same_delivery_again_is_answered_the_same_and_there_once(work: Work) -> None:
    known, other = make_connection(), make_connection()
    key = {"X-Shopify-Webhook-Id": "5c0e9a52-3c1f-4f0d-9a7e-1d5b3f0a7c11"}
    assert {send_shopify(known, UPDATE, **key).status_code for _ in range(3)} == {202}
    assert WebhookReceipt.objects.count() == 1
    send_shopify(other, UPDATE, **key)
    assert WebhookReceipt.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_the_same_delivery_fifty_times_at_once_has_one_effect(work: Work) -> None:
    known, raw = make_connection(), encoded(UPDATE)
    headers = shopify_headers(raw)
    assert race(lambda number: send(path_of(known), raw, headers).status_code, 50) == [202] * 50
    race(lambda number: work_off(), 4)
    assert work.ids == [UPDATE["id"]]


def test_topics_that_nothing_is_done_about_are_kept_as_ignored() -> None:
    known = make_connection()
    send_shopify(known, UPDATE, "bulk_operations/finish")
    receipt = one()
    assert (receipt.status, receipt.error) == ("ignored", receipts.NO_PROCESSOR)
    assert work_off() == 0


def test_a_failed_store_is_a_503_and_the_repetition_is_stored(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    known = make_connection()

    def down(*_: Any, **__: Any) -> Any:
        raise OperationalError("gone")

    with monkeypatch.context() as patched:
        patched.setattr(intake, "_store", down)
        assert send_shopify(known, UPDATE).status_code == 503
    with monkeypatch.context() as patched:
        patched.setattr(intake, "_connection", down)
        assert send_shopify(known, UPDATE).status_code == 503
    assert send_shopify(known, UPDATE).status_code == 202


@pytest.mark.django_db(transaction=True)
def test_without_redis_it_is_stored_and_the_sweep_works_it_off(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    class Down:
        def acquire(self, **_: Any) -> Any:
            raise OSError("refused")

    class Pools:
        def __getitem__(self, key: Any) -> Down:
            return Down()

    monkeypatch.setattr(wakeup, "producers", Pools())
    monkeypatch.setattr(wakeup._redis, "quiet_until", 0.0)
    assert send_shopify(make_connection(), UPDATE).status_code == 202
    monkeypatch.setattr(wakeup._redis, "quiet_until", 0.0)
    assert receipts.sweep(limit=10) == 1
    assert work.ids == [UPDATE["id"]]


# The app's own address


def app_wide(body: Any, topic: str, **headers: str) -> Any:
    raw = encoded(body)
    return send("/api/integrations/shopify/webhook", raw, shopify_headers(raw, topic, secret=OTHER, **headers))


def test_the_apps_address_takes_the_account_from_the_signed_body(work: Work, settings: Any) -> None:
    settings.SHOPIFY_CLIENT_SECRETS = [OTHER]
    known = make_connection()
    body = {"shop_id": 1, "shop_domain": known.account_key, "customer": {"id": 7, "email": None}}
    lying = {"X-Shopify-Shop-Domain": make_connection().account_key}
    assert app_wide(body, "customers/redact", **lying).status_code == 202
    receipt = one()
    assert (receipt.connection_id, receipt.privacy, receipt.resource_key) == (known.pk, True, "customer:7")
    assert app_wide({"shop_domain": "unknown.myshopify.com"}, "shop/redact").status_code == 202
    assert app_wide({"id": 1}, "orders/create").status_code == 202
    assert WebhookReceipt.objects.get(topic="orders/create").error == intake.NO_CONNECTION
    assert work_off() == 2


@pytest.mark.vuln
def test_the_apps_address_believes_nobody_without_a_secret(work: Work, settings: Any) -> None:
    settings.SHOPIFY_CLIENT_SECRETS = []
    assert app_wide({"shop_domain": "x.myshopify.com"}, "shop/redact").status_code == 401
    settings.SHOPIFY_CLIENT_SECRETS = [SECRET]
    assert app_wide({"shop_domain": "x.myshopify.com"}, "shop/redact").status_code == 401


@pytest.mark.vuln
def test_a_body_that_names_another_shop_is_not_believed_at_this_ones_address(work: Work, settings: Any) -> None:
    settings.SHOPIFY_CLIENT_SECRETS = [OTHER]
    known = make_connection(changes={})
    body = {"shop_domain": "another.myshopify.com", "customer": {"id": 7}}
    assert send_shopify(known, body, "customers/redact", secret=OTHER).status_code == 401


# Gorgias


def test_gorgias_is_believed_by_its_header_and_two_triggers_are_two_deliveries(work: Work) -> None:
    known = make_connection(Provider.GORGIAS)
    changed = {"event": "ticket-updated", "ticket_id": "231000111", "message_id": "", "updated": "2026-11-21T10:07:01"}
    said = changed | {"event": "ticket_message_created", "message_id": "610000004"}
    assert [send_gorgias(known, encoded(body)).status_code for body in (changed, changed, said, said)] == [202] * 4
    found = WebhookReceipt.objects.order_by("pk")
    assert [(one.topic, one.resource_key) for one in found] == [
        ("ticket-updated", "ticket:231000111"),
        ("ticket-message-created", "ticket:231000111"),
    ]
    assert work_off() == 1  # and one fetch answered for both
    assert (len(work.fetched), len(work.jobs)) == (1, 1)
    assert {one.status for one in found.all()} == {"done"}


@pytest.mark.vuln
@pytest.mark.parametrize("token", ["", "wrong", SECRET[:-1], SECRET + " x", "é", SECRET.upper()])
def test_gorgias_without_the_token_is_a_401(token: str, work: Work) -> None:
    assert send_gorgias(make_connection(Provider.GORGIAS), "{}", token).status_code == 401


def test_gorgias_empty_and_broken_templates_are_stored_and_given_up(work: Work) -> None:
    known = make_connection(Provider.GORGIAS)
    broken = '{"event":"ticket-created","ticket_id":"231000114","subject":"He said "hello" to me"}'
    assert [send_gorgias(known, raw).status_code for raw in ("", broken)] == [202, 202]
    with written_log() as log:
        work_off()
    assert list(WebhookReceipt.objects.values_list("status", flat=True)) == ["dead", "dead"]
    alarms = [(line["level"], line["event"], line["provider"]) for line in log.lines() if line["level"] == "error"]
    assert alarms == [("error", "delivery of a partner given up", "gorgias")] * 2
    assert "hello" not in log.getvalue()


def test_gorgias_is_believed_by_the_token_before_for_a_day(work: Work) -> None:
    known, now = make_connection(Provider.GORGIAS), timezone.now()
    connections.update(connection_id=known.pk, changes={"webhook_secret": OTHER}, by=SYSTEM, now=now)
    assert [send_gorgias(known, "{}", token).status_code for token in (SECRET, OTHER)] == [202, 202]
    Connection.objects.update(previous_until=now - timedelta(seconds=1))
    assert [send_gorgias(known, "{}", token).status_code for token in (SECRET, OTHER)] == [401, 202]


# Working off


def test_what_fails_backs_off_and_is_given_up_and_the_rest_goes_on(work: Work) -> None:
    known = make_connection()
    send_shopify(known, UPDATE)
    work.error = LookupError("zoe@example.com")
    before = timezone.now()
    pauses = []
    for _ in range(len(receipts.BACKOFF)):
        assert work_off() == 1
        receipt = one()
        assert (receipt.status, receipt.error) == ("retry", "LookupError")
        assert receipt.next_attempt_at
        pauses.append((receipt.next_attempt_at - before).total_seconds())
        assert work_off() == 0
        make_due()
    assert all(pause >= least for pause, least in zip(pauses, receipts.BACKOFF, strict=True))
    with written_log() as log:
        assert work_off() == 1
    assert one().status == "dead"
    assert "zoe" not in log.getvalue()
    work.error = None
    send_shopify(known, UPDATE)
    assert work_off() == 1
    assert len(work.jobs) == 1


def test_a_partner_that_asks_for_time_gets_it(work: Work) -> None:
    send_shopify(make_connection(), UPDATE)
    work.error = Unavailable("busy", retry_after=900)
    before = timezone.now()
    work_off()
    due = one().next_attempt_at
    assert due and due >= before + timedelta(seconds=900)


def test_what_is_nothing_to_us_is_ignored_and_what_is_nonsense_given_up(work: Work) -> None:
    known = make_connection()
    for number, error in enumerate((Ignored("there is no such ticket there"), Unreadable("no id"))):
        send_shopify(known, {"id": number})
        work.error = error
        work_off()
    found = list(WebhookReceipt.objects.order_by("pk").values_list("status", "error"))
    assert found == [("ignored", "there is no such ticket there"), ("dead", "no id")]


def test_of_one_resource_only_the_earliest_is_worked_on(work: Work) -> None:
    known = make_connection()
    for number in range(3):
        send_shopify(known, {"id": 7, "number": number})
    send_shopify(known, {"id": 8, "number": 3})
    work.error = LookupError()
    assert work_off() == 2  # the first of each
    work.error = None
    assert work_off() == 0  # the others wait for their turn
    make_due()
    assert work_off() == 4
    assert [job.body["number"] for job in work.jobs] == [0, 1, 2, 3]


def test_a_lost_worker_leaves_a_lease_and_the_next_has_the_effect_once(work: Work) -> None:
    send_shopify(make_connection(), UPDATE)
    claimed = receipts._claim()
    assert claimed
    assert work_off() == 0
    lose_leases()
    assert work_off() == 1
    receipts._attempt(claimed)  # the first one comes back
    assert len(work.jobs) == 2  # of which one was rolled back with its mark
    assert (one().status, one().attempts) == ("done", 2)


def test_who_lost_the_lease_leaves_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work()
    monkeypatch.setattr(work, "apply", lambda job, found: make_customer(name=f"By {job.receipt_id}"))
    monkeypatch.setattr("integrations.providers.INBOXES", builders.registered(work))
    send_shopify(make_connection(), UPDATE)
    claimed = receipts._claim()
    assert claimed
    lose_leases()
    work_off()
    receipts._attempt(claimed)
    assert Customer.objects.filter(name=f"By {one().pk}").count() == 1


def test_a_process_that_ends_in_every_try_is_given_up(work: Work) -> None:
    send_shopify(make_connection(), UPDATE)
    for _ in range(receipts.TRIES):
        assert receipts._claim()
        lose_leases()
    assert work_off() == 1
    assert (one().status, one().error) == ("dead", "the process ended in every try")


# Paused, uninstalled


def test_a_paused_connection_keeps_what_comes_and_works_it_off_later(work: Work) -> None:
    known, now = make_connection(), timezone.now()
    send_shopify(known, {"id": 1})
    connections.pause(connection_id=known.pk, by=SYSTEM, now=now)
    assert send_shopify(known, {"id": 2}).status_code == 202
    assert send_shopify(known, {"customer": {"id": 1}}, "customers/redact").status_code == 202
    assert work_off() == 1
    assert work.jobs[0].topic == "customers/redact"
    connections.activate(connection_id=known.pk, by=SYSTEM, now=now)
    assert work_off() == 2
    assert work.ids == [None, 1, 2]


def test_what_came_at_the_moment_of_activation_is_found_by_the_sweep(work: Work) -> None:
    known = make_connection()
    send_shopify(known, UPDATE)
    WebhookReceipt.objects.update(next_attempt_at=None)
    assert work_off() == 0
    assert receipts.sweep(limit=10) == 1


def test_what_was_claimed_while_its_connection_was_paused_is_held(work: Work) -> None:
    known = make_connection()
    send_shopify(known, UPDATE)
    Connection.objects.update(status="paused")
    assert work_off() == 1
    assert (one().status, one().attempts, one().next_attempt_at, work.jobs) == ("received", 0, None, [])


def test_an_uninstalled_connection_takes_requests_about_privacy_and_nothing_else(work: Work) -> None:
    known = make_connection()
    Connection.objects.update(status="uninstalled")
    assert send_shopify(known, UPDATE).status_code == 404
    assert WebhookReceipt.objects.count() == 0
    assert send_shopify(known, {"shop_domain": known.account_key}, "shop/redact").status_code == 202
    assert work_off() == 1


# Replay


def test_what_was_given_up_is_replayed(work: Work) -> None:
    send_shopify(make_connection(), UPDATE)
    work.error = Unreadable("no id")
    work_off()
    work.error = None
    receipts.replay(receipt_id=one().pk, by=SYSTEM, now=timezone.now())
    assert Event.objects.filter(name="receipt.replayed", subject_id=one().pk).count() == 1
    assert work_off() == 1
    assert (one().status, work.ids) == ("done", [UPDATE["id"]])


def test_what_is_not_finished_or_has_no_body_is_not_replayed(work: Work) -> None:
    send_shopify(make_connection(), UPDATE)
    with pytest.raises(NotReplayable):
        receipts.replay(receipt_id=one().pk, by=SYSTEM, now=timezone.now())
    work_off()
    WebhookReceipt.objects.update(raw_body=None)
    with pytest.raises(NotReplayable):
        receipts.replay(receipt_id=one().pk, by=SYSTEM, now=timezone.now())


# Erasure and age


def bodies() -> dict[str, bool]:
    found = WebhookReceipt.objects.values_list("topic", "raw_body")
    return {topic: raw is not None for topic, raw in found}


@pytest.mark.vuln
def test_erasing_a_customer_blanks_every_body_that_speaks_of_them(work: Work) -> None:
    known, gorgias = make_connection(), make_connection(Provider.GORGIAS)
    customer = make_customer(
        email="zoe@example.com",
        phone="+49 30 901820",
        identities=[Identity(source="shopify", external_id="8123456789012")],
    )
    send_shopify(known, {"id": 8123456789012}, "customers/update")
    send_shopify(known, {"id": 1, "customer": {"id": 8123456789012}}, "orders/create")
    send_shopify(known, {"id": 2, "note": "call ZOE@example.com, please"}, "orders/paid")
    send_shopify(known, {"id": 3, "phone": "+4930901820"}, "orders/updated")
    send_gorgias(gorgias, encoded({"ticket": {"id": 5, "customer": {"id": 9, "email": "zoe@example.com"}}}))
    send_shopify(known, {"id": 4, "customer": {"id": 999}, "email": "other@example.com"}, "orders/cancelled")
    send_shopify(known, {"shop_domain": known.account_key, "customer": {"id": 8123456789012}}, "customers/redact")
    privacy.erase(customer_id=customer.pk, by=SYSTEM, now=timezone.now())
    assert bodies() == {
        "customers/update": False,
        "orders/create": False,
        "orders/paid": False,
        "orders/updated": False,
        "context": False,
        "orders/cancelled": True,
        "customers/redact": True,  # until it was done
    }
    gone = WebhookReceipt.objects.filter(redacted_at__isnull=False)
    assert {(one.resource_key, tuple(one.subjects)) for one in gone} == {("", ())}
    assert WebhookReceipt.objects.get(topic="customers/update").error == receipts.ERASED
    assert work_off() == 1
    assert [job.topic for job in work.jobs] == ["customers/redact"]
    assert bodies()["customers/redact"] is False


def test_whose_person_is_erased_while_it_is_worked_on_leaves_no_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    work = Work()
    customer = make_customer(email="zoe@example.com")

    def apply(job: Any, found: Any) -> None:
        work.jobs.append(job)
        privacy.erase(customer_id=customer.pk, by=SYSTEM, now=timezone.now())

    monkeypatch.setattr(work, "apply", apply)
    monkeypatch.setattr("integrations.providers.INBOXES", builders.registered(work))
    send_shopify(make_connection(), UPDATE)
    work_off()
    customer.refresh_from_db()
    assert customer.erased_at is None  # rolled back with the rest: the mark found nothing to mark
    assert one().status == "processing"


def test_bodies_go_after_a_month_and_keys_after_a_year(work: Work) -> None:
    known, now = make_connection(), timezone.now()
    for number in range(3):
        send_shopify(known, {"id": number})
    work_off()
    send_shopify(known, {"id": 4})
    first, second, third, fourth = WebhookReceipt.objects.order_by("pk")
    for row, days in ((first, 366), (second, 31), (third, 29), (fourth, 31)):
        WebhookReceipt.objects.filter(pk=row.pk).update(received_at=now - timedelta(days=days))
    receipts.prune(now=now)
    found = {row.pk: (row.raw_body is not None, row.status) for row in WebhookReceipt.objects.all()}
    assert found == {second.pk: (False, "done"), third.pk: (True, "done"), fourth.pk: (False, "ignored")}


def test_a_wrong_key_of_ours_loses_nothing(work: Work, settings: Any) -> None:
    send_shopify(make_connection(), UPDATE)
    ring = settings.ENCRYPTION_KEYS
    settings.ENCRYPTION_KEYS = {"other": bytes(range(32))}
    Connection.objects.update(webhook_secret=None)
    assert work_off() == 1
    assert (one_without_body().status, one_without_body().error) == ("retry", "DecryptionError")
    settings.ENCRYPTION_KEYS = ring
    make_due()
    assert work_off() == 1
    assert work.ids == [UPDATE["id"]]


def one_without_body() -> WebhookReceipt:
    return WebhookReceipt.objects.defer("raw_body").get()


def test_whose_turn_it_is_and_whose_body_it_is_are_read_off_indexes(work: Work) -> None:
    known = make_connection()
    look_at(
        [
            WebhookReceipt(
                provider="shopify",
                source=f"shopify:{known.account_key}",
                connection=known,
                delivery_id=str(number),
                resource_key=f"customer:{number % 50}",
                subjects=[f"{number:064}"],
                status="done" if number % 40 else "received",
                received_at=timezone.now(),
                next_attempt_at=timezone.now(),
            )
            for number in range(2_000)
        ]
    )
    about = WebhookReceipt.objects.filter(subjects__overlap=["0" * 63 + "7"])
    assert "receipt_subjects" in plan(about)
    due = WebhookReceipt.objects.filter(status__in=UNFINISHED, next_attempt_at__lte=timezone.now())
    assert "receipt_due" in plan(due.order_by("next_attempt_at", "id")[:1], in_order=True)
    behind = WebhookReceipt.objects.filter(
        source=f"shopify:{known.account_key}", resource_key="customer:7", pk__lt=10**12
    ).filter(status__in=UNFINISHED)
    assert "receipt_turn" in plan(behind)
