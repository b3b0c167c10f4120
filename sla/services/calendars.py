"""When the desk is open. An edit makes a new version, good for tickets from now on; those that run keep theirs."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from django.db import IntegrityError, transaction

from sla import hours, public_holidays, versions
from sla.enums import VersionState
from sla.events import CalendarCreated, CalendarUpdated
from sla.models import Calendar, CalendarVersion, PolicyVersion
from sla.services import promising
from sla.services.rights import author, refuse_others
from supportdesk.core.actor import Actor
from supportdesk.core.api.fields import known_timezones
from supportdesk.core.changes import check_version
from supportdesk.core.errors import Conflict, FieldError, InvalidInput, NotFound
from supportdesk.core.events import emit

Week = Sequence[Sequence[Sequence[int]]]
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NO_HOLIDAYS: Mapping[date, str] = {}
MOST_INTERVALS = 12  # a day
MOST_HOLIDAYS = 1_000
MOST_YEARS = 10
VERSIONED = ("timezone", "week", "holidays")


class CalendarNameTaken(Conflict):
    """Another calendar has this name."""

    code = "name_taken"


def create_calendar(
    *, name: str, timezone: str, week: Week, by: Actor, now: datetime, holidays: Mapping[date, str] | None = None
) -> Calendar:
    """`week`: of each weekday, Monday first, pairs of minutes from midnight.

    Raises Forbidden, InvalidInput (timezone, week, holidays), CalendarNameTaken.
    """
    refuse_others(by)
    content = checked_hours(timezone, week, holidays or {})
    with transaction.atomic():
        calendar = Calendar(name=name, created_at=now, updated_at=now)
        _save(calendar)
        CalendarVersion.objects.create(calendar=calendar, number=1, **content, created_by_id=author(by), created_at=now)
        emit(CalendarCreated(subject_id=calendar.pk), by=by, at=now)
    return calendar


def update_calendar(
    *, calendar_id: int, changes: Mapping[str, Any], by: Actor, now: datetime, expected_version: int | None = None
) -> Calendar:
    """`changes`: name, timezone, week, holidays (each as a whole). What equals the present value is no change.

    Raises Forbidden, NotFound, StaleVersion, CalendarNameTaken, InvalidInput: also when an active policy promises more
    time than the calendar would hold.
    """
    refuse_others(by)
    with transaction.atomic():
        calendar = locked(calendar_id, by=by)
        check_version(calendar, expected_version)
        present = active_version(calendar)
        given = {name: changes.get(name, value) for name, value in _present(present).items()}
        content = checked_hours(**given)
        changed = {name for name in VERSIONED if content[name] != getattr(present, name)}
        if changes.get("name", calendar.name) != calendar.name:
            calendar.name = changes["name"]
            changed.add("name")
        if not changed:
            return calendar
        number = present.number
        if changed & set(VERSIONED):
            number = _replace(present, content, by=by, now=now).number
        calendar.version, calendar.updated_at = calendar.version + 1, now
        _save(calendar)
        emit(CalendarUpdated(subject_id=calendar.pk, fields=sorted(changed), number=number), by=by, at=now)
    return calendar


def import_holidays(
    *, calendar_id: int, country: str, years: Iterable[int], by: Actor, now: datetime, subdivision: str = ""
) -> tuple[Calendar, int]:
    """Adds a country's holidays to those that the calendar has; returns it and how many days are new.

    Raises as update_calendar does, and InvalidInput (country, subdivision, years).
    """
    refuse_others(by)
    wanted = sorted(set(years))
    if not wanted or len(wanted) > MOST_YEARS or not (now.year - 5 <= wanted[0] and wanted[-1] <= now.year + 20):
        detail = f"Must be 1 to {MOST_YEARS} years from {now.year - 5} to {now.year + 20}."
        raise InvalidInput.on("years", detail, "out_of_range")
    found = public_holidays.of(country=country, subdivision=subdivision, years=wanted)
    with transaction.atomic():
        present = _present(active_version(locked(calendar_id, by=by)))["holidays"]
        fresh = {day: name for day, name in found.items() if day not in present}
        calendar = update_calendar(calendar_id=calendar_id, changes={"holidays": {**present, **fresh}}, by=by, now=now)
    return calendar, len(fresh)


def locked(calendar_id: int, *, by: Actor) -> Calendar:
    calendar = Calendar.objects.visible_to(by).select_for_update().filter(pk=calendar_id).first()
    if calendar is None:
        raise NotFound
    return calendar


def active_version(calendar: Calendar) -> CalendarVersion:
    return calendar.versions.get(state=VersionState.ACTIVE)


def check_hours(timezone: str, week: Week, holidays: Mapping[date, str]) -> None:
    """Raises InvalidInput, naming the interval, day or zone that cannot be."""
    if timezone not in known_timezones():
        raise InvalidInput.on("timezone", "Must be a time zone such as Europe/Berlin.", "invalid_timezone")
    errors = [
        FieldError(f"week.{WEEKDAYS[weekday]}[{index}]", "invalid_interval", f"The interval {why}.")
        for weekday, index, why in hours.faults(_pairs(week))
    ]
    for weekday, day in enumerate(week):
        if len(day) > MOST_INTERVALS:
            detail = f"A day has at most {MOST_INTERVALS} intervals."
            errors.append(FieldError(f"week.{WEEKDAYS[weekday]}", "too_many", detail))
    if not any(week):
        errors.append(FieldError("week", "never_open", "The calendar must be open at some time of the week."))
    if len(holidays) > MOST_HOLIDAYS:
        errors.append(FieldError("holidays", "too_many", f"A calendar has at most {MOST_HOLIDAYS} holidays."))
    if errors:
        raise InvalidInput(errors[0].detail, errors=errors)


def checked_hours(timezone: str, week: Week, holidays: Mapping[date, str] = NO_HOLIDAYS) -> dict[str, Any]:
    """The columns of a version. Raises InvalidInput."""
    check_hours(timezone, week, holidays)
    return {
        "timezone": timezone,
        "week": [[list(interval) for interval in day] for day in week],
        "holidays": {day.isoformat(): name for day, name in sorted(holidays.items())},
    }


def _present(version: CalendarVersion) -> dict[str, Any]:
    holidays = {date.fromisoformat(day): name for day, name in version.holidays.items()}
    return {"timezone": version.timezone, "week": version.week, "holidays": holidays}


def _replace(present: CalendarVersion, content: dict[str, Any], *, by: Actor, now: datetime) -> CalendarVersion:
    """Retires the present version for one with this content."""
    fresh = versions.build_hours(content["timezone"], content["week"], content["holidays"])
    in_use = PolicyVersion.objects.filter(calendar=present.calendar_id, state__in=promising.OPEN_STATES)
    for promised in in_use.select_related("policy"):
        promising.refuse_too_much(
            promised.targets, promised.floor_minutes, fresh, of=promised.policy.name, field="week"
        )
    CalendarVersion.objects.filter(pk=present.pk).update(state=VersionState.RETIRED, retired_at=now)
    return CalendarVersion.objects.create(
        calendar_id=present.calendar_id,
        number=present.number + 1,
        **content,
        created_by_id=author(by),
        created_at=now,
    )


def _pairs(week: Week) -> list[list[tuple[int, int]]]:
    return [[(opens, closes) for opens, closes in day] for day in week]


def _save(calendar: Calendar) -> None:
    try:
        with transaction.atomic():
            calendar.save()
    except IntegrityError as error:
        if "calendar_name_unique" not in str(error):
            raise
        detail = "There is another calendar of this name."
        raise CalendarNameTaken(detail, errors=[FieldError("name", CalendarNameTaken.code, detail)]) from None
