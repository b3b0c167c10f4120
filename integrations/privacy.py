"""What partners ask in a person's name, or a shop's: noted with its deadline, done, and shown to have been done."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction

from customers import privacy as customers
from customers.models import ExternalIdentity
from integrations import links
from integrations.contract import Job
from integrations.enums import PrivacyRequest
from integrations.events import PrivacyDelivered
from integrations.models import Connection, DataSubjectRequest
from supportdesk.core.actor import Actor, Door, system
from supportdesk.core.errors import NotFound
from supportdesk.core.events import emit

DEADLINE = timedelta(days=30)
AT_ONCE = 50  # customers of an account that are erased in one go
BY = system("integrations.privacy", origin=Door.TASK)

log = structlog.get_logger("supportdesk.privacy")


def note(job: Job, *, source: str, kind: PrivacyRequest, subject: str, request_key: str) -> DataSubjectRequest:
    """The request, which is the same one when it comes again."""
    found, is_new = DataSubjectRequest.objects.get_or_create(
        source=source,
        kind=kind,
        request_key=request_key,
        defaults={
            "connection": job.connection,
            "subject": subject,
            "received_at": job.received_at,
            "due_at": job.received_at + DEADLINE,
        },
    )
    if is_new:
        log.warning("a partner asks about privacy", request=found.pk, kind=kind, due=found.due_at.isoformat())
    return found


def finish(request: DataSubjectRequest, evidence: Mapping[str, Any], *, now: datetime) -> None:
    request.evidence, request.completed_at = {**request.evidence, **evidence}, now
    request.save(update_fields=["evidence", "completed_at"])


def erase_person(request: DataSubjectRequest, customer_id: int | None, *, by: Actor, now: datetime) -> None:
    """Whoever it is about, and marks them so that nothing that comes late brings them back."""
    if customer_id is not None:
        customers.erase(customer_id=customer_id, by=by, now=now)
    if request.connection is not None:
        links.bury_ids(request.connection, [request.subject], customer_id=customer_id or 0)
    finish(request, {"customer": customer_id, "known": customer_id is not None}, now=now)


def delivered(*, request_id: int, by: Actor, now: datetime) -> DataSubjectRequest:
    """An administrator gave the export to whom it is for. Raises NotFound."""
    with transaction.atomic():
        found = DataSubjectRequest.objects.visible_to(by).select_for_update().filter(pk=request_id).first()
        if found is None:
            raise NotFound
        if found.completed_at is None and found.kind == PrivacyRequest.EXPORT:
            finish(found, {"delivered_by": by.id}, now=now)
            emit(PrivacyDelivered(subject_id=found.pk), by=by, at=now)
    return found


def work_off(*, now: datetime, limit: int = AT_ONCE) -> int:
    """Erases some customers of accounts that asked for it, and tells of what is nearly late; how many were erased."""
    count = 0
    for request in DataSubjectRequest.objects.open().filter(kind=PrivacyRequest.ERASE_ACCOUNT).order_by("due_at"):
        if request.connection is not None and count < limit:
            count += _erase_some(request, request.connection, limit=limit - count, now=now)
    late = DataSubjectRequest.objects.open().filter(due_at__lte=now + timedelta(days=7)).values_list("pk", "due_at")
    for number, due in late:
        log.error("a request about privacy is due", request=number, due=due.isoformat())
    return count


def _erase_some(request: DataSubjectRequest, known: Connection, *, limit: int, now: datetime) -> int:
    """Those whom another account knows as well are kept, without what this one told of them."""
    after = int(request.evidence.get("after", 0))
    batch = links.linked_customers(known, after=after, limit=limit)
    erased = kept = 0
    for number in batch:
        elsewhere = ExternalIdentity.objects.filter(customer_id=number).exclude(source=known.provider)
        if elsewhere.exists():
            kept += 1
        else:
            customers.erase(customer_id=number, by=BY, now=now)
            erased += 1
    held = request.evidence
    request.evidence = {
        "erased": held.get("erased", 0) + erased,
        "known_elsewhere": held.get("known_elsewhere", 0) + kept,
        "after": batch[-1] if batch else after,
    }
    if len(batch) < limit:
        request.completed_at = now
    request.save(update_fields=["evidence", "completed_at"])
    return erased
