"""The demo: the same every time, believable in its proportions, never in production."""

import io
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import transaction
from django.test import override_settings
from django.utils import timezone

from agents.models import Agent
from agents.tests.builders import make_agent
from customers.models import Customer
from sla.models import SLAAlert, SLAClock
from sla.services import selfcheck
from supportdesk.core import delivery
from supportdesk.core.models import Delivery, Event
from supportdesk.demo import story
from supportdesk.demo.logins import DEMO_LOGINS
from supportdesk.tests.client import Api
from supportdesk.tests.plans import forget_plans
from tickets.models import Message, Note, Ticket
from tickets.tests.builders import set_agent

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


def load() -> str:
    forget_plans()
    out = io.StringIO()
    call_command("load_demo", stdout=out)
    return out.getvalue()


@pytest.mark.timeout(600)  # a month of work, on a machine that may be busy
def test_the_demo_fills_an_empty_desk_once_and_its_logins_work() -> None:
    assert "Loaded" in load()
    counts = [model._default_manager.count() for model in (Agent, Customer, Ticket, Message, Note, Event)]
    tickets, messages, notes = counts[2:5]
    assert 200 <= tickets <= 260
    assert messages > 2 * tickets
    assert notes > 20
    statuses = Counter(Ticket.objects.values_list("status", flat=True))
    assert set(statuses) == {"open", "pending", "on_hold", "resolved", "closed"}
    assert min(statuses.values()) >= 3
    assert Ticket.objects.filter(archived_at__isnull=False).exists()
    assert Ticket.objects.filter(follow_up_of__isnull=False).exists()
    assert Ticket.objects.filter(status="open", assignee__isnull=True).count() >= 4
    assert Customer.objects.filter(tier="vip").count() >= 5
    assert SLAAlert.objects.breaches().count() >= 12
    assert SLAClock.objects.filter(state="running", warned_at__isnull=False).exists()
    assert selfcheck.check(now=timezone.now()).drift == []
    assert Delivery.objects.count() < 60  # nothing follows from the month that is over
    jonas, mina = (Agent.objects.get_by_natural_key(f"{name}@example.com") for name in ("jonas", "mina"))
    waiting = Ticket.objects.filter(queued_at__isnull=False, department=jonas.department)
    before = waiting.count()
    assert before >= 3
    for agent in (jonas, mina):
        set_agent(agent, availability="online")
        delivery.run_due(limit=1_000)
        assert waiting.count() < before
        before = waiting.count()
    assert before == 0
    assert {login.role for login in DEMO_LOGINS} == {"agent", "senior", "supervisor", "admin"}
    for login in DEMO_LOGINS:
        answer = Api().post("/api/auth/login", {"email": login.email, "password": login.password})
        assert answer.status == 200, login
        assert Agent.objects.get_by_natural_key(login.email).role == login.role
    assert load() == ""
    assert counts[:5] == [model._default_manager.count() for model in (Agent, Customer, Ticket, Message, Note)]


def test_the_same_instant_gives_the_same_story(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(story, "TICKETS", 25)
    monkeypatch.setattr(story, "CUSTOMERS", 15)
    assert told() == told()


def told() -> list[Any]:
    """A story from its first customer to its last word, taken back afterwards."""
    with transaction.atomic():
        story.play(now=datetime(2026, 5, 4, 12, 0, tzinfo=UTC), progress=lambda done, total: None)
        people = [list(model._default_manager.values_list("name").order_by("pk")) for model in (Agent, Customer)]
        tickets = list(
            Ticket.objects.order_by("pk").values_list(
                "subject", "status", "priority", "channel", "tags", "assignee__name", "created_at", "resolved_at"
            )
        )
        said = [list(model.objects.order_by("pk").values_list("body", "created_at")) for model in (Message, Note)]
        transaction.set_rollback(True)
    return [people, tickets, said]


def test_the_demo_leaves_other_peoples_data_alone() -> None:
    make_agent()
    assert load() == ""
    assert not Ticket.objects.exists()


def test_the_demo_is_refused_in_production() -> None:
    with override_settings(PRODUCTION=True), pytest.raises(CommandError, match="never loaded in production"):
        load()
