"""Workers that are killed while they work, a child of the pool or all of it: each ticket gets its agent, once."""

import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection
from django.utils import timezone

from agents.models import Department
from agents.tests.builders import SYSTEM
from customers.models import Customer
from customers.tests.builders import make_customer
from supportdesk.core import delivery
from supportdesk.core.events import DomainEvent, Occurrence, Reactions
from supportdesk.core.models import Delivery, DeliveryState, Event
from supportdesk.reactions import REACTIONS as REAL
from supportdesk.tests.chaos import desk
from supportdesk.tests.chaos.report import Drill, Outcome, Setting
from tickets import handlers
from tickets.events import TicketCreated
from tickets.models import Ticket
from tickets.services import lifecycle

T = TypeVar("T")
SETTINGS = "supportdesk.tests.chaos.paused"
BUSY, FAULT = "SUPPORTDESK_CHAOS_BUSY", "SUPPORTDESK_CHAOS_FAULT"  # a file of who began what; what is patched in
PAUSE = 0.05  # seconds before and after the effect, so that a kill finds either
PATIENCE = 120.0
RESUMED_WITHIN = 45.0  # longer than it takes; what takes longer is counted in the end
CELERY = [sys.executable, "-m", "celery", "-A", "supportdesk"]


def auto_assign(occurrence: Occurrence, *, now: Any) -> None:
    """The product's own handler, slow enough to be met at work."""
    with Path(os.environ[BUSY]).open("a") as busy:
        busy.write(f"{os.getpid()} {occurrence.event.subject_id} {time.time()}\n")
    time.sleep(PAUSE)
    handlers.auto_assign(occurrence, now=now)
    time.sleep(PAUSE)


REACTIONS: Mapping[type[DomainEvent], Reactions] = {**REAL, TicketCreated: Reactions(durable=(auto_assign,))}


def run(setting: Setting) -> Outcome:
    children, wholes = (50, 20) if setting.full else (3, 1)
    settings.REACTIONS = f"{__name__}.REACTIONS"
    chance = random.Random(setting.seed)
    department, _ = desk.make_team(10, capacity=400)
    customer = make_customer(email=None)
    home = Path(tempfile.mkdtemp(prefix="supportdesk-workers-"))
    crew = _Crew(home, fault=setting.broken)
    try:
        crew.start()
        killed = 0
        for number in range(children + wholes):
            whole = number >= children
            if whole:  # one after the other: what the one before cut is being done again
                _settle(department, give_up=time.monotonic() + RESUMED_WITHIN)
            pid = crew.met_at_work(_open_ticket(department, customer))
            time.sleep(chance.uniform(0, 2 * PAUSE))
            killed += crew.kill_worker() if whole else crew.kill_child(pid)
        _settle(department, give_up=time.monotonic() + (PATIENCE if setting.full else PATIENCE / 2))
        seconds = crew.resumed()
    finally:
        crew.stop()
        shutil.rmtree(home, ignore_errors=True)
    tickets = Ticket.objects.filter(department=department)
    assigned = Event.objects.filter(name="ticket.assigned", subject_id__in=tickets.values("pk"))
    return Outcome(
        counts={
            "kills": (killed, children + wholes),
            "lost": (tickets.filter(assignee__isnull=True).count(), 0),
            "doubled": (assigned.count() - assigned.values("subject_id").distinct().count(), 0),
            "unfinished": (_unfinished(department), 0),
        },
        shown={
            "resumed": len(seconds),
            "resumed_p99": round(_percentile(seconds, 99), 1),
            "resumed_max": round(max(seconds, default=0), 1),
        },
    )


@dataclass(frozen=True, kw_only=True)
class _Begun:
    pid: int
    ticket: int
    at: float


class _Crew:
    """A worker with two children, and beat with its relay."""

    def __init__(self, home: Path, *, fault: str) -> None:
        self.busy, self.log = home / "busy", home / "log"
        self.cut: list[_Begun] = []  # what was being done when its process was killed, and when that was
        self.busy.touch()
        self.environment = {**os.environ, "DJANGO_SETTINGS_MODULE": SETTINGS, BUSY: str(self.busy), FAULT: fault}
        self.worker: subprocess.Popen[bytes] | None = None
        self.beat: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.worker = self._started("worker", "--concurrency", "2", "--loglevel", "ERROR")
        self.beat = self._started("beat", "--loglevel", "ERROR", "--pidfile", "")

    def stop(self) -> None:
        for process in (self.worker, self.beat):
            if process is not None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()

    def met_at_work(self, ticket: int) -> int:
        """The process that has just begun to work on the ticket, which nobody did before."""
        begun = _until(lambda: [one for one in self._begun() if one.ticket == ticket], "nobody took up the work")
        return begun[-1].pid

    def kill_child(self, pid: int) -> bool:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
            self._note(pid)
            return True
        return False

    def kill_worker(self) -> bool:
        assert self.worker
        os.killpg(self.worker.pid, signal.SIGKILL)
        self._note(*{begun.pid for begun in self._begun()} - {cut.pid for cut in self.cut})
        self.worker.wait()
        self.worker = self._started("worker", "--concurrency", "2", "--loglevel", "ERROR")
        return True

    def resumed(self) -> list[float]:
        """Seconds from each kill until the ticket that its process was at is begun again. What was done by then, and is
        not begun again, is not among them.
        """
        begun = self._begun()
        again = [[b.at for b in begun if b.ticket == cut.ticket and b.at > cut.at] for cut in self.cut]
        return [min(times) - cut.at for cut, times in zip(self.cut, again, strict=True) if times]

    def _note(self, *killed: int) -> None:
        now = time.time()
        last = {begun.pid: begun for begun in self._begun() if begun.pid in killed}
        self.cut += [replace(begun, at=now) for begun in last.values()]

    def _begun(self) -> list[_Begun]:
        rows = [line.split() for line in self.busy.read_text().splitlines(keepends=True) if line.endswith("\n")]
        return [_Begun(pid=int(pid), ticket=int(ticket), at=float(at)) for pid, ticket, at in rows]

    def _started(self, *arguments: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [*CELERY, *arguments],
                cwd=settings.BASE_DIR,
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )


def _open_ticket(department: Department, customer: Customer) -> int:
    ticket = lifecycle.create_ticket(
        customer=customer,
        department=department,
        subject="Kill",
        description="x",
        by=SYSTEM,
        now=timezone.now(),
    )
    return ticket.pk


def _settle(department: Department, *, give_up: float) -> None:
    """Waits for the rest."""
    while _unfinished(department) and time.monotonic() < give_up:
        time.sleep(0.5)


def _deliveries(department: Department) -> Any:
    ids = Ticket.objects.filter(department=department).values("pk")
    return Delivery.objects.filter(subject_type="ticket", subject_id__in=ids, reaction="supportdesk.auto_assign")


def _unfinished(department: Department) -> int:
    return int(_deliveries(department).exclude(state=DeliveryState.DONE).count())


def _percentile(values: list[float], percent: int) -> float:
    return (
        statistics.quantiles(values, n=100, method="inclusive")[percent - 1]
        if len(values) > 1
        else max(values, default=0.0)
    )


def _until(ask: Callable[[], list[T]], complaint: str) -> list[T]:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if answer := ask():
            return answer
        time.sleep(0.01)
    raise TimeoutError(complaint)


def keep_leases() -> None:
    """A delivery belongs for ever to the process that took it, as a task does that is acknowledged when it is taken."""
    delivery.LEASE = timedelta(days=1)


def assign_blindly() -> None:
    """Whoever comes to a ticket says that it was assigned, without a look at whether somebody did."""
    real = handlers.auto_assign

    def twice(occurrence: Occurrence, *, now: Any) -> None:
        real(occurrence, now=now)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO core_event (name, subject_type, subject_id, payload, actor_kind, actor_name, origin,"
                " request_id, at) VALUES ('ticket.assigned', 'ticket', %s, '{}', 'system', '', 'task', '', now())",
                [occurrence.event.subject_id],
            )

    handlers.auto_assign = twice


FAULTS = {"keep-leases": keep_leases, "assign-blindly": assign_blindly}
if os.environ.get(FAULT):
    FAULTS[os.environ[FAULT]]()  # in the worker that the drill started

DRILL = Drill(run=run, faults=FAULTS)
