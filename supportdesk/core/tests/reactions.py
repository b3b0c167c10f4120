"""A table of reactions for tests: what the handlers did stands in `DONE`, and `TROUBLE` makes them fail."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from supportdesk.core.actor import Actor
from supportdesk.core.events import After, DomainEvent, Occurrence, Reactions

DONE: list[tuple[str, int, int]] = []
TROUBLE: list[Callable[[Occurrence], None]] = []


@dataclass(frozen=True, kw_only=True)
class Happened(DomainEvent):
    name: ClassVar[str] = "thing.happened"
    subject_type: ClassVar[str] = "thing"
    number: int


@dataclass(frozen=True, kw_only=True)
class Waited(DomainEvent):
    name: ClassVar[str] = "thing.waited"
    subject_type: ClassVar[str] = "thing"


def refuse_negative(event: Happened, *, by: Actor, at: datetime) -> None:
    if event.number < 0:
        raise ValueError("negative")


def follow(occurrence: Occurrence, *, now: datetime) -> None:
    for trouble in TROUBLE:
        trouble(occurrence)
    DONE.append(("follow", occurrence.event.subject_id, getattr(occurrence.event, "number", 0)))


def tell(occurrence: Occurrence, *, now: datetime) -> None:
    DONE.append(("tell", occurrence.event.subject_id, occurrence.event.number))


REACTIONS: Mapping[type[DomainEvent], Reactions] = {
    Happened: Reactions(within=(refuse_negative,), durable=(follow,), push=(tell,)),
    Waited: Reactions(durable=(After(delay=timedelta(minutes=5), handler=follow),)),
}
