"""Who does something, and through which door."""

from dataclasses import dataclass, replace
from enum import StrEnum


class ActorKind(StrEnum):
    PERSON = "person"
    MACHINE = "machine"
    SYSTEM = "system"


class Door(StrEnum):
    """Where a change entered; travels with its event, so that a change is never sent back to where it came from."""

    API = "api"
    ADMIN = "admin"
    COMMAND = "command"
    IMPORT = "import"
    TASK = "task"
    SHOPIFY = "shopify"
    GORGIAS = "gorgias"


@dataclass(frozen=True, kw_only=True)
class Actor:
    """The author of a write and the reader whose rights a query obeys.

    `departments` bounds what is seen; None means no bound. `role` is a person's role and `scopes` what a machine's key
    names; both are empty for everybody else.
    """

    kind: ActorKind
    origin: Door
    id: int | None = None
    name: str = ""
    role: str = ""
    scopes: frozenset[str] = frozenset()
    departments: frozenset[int] | None = frozenset()
    request_id: str = ""

    @property
    def sees_everything(self) -> bool:
        return self.departments is None

    @property
    def grants(self) -> frozenset[str]:
        """What permissions are asked with: the role, or the scopes."""
        return self.scopes | ({self.role} if self.role else frozenset())

    @property
    def sight(self) -> tuple[object, ...]:
        """All that decides what the actor is shown: who they are, as what, and where."""
        departments = None if self.departments is None else sorted(self.departments)
        return (self.kind.value, self.id, self.role, departments, sorted(self.scopes))

    def may(self, scope: str) -> bool:
        """Whether a machine's key names the scope; people and the system are bound by other rules."""
        return self.kind != ActorKind.MACHINE or scope in self.scopes

    def through(self, origin: Door) -> "Actor":
        """The same actor at another door."""
        return replace(self, origin=origin)


def system(name: str, *, origin: Door, request_id: str = "") -> Actor:
    """A named part of the product itself; sees everything."""
    return Actor(kind=ActorKind.SYSTEM, origin=origin, name=name, departments=None, request_id=request_id)
