"""Keeping a list under a name."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction

from agents.enums import Role
from supportdesk.core.actor import Actor, ActorKind
from supportdesk.core.changes import check_version, differing
from supportdesk.core.errors import Conflict, FieldError, Forbidden, InvalidInput, NotFound
from supportdesk.core.events import emit
from tickets.events import SavedViewChanged
from tickets.models import SavedView

MOST_VIEWS = 100
SHARERS = frozenset({Role.SUPERVISOR, Role.ADMIN})


class ViewNameTaken(Conflict):
    """The agent has another view of this name."""

    code = "name_taken"


def create_view(*, name: str, query: Mapping[str, str], by: Actor, now: datetime, shared: bool = False) -> SavedView:
    """A view of the acting agent's. `query` is taken as it is: the door checks it against the list's own filters.

    Raises ViewNameTaken, Forbidden (only supervisors and administrators share), InvalidInput (too many).
    """
    if by.kind != ActorKind.PERSON or by.id is None:
        raise Forbidden("Only agents keep views.")
    _refuse_sharing(shared, by)
    with transaction.atomic():
        if SavedView.objects.filter(owner_id=by.id).count() >= MOST_VIEWS:
            raise InvalidInput(f"An agent keeps at most {MOST_VIEWS} views.", code="too_many")
        view = SavedView(name=name, query=dict(query), shared=shared, owner_id=by.id, created_at=now, updated_at=now)
        _save(view)
        emit(SavedViewChanged(subject_id=view.pk, change="created"), by=by, at=now)
    return view


def update_view(
    *, view_id: int, changes: Mapping[str, Any], by: Actor, now: datetime, expected_version: int | None = None
) -> SavedView:
    """Raises NotFound, Forbidden (another's view, sharing), StaleVersion, ViewNameTaken."""
    with transaction.atomic():
        view = _own(view_id, by)
        check_version(view, expected_version, changes)
        changed = differing(view, changes)
        if not changed:
            return view
        _refuse_sharing("shared" in changed and changes["shared"], by)
        for name in changed:
            setattr(view, name, changes[name])
        view.version += 1
        view.updated_at = now
        _save(view)
        emit(SavedViewChanged(subject_id=view.pk, change="updated"), by=by, at=now)
    return view


def delete_view(*, view_id: int, by: Actor, now: datetime, expected_version: int | None = None) -> None:
    """Raises NotFound, Forbidden (another's view), StaleVersion."""
    with transaction.atomic():
        view = _own(view_id, by)
        check_version(view, expected_version)
        emit(SavedViewChanged(subject_id=view.pk, change="deleted"), by=by, at=now)
        view.delete()


def _own(view_id: int, by: Actor) -> SavedView:
    """The view, locked. A shared one may be changed by its owner and by administrators."""
    view = SavedView.objects.visible_to(by).select_for_update().filter(pk=view_id).first()
    if view is None:
        raise NotFound
    if view.owner_id != by.id and by.role != Role.ADMIN:
        raise Forbidden("This view belongs to somebody else.")
    return view


def _refuse_sharing(shared: bool, by: Actor) -> None:
    if shared and by.role not in SHARERS:
        raise Forbidden("Only supervisors and administrators share views.")


def _save(view: SavedView) -> None:
    try:
        with transaction.atomic():
            view.save()
    except IntegrityError as error:
        if "saved_view_name_unique" not in str(error):
            raise
        detail = "There is another view of this name."
        raise ViewNameTaken(detail, errors=[FieldError("name", ViewNameTaken.code, detail)]) from None
