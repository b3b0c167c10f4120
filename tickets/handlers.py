"""What tickets do about events, their own and others'."""

from datetime import datetime
from typing import Any

import structlog

from agents.enums import Availability
from customers.events import CustomerErased
from supportdesk.core.actor import Actor
from supportdesk.core.events import Occurrence
from tickets import lists, workload
from tickets.enums import AssignmentReason, Sender, Status, Trigger
from tickets.services import advising, drafts, privacy, ranking, telling, topic_alerts, waiting
from tickets.status import DONE

# Of an agent: what can make them fit for a ticket that waits.
_FITNESS = frozenset({"capacity", "specializations", "languages", "department", "is_active"})

log = structlog.get_logger("supportdesk.tickets")


def erase_conversations(event: CustomerErased, *, by: Actor, at: datetime) -> None:
    privacy.erase_conversations(customer_id=event.subject_id, now=at)


def forget_available_agents(event: Any, *, by: Actor, at: datetime) -> None:
    """Of everything that changes who is available or how much they have to do."""
    workload.forget_available()


def forget_lists(event: Any, *, by: Actor, at: datetime) -> None:
    """Of everything that changes a name that stands in them."""
    lists.forget_all()


def auto_assign(occurrence: Occurrence, *, now: datetime) -> None:
    try:
        advising.meet_new(ticket_id=occurrence.event.subject_id, by=occurrence.by)
    except Exception:  # a ticket is given to somebody whatever becomes of advice
        log.exception("a new ticket goes without advice", ticket=occurrence.event.subject_id)
    waiting.take_in(ticket_id=occurrence.event.subject_id, trigger=Trigger.CREATED, by=occurrence.by, now=now)


def serve_customer(occurrence: Occurrence, *, now: datetime) -> None:
    """After a grace: of what customers write."""
    if occurrence.event.sender == Sender.CUSTOMER:
        waiting.serve_customer(ticket_id=occurrence.event.subject_id, by=occurrence.by, now=now)


def serve_reopened(occurrence: Occurrence, *, now: datetime) -> None:
    """After a grace: of what was done and is open again."""
    if occurrence.event.before in DONE and occurrence.event.after == Status.OPEN:
        waiting.serve_reopened(ticket_id=occurrence.event.subject_id, by=occurrence.by, now=now)


def look_again(occurrence: Occurrence, *, now: datetime) -> None:
    moved = "department" in occurrence.event.fields
    if moved or "category" in occurrence.event.fields:
        waiting.look_again(ticket_id=occurrence.event.subject_id, moved=moved, by=occurrence.by, now=now)
    if "category" in occurrence.event.fields:
        advising.forget_texts([occurrence.event.subject_id])


def assign_waiting(occurrence: Occurrence, *, now: datetime) -> None:
    """Of whatever may have made room."""
    waiting.assign_waiting(by=occurrence.by, now=now)


def meet_available(occurrence: Occurrence, *, now: datetime) -> None:
    if occurrence.event.after == Availability.ONLINE:
        waiting.assign_waiting(by=occurrence.by, now=now)


def meet_changed(occurrence: Occurrence, *, now: datetime) -> None:
    if "is_active" in occurrence.event.fields:
        waiting.release_from_inactive(by=occurrence.by, now=now)
    if _FITNESS & set(occurrence.event.fields):
        waiting.assign_waiting(by=occurrence.by, now=now)


def fill_room_left(occurrence: Occurrence, *, now: datetime) -> None:
    """Of a ticket that is done, or waits for its customer."""
    if occurrence.event.after in {*DONE, Status.PENDING}:
        waiting.assign_waiting(by=occurrence.by, now=now)


def fill_room_transferred(occurrence: Occurrence, *, now: datetime) -> None:
    if occurrence.event.reason == AssignmentReason.TRANSFER:
        waiting.assign_waiting(by=occurrence.by, now=now)


def follow_change(occurrence: Occurrence, *, now: datetime) -> None:
    if "tier" in occurrence.event.fields:
        ranking.follow_tier(customer_id=occurrence.event.subject_id)


def follow_erasure(occurrence: Occurrence, *, now: datetime) -> None:
    """Who is erased is no VIP any more, and nothing that Quimbi said of them is kept."""
    ranking.follow_tier(customer_id=occurrence.event.subject_id)
    advising.forget(occurrence.event.subject_id)


def heed_message(occurrence: Occurrence, *, now: datetime) -> None:
    """What Quimbi wrote for the ticket as it was is gone; what a customer writes may be upset; and what an agent writes
    shows what they made of the drafts they saw.
    """
    event = occurrence.event
    if event.sender == Sender.CUSTOMER:
        advising.hear(ticket_id=event.subject_id, position=event.position)
    elif event.public_reply:
        drafts.settle(ticket_id=event.subject_id, position=event.position, now=now)
    advising.forget_texts([event.subject_id])


def forget_customers_texts(occurrence: Occurrence, *, now: datetime) -> None:
    """Of what Quimbi was told of a customer."""
    advising.forget_texts_for(occurrence.event.subject_id)


def outdate_insights(occurrence: Occurrence, *, now: datetime) -> None:
    """Of what a customer bought, and of who Quimbi knows them as."""
    advising.outdate(occurrence.event.subject_id)


def spread_alert(occurrence: Occurrence, *, now: datetime) -> None:
    """After a moment, by which whoever was changing a ticket before the alert was to be seen has done so."""
    topic_alerts.spread(alert_id=occurrence.event.subject_id, by=occurrence.by, now=now)


def withdraw_alert(occurrence: Occurrence, *, now: datetime) -> None:
    topic_alerts.withdraw(alert_id=occurrence.event.subject_id, by=occurrence.by, now=now)


def follow_alert(occurrence: Occurrence, *, now: datetime) -> None:
    event = occurrence.event
    follow = topic_alerts.withdraw if event.ended else topic_alerts.spread
    follow(alert_id=event.subject_id, through=event.through, by=occurrence.by, now=now)


def tell_agents(occurrence: Occurrence, *, now: datetime) -> None:
    telling.tell(occurrence, now=now)
