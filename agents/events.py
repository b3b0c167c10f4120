"""What can happen to an agent."""

from dataclasses import dataclass
from typing import ClassVar

from supportdesk.core.events import DomainEvent


@dataclass(frozen=True, kw_only=True)
class AgentEvent(DomainEvent):
    subject_type: ClassVar[str] = "agent"


@dataclass(frozen=True, kw_only=True)
class AgentCreated(AgentEvent):
    name: ClassVar[str] = "agent.created"
    role: str
    department_id: int | None


@dataclass(frozen=True, kw_only=True)
class AgentUpdated(AgentEvent):
    """`fields` are the names of what changed."""

    name: ClassVar[str] = "agent.updated"
    fields: list[str]


@dataclass(frozen=True, kw_only=True)
class AgentRoleChanged(AgentEvent):
    name: ClassVar[str] = "agent.role_changed"
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class AgentAvailabilityChanged(AgentEvent):
    name: ClassVar[str] = "agent.availability_changed"
    before: str
    after: str


@dataclass(frozen=True, kw_only=True)
class AgentLoggedIn(AgentEvent):
    """`session_id` is null for the admin, whose sessions are Django's."""

    name: ClassVar[str] = "agent.logged_in"
    session_id: int | None


@dataclass(frozen=True, kw_only=True)
class AgentLoggedOut(AgentEvent):
    """One session ended by its owner, or by the reuse of a refresh token that was already replaced."""

    name: ClassVar[str] = "agent.logged_out"
    session_id: int | None
    reason: str


@dataclass(frozen=True, kw_only=True)
class DepartmentEvent(DomainEvent):
    subject_type: ClassVar[str] = "department"


@dataclass(frozen=True, kw_only=True)
class DepartmentCreated(DepartmentEvent):
    name: ClassVar[str] = "department.created"


@dataclass(frozen=True, kw_only=True)
class DepartmentRenamed(DepartmentEvent):
    name: ClassVar[str] = "department.renamed"


@dataclass(frozen=True, kw_only=True)
class SpecializationEvent(DomainEvent):
    subject_type: ClassVar[str] = "specialization"


@dataclass(frozen=True, kw_only=True)
class SpecializationCreated(SpecializationEvent):
    name: ClassVar[str] = "specialization.created"


@dataclass(frozen=True, kw_only=True)
class SpecializationUpdated(SpecializationEvent):
    """`fields` are the names of what changed."""

    name: ClassVar[str] = "specialization.updated"
    fields: list[str]


@dataclass(frozen=True, kw_only=True)
class ApiKeyEvent(DomainEvent):
    subject_type: ClassVar[str] = "api_key"


@dataclass(frozen=True, kw_only=True)
class ApiKeyCreated(ApiKeyEvent):
    name: ClassVar[str] = "api_key.created"
    scopes: list[str]


@dataclass(frozen=True, kw_only=True)
class ApiKeyRevoked(ApiKeyEvent):
    name: ClassVar[str] = "api_key.revoked"
