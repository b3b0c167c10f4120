"""Processes that are killed between the commit of a ticket and the word to a worker: every ticket still has its event,
and what is to follow from it follows.
"""

import os
import signal
from collections.abc import Sequence

from django.db import connections, transaction
from django.utils import timezone

from agents.models import Department
from agents.tests.builders import SYSTEM
from customers.models import Customer
from customers.tests.builders import make_customer
from supportdesk.core import delivery, events, wakeup
from supportdesk.core.actor import Actor
from supportdesk.core.events import Fact
from supportdesk.core.models import Delivery, DeliveryState, Event
from supportdesk.tests.chaos import desk
from supportdesk.tests.chaos.report import Drill, Outcome, Setting
from tickets.models import Ticket
from tickets.services import lifecycle


def run(setting: Setting) -> Outcome:
    kills = 200 if setting.full else 12
    department, _ = desk.make_team(5, capacity=100)
    customer = make_customer(email=None)
    if setting.broken:
        DRILL.faults[setting.broken]()
    killed = 0
    for _ in range(kills):
        connections.close_all()  # a child must not speak on its parent's line
        child = os.fork()
        if child == 0:
            _open_and_die(customer, department)
        _, status = os.waitpid(child, 0)
        killed += os.WIFSIGNALED(status)
    while delivery.run_due(limit=1_000):
        pass
    tickets = Ticket.objects.filter(department=department)
    ids = list(tickets.values_list("pk", flat=True))
    told = Event.objects.filter(name="ticket.created", subject_id__in=ids)
    unfinished = Delivery.objects.filter(subject_type="ticket", subject_id__in=ids, due_at__lte=timezone.now())
    return Outcome(
        counts={
            "killed": (killed, kills),
            "tickets": (len(ids), kills),
            "without_event": (len(ids) - told.values("subject_id").distinct().count(), 0),
            "without_agent": (tickets.filter(assignee__isnull=True).count(), 0),
            "unfinished": (unfinished.exclude(state=DeliveryState.DONE).count(), 0),
        }
    )


def _open_and_die(customer: Customer, department: Department) -> None:
    """In a process of its own, which ends here whatever happens."""
    wakeup.wake = _die  # the first thing after the commit
    try:
        now = timezone.now()
        lifecycle.create_ticket(
            customer=customer, department=department, subject="Kill", description="x", by=SYSTEM, now=now
        )
    finally:
        os._exit(1)


def _die(ids: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def publish_on_commit() -> None:
    """What is to follow is written down once the change is committed, as a message to a broker would be."""

    def state(facts: Sequence[Fact], planned: Sequence[events.Planned], by: Actor) -> None:
        rows = events.record(facts=facts, by=by)

        def publish() -> None:
            wakeup.wake([])
            for one in planned:
                row = rows[one.place - 1]
                subject = {"subject_type": row.subject_type, "subject_id": row.subject_id}
                Delivery.objects.create(event=row, reaction=one.reaction, due_at=one.due_at, **subject)

        transaction.on_commit(publish)

    events._state = state


DRILL = Drill(run=run, faults={"publish-on-commit": publish_on_commit})
