"""Facts and the one way to state them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cache
from typing import Any, ClassVar, Protocol

from django.conf import settings
from django.db import connection
from django.db.transaction import TransactionManagementError
from django.utils.module_loading import import_string

from supportdesk.core.actor import Actor
from supportdesk.core.models import Event

BULK_SIZE = 2_000


@dataclass(frozen=True, kw_only=True)
class DomainEvent:
    """Base of all facts. Subclasses name themselves in the past tense and add payload fields of plain JSON types."""

    name: ClassVar[str]
    subject_type: ClassVar[str]
    subject_id: int

    def payload(self) -> dict[str, object]:
        fields = asdict(self)
        del fields["subject_id"]
        return fields


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A domain event with the instant at which it happened, as bulk writers collect them."""

    event: DomainEvent
    at: datetime


class Handler(Protocol):
    """What an app does about an event: in its transaction, through its own services, and never over a network."""

    def __call__(self, event: Any, *, by: Actor, at: datetime) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Reactions:
    """What follows from one kind of event."""

    within: Sequence[Handler] = ()


def emit(*events: DomainEvent, by: Actor, at: datetime) -> None:
    """Records facts in the caller's transaction, so that a change and its event are there together or not at all, and
    runs what `settings.REACTIONS` names as following within it.

    Raises TransactionManagementError outside a transaction, and whatever refuses the change.
    """
    record(facts=(Fact(event=event, at=at) for event in events), by=by)
    reactions = _reactions(settings.REACTIONS)
    for event in events:
        if type(event) in reactions:
            for handler in reactions[type(event)].within:
                handler(event, by=by, at=at)


def record(*, facts: Iterable[Fact], by: Actor) -> None:
    """As `emit`, for facts that happened at different instants: imported history, from which nothing follows."""
    if not connection.in_atomic_block:
        raise TransactionManagementError("An event must be recorded in the transaction of the change it states.")
    Event.objects.bulk_create((_row(fact, by) for fact in facts), batch_size=BULK_SIZE)


@cache
def _reactions(path: str) -> Mapping[type[DomainEvent], Reactions]:
    """The roof's table, found as Django finds ROOT_URLCONF: by name, on first use."""
    table: Mapping[type[DomainEvent], Reactions] = import_string(path)
    return table


def _row(fact: Fact, by: Actor) -> Event:
    return Event(
        name=fact.event.name,
        subject_type=fact.event.subject_type,
        subject_id=fact.event.subject_id,
        payload=fact.event.payload(),
        actor_kind=by.kind,
        actor_id=by.id,
        actor_name=by.name,
        origin=by.origin,
        request_id=by.request_id,
        at=fact.at,
    )
