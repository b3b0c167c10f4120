"""Changing agents."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from agents import presence, realtime
from agents.enums import Availability, Role
from agents.events import AgentAvailabilityChanged, AgentCreated, AgentRoleChanged, AgentUpdated
from agents.identity import kept_email
from agents.models import Agent, Department, Specialization
from supportdesk.core.actor import Actor, ActorKind
from supportdesk.core.changes import check_version, differing
from supportdesk.core.errors import Conflict, FieldError, Forbidden, InvalidInput, NotFound
from supportdesk.core.events import emit

# Which fields an actor may set on an agent. Administrators: all. Supervisors, on agents of their departments, and
# agents, on themselves: these.
SUPERVISOR_FIELDS = frozenset({"capacity", "availability", "languages", "specializations"})
OWN_FIELDS = frozenset({"name", "availability", "languages", "password"})
ALL_FIELDS = SUPERVISOR_FIELDS | OWN_FIELDS | {"email", "role", "department", "leads", "is_active"}
# A change of one of these ends every login of the agent.
SECURITY_FIELDS = frozenset({"password", "role", "is_active"})
_MANY = frozenset({"leads", "specializations"})


class EmailTaken(Conflict):
    """Another agent has this e-mail address."""

    code = "email_taken"


def settable_fields(*, by: Actor, agent: Agent) -> frozenset[str]:
    """The fields of `agent` that the actor may change; empty when the agent is not theirs to change."""
    if by.kind == ActorKind.SYSTEM or by.role == Role.ADMIN:
        return ALL_FIELDS
    own = OWN_FIELDS if by.kind == ActorKind.PERSON and by.id == agent.pk else frozenset()
    leads = by.role == Role.SUPERVISOR and agent.role in {Role.AGENT, Role.SENIOR}
    return own | (SUPERVISOR_FIELDS if leads else frozenset())


def create_agent(
    *,
    email: str,
    name: str,
    password: str | None,
    by: Actor,
    now: datetime,
    role: Role = Role.AGENT,
    department: Department | None = None,
    leads: Iterable[Department] = (),
    specializations: Iterable[Specialization] = (),
    languages: Iterable[str] = (),
    capacity: int = 10,
) -> Agent:
    """A new agent, offline. Without a password they cannot log in until one is set.

    Raises Forbidden (only administrators add agents), EmailTaken, InvalidInput (not an address, a weak password).
    """
    if by.kind != ActorKind.SYSTEM and by.role != Role.ADMIN:
        raise Forbidden("Only administrators add agents.")
    agent = Agent(
        email=kept_email(email),
        name=name,
        role=role,
        department=department,
        languages=list(languages),
        capacity=capacity,
        created_at=now,
        updated_at=now,
    )
    _set_password(agent, password)
    with transaction.atomic():
        _save(agent, None)
        agent.leads.set(leads)
        agent.specializations.set(specializations)
        event = AgentCreated(subject_id=agent.pk, role=role, department_id=agent.department_id)
        emit(event, by=by, at=now)
    return agent


def update_agent(
    *, agent_id: int, changes: Mapping[str, Any], by: Actor, now: datetime, expected_version: int | None = None
) -> Agent:
    """Applies `changes` (field name to new value; `password` in plain). What equals the present value is no change.

    A new password or role, and deactivation, end every login of the agent at once, and their presence with it. A chosen
    availability stays until they log in or out or are lost. Raises NotFound, InvalidInput (a field that the actor may
    not set, not an address, a weak password), EmailTaken, StaleVersion.
    """
    with transaction.atomic():
        agent = Agent.objects.visible_to(by).select_for_update(of=("self",)).filter(pk=agent_id).first()
        if agent is None:
            raise NotFound
        check_version(agent, expected_version, {n: v for n, v in changes.items() if n not in _MANY | {"password"}})
        _refuse_forbidden(changes, settable_fields(by=by, agent=agent))
        before = {"role": agent.role, "availability": agent.availability}
        changed = _apply(agent, changes)
        if "availability" in changes and agent.returns_to:
            agent.returns_to = ""
            agent.save(update_fields=["returns_to"])
        if not changed:
            return agent
        if changed & SECURITY_FIELDS:
            changed |= _end_logins(agent, chosen="availability" in changes, now=now)
        agent.version += 1
        agent.updated_at = now
        _save(agent, [*(changed - _MANY), "token_version", "version", "updated_at"])
        _state_changes(agent, changed, before, by=by, now=now)
    return agent


def _refuse_forbidden(changes: Mapping[str, Any], allowed: frozenset[str]) -> None:
    refused = sorted(set(changes) - allowed)
    if refused:
        errors = [FieldError(field, "forbidden_field", "You may not change this field.") for field in refused]
        raise InvalidInput(f"You may not change {', '.join(refused)} of this agent.", errors=errors)


def _apply(agent: Agent, changes: Mapping[str, Any]) -> set[str]:
    """Sets what differs on the instance (many-to-many fields at once) and returns the names of what did."""
    plain = {name: value for name, value in changes.items() if name not in _MANY | {"password"}}
    if "email" in plain:
        plain["email"] = kept_email(plain["email"])
    changed = differing(agent, plain)
    for name in changed:
        setattr(agent, name, plain[name])
    for name in _MANY & set(changes):
        related = getattr(agent, name)
        if set(related.values_list("pk", flat=True)) != {item.pk for item in changes[name]}:
            related.set(changes[name])
            changed.add(name)
    if changes.get("password") is not None:
        _set_password(agent, changes["password"])
        changed.add("password")
    return changed


def _end_logins(agent: Agent, *, chosen: bool, now: datetime) -> set[str]:
    """Returns the names of what changed besides: who was there through a login is not there any more."""
    leaves = not chosen and agent.availability != Availability.OFFLINE and presence.is_there(agent, now=now)
    agent.token_version += 1
    transaction.on_commit(lambda: realtime.nudge([agent.pk]))
    if not leaves:
        return set()
    agent.availability = Availability.OFFLINE
    return {"availability"}


def _set_password(agent: Agent, password: str | None) -> None:
    if password is None:
        agent.set_unusable_password()
        return
    try:
        validate_password(password, agent)
    except ValidationError as error:
        detail = " ".join(error.messages)
        raise InvalidInput.on("password", detail, "weak_password") from None
    agent.set_password(password)


def _save(agent: Agent, update_fields: list[str] | None) -> None:
    try:
        with transaction.atomic():
            agent.save(update_fields=update_fields)
    except IntegrityError as error:
        if "agent_email_unique" not in str(error):
            raise
        detail = "This e-mail address cannot be used."
        raise EmailTaken(detail, errors=[FieldError("email", EmailTaken.code, detail)]) from None


def _state_changes(agent: Agent, changed: set[str], before: dict[str, str], *, by: Actor, now: datetime) -> None:
    rest = sorted(changed - {"role", "availability"})
    if rest:
        emit(AgentUpdated(subject_id=agent.pk, fields=rest), by=by, at=now)
    if "role" in changed:
        emit(AgentRoleChanged(subject_id=agent.pk, before=before["role"], after=agent.role), by=by, at=now)
    if "availability" in changed:
        event = AgentAvailabilityChanged(subject_id=agent.pk, before=before["availability"], after=agent.availability)
        emit(event, by=by, at=now)
