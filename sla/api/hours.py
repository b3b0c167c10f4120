"""Working hours and holidays as the API speaks of them."""

from datetime import date
from typing import Any

from rest_framework import serializers

from sla import wording
from sla.services.calendars import MOST_HOLIDAYS, MOST_INTERVALS, WEEKDAYS
from supportdesk.core.api import fields


class Day(fields.Text):
    """A date (ISO 8601) that exists: 2028-02-29, and not 2027-02-29."""

    @property
    def documented(self) -> dict[str, Any]:
        return {"format": "date"}

    def to_internal_value(self, data: Any) -> Any:
        text = super().to_internal_value(data)
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise serializers.ValidationError("Must be a date such as 2026-12-25.", code="invalid_date") from None
        if not 1970 <= day.year <= 2200:
            raise serializers.ValidationError("Must be from 1970 to 2200.", code="out_of_range")
        return day


class IntervalText(fields.Text):
    """Such as 09:00-17:00."""

    @property
    def documented(self) -> dict[str, Any]:
        return {"pattern": f"^{wording.INTERVAL}$"}

    def to_internal_value(self, data: Any) -> Any:
        read = wording.interval(super().to_internal_value(data))
        if read is None:
            raise serializers.ValidationError("Must be such as 09:00-17:00.", code="invalid_interval")
        return read


class WeekIn(fields.StrictSerializer):
    """Of each weekday the intervals at which the desk is open; a day that is left out is closed."""

    def get_fields(self) -> dict[str, Any]:
        return {
            day: serializers.ListField(child=IntervalText(), max_length=MOST_INTERVALS, required=False)
            for day in WEEKDAYS
        }

    def to_internal_value(self, data: Any) -> Any:
        given = super().to_internal_value(data)
        return [[list(interval) for interval in given.get(day, [])] for day in WEEKDAYS]


class HolidayIn(fields.StrictSerializer):
    date = Day()
    name = fields.Text(max_length=200)


class Holidays(serializers.ListField):
    """Days on which the desk is closed; of a day named twice the last name stands."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=HolidayIn(), max_length=MOST_HOLIDAYS, **kwargs)

    def to_internal_value(self, data: Any) -> Any:
        return {holiday["date"]: holiday["name"] for holiday in super().to_internal_value(data)}


class HoursIn(fields.StrictSerializer):
    """Working hours of no calendar."""

    timezone = fields.TimeZone()
    week = WeekIn()
    holidays = Holidays(required=False)


class WeekOut(serializers.Serializer[Any]):
    def get_fields(self) -> dict[str, Any]:
        return {day: serializers.ListField(child=serializers.CharField()) for day in WEEKDAYS}

    def to_representation(self, week: Any) -> Any:
        return {
            day: [wording.interval_text(interval) for interval in intervals]
            for day, intervals in zip(WEEKDAYS, week, strict=True)
        }


class HolidayOut(serializers.Serializer[Any]):
    date = serializers.DateField()
    name = serializers.CharField()


class HolidaysOut(serializers.ListField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=HolidayOut(), **kwargs)

    def to_representation(self, holidays: Any) -> Any:
        return [{"date": day, "name": name} for day, name in sorted(holidays.items())]
