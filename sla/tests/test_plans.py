"""Which index answers the lists of breaches and of what is at risk."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from pytest_django.plugin import DjangoDbBlocker

from agents.tests.builders import actor_of, make_agent
from sla import performance
from sla.api.filters import BreachFilter
from sla.clock import Metric, State
from sla.enums import AlertKind
from sla.models import SLAAlert, SLAClock
from sla.performance import Period
from supportdesk.load.measuring import rolled_back
from supportdesk.tests.client import counted_statements
from supportdesk.tests.plans import explained, look_at, plan
from tickets.enums import Priority
from tickets.tests.builders import fill_desk

pytestmark = pytest.mark.django_db
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def _desk(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock(), rolled_back():
        look_at([_alert(number) for number in range(2_000)])
        look_at([_clock(number) for number in range(2_000)])
        fill_desk()
        yield


def _alert(number: int) -> SLAAlert:
    random = Random(number)
    at = START + timedelta(minutes=random.randint(1, 9_999))  # not as the rows lie, which would make any order cheap
    acknowledged = random.random() < 0.7
    return SLAAlert(
        kind=random.choice(list(AlertKind)),
        ticket_id=number,
        metric=random.choice(list(Metric)),
        cycle=1,
        at=at,
        raised_at=at,
        owner_id=random.choice([None, *range(1, 10)]),
        department_id=random.choice([None, *range(1, 10)]),
        priority=random.choice(list(Priority)),
        policy_version_id=1,
        calendar_version_id=1,
        acknowledged_at=at if acknowledged else None,
        reason="Told them" if acknowledged else "",
    )


def _clock(number: int) -> SLAClock:
    """One in twenty runs, and one in twenty is overdue; the others were kept, five in an hour."""
    at = START + timedelta(minutes=12 * number)
    state = {0: State.RUNNING, 1: State.BREACHED}.get(number % 20, State.MET)
    running = state == State.RUNNING
    return SLAClock(
        ticket_id=number,
        metric=Metric.RESOLUTION,
        cycle=1,
        started_at=START,
        state=state,
        target=timedelta(hours=8),
        counted=timedelta(),
        running_since=None if state == State.MET else START,
        stopped_at=at if state == State.MET else None,
        breached_at=at if state == State.BREACHED else None,
        cause="created",
        due_at=at,
        warn_at=at if running else None,
        warned_at=at if running and number % 80 == 0 else None,
        next_check_at=at if running else None,
    )


@pytest.mark.parametrize(
    ("where", "index"),
    [
        ({}, "alert_breach"),
        ({"department": 1}, "alert_department"),
        ({"owner": 1}, "alert_owner"),
        ({"priority": "high"}, "alert_priority"),
        ({"metric": "resolution"}, "alert_metric_at"),
        ({"acknowledged_at": None}, "alert_unacknowledged"),
    ],
)
def test_a_page_of_breaches_is_read_off_an_index_in_its_order(where: dict[str, Any], index: str) -> None:
    rows = SLAAlert.objects.breaches().filter(**where).order_by("-at", "-pk")[:51]
    said = plan(rows, in_order=True)
    assert f"Index Scan Backward using {index}" in said
    assert "Sort" not in said
    assert set(BreachFilter.base_filters) == {
        "metric",
        "priority",
        "owner",
        "department",
        "ticket",
        "acknowledged",
        "since",
    }


def test_what_is_at_risk_is_read_off_its_own_index() -> None:
    running = SLAClock.objects.filter(state="running", warned_at__isnull=False, due_at__gt=START)
    said = plan(running.order_by("due_at", "pk")[:51], in_order=True)
    assert "Index Scan using clock_at_risk" in said
    assert "Sort" not in said


def test_figures_and_load_are_read_off_their_indices() -> None:
    actor, during = actor_of(make_agent(role="admin")), Period(since=START.date(), until=START.date())
    with counted_statements() as taken:
        performance.figures(actor, during)
        performance.load(actor, now=START)
    figures, load = (explained(statement, in_order=True) for statement in taken)
    assert "using clock_decided" in figures
    assert "using clock_next_check" in load
    assert "using clock_overdue" in load
