"""What the clocks of a ticket listen to, read off its events.

Facts count in the order in which they were recorded, which is the order of the lock on their ticket; the time of one is
never before that of the last. So a clock that was set back, or a request that read the time and then waited for the
lock, takes no time away and undoes nothing that was raised meanwhile.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sla.clock import Fact, Kind
from sla.events import SLABreached, SLAPolicyApplied, SLAStarted, SLAWarned
from tickets.enums import Sender, Status
from tickets.events import MessageAdded, TicketCreated, TicketPriorityChanged, TicketStatusChanged

HEARD = (
    TicketCreated.name,
    TicketPriorityChanged.name,
    TicketStatusChanged.name,
    MessageAdded.name,
    SLAStarted.name,
    SLAPolicyApplied.name,
    SLAWarned.name,
    SLABreached.name,
)


def concerns(event: MessageAdded) -> bool:
    """Whether a message moves a clock; the first one belongs to the ticket's creation."""
    return event.public_reply or (event.sender == Sender.CUSTOMER and event.position > 1)


@dataclass(frozen=True, kw_only=True)
class History:
    """What a ticket's clocks heard, and when they last heard something."""

    facts: Sequence[Fact]
    last: datetime | None


def read(rows: Iterable[Mapping[str, Any]]) -> History:
    """The history in `{id, name, at, payload}` of a ticket's events, which come in the order of their ids."""
    facts: list[Fact] = []
    last: datetime | None = None
    for row in rows:
        if row["name"] == SLAStarted.name:
            facts, last = [], None
        last = max(last, row["at"]) if last else row["at"]
        facts += [Fact(at=last, number=row["id"], kind=kind, value=value) for kind, value in _heard(row)]
    return History(facts=facts, last=last)


def _heard(row: Mapping[str, Any]) -> list[tuple[Kind, str]]:
    name, payload = row["name"], row["payload"]
    if name == TicketCreated.name:
        return [(Kind.CREATED, payload["priority"])]
    if name == TicketPriorityChanged.name:
        return [(Kind.PRIORITY, payload["after"])]
    if name == TicketStatusChanged.name:
        return [(Kind.STATUS, payload["after"])]
    if name == MessageAdded.name and payload["public_reply"]:
        return [(Kind.REPLIED, "")]
    if name == MessageAdded.name and payload["sender"] == Sender.CUSTOMER and payload["position"] > 1:
        return [(Kind.CUSTOMER_SPOKE, "")]
    return _taken_up(payload) if name == SLAStarted.name else []


def _taken_up(payload: Mapping[str, Any]) -> list[tuple[Kind, str]]:
    facts = [(Kind.TAKEN_OVER if payload["answered"] else Kind.CREATED, payload["priority"])]
    if payload["answered"] and payload["waiting"]:
        facts.append((Kind.CUSTOMER_SPOKE, ""))
    if payload["status"] != Status.OPEN:
        facts.append((Kind.STATUS, payload["status"]))
    return facts
