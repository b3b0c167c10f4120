"""What partners ask in a person's name, or a shop's: noted with its deadline, done, and shown to have been done."""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import QuerySet

from customers import orders, services
from customers import privacy as customers
from customers.models import Customer, ExternalIdentity, Order
from customers.selectors import known_by_email, with_phone
from integrations import links, people, receipts
from integrations.contract import Job
from integrations.enums import PrivacyRequest
from integrations.events import PrivacyDelivered
from integrations.models import Connection, DataSubjectRequest
from integrations.syncing import PASSING
from supportdesk.core.actor import Actor, Door, system
from supportdesk.core.errors import Conflict, NotFound
from supportdesk.core.events import emit
from tickets.services import privacy as conversations

DEADLINE = timedelta(days=30)
AT_ONCE = 10  # customers of an account, from one note of how far it is to the next
SECONDS = 35.0  # that a run goes on for: a task has fifty
CAME_BACK = "it is connected again since"
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


def erase_person(
    request: DataSubjectRequest,
    customer_id: int | None,
    *,
    email: str | None,
    phone: str | None,
    by: Actor,
    now: datetime,
) -> None:
    """Whoever it is about, and every delivery that speaks of them, and marks them so that nothing that comes late
    brings them back. `email` and `phone` as the partner tells them: what another customer has here is not taken for
    theirs.
    """
    if request.connection is not None:
        links.one_at_a_time(request.connection, request.subject)
    if customer_id is not None:
        customers.erase(customer_id=customer_id, by=by, now=now)
    if request.connection is not None:
        links.bury_ids(request.connection, [request.subject], customer_id=customer_id or 0)
    ids = [f"{request.source.partition(':')[0]}:{request.subject}"]
    email = None if email and known_by_email(email) else email
    phone = None if phone and with_phone(Customer.objects.all(), phone).exists() else phone
    blanked = receipts.erase_about(people.hashes(ids, email=email, phone=phone), now=now)
    finish(request, {"customer": customer_id, "known": customer_id is not None, "deliveries": blanked}, now=now)


def export(*, request_id: int, by: Actor, now: datetime) -> tuple[int, dict[str, Any]]:
    """Whom it is about here, and everything that is kept of them. Raises NotFound, Conflict where nobody is known."""
    found = DataSubjectRequest.objects.visible_to(by).filter(pk=request_id, kind=PrivacyRequest.EXPORT).first()
    if found is None:
        raise NotFound
    customer_id = found.evidence.get("customer")
    if customer_id is None:
        raise Conflict("Nobody here is known to be whom it is about.")
    return int(customer_id), conversations.export(customer_id=int(customer_id), by=by, now=now)


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


def work_off(*, now: datetime, seconds: float = SECONDS, limit: int = AT_ONCE) -> int:
    """Erases customers of accounts that asked for it, and tells of what is nearly late; how many were erased.

    What fails for one customer or account stops no other, and is tried again by the next run.
    """
    count, until = 0, time.monotonic() + seconds
    for request in DataSubjectRequest.objects.open().filter(kind=PrivacyRequest.ERASE_ACCOUNT).order_by("due_at"):
        try:
            more = True
            while more and time.monotonic() < until:
                erased, more = _erase_some(request, limit=limit, now=now)
                count += erased
        except PASSING:
            raise
        except Exception:  # one account must not keep back the others, nor the word about what is late
            log.exception("an account could not be erased", request=request.pk)
    late = DataSubjectRequest.objects.open().filter(due_at__lte=now + timedelta(days=7)).values_list("pk", "due_at")
    for number, due in late:
        log.error("a request about privacy is due", request=number, due=due.isoformat())
    return count


def _erase_some(request: DataSubjectRequest, *, limit: int, now: datetime) -> tuple[int, bool]:
    """How many, and whether there are more. With those that failed the next run begins again."""
    known = request.connection
    if known is None:
        finish(request, {"known": False}, now=now)
        return 0, False
    known.refresh_from_db(fields=["connected_at"])
    if known.connected_at is not None and known.connected_at > request.received_at:
        finish(request, {"reason": CAME_BACK}, now=now)
        return 0, False
    after, failed = int(request.evidence.get("after", 0)), list(request.evidence.get("failed", []))
    batch = links.linked_customers(known, after=after, limit=limit)
    erased = kept = 0
    for number in batch:
        try:
            if _is_known_elsewhere(known, number):
                _take_back(known, number, now=now)
                kept += 1
            else:
                customers.erase(customer_id=number, by=BY, now=now)
                links.exhume(known, number)
                erased += 1
        except PASSING:
            raise
        except Exception:  # nor one customer the others
            log.exception("a customer of an account could not be erased", request=request.pk, customer=number)
            failed.append(number)
    held, more = request.evidence, len(batch) == limit
    request.evidence = {
        "erased": held.get("erased", 0) + erased,
        "known_elsewhere": held.get("known_elsewhere", 0) + kept,
        "after": batch[-1] if more else 0,
        "failed": failed if more else [],
    }
    if not more and not failed:
        _forget_orders(Order.objects.filter(account=known.account_key), now=now)  # those of guests are left
        request.completed_at = now
    request.save(update_fields=["evidence", "completed_at"])
    return erased, more


def _forget_orders(found: QuerySet[Order], *, now: datetime) -> None:
    for source, number in found.values_list("source", "external_id"):
        orders.forget_order(source=source, external_id=number, by=BY, now=now)


def _is_known_elsewhere(known: Connection, customer_id: int) -> bool:
    """By another kind of partner, or by another account of this one."""
    others = ExternalIdentity.objects.filter(customer_id=customer_id).exclude(source=known.provider)
    accounts = links.of_customer(customer_id).exclude(connection=known).exclude(local_type=links.GONE)
    return others.exists() or accounts.exists()


def _take_back(known: Connection, customer_id: int, *, now: datetime) -> None:
    """What the account told of somebody who stays: orders, what has no field here, and an address that is still the
    one that it told. Their name, and how to reach them, others know as well.
    """
    _forget_orders(Order.objects.filter(customer_id=customer_id, account=known.account_key), now=now)
    customer = Customer.objects.get(pk=customer_id)
    tellings = links.of_customer(customer_id).filter(connection=known)
    own = {name: told for name, told in customer.attributes.items() if not name.startswith(f"{known.provider}_")}
    changes: dict[str, Any] = {"attributes": own}
    if customer.address and any(links.is_known(link, "address", customer.address) for link in tellings):
        changes["address"] = None
    services.update_customer(customer_id=customer_id, changes=changes, by=BY, now=now)
    numbers = list(tellings.values_list("external_id", flat=True))
    ExternalIdentity.objects.filter(customer_id=customer_id, source=known.provider, external_id__in=numbers).delete()
    tellings.delete()
