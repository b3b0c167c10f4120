"""Lifting what many customers write about, for a time.

Tickets learn of an alert when they are made or change what it is about, and those that are there in batches when it
begins or ends. Which alert lifts a ticket is always asked anew: the strongest of those that run.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from agents.enums import Role
from agents.models import Department
from customers.models import CustomerQuerySet
from supportdesk.core.actor import Actor, ActorKind
from supportdesk.core.errors import Forbidden, InvalidInput, NotFound
from supportdesk.core.events import emit
from tickets.enums import Sender
from tickets.events import TopicAlertBegun, TopicAlertEnded, TopicAlertFollowed
from tickets.models import Message, Ticket, TopicAlert
from tickets.models.ticket import TicketQuerySet
from tickets.services import lifecycle, ranking
from tickets.weights import MOST_HEAD_START

WRITERS = frozenset({Role.SUPERVISOR.value, Role.ADMIN.value})
MOST_RUNNING = 20
LONGEST = timedelta(days=30)
SHORTEST_PHRASE = 3  # characters: less is in every text
BATCH = 200
BATCHES = 5  # of one delivery, which must end within its lease


def begin(
    *,
    minutes: int,
    ends_at: datetime,
    by: Actor,
    now: datetime,
    phrase: str = "",
    tag: str = "",
    department: Department | None = None,
) -> TopicAlert:
    """Lifts what matches from now on until `ends_at`; open tickets follow within seconds.

    A supervisor of some departments names one of them. Raises Forbidden, InvalidInput (phrase, tag, minutes, ends_at,
    department_id, too many).
    """
    _refuse_others(by)
    phrase, tag = phrase.strip(), next(iter(lifecycle.normalised_tags([tag])), "")
    _check(phrase, tag, minutes, ends_at, now)
    if not by.sees_everything and (department is None or department.pk not in (by.departments or ())):
        raise InvalidInput.on("department_id", "Must be one of your departments.", "required")
    with transaction.atomic():
        if TopicAlert.objects.filter(ends_at__gt=now).count() >= MOST_RUNNING:
            raise InvalidInput(f"At most {MOST_RUNNING} alerts run at a time; end another first.", code="too_many")
        alert = TopicAlert.objects.create(
            phrase=phrase,
            tag=tag,
            department=department,
            minutes=minutes,
            ends_at=ends_at,
            created_by_id=by.id if by.kind == ActorKind.PERSON else None,
            created_at=now,
        )
        emit(TopicAlertBegun(subject_id=alert.pk), by=by, at=now)
    return alert


def told_of(customers: CustomerQuerySet) -> CustomerQuerySet:
    """Each says as `is_watched` whether any alert runs, of whatever department, so that who opens a ticket of theirs
    need not ask for those that lift it where none does.
    """
    return customers.annotate(is_watched=Exists(TopicAlert.objects.filter(ends_at__gt=Now())))


def end(*, alert_id: int, by: Actor, now: datetime) -> TopicAlert:
    """Ends it now; one that is over stays as it is. Raises Forbidden, NotFound."""
    _refuse_others(by)
    with transaction.atomic():
        alert = TopicAlert.objects.visible_to(by).select_for_update(of=("self",)).filter(pk=alert_id).first()
        if alert is None:
            raise NotFound
        if alert.department_id is None and not by.sees_everything:
            raise Forbidden("An alert for every department is ended by who sees every department.")
        if alert.ends_at > now:
            alert.ends_at = max(now, alert.created_at)
            alert.save(update_fields=["ends_at"])
            emit(TopicAlertEnded(subject_id=alert.pk), by=by, at=now)
    return alert


def spread(*, alert_id: int, by: Actor, now: datetime, through: int = 0) -> int:
    """Lifts the next open tickets that match, behind id `through`, and calls for more; returns how many there were."""
    alert = TopicAlert.objects.filter(pk=alert_id, ends_at__gt=now).first()
    looked_at = 0
    if alert is None:
        return looked_at
    for _ in range(BATCHES):
        ids = _renew(_matching(alert), through, now)
        if not ids:
            return looked_at
        through, looked_at = ids[-1], looked_at + len(ids)
    with transaction.atomic():
        emit(TopicAlertFollowed(subject_id=alert_id, through=through, ended=False), by=by, at=now)
    return looked_at


def withdraw(*, alert_id: int, by: Actor, now: datetime, through: int = 0) -> None:
    """As `spread`, of all tickets that any alert lifts."""
    for _ in range(BATCHES):
        ids = _renew(Ticket.objects.filter(lift_until__isnull=False), through, now)
        if not ids:
            return
        through = ids[-1]
    with transaction.atomic():
        emit(TopicAlertFollowed(subject_id=alert_id, through=through, ended=True), by=by, at=now)


def drop_expired(*, now: datetime, limit: int) -> int:
    """Takes from tickets what an alert gave them and is over; returns how many there were."""
    dropped = 0
    while dropped < limit and (ids := _renew(Ticket.objects.filter(lift_until__lte=now), 0, now)):
        dropped += len(ids)
    return dropped


def _renew(tickets: TicketQuerySet, through: int, now: datetime) -> Sequence[int]:
    """Asks anew what lifts the next of the tickets behind id `through`; returns which they were."""
    with transaction.atomic():
        wanted = tickets.filter(pk__gt=through).order_by("pk").select_for_update(of=("self",))
        ids = list(wanted.values_list("pk", flat=True)[:BATCH])
        ranking.lift_all(ids, now=now)
    return ids


def _matching(alert: TopicAlert) -> TicketQuerySet:
    """Open tickets that it is about."""
    tickets = Ticket.objects.unfinished()
    if alert.department_id is not None:
        tickets = tickets.filter(department=alert.department_id)
    if alert.tag:
        return tickets.tagged([alert.tag])
    written = Message.objects.filter(ticket=OuterRef("pk"), sender=Sender.CUSTOMER, body__icontains=alert.phrase)
    return tickets.filter(Q(subject__icontains=alert.phrase) | Q(Exists(written)))


def _check(phrase: str, tag: str, minutes: int, ends_at: datetime, now: datetime) -> None:
    if bool(phrase) == bool(tag):
        raise InvalidInput.on("phrase", "Give a phrase or a tag, one of the two.", "phrase_or_tag")
    if phrase and len(phrase) < SHORTEST_PHRASE:
        raise InvalidInput.on("phrase", f"Must have at least {SHORTEST_PHRASE} characters.", "too_short")
    if not 1 <= minutes <= MOST_HEAD_START:
        raise InvalidInput.on("minutes", f"Must be 1 to {MOST_HEAD_START:,}.", "out_of_range")
    if not now < ends_at <= now + LONGEST:
        raise InvalidInput.on("ends_at", f"Must lie ahead, at most {LONGEST.days} days.", "out_of_range")


def _refuse_others(by: Actor) -> None:
    if by.kind != ActorKind.SYSTEM and by.role not in WRITERS:
        raise Forbidden("Only supervisors and administrators begin and end topic alerts.")
