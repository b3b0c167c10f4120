"""Calendars in the admin: hours as text, holidays by country, and an example of what they mean."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from sla import preview
from sla.admin.base import Act, PromiseAdmin
from sla.admin.forms import CalendarForm, HolidayImportForm, hours_in
from sla.clock import Metric, Targets
from sla.enums import VersionState
from sla.hours import NoWorkingTime
from sla.models import Calendar, CalendarVersion
from sla.services import calendars
from supportdesk.core.admin import ServiceForm
from supportdesk.core.errors import InvalidInput

SHOWN = 10


@admin.register(Calendar)
class CalendarAdmin(PromiseAdmin):
    form_class = CalendarForm
    record_template = "admin/desk/calendar.html"
    example_metrics: ClassVar = {Metric.RESOLUTION: "Due after the target"}
    list_display = ("name", "zone", "number", "updated")
    search_fields = ("name",)
    ordering = ("name", "id")

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("versions__created_by")

    @admin.display(description="Time zone")
    def zone(self, obj: Calendar) -> str:
        return _active(obj).timezone

    @admin.display(description="Updated")
    def updated(self, obj: Calendar) -> datetime:
        return obj.updated_at

    @admin.display(description="Version")
    def number(self, obj: Calendar) -> int:
        return _active(obj).number

    def initial(self, obj: Calendar) -> dict[str, Any]:
        return CalendarForm.initial_of(obj, _active(obj))

    def acts(self) -> dict[str, Act]:
        return {"import": self._import}

    def check_form(self, form: CalendarForm) -> None:
        content = form.content()
        calendars.check_hours(content["timezone"], content["week"], content["holidays"])

    def preview(self, form: CalendarForm) -> list[preview.Example]:
        minutes = form.cleaned_data.get("example_target")
        try:
            self.check_form(form)
            targets = Targets(resolution=timedelta(minutes=minutes or 0))
            return preview.due_times(targets, hours_in(form), start=form.start) if minutes else []
        except (InvalidInput, NoWorkingTime):
            return []

    def beside(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        if obj is None:
            return {}
        history = sorted(obj.versions.all(), key=lambda version: -version.number)[:SHOWN]
        return {
            "history": history,
            "import_form": HolidayImportForm(prefix="import", initial={"years": self._years()}),
            "policies": obj.policy_versions.filter(state=VersionState.ACTIVE).select_related("policy"),
        }

    def write(self, request: HttpRequest, obj: Any, form: ServiceForm) -> Calendar:
        by, now, content = self.actor(request), timezone.now(), _content(form)
        if obj is None:
            return calendars.create_calendar(**content, by=by, now=now)
        return calendars.update_calendar(
            calendar_id=obj.pk, changes=content, by=by, now=now, expected_version=form.seen_version
        )

    def _import(self, request: HttpRequest, obj: Calendar) -> str:
        form = HolidayImportForm(request.POST, prefix="import")
        if not form.is_valid():
            raise InvalidInput(" ".join(str(error) for errors in form.errors.values() for error in errors))
        given = {name: form.cleaned_data[name] for name in ("country", "subdivision", "years")}
        _, added = calendars.import_holidays(calendar_id=obj.pk, **given, by=self.actor(request), now=timezone.now())
        return f"{added} {'holiday was' if added == 1 else 'holidays were'} added."

    def _years(self) -> str:
        year = timezone.now().year
        return f"{year}, {year + 1}"


def _content(form: Any) -> dict[str, Any]:
    content: dict[str, Any] = form.content()
    return content


def _active(calendar: Calendar) -> CalendarVersion:
    return next(version for version in calendar.versions.all() if version.state == VersionState.ACTIVE)
