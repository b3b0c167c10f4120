"""Emptying the tests' tables while somebody is still reading them."""

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from django.db import connection

from supportdesk.tests import emptying
from tickets.models import Ticket
from tickets.tests.builders import make_ticket

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


class Clock:
    """Of emptying: says when it waits."""

    def __init__(self) -> None:
        self.waits = threading.Event()
        self.monotonic = lambda: 0.0

    def sleep(self, seconds: float) -> None:
        self.waits.set()
        threading.Event().wait(seconds)


def test_a_reader_of_one_table_may_go_on_to_every_other_one(monkeypatch: pytest.MonkeyPatch) -> None:
    make_ticket()
    clock = Clock()
    monkeypatch.setattr(emptying, "time", clock)
    reader = connection.copy()
    reader.set_autocommit(False)
    with ThreadPoolExecutor(1) as others, closing(reader), reader.cursor() as reading:
        reading.execute("SELECT FROM tickets_ticket")
        emptied = others.submit(_empty)
        assert clock.waits.wait(10)
        reading.execute("SET LOCAL lock_timeout = '2s'")
        reading.execute("SELECT FROM agents_agent")
        assert Ticket.objects.exists()
        reader.commit()
        emptied.result(10)
    assert not Ticket.objects.exists()


def _empty() -> None:
    try:
        emptying._empty(None)
    finally:
        connection.close()
