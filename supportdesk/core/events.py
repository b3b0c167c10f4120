"""Facts, the one way to state them, and what follows from them."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timedelta
from functools import cache
from typing import Any, ClassVar, Protocol

import structlog
from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.transaction import TransactionManagementError
from django.utils.module_loading import import_string

from supportdesk.core import wakeup
from supportdesk.core.actor import Actor, Door
from supportdesk.core.errors import Unavailable
from supportdesk.core.models import Event
from supportdesk.core.observability.middleware import current_request_id

BULK_SIZE = 2_000
RETRY_AFTER_SECONDS = 5

# One statement for both tables, because every change of a ticket runs it. Ids are drawn in the order of the facts.
_STATE = """
WITH fact AS MATERIALIZED (
    SELECT nextval(pg_get_serial_sequence('core_event', 'id')) AS id, told.*
    FROM unnest(%s::text[], %s::text[], %s::bigint[], %s::jsonb[], %s::text[], %s::bigint[], %s::text[], %s::text[],
        %s::text[], %s::timestamptz[]) WITH ORDINALITY AS told (name, subject_type, subject_id, payload, actor_kind,
        actor_id, actor_name, origin, request_id, at, place)
), stated AS (
    INSERT INTO core_event (id, name, subject_type, subject_id, payload, actor_kind, actor_id, actor_name, origin,
        request_id, at)
    SELECT id, name, subject_type, subject_id, payload, actor_kind, actor_id, actor_name, origin, request_id, at
    FROM fact
)
INSERT INTO core_delivery (event_id, reaction, subject_type, subject_id, due_at, state, attempts, last_error)
SELECT fact.id, planned.reaction, fact.subject_type, fact.subject_id, planned.due_at, 'pending', 0, ''
FROM unnest(%s::int[], %s::text[], %s::timestamptz[]) AS planned (place, reaction, due_at) JOIN fact USING (place)
RETURNING id, due_at
"""
_STATED = (
    "name",
    "subject_type",
    "subject_id",
    "payload",
    "actor_kind",
    "actor_id",
    "actor_name",
    "origin",
    "request_id",
    "at",
)

log = structlog.get_logger("supportdesk.events")


@dataclass(frozen=True, kw_only=True)
class DomainEvent:
    """Base of all facts. Subclasses name themselves in the past tense and add payload fields of plain JSON types."""

    name: ClassVar[str]
    subject_type: ClassVar[str]
    subject_id: int

    def payload(self) -> dict[str, object]:
        members = asdict(self)
        del members["subject_id"]
        return members

    @classmethod
    def from_row(cls, row: Event) -> "DomainEvent":
        """The fact again, from what was kept of it; members that it had in another version are left out."""
        known = {member.name for member in fields(cls)}
        kept = {name: value for name, value in row.payload.items() if name in known}
        return cls(subject_id=row.subject_id, **kept)


@dataclass(frozen=True, kw_only=True)
class Fact:
    """A domain event with the instant at which it happened, as bulk writers collect them."""

    event: DomainEvent
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Occurrence:
    """A fact as a later reaction gets it.

    `by` is who reacts, with the id of the request that began it; `origin` is the door the fact came through. `key`
    names this reaction to this fact, for outside systems that know an idempotency key.
    """

    event: Any
    event_id: int
    at: datetime
    origin: Door
    by: Actor
    key: str


class Handler(Protocol):
    """What an app does about an event: in its transaction, through its own services, and never over a network."""

    def __call__(self, event: Any, *, by: Actor, at: datetime) -> None: ...


class SubjectHandler(Protocol):
    """As a Handler, for what changes the subject itself: the emitter holds it locked, and saves it afterwards."""

    def __call__(self, event: Any, subject: Any, /, *, by: Actor, at: datetime) -> None: ...


LaterHandler = Callable[..., None]  # (occurrence: Occurrence, *, now: datetime); idempotent, outside any transaction


@dataclass(frozen=True, kw_only=True)
class After:
    """A reaction that waits before it runs."""

    delay: timedelta
    handler: LaterHandler


@dataclass(frozen=True, kw_only=True)
class Reactions:
    """What follows from one kind of event.

    `on_subject`, which is given the subject, and then `within` run in the transaction of the change and may refuse it.
    `durable` and `push` become deliveries, written in that transaction: each runs once, in the order of the facts of
    one subject. `push` tells the sockets; the process that serves those runs it when no worker does.
    """

    on_subject: Sequence[SubjectHandler] = ()
    within: Sequence[Handler] = ()
    durable: Sequence[LaterHandler | After] = ()
    push: Sequence[LaterHandler] = ()


NOTHING = Reactions()


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One later reaction: its name, how long it waits, and whether sockets wait for it."""

    name: str
    handler: LaterHandler
    delay: timedelta
    push: bool


def emit(*events: DomainEvent, by: Actor, at: datetime, subject: object = None) -> None:
    """Records facts in the caller's transaction, so that a change and its event are there together or not at all, runs
    what follows within it, and notes what is to follow later. Nothing later follows from imported history.

    `subject` is what the facts are about, locked by the caller, who saves it afterwards: for events that have reactions
    on their subject. Raises TransactionManagementError outside a transaction, Unavailable when the facts cannot be
    written down (nothing happens unrecorded), and whatever refuses the change.
    """
    emit_facts([Fact(event=event, at=at) for event in events], by=by, subject=subject)


def emit_facts(facts: Sequence[Fact], *, by: Actor, subject: object = None) -> None:
    """As `emit`, for facts that happened at different instants."""
    planned = [] if by.origin == Door.IMPORT else _planned_of(facts)
    if planned:
        _state(facts, planned, by)
    else:
        record(facts=facts, by=by)
    for fact in facts:
        reactions = table().get(type(fact.event), NOTHING)
        for on_subject in reactions.on_subject:
            on_subject(fact.event, subject, by=by, at=fact.at)
        for handler in reactions.within:
            handler(fact.event, by=by, at=fact.at)


def record(*, facts: Iterable[Fact], by: Actor) -> list[Event]:
    """Writes facts that happened at different instants, and nothing else: imported history, from which nothing follows.

    Raises TransactionManagementError outside a transaction, Unavailable.
    """
    with _written_down():
        return Event.objects.bulk_create((event_row(fact, by) for fact in facts), batch_size=BULK_SIZE)


def table() -> Mapping[type[DomainEvent], Reactions]:
    """The roof's table of reactions, found as Django finds ROOT_URLCONF: by name, on first use."""
    return _table(settings.REACTIONS)


def plans(kind: type[DomainEvent]) -> Sequence[Plan]:
    """What follows later from a kind of event."""
    return _plans(settings.REACTIONS).get(kind, ())


def event_class(name: str) -> type[DomainEvent] | None:
    """The class of an event something follows from; None for any other."""
    return next((kind for kind in table() if kind.name == name), None)


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What follows later from the fact at this place, counted from 1."""

    place: int
    reaction: str
    due_at: datetime


def _planned_of(facts: Sequence[Fact]) -> list[Planned]:
    """Each delivery is due as long after its fact as its reaction waits."""
    return [
        Planned(place=place, reaction=plan.name, due_at=fact.at + plan.delay)
        for place, fact in enumerate(facts, start=1)
        for plan in plans(type(fact.event))
    ]


def _state(facts: Sequence[Fact], planned: Sequence[Planned], by: Actor) -> None:
    """Writes the facts and what is to follow; what is due at once is hinted at."""
    rows = [event_row(fact, by) for fact in facts]
    columns: list[list[Any]] = [[getattr(row, name) for row in rows] for name in _STATED]
    columns[_STATED.index("payload")] = [json.dumps(row.payload) for row in rows]
    columns += [[getattr(one, name) for one in planned] for name in ("place", "reaction", "due_at")]
    with _written_down(), connection.cursor() as cursor:
        cursor.execute(_STATE, columns)
        deliveries = cursor.fetchall()
    last = max(fact.at for fact in facts)
    ids = [pk for pk, due_at in deliveries if due_at <= last]
    transaction.on_commit(lambda: wakeup.wake(ids))


@contextmanager
def _written_down() -> Iterator[None]:
    if not connection.in_atomic_block:
        raise TransactionManagementError("An event must be recorded in the transaction of the change it states.")
    try:
        yield
    except DatabaseError as error:
        log.exception("event not recorded")
        detail = "What happens cannot be recorded now, so nothing is done. Try again soon."
        raise Unavailable(detail, retry_after=RETRY_AFTER_SECONDS) from error


@cache
def _table(path: str) -> Mapping[type[DomainEvent], Reactions]:
    found: Mapping[type[DomainEvent], Reactions] = import_string(path)
    return found


@cache
def _plans(path: str) -> Mapping[type[DomainEvent], Sequence[Plan]]:
    return {
        kind: [
            *(_planned(reaction, push=False) for reaction in reactions.durable),
            *(_planned(reaction, push=True) for reaction in reactions.push),
        ]
        for kind, reactions in _table(path).items()
    }


def _planned(reaction: LaterHandler | After, *, push: bool) -> Plan:
    handler, delay = (reaction.handler, reaction.delay) if isinstance(reaction, After) else (reaction, timedelta(0))
    return Plan(
        name=f"{handler.__module__.partition('.')[0]}.{handler.__name__}", handler=handler, delay=delay, push=push
    )


def event_row(fact: Fact, by: Actor) -> Event:
    """The row that states the fact, not saved."""
    return Event(
        name=fact.event.name,
        subject_type=fact.event.subject_type,
        subject_id=fact.event.subject_id,
        payload=fact.event.payload(),
        actor_kind=by.kind,
        actor_id=by.id,
        actor_name=by.name,
        origin=by.origin,
        request_id=by.request_id or current_request_id(),
        at=fact.at,
    )
