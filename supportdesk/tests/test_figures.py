"""The gauges of the desk say what stands in its tables."""

from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.utils import timezone

from agents.models import LoginSession, Tab
from agents.tests.builders import make_agent
from supportdesk import figures
from supportdesk.core import delivery
from supportdesk.core.models import Delivery
from supportdesk.figures import Desk
from supportdesk.tests.client import Api
from tickets.tests.builders import make_ticket


def gauges() -> dict[str, float]:
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in Desk().collect()
        for sample in family.samples
    }


@pytest.mark.django_db
def test_gauges_count_what_is_due_given_up_open_and_waiting() -> None:
    now = timezone.now()
    make_ticket(now=now - timedelta(minutes=10))
    found = gauges()
    # To assign it, to tell of it in Slack, to see to its customer, and of the message: to heed it, to send it to
    # Gorgias if it is to go there, and to tell of it.
    assert found["supportdesk_deliveries due"] == 6
    assert 600 <= found["supportdesk_delivery_lag_seconds"] < 660
    assert (found["supportdesk_tickets_unassigned"], found["supportdesk_tickets_queued"]) == (1, 0)
    assert 600 <= found["supportdesk_ticket_unassigned_seconds"] < 660
    delivery.run_due(limit=100)
    agent = make_agent()
    Api(agent)
    session = LoginSession.objects.get(agent=agent)
    for number, minutes in ((1, 1), (2, -1)):
        key = f"00000000-0000-4000-8000-00000000000{number}"
        Tab.objects.create(session=session, key=key, connection=key, seen_until=now + timedelta(minutes=minutes))
    Delivery.objects.filter(pk=Delivery.objects.earliest("pk").pk).update(state="dead", finished_at=now)
    found = gauges()
    assert found["supportdesk_deliveries dead"] == 1
    assert found["supportdesk_sockets_open"] == 1
    assert found["supportdesk_tickets_queued"] == 1
    assert (found["supportdesk_decisions nobody"], found["supportdesk_decisions auto"]) == (1, 0)


@pytest.mark.django_db
def test_gauges_of_an_empty_desk_are_zero() -> None:
    assert set(gauges().values()) == {0}


@pytest.mark.django_db
def test_without_a_database_there_are_no_gauges_and_no_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(now: object) -> None:
        raise DatabaseError

    monkeypatch.setattr(figures, "_gauges", fail)
    assert gauges() == {}
