"""What is promised. A policy's words are edited in a draft and hold from its activation, for tickets from then on;
those that run keep the version they have.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import F, Max

from agents.models import Department
from customers.enums import Tier
from sla import versions
from sla.conditions import NAMES, Conditions
from sla.enums import VersionState
from sla.events import PolicyActivated, PolicyCreated, PolicyUpdated
from sla.models import Calendar, Policy, PolicyVersion
from sla.services import promising
from sla.services.calendars import active_version
from sla.services.promising import Targets
from sla.services.rights import author, refuse_others
from supportdesk.core.actor import Actor
from supportdesk.core.changes import check_version
from supportdesk.core.errors import Conflict, FieldError, InvalidInput, NotFound
from supportdesk.core.events import emit
from tickets.enums import Category, Channel, Priority
from tickets.services.lifecycle import normalised_tags

LISTED = ("name", "position", "is_default", "active")
WORDS = (
    "conditions",
    "targets",
    "warning_percent",
    "floor_minutes",
    "pending_pauses_responses",
    "on_hold_pauses",
    "calendar",
)
MOST_POLICIES = 100
MOST_VALUES = 50  # of one condition
KNOWN_VALUES = {
    "priorities": frozenset(Priority.values),
    "channels": frozenset(Channel.values),
    "categories": frozenset(Category.values),
    "tiers": frozenset(Tier.values),
}


class PolicyNameTaken(Conflict):
    """Another policy has this name."""

    code = "name_taken"


class NothingToActivate(Conflict):
    """There is no draft, or it is not the one that was named."""

    code = "nothing_to_activate"


class OneDefault(Conflict):
    """There is exactly one default policy: it is active, it has no conditions, and only another can take its place."""

    code = "one_default"


def create_policy(
    *,
    name: str,
    targets: Targets,
    calendar: Calendar,
    by: Actor,
    now: datetime,
    conditions: Conditions | None = None,
    position: int | None = None,
    warning_percent: int = 80,
    floor_minutes: int = 10,
    pending_pauses_responses: bool = False,
    on_hold_pauses: bool = False,
) -> Policy:
    """A policy that is a draft: no ticket gets it before its activation. Last in the list unless `position` is given.

    Raises Forbidden, PolicyNameTaken, InvalidInput (targets, conditions, calendar, too many policies).
    """
    refuse_others(by)
    words = {
        "conditions": _normalised(conditions or {}),
        "targets": _promised(targets),
        "warning_percent": warning_percent,
        "floor_minutes": floor_minutes,
        "pending_pauses_responses": pending_pauses_responses,
        "on_hold_pauses": on_hold_pauses,
        "calendar": calendar,
    }
    with transaction.atomic():
        check_words(words, of=name)
        if Policy.objects.count() >= MOST_POLICIES:
            raise InvalidInput(f"There are {MOST_POLICIES} policies, which is the most.", code="too_many")
        last = Policy.objects.aggregate(last=Max("position"))["last"] or 0
        policy = Policy(name=name, position=last + 1 if position is None else position, created_at=now, updated_at=now)
        _save(policy)
        PolicyVersion.objects.create(policy=policy, number=1, **words, created_by_id=author(by), created_at=now)
        emit(PolicyCreated(subject_id=policy.pk), by=by, at=now)
    return policy


def update_policy(
    *, policy_id: int, changes: Mapping[str, Any], by: Actor, now: datetime, expected_version: int | None = None
) -> Policy:
    """Name, position, is_default and active hold at once. The words go to the draft, which is made from the active
    version when there is none. `is_default` takes the mark from the policy that has it.

    Raises Forbidden, NotFound, StaleVersion, PolicyNameTaken, OneDefault, NothingToActivate (switched on without an
    active version), InvalidInput.
    """
    refuse_others(by)
    with transaction.atomic():
        policy = locked(policy_id, by=by)
        check_version(policy, expected_version, {name: changes[name] for name in LISTED if name in changes})
        changed = {name for name in LISTED if name in changes and changes[name] != getattr(policy, name)}
        _check_listed(policy, changed)
        changed |= _edit_draft(policy, changes, by=by, now=now)
        if not changed:
            return policy
        if "is_default" in changed:
            Policy.objects.filter(is_default=True).update(is_default=False, version=F("version") + 1, updated_at=now)
        for name in changed & set(LISTED):
            setattr(policy, name, changes[name])
        _touch(policy, now)
        emit(PolicyUpdated(subject_id=policy.pk, fields=sorted(changed)), by=by, at=now)
    return policy


def activate(
    *, policy_id: int, by: Actor, now: datetime, number: int | None = None, expected_version: int | None = None
) -> Policy:
    """The draft holds from now on, and the version before it is retired. `number` names the draft that was read.

    However many clocks run, none is touched. Raises Forbidden, NotFound, StaleVersion, NothingToActivate, InvalidInput.
    """
    refuse_others(by)
    with transaction.atomic():
        policy = locked(policy_id, by=by)
        check_version(policy, expected_version)
        draft = policy.versions.filter(state=VersionState.DRAFT).select_related("calendar").first()
        if draft is None or (number is not None and draft.number != number):
            raise NothingToActivate("This policy has no such draft. Edit it first, or read it again.")
        check_words({name: getattr(draft, name) for name in WORDS}, of=policy.name)
        policy.versions.filter(state=VersionState.ACTIVE).update(state=VersionState.RETIRED, retired_at=now)
        draft.state, draft.activated_at = VersionState.ACTIVE, now
        draft.save(update_fields=["state", "activated_at"])
        policy.active = True
        _touch(policy, now)
        emit(PolicyActivated(subject_id=policy.pk, number=draft.number), by=by, at=now)
    return policy


def check_words(words: Mapping[str, Any], *, of: str) -> None:
    """Raises InvalidInput naming what cannot be promised. The calendar stays locked until the caller's transaction
    ends, so that its hours stay as they are.
    """
    promising.check_targets(words["targets"])
    _check_conditions(words["conditions"])
    for name, low, high in (("warning_percent", 1, 100), ("floor_minutes", 0, 1440)):
        if not low <= words[name] <= high:
            raise InvalidInput.on(name, f"Must be {low} to {high}.", "out_of_range")
    calendar = Calendar.objects.select_for_update().get(pk=words["calendar"].pk)
    hours = versions.hours_of(active_version(calendar))
    promising.refuse_too_much(words["targets"], words["floor_minutes"], hours, of=of, field="calendar_id")


def locked(policy_id: int, *, by: Actor) -> Policy:
    policy = Policy.objects.visible_to(by).select_for_update().filter(pk=policy_id).first()
    if policy is None:
        raise NotFound
    return policy


def _check_listed(policy: Policy, changed: set[str]) -> None:
    """Raises OneDefault or NothingToActivate when these switches must not be turned."""
    becomes = {name: not getattr(policy, name) for name in changed & {"is_default", "active"}}
    active = policy.versions.filter(state=VersionState.ACTIVE).first() if becomes else None
    if becomes.get("is_default") is False:
        raise _one_default("is_default", "Make another policy the default instead; there is always exactly one.")
    if becomes.get("active") is False and policy.is_default:
        raise _one_default("active", "The default policy cannot be switched off.")
    if becomes.get("active") and active is None:
        raise NothingToActivate("This policy has no active version; activate its draft.")
    if becomes.get("is_default"):
        if active is None or not becomes.get("active", policy.active):
            raise _one_default("is_default", "Only an active policy can be the default.")
        if policy.versions.filter(state__in=promising.OPEN_STATES).exclude(conditions={}).exists():
            raise _one_default("is_default", "The default takes every ticket that no other takes: no conditions.")


def _edit_draft(policy: Policy, changes: Mapping[str, Any], *, by: Actor, now: datetime) -> set[str]:
    """Writes the words that differ from the draft's, or from the active version's; returns which do."""
    open_versions = policy.versions.filter(state__in=promising.OPEN_STATES).select_related("calendar")
    base = open_versions.order_by("-number").first()
    given = {name: changes[name] for name in WORDS if name in changes}
    if not given or base is None:
        return set()
    if "conditions" in given:
        given["conditions"] = _normalised(given["conditions"])
    if "targets" in given:
        given["targets"] = _promised(given["targets"])
    changed = {name for name, value in given.items() if value != getattr(base, name)}
    if not changed:
        return changed
    words = {name: given.get(name, getattr(base, name)) for name in WORDS}
    if policy.is_default and words["conditions"]:
        raise _one_default("conditions", "The default takes every ticket that no other takes: no conditions.")
    check_words(words, of=policy.name)
    if base.state == VersionState.DRAFT:
        PolicyVersion.objects.filter(pk=base.pk).update(**words)
    else:
        number = (policy.versions.aggregate(last=Max("number"))["last"] or 0) + 1
        PolicyVersion.objects.create(policy=policy, number=number, **words, created_by_id=author(by), created_at=now)
    return changed


def _check_conditions(conditions: Conditions) -> None:
    errors = [
        FieldError(f"conditions.{name}", "invalid_choice", f"There is no {value}.")
        for name, known in KNOWN_VALUES.items()
        for value in conditions.get(name, ())
        if value not in known
    ]
    wanted = set(conditions.get("department_ids", ()))
    missing = wanted - set(Department.objects.filter(pk__in=wanted).values_list("pk", flat=True)) if wanted else set()
    errors += [FieldError("conditions.department_ids", "not_found", f"There is no department {pk}.") for pk in missing]
    errors += [
        FieldError(f"conditions.{name}", "too_many", f"At most {MOST_VALUES} values.")
        for name, values in conditions.items()
        if len(values) > MOST_VALUES
    ]
    if errors:
        raise InvalidInput(errors[0].detail, errors=errors)


def _normalised(conditions: Conditions) -> dict[str, list[Any]]:
    """Each value once and in order, tags as tickets bear them, and no condition that names nothing."""
    given: dict[str, list[Any]] = {name: list(conditions.get(name, ())) for name in NAMES}
    given["tags"] = normalised_tags(given["tags"])
    return {name: sorted(set(values)) for name, values in given.items() if values}


def _promised(targets: Targets) -> dict[str, dict[str, int]]:
    """Without the metrics that are not promised."""
    return {
        priority: {metric: value for metric, value in minutes.items() if value is not None}
        for priority, minutes in targets.items()
    }


def _touch(policy: Policy, now: datetime) -> None:
    policy.version, policy.updated_at = policy.version + 1, now
    _save(policy)


def _save(policy: Policy) -> None:
    try:
        with transaction.atomic():
            policy.save()
    except IntegrityError as error:
        if "policy_one_default" in str(error):
            raise _one_default("is_default", "Somebody made another policy the default just now.") from None
        if "policy_name_unique" not in str(error):
            raise
        detail = "There is another policy of this name."
        raise PolicyNameTaken(detail, errors=[FieldError("name", PolicyNameTaken.code, detail)]) from None


def _one_default(field: str, detail: str) -> OneDefault:
    return OneDefault(detail, errors=[FieldError(field, OneDefault.code, detail)])
