"""Giving a policy's open tickets its present words, or counting first what that would do.

Work is done in batches by whoever runs the deliveries: each batch is a transaction that moves the job's mark, and after
a few of them an event calls for the next, so that no ticket waits long and a process that dies loses nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.db import transaction

from sla.clock import State
from sla.enums import JobState, VersionState
from sla.events import ApplicationBegun, SLAPolicyApplied
from sla.models import PolicyApplication, TicketSLA
from sla.models.clock import TicketSLAQuerySet
from sla.services import clocks, policies, records
from sla.services.calendars import active_version
from sla.services.records import Row
from sla.services.rights import author, refuse_others
from supportdesk.core.actor import Actor
from supportdesk.core.errors import Conflict
from supportdesk.core.events import Fact, emit, emit_facts
from tickets.models import Ticket
from tickets.status import DONE

BATCH = 100
BATCHES = 5  # of one delivery, which must end within its lease
OVERDUE = frozenset({State.BREACHED.value, State.MISSED.value})


class StillApplying(Conflict):
    """The open tickets of this policy are being worked on already."""

    code = "still_applying"


def request(*, policy_id: int, preview: bool, by: Actor, now: datetime) -> PolicyApplication:
    """Has the open tickets that have an earlier version of the policy, or of its calendar, get the present one, or
    with `preview` has them counted. Raises Forbidden, NotFound, NothingToActivate (no active version), StillApplying.
    """
    refuse_others(by)
    with transaction.atomic():
        policy = policies.locked(policy_id, by=by)
        version = policy.versions.filter(state=VersionState.ACTIVE).select_related("calendar").first()
        if version is None:
            raise policies.NothingToActivate("This policy has no active version to apply.")
        under_way = PolicyApplication.objects.filter(policy_version__policy=policy, preview=preview)
        if under_way.filter(state__in=[JobState.PENDING, JobState.RUNNING]).exists():
            raise StillApplying("The open tickets of this policy are being worked on already.")
        job = PolicyApplication.objects.create(
            policy_version=version,
            calendar_version=active_version(version.calendar),
            preview=preview,
            created_by_id=author(by),
            created_at=now,
        )
        emit(_call(job), by=by, at=now)
    return job


def work(application_id: int, *, by: Actor, now: datetime) -> int:
    """Does the next few batches and calls for more when there is more; returns how many tickets it looked at."""
    looked_at = 0
    for number in range(BATCHES):
        with transaction.atomic():
            jobs = PolicyApplication.objects.select_for_update(of=("self",)).select_related("policy_version")
            job = jobs.filter(pk=application_id).first()
            if job is None or job.state in {JobState.DONE, JobState.SUPERSEDED}:
                return looked_at
            looked_at += _next_batch(job, by=by, now=now)
            job.save()
            if job.finished_at is None and number == BATCHES - 1:
                emit(_call(job), by=by, at=now)
    return looked_at


def _next_batch(job: PolicyApplication, *, by: Actor, now: datetime) -> int:
    """Moves the job on by a batch; the caller saves it."""
    job.state = JobState.RUNNING
    if job.policy_version.state != VersionState.ACTIVE:
        job.state, job.finished_at = JobState.SUPERSEDED, now
        return 0
    ids = list(_candidates(job).filter(pk__gt=job.through).order_by("pk").values_list("pk", flat=True)[:BATCH])
    if not ids:
        job.state, job.finished_at = JobState.DONE, now
        return 0
    job.through = ids[-1]
    if not job.preview:
        ids = _locked(ids)
    new: dict[str, Any] = {"policy_version_id": job.policy_version_id, "calendar_version_id": job.calendar_version_id}
    moved = [replace(record, **new) for record in records.read(ids)]
    wound = [(record, record.wind(now)) for record in moved]
    for record, rows in wound:
        _count(job, [stored.row.found(now) for stored in record.stored], rows)
    if not job.preview:
        TicketSLA.objects.filter(pk__in=ids).update(**new)
        clocks.settle(wound)
        facts = [Fact(event=SLAPolicyApplied(subject_id=record.ticket_id, **new), at=now) for record in moved]
        emit_facts(facts, by=by)
    return len(moved)


def _candidates(job: PolicyApplication) -> TicketSLAQuerySet:
    """Promises of open tickets by another version than the job's."""
    promised = TicketSLA.objects.filter(policy_version__policy=job.policy_version.policy_id)
    present = {"policy_version": job.policy_version_id, "calendar_version": job.calendar_version_id}
    return promised.exclude(**present).exclude(ticket__status__in=DONE)


def _locked(ids: Sequence[int]) -> list[int]:
    """Those of the tickets that are still open, locked in the order in which everybody locks them."""
    tickets = Ticket.objects.filter(pk__in=ids).exclude(status__in=DONE).order_by("pk")
    return list(tickets.select_for_update(of=("self",)).values_list("pk", flat=True))


def _count(job: PolicyApplication, before: Sequence[Row], after: Sequence[Row]) -> None:
    """Adds what the change does to one ticket."""
    old = {(row.metric, row.cycle): row for row in before}
    both = [(old[row.metric, row.cycle], row) for row in after if (row.metric, row.cycle) in old]
    due = [(was.due_at, now.due_at) for was, now in both if was.due_at and now.due_at]
    job.tickets += 1
    job.earlier += any(now < was for was, now in due)
    job.later += any(now > was for was, now in due)
    job.breached += any(now.state in OVERDUE and was.state not in OVERDUE for was, now in both)


def _call(job: PolicyApplication) -> ApplicationBegun:
    return ApplicationBegun(
        subject_id=job.policy_version.policy_id, application_id=job.pk, preview=job.preview, through=job.through
    )
