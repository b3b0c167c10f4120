"""How the team is divided: departments and skills. Administrators change them."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from agents.enums import Role
from agents.events import DepartmentCreated, DepartmentRenamed, SpecializationCreated, SpecializationUpdated
from agents.models import Department, Specialization
from supportdesk.core.actor import Actor, ActorKind
from supportdesk.core.changes import check_version, differing
from supportdesk.core.errors import Conflict, FieldError, Forbidden, NotFound
from supportdesk.core.events import emit


class DepartmentTaken(Conflict):
    """Another department has this name."""

    code = "name_taken"


class SpecializationTaken(Conflict):
    """Another specialization has this slug."""

    code = "slug_taken"


def create_department(*, name: str, by: Actor, now: datetime) -> Department:
    """Raises Forbidden, DepartmentTaken."""
    _refuse_others(by)
    with transaction.atomic():
        department = Department(name=name, created_at=now)
        _save(department, None, _department_taken())
        emit(DepartmentCreated(subject_id=department.pk), by=by, at=now)
    return department


def rename_department(
    *, department_id: int, name: str, by: Actor, now: datetime, expected_version: int | None = None
) -> Department:
    """Raises Forbidden, NotFound, StaleVersion, DepartmentTaken."""
    _refuse_others(by)
    with transaction.atomic():
        department = Department.objects.visible_to(by).select_for_update().filter(pk=department_id).first()
        if department is None:
            raise NotFound
        check_version(department, expected_version, {"name": name})
        if department.name != name:
            department.name, department.version = name, department.version + 1
            _save(department, ["name", "version"], _department_taken())
            emit(DepartmentRenamed(subject_id=department.pk), by=by, at=now)
    return department


def create_specialization(
    *, slug: str, name: str, categories: Iterable[str], by: Actor, now: datetime
) -> Specialization:
    """Raises Forbidden, SpecializationTaken."""
    _refuse_others(by)
    with transaction.atomic():
        specialization = Specialization(slug=slug, name=name, categories=sorted(set(categories)))
        _save(specialization, None, _specialization_taken())
        emit(SpecializationCreated(subject_id=specialization.pk), by=by, at=now)
    return specialization


def update_specialization(
    *, specialization_id: int, changes: Mapping[str, Any], by: Actor, now: datetime, expected_version: int | None = None
) -> Specialization:
    """Raises Forbidden, NotFound, StaleVersion, SpecializationTaken."""
    _refuse_others(by)
    with transaction.atomic():
        found = Specialization.objects.visible_to(by).select_for_update().filter(pk=specialization_id).first()
        if found is None:
            raise NotFound
        check_version(found, expected_version, changes)
        changed = differing(found, changes)
        if changed:
            for name in changed:
                setattr(found, name, changes[name])
            found.version += 1
            _save(found, [*changed, "version"], _specialization_taken())
            emit(SpecializationUpdated(subject_id=found.pk, fields=sorted(changed)), by=by, at=now)
    return found


def _refuse_others(by: Actor) -> None:
    if by.kind != ActorKind.SYSTEM and by.role != Role.ADMIN:
        raise Forbidden("Only administrators change how the team is divided.")


def _save(row: Department | Specialization, update_fields: list[str] | None, taken: Conflict) -> None:
    try:
        with transaction.atomic():
            row.save(update_fields=update_fields)
    except IntegrityError:
        raise taken from None


def _department_taken() -> DepartmentTaken:
    detail = "There is a department of that name."
    return DepartmentTaken(detail, errors=[FieldError("name", DepartmentTaken.code, detail)])


def _specialization_taken() -> SpecializationTaken:
    detail = "There is a specialization of that slug."
    return SpecializationTaken(detail, errors=[FieldError("slug", SpecializationTaken.code, detail)])
