"""Which kept lists of tickets a change concerns: those of everybody who sees the ticket, or saw it."""

from collections.abc import Iterable

from supportdesk.core import kept
from supportdesk.core.actor import Actor, ActorKind
from tickets.models import Ticket

KIND = "ticket_lists"
EVERYTHING, NAMES = "everything", "names"


def groups_for(actor: Actor) -> list[str]:
    """What the actor's lists depend on."""
    if actor.departments is None:
        return [NAMES, EVERYTHING]
    own = [f"agent:{actor.id}"] if actor.kind == ActorKind.PERSON else []
    return [NAMES, "department:None", *(f"department:{pk}" for pk in sorted(actor.departments)), *own]


def groups_of(ticket: Ticket) -> set[str]:
    """Whose lists the ticket may stand in."""
    with_agent = {f"agent:{ticket.assignee_id}"} if ticket.assignee_id is not None else set()
    return {EVERYTHING, f"department:{ticket.department_id}"} | with_agent


def forget(tickets: Iterable[Ticket], *, left: Iterable[str] = ()) -> None:
    """For every write of a ticket, in its transaction. `left`: groups that it was of before."""
    groups = set(left).union(*(groups_of(ticket) for ticket in tickets))
    kept.changed(KIND, sorted(groups))


def forget_all() -> None:
    """For what stands in lists beside tickets, such as names, and for what touches any number of them."""
    kept.changed(KIND, [NAMES])
