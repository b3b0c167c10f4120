"""Calendars, their versions, and the holidays of countries."""

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from sla.api import examples
from sla.api.hours import Holidays, HolidaysOut, WeekIn, WeekOut
from sla.api.views import BY_NUMBER, READERS, WRITERS
from sla.enums import VersionState
from sla.models import Calendar, CalendarVersion
from sla.services import calendars
from sla.services.calendars import MOST_YEARS
from supportdesk.core.api import fields
from supportdesk.core.api.pagination import Ordering
from supportdesk.core.api.schema import operation
from supportdesk.core.api.views import ApiViewSet, expected_version, versioned
from supportdesk.core.errors import NotFound
from tickets.api.serializers import PersonName


class CalendarCreate(fields.StrictSerializer):
    name = fields.Text(max_length=100)
    timezone = fields.TimeZone()
    week = WeekIn()
    holidays = Holidays(required=False)


class CalendarUpdate(fields.StrictSerializer):
    """What is given is replaced as a whole; hours and holidays make a new version, for tickets from then on."""

    name = fields.Text(max_length=100, required=False)
    timezone = fields.TimeZone(required=False)
    week = WeekIn(required=False)
    holidays = Holidays(required=False)


class Country(fields.Text):
    """Of a country."""

    @property
    def documented(self) -> dict[str, Any]:
        return {"pattern": "^[A-Z]{2}$"}


class HolidayImport(fields.StrictSerializer):
    country = Country(max_length=2, help_text="ISO 3166-1 alpha-2, such as DE.")
    subdivision = fields.Text(max_length=20, required=False, help_text="A state or region of it, such as BE.")
    years = serializers.ListField(
        child=fields.Integer(min_value=1970, max_value=2200), min_length=1, max_length=MOST_YEARS
    )


class CalendarVersionOut(serializers.Serializer[CalendarVersion]):
    number = serializers.IntegerField()
    state = serializers.ChoiceField(choices=VersionState.choices)
    timezone = serializers.CharField()
    week = WeekOut()
    holidays = HolidaysOut()
    created_by = PersonName(allow_null=True)
    created_at = serializers.DateTimeField()
    retired_at = serializers.DateTimeField(allow_null=True)


class ActiveHours(CalendarVersionOut):
    def get_attribute(self, instance: Any) -> Any:
        return next(version for version in instance.versions.all() if version.state == VersionState.ACTIVE)


class CalendarOut(serializers.Serializer[Calendar]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    hours = ActiveHours(source="versions", help_text="The present version.")
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class HolidaysImported(CalendarOut):
    added = serializers.IntegerField(help_text="Days that the calendar did not have.")


class CalendarViewSet(ApiViewSet):
    allowed: ClassVar = {
        **dict.fromkeys(("list", "retrieve"), READERS),
        **dict.fromkeys(("create", "partial_update", "import_holidays"), WRITERS),
    }
    orderings: ClassVar = {"id": Ordering("pk"), "-id": Ordering("pk", descending=True)}
    queryset = Calendar.objects.none()

    def check_reach(self, **path: Any) -> None:
        if "pk" in path and not Calendar.objects.visible_to(self.actor).filter(pk=path["pk"]).exists():
            raise NotFound

    @operation("List calendars", returns=CalendarOut(many=True), example=examples.CALENDAR)
    def list(self, request: Request) -> Response:
        return self.page(self._calendars(), CalendarOut)

    @operation(
        "Create a calendar",
        takes=CalendarCreate,
        request_example=examples.CALENDAR_CREATE,
        returns=CalendarOut,
        example=examples.CALENDAR,
        status=201,
        errors=[calendars.CalendarNameTaken],
    )
    def create(self, request: Request) -> Response:
        """Working hours in a time zone. A calendar that is never open is refused."""
        calendar = calendars.create_calendar(**self.read(CalendarCreate), by=self.actor, now=self.now)
        return self._detail(calendar, status=201)

    @operation("Get a calendar", returns=CalendarOut, example=examples.CALENDAR)
    def retrieve(self, request: Request, pk: int) -> Response:
        return self.found(self._calendars().filter(pk=pk), CalendarOut)

    @operation(
        "Change a calendar",
        takes=CalendarUpdate,
        request_example=examples.CALENDAR_UPDATE,
        returns=CalendarOut,
        example=examples.CALENDAR,
        errors=[calendars.CalendarNameTaken],
    )
    def partial_update(self, request: Request, pk: int) -> Response:
        """Other hours are a new version, good for tickets from now on; those that run keep theirs."""
        calendar = calendars.update_calendar(
            calendar_id=pk,
            changes=self.read(CalendarUpdate),
            by=self.actor,
            now=self.now,
            expected_version=expected_version(request),
        )
        return self._detail(calendar)

    @operation(
        "Import holidays",
        takes=HolidayImport,
        request_example=examples.HOLIDAY_IMPORT,
        returns=HolidaysImported,
        example=examples.HOLIDAYS_IMPORTED,
    )
    def import_holidays(self, request: Request, pk: int) -> Response:
        """Adds the public holidays of a country, or of a part of it, to those that the calendar has."""
        calendar, added = calendars.import_holidays(
            calendar_id=pk, **self.read(HolidayImport), by=self.actor, now=self.now
        )
        return versioned({**CalendarOut(calendar).data, "added": added}, calendar.version)

    def _calendars(self) -> Any:
        return Calendar.objects.visible_to(self.actor).prefetch_related("versions__created_by")

    def _detail(self, calendar: Calendar, *, status: int = 200) -> Response:
        return versioned(CalendarOut(calendar).data, calendar.version, status=status)


class CalendarVersionViewSet(ApiViewSet):
    allowed: ClassVar = {"list": READERS}
    orderings: ClassVar = BY_NUMBER
    queryset = CalendarVersion.objects.none()

    @operation("List a calendar's versions", returns=CalendarVersionOut(many=True), example=examples.CALENDAR_VERSION)
    def list(self, request: Request, pk: int) -> Response:
        """Newest first. None of them ever changes."""
        if not Calendar.objects.visible_to(self.actor).filter(pk=pk).exists():
            raise NotFound
        versions = CalendarVersion.objects.visible_to(self.actor).filter(calendar=pk)
        return self.page(versions.select_related("created_by"), CalendarVersionOut)
