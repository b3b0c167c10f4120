"""Who writes promises."""

from agents.enums import Role
from supportdesk.core.actor import Actor, ActorKind
from supportdesk.core.errors import Forbidden

WRITERS = frozenset({Role.SUPERVISOR.value, Role.ADMIN.value})


def refuse_others(by: Actor) -> None:
    """Raises Forbidden unless it is a supervisor, an administrator or the product itself."""
    if by.kind != ActorKind.SYSTEM and by.role not in WRITERS:
        raise Forbidden("Only supervisors and administrators change what is promised.")


def author(by: Actor) -> int | None:
    """The agent who writes; None when the product itself does."""
    return by.id if by.kind == ActorKind.PERSON else None
