"""The same delivery by 32 at once: all are answered 202, it is there once, and it has one effect."""

from collections.abc import Callable

from django.conf import settings
from django.db import connection

from customers.models import Customer
from integrations import receipts
from integrations.models import WebhookReceipt
from integrations.tests.builders import encoded, make_connection, path_of, send, shopify_headers
from supportdesk.tests.chaos import webhooks
from supportdesk.tests.chaos.crew import crew
from supportdesk.tests.chaos.report import Drill, Outcome, Setting

PROCESSES, THREADS = 4, 8
Post = tuple[str, bytes, dict[str, str]]


def post(given: Post) -> int:
    try:
        return int(send(*given).status_code)
    finally:
        connection.close()


def work_off(_: object) -> int:
    try:
        return receipts.work_off(limit=10_000, seconds=120.0)
    finally:
        connection.close()


def use_inbox() -> None:
    settings.INBOXES = "supportdesk.tests.chaos.webhooks.INBOXES"


def forget_keys() -> None:
    use_inbox()
    webhooks.forget_keys()


def run(setting: Setting) -> Outcome:
    rounds = 200 if setting.full else 15
    known, answers = make_connection(), list[int]()
    use_inbox()
    fault: Callable[[], None] = DRILL.faults[setting.broken] if setting.broken else use_inbox
    with crew(processes=PROCESSES, threads=THREADS, fault=fault) as rivals:
        for number in range(rounds):
            raw = encoded({"id": 5 * 10**15 + number, "version": 1})
            headers = shopify_headers(raw, webhooks.TOPIC)
            answers += rivals.race(post, [(path_of(known), raw, headers)] * rivals.rivals)
        rivals.race(work_off, [None] * rivals.rivals)
    return Outcome(
        counts={
            "answered_202": (answers.count(202), rounds * PROCESSES * THREADS),
            "rows": (WebhookReceipt.objects.filter(connection=known).count(), rounds),
            "rounds_with_one_effect": (_with_one_effect(), rounds),
        }
    )


def _with_one_effect() -> int:
    return Customer.objects.filter(attributes__applied=1, identities__external_id__startswith="5000000000000").count()


DRILL = Drill(run=run, faults={"forget-keys": forget_keys})
