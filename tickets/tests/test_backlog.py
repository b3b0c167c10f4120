"""Assignment in numbers: right, and read off small indexes."""

from datetime import timedelta

import pytest
from django.utils import timezone

from agents.tests.builders import make_agent
from supportdesk.tests.client import counted_statements
from supportdesk.tests.plans import explained
from tickets import backlog
from tickets.tests.builders import assign, auto_assign, change, fill_desk, make_ticket, make_worker

pytestmark = pytest.mark.django_db


def test_the_backlog_is_what_nobody_has_and_who_waits_longest() -> None:
    now = timezone.now()
    empty = backlog.backlog()
    assert (empty.unassigned, empty.queued, empty.waiting_since, empty.queued_since) == (0, 0, None, None)
    make_ticket(now=now - timedelta(hours=2), priority="low")
    queued = make_ticket(now=now - timedelta(hours=1))
    auto_assign(queued, now=now)
    assign(make_ticket(now=now - timedelta(days=1)), make_agent())
    change(make_ticket(now=now - timedelta(days=2)), status="resolved")
    with counted_statements() as statements:
        found = backlog.backlog()
    assert (found.unassigned, found.queued) == (2, 1)
    assert (found.waiting_since, found.queued_since) == (now - timedelta(hours=2), now)
    assert len(statements) == 1
    fill_desk()
    assert "ticket_unassigned" in explained(statements[0], in_order=True)


def test_the_backlog_is_counted_so_far_and_no_further(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backlog, "COUNTED", 2)
    for _ in range(3):
        make_ticket()
    assert backlog.backlog().unassigned == 2


def test_outcomes_are_counted_since_an_instant() -> None:
    now, agent = timezone.now(), make_worker(capacity=1)
    auto_assign(make_ticket(), now=now - timedelta(hours=3))
    auto_assign(make_ticket(), now=now)
    assign(make_ticket(), agent, now=now)
    none = {"auto": 0, "manual": 0, "transfer": 0, "nobody": 0, "released": 0}
    with counted_statements() as statements:
        assert backlog.outcomes(since=now - timedelta(hours=1)) == none | {"nobody": 1, "manual": 1}
    assert backlog.outcomes(since=now - timedelta(hours=4)) == none | {"auto": 1, "nobody": 1, "manual": 1}
    assert backlog.outcomes(since=now + timedelta(hours=1)) == none
    assert "decision_time" in explained(statements[0])
