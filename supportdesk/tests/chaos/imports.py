"""An import that is killed in the middle of pages, and gone on with each time: as if it had never been broken off."""

import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from io import StringIO
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import connection
from django.utils.module_loading import import_string

from customers.models import Customer
from integrations import syncing
from integrations.models import ExternalLink, SyncCursor
from integrations.shopify.sandbox.credentials import TOKEN
from integrations.shopify.sandbox.server import Sandbox
from integrations.syncing import Page, _Run
from integrations.tests.builders import SECRET, make_connection
from supportdesk.core.models import Event
from supportdesk.tests.chaos.report import Drill, Outcome, Setting

PAGE = 50
LATEST = 0.4  # seconds after a page was asked for, about as long as it takes to write
PATIENCE = 120.0
CHILD = """
import sys, django
django.setup()
from supportdesk.tests.chaos.imports import take_over
take_over(*sys.argv[1:])
"""


class Killing(Sandbox):
    """Kills whoever imports, some time after they asked for the pages that are named."""

    def __init__(self, dice: random.Random) -> None:
        super().__init__()
        self.dice, self.pages, self.pid = dice, 0, 0
        self.most = self.points = self.restored = 1e6
        self.kill_at = 0  # the number of a page; 0 for none

    def _page(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        self.pages += 1
        if self.kill_at and self.pages == self.kill_at:
            threading.Timer(self.dice.uniform(0.0, LATEST), os.kill, [self.pid, 9]).start()
        return super()._page(name, given)


def take_over(number: str, fault: str) -> None:
    """In a process of its own."""
    if fault:
        import_string(fault)()
    given = ["customers", "--connection", number, "--batch-size", str(PAGE)]
    call_command("import_shopify", *given, stdout=StringIO())


def run(setting: Setting) -> Outcome:
    dice = random.Random(setting.seed)
    records, kills = (2_500, 20) if setting.full else (600, 5)
    fault = DRILL.faults[setting.broken] if setting.broken else None
    named = f"{fault.__module__}.{fault.__qualname__}" if fault else ""
    with Killing(dice) as shopify:
        os.environ["SHOPIFY_BASE_URL"] = settings.SHOPIFY_BASE_URL = shopify.url
        for one in range(1, records + 1):
            at = f"2026-09-{1 + one // 1_000:02}T{one // 60 % 24:02}:{one // 3 % 60:02}:00Z"  # shared by some
            shopify.add_customer(one, updatedAt=at, tags=["vip"] * (one % 2))
        known = make_connection(changes={"access_token": TOKEN, "webhook_secret": SECRET})
        _finish(shopify, known.pk, "")
        unbroken = _table()
        _clear()
        last = Event.objects.latest("pk").pk
        killed = sum(_killed(shopify, known.pk, named, dice) for _ in range(kills))
        _finish(shopify, known.pk, named)
        table = _table()
    made = Event.objects.filter(name="customer.created", pk__gt=last)
    return Outcome(
        counts={
            "customers": (len(table), records),
            "same_as_unbroken": (table == unbroken, True),
            "made_once": (made.count(), records),
            "ended": (SyncCursor.objects.get().cursor, ""),
        },
        shown={"kills": killed, "pages_asked": shopify.pages},
    )


def _killed(shopify: Killing, number: int, fault: str, dice: random.Random) -> bool:
    """Whether it was killed before its end, some pages on."""
    shopify.pages, shopify.kill_at = 0, dice.randint(1, 3)
    return _import(shopify, number, fault) == -9


def _finish(shopify: Killing, number: int, fault: str) -> None:
    shopify.pages = shopify.kill_at = 0
    code = _import(shopify, number, fault)
    assert code == 0, f"the import ended with {code}"


def _import(shopify: Killing, number: int, fault: str) -> int:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(number), fault], cwd=settings.BASE_DIR)
    shopify.pid = child.pid
    code = child.wait(PATIENCE)
    _wait_for_lock()
    return code


def _wait_for_lock() -> None:
    """The database notices that a process is gone when it has finished what it was at."""
    until = time.monotonic() + PATIENCE
    with connection.cursor() as cursor:
        while time.monotonic() < until:
            held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND classid = %s"
            cursor.execute(held, [syncing.WHOLE_LOCK])
            if cursor.fetchone()[0] == 0:
                return
            time.sleep(0.05)


def _table() -> list[Any]:
    rows = Customer.objects.values_list("identities__external_id", "name", "email_index", "attributes")
    return sorted(rows, key=lambda row: int(row[0]))


def _clear() -> None:
    SyncCursor.objects.all().delete()
    ExternalLink.objects.all().delete()
    Customer.objects.all().delete()


def move_first() -> None:
    """The place is moved on before what it stands for is written."""
    real = syncing._write

    def write(state: _Run, page: Page, *, ended: bool) -> None:
        real(state, Page(records=[], after=page.after), ended=ended)
        real(state, page, ended=ended)

    syncing._write = write


DRILL = Drill(run=run, faults={"move-first": move_first})
