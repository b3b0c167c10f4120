"""Twenty callers in four processes need an expired token, and undo what they did: it is renewed once, and kept."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from integrations import tokens
from integrations.models import Connection
from integrations.shopify import access
from integrations.shopify.sandbox.credentials import CLIENT_ID, SECRET
from integrations.shopify.sandbox.server import Sandbox
from integrations.tests.builders import make_connection
from supportdesk.core.http import GatewayError
from supportdesk.tests.chaos.crew import crew
from supportdesk.tests.chaos.report import Drill, Outcome, Setting

PROCESSES, THREADS = 4, 5


class _Undone(Exception):
    pass


def need(given: tuple[int, str]) -> str:
    """A token, used by somebody whose own work comes to nothing."""
    number, url = given
    _meet(url)
    found = ""
    try:
        with transaction.atomic():
            found = tokens.valid(Connection(pk=number), access.refresh).text
            raise _Undone
    except (_Undone, GatewayError):
        return found
    finally:
        connection.close()


def run(setting: Setting) -> Outcome:
    rounds = 100 if setting.full else 8
    fault: Callable[[], None] | None = DRILL.faults[setting.broken] if setting.broken else None
    with Sandbox(grace=False) as shopify, crew(processes=PROCESSES, threads=THREADS, fault=fault) as rivals:
        _meet(shopify.url)
        got = kept = renewed = agreed = 0
        for _ in range(rounds):
            known, before = _expired(shopify), len(shopify.of("token"))
            found = rivals.race(need, [(known.pk, shopify.url)] * rivals.rivals)
            known.refresh_from_db()
            got += sum(token in shopify.access for token in found)
            agreed += len(set(found)) == 1
            renewed += len(shopify.of("token")) - before
            kept += (known.refresh_token, known.access_token in shopify.access) == (shopify.refresh, True)
    return Outcome(
        counts={
            "renewals": (renewed, rounds),
            "callers_with_a_token": (got, rounds * PROCESSES * THREADS),
            "rounds_with_one_token": (agreed, rounds),
            "pairs_kept": (kept, rounds),
        }
    )


def _meet(url: str) -> None:
    os.environ["SHOPIFY_BASE_URL"] = settings.SHOPIFY_BASE_URL = url
    settings.SHOPIFY_CLIENT_ID, settings.SHOPIFY_CLIENT_SECRETS = CLIENT_ID, [SECRET]


def _expired(shopify: Sandbox) -> Connection:
    known = make_connection()
    token, again = shopify.pair()
    shopify.expire()
    gone = timezone.now() - timedelta(seconds=1)
    Connection.objects.filter(pk=known.pk).update(access_token=token, refresh_token=again, expires_at=gone)
    return known


def claim_nothing() -> None:
    """Everybody believes that it is theirs to renew."""
    tokens.PATIENCE = 2.0

    def claim(row: Connection) -> datetime:
        return timezone.now()

    tokens._claim = claim


def store_with_the_caller() -> None:
    """The new pair is written where the caller writes, and undone with it."""
    tokens.ALIAS, tokens.PATIENCE = "default", 2.0

    @contextmanager
    def line() -> Iterator[BaseDatabaseWrapper]:
        yield connections["default"]

    tokens._own_line = line


DRILL = Drill(run=run, faults={"claim-nothing": claim_nothing, "store-with-the-caller": store_with_the_caller})
