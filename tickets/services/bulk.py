"""The same change to many tickets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from supportdesk.core.actor import Actor
from supportdesk.core.errors import DomainError, Unavailable
from tickets.models import Ticket
from tickets.services import lifecycle


@dataclass(frozen=True, kw_only=True)
class Target:
    id: int
    version: int | None = None


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of one ticket: the ticket as it is now, or why it was left as it was."""

    id: int
    ticket: Ticket | None = None
    refused: DomainError | None = None


def update_tickets(targets: Sequence[Target], *, changes: Mapping[str, Any], by: Actor, now: datetime) -> list[Outcome]:
    """Each ticket for itself: what one refuses does not stop the others. Outcomes are in the order of the targets.
    Raises Unavailable.

    Worked in the order of ids, so that two such calls that share a transaction each never wait for each other in turn.
    """
    outcomes: dict[int, Outcome] = {}
    for target in sorted(targets, key=lambda target: target.id):
        try:
            ticket = lifecycle.update_ticket(
                ticket_id=target.id, changes=changes, by=by, now=now, expected_version=target.version
            )
        except Unavailable:
            raise  # which is about us and not about the ticket
        except DomainError as refused:
            outcomes[target.id] = Outcome(id=target.id, refused=refused)
        else:
            outcomes[target.id] = Outcome(id=target.id, ticket=ticket)
    return [outcomes[target.id] for target in targets]
