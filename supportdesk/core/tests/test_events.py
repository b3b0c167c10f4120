from datetime import UTC, datetime

import pytest
from django.db import IntegrityError, transaction
from django.db.transaction import TransactionManagementError

from agents.events import AgentCreated
from supportdesk.core.actor import Door, system
from supportdesk.core.events import emit
from supportdesk.core.models import Event

AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
BY = system("tests", origin=Door.COMMAND)
FACT = AgentCreated(subject_id=5, role="agent", department_id=None)


@pytest.mark.django_db
def test_emit_stores_the_fact_with_its_author_and_door() -> None:
    with transaction.atomic():
        emit(FACT, by=BY, at=AT)
    event = Event.objects.get(name="agent.created")
    assert (event.subject_type, event.subject_id, event.at) == ("agent", 5, AT)
    assert event.payload == {"role": "agent", "department_id": None}
    assert (event.actor_kind, event.actor_id, event.actor_name, event.origin) == ("system", None, "tests", "command")


@pytest.mark.django_db(transaction=True)
def test_emit_outside_a_transaction_is_refused() -> None:
    with pytest.raises(TransactionManagementError):
        emit(FACT, by=BY, at=AT)
    assert not Event.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_emit_leaves_nothing_when_the_change_is_rolled_back() -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        emit(FACT, by=BY, at=AT)
        raise ZeroDivisionError
    assert not Event.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("change", ["UPDATE core_event SET origin = 'x'", "DELETE FROM core_event"])
def test_events_cannot_be_changed_or_deleted(change: str) -> None:
    with transaction.atomic():
        emit(FACT, by=BY, at=AT)
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        if change.startswith("UPDATE"):
            Event.objects.update(origin="x")
        else:
            Event.objects.all().delete()
    assert Event.objects.get().origin == "command"
