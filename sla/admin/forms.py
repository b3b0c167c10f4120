"""The admin's forms of promises: hours, targets and holidays as people write them."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any, ClassVar

from django import forms
from django.utils import timezone

from agents.models import Department
from customers.enums import Tier
from sla import public_holidays, versions, wording
from sla.clock import Metric
from sla.models import Calendar, CalendarVersion, Policy, PolicyVersion
from sla.services.calendars import WEEKDAYS
from supportdesk.core.admin import ServiceForm
from supportdesk.core.errors import DomainError, FieldError
from tickets.enums import Category, Channel, Priority


class Reading(forms.CharField):
    """Text that means something else: checked as text, then read."""

    def read(self, text: str) -> Any:
        raise NotImplementedError

    def write(self, value: Any) -> str:
        raise NotImplementedError

    def clean(self, value: Any) -> Any:
        return self.read(super().clean(value) or "")

    def prepare_value(self, value: Any) -> Any:
        return value if value is None or isinstance(value, str) else self.write(value)

    def has_changed(self, initial: Any, data: Any) -> bool:
        return super().has_changed(self.prepare_value(initial), data)


class Span(Reading):
    """Working time as people write it; reads as minutes."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=20, widget=forms.TextInput(attrs={"size": 9}), **kwargs)

    def read(self, text: str) -> int | None:
        minutes = wording.minutes_of(text)
        if text and minutes is None:
            raise forms.ValidationError("Must be such as 30 min, 8 h or 1 h 30 min.")
        return minutes

    def write(self, value: int) -> str:
        return wording.span(timedelta(minutes=value)).replace(",", "") if value else "0 min"


class Words(Reading):
    """Words separated by commas."""

    def read(self, text: str) -> list[str]:
        return [word.strip() for word in text.split(",") if word.strip()]

    def write(self, value: list[str]) -> str:
        return ", ".join(value)


class DayHours(Reading):
    """`09:00-12:00, 13:30-18:00`; empty is closed."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, max_length=200, **kwargs)

    def read(self, text: str) -> list[list[int]]:
        intervals = []
        for part in text.split(","):
            if part.strip():
                interval = wording.interval(part.strip())
                if interval is None:
                    raise forms.ValidationError(f"“{part.strip()}” is not such as 09:00-17:30.")
                intervals.append(list(interval))
        return intervals

    def write(self, value: list[list[int]]) -> str:
        return ", ".join(wording.interval_text(interval) for interval in value)


class HolidayLines(Reading):
    """One day a line: `2026-12-25 Christmas Day`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(required=False, widget=forms.Textarea(attrs={"rows": 8}), **kwargs)

    def read(self, text: str) -> dict[date, str]:
        holidays: dict[date, str] = {}
        for line in text.splitlines():
            day, _, name = line.strip().partition(" ")
            if not day:
                continue
            try:
                holidays[date.fromisoformat(day)] = name.strip() or "Holiday"
            except ValueError:
                detail = f"“{line.strip()}” does not begin with a date such as 2026-12-25."
                raise forms.ValidationError(detail) from None
        return holidays

    def write(self, value: Mapping[str, str]) -> str:
        return "\n".join(f"{day} {name}" for day, name in sorted(value.items()))


class PromiseForm(ServiceForm):
    """Places what a service refuses at the field of the form that it came from."""

    example_at = forms.DateTimeField(required=False, label="Example from", help_text="UTC; now, unless you say.")

    def place_of(self, field: str) -> str:
        """The form's name for a service's."""
        return field

    def take(self, problem: DomainError) -> None:
        placed = [FieldError(self.place_of(error.field), error.code, error.detail) for error in problem.errors]
        problem.errors = tuple(placed)
        super().take(problem)

    @property
    def start(self) -> datetime:
        """When the first ticket of the example comes in."""
        given = self.cleaned_data.get("example_at") if self.is_bound else None
        return given if isinstance(given, datetime) else timezone.now().replace(second=0, microsecond=0)


class CalendarForm(PromiseForm):
    name = forms.CharField(max_length=100)
    timezone = forms.CharField(max_length=64, label="Time zone", help_text="Such as Europe/Berlin.")
    monday, tuesday, wednesday, thursday, friday, saturday, sunday = (DayHours() for _ in WEEKDAYS)
    holidays = HolidayLines(help_text="One a line, such as: 2026-12-25 Christmas Day")
    example_target = Span(required=False, label="Example target", initial=240)

    @staticmethod
    def initial_of(calendar: Calendar, version: CalendarVersion) -> dict[str, Any]:
        return {
            "name": calendar.name,
            "timezone": version.timezone,
            **dict(zip(WEEKDAYS, version.week, strict=True)),
            "holidays": version.holidays,
            "example_target": 240,
        }

    def content(self) -> dict[str, Any]:
        """What the services take."""
        names = ("name", "timezone", "holidays")
        return {name: self.cleaned_data[name] for name in names} | {
            "week": [self.cleaned_data[day] for day in WEEKDAYS]
        }

    def main(self) -> list[Any]:
        return [self["name"], self["timezone"]]

    def days(self) -> list[Any]:
        return [self[day] for day in WEEKDAYS]

    def example(self) -> list[Any]:
        return [self["example_target"], self["example_at"]]

    def place_of(self, field: str) -> str:
        return field.removeprefix("week.").partition("[")[0]


class HolidayImportForm(ServiceForm):
    country = forms.ChoiceField(choices=())
    subdivision = forms.CharField(required=False, max_length=20, label="State or region", help_text="Its code: BE.")
    years = forms.CharField(max_length=60, help_text="Such as 2026, 2027.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        country: Any = self.fields["country"]
        country.choices = sorted(public_holidays.names().items(), key=lambda item: item[1])

    def clean_years(self) -> list[int]:
        parts = [part.strip() for part in self.cleaned_data["years"].split(",") if part.strip()]
        if not all(part.isascii() and part.isdecimal() and len(part) == 4 for part in parts):
            raise forms.ValidationError("Must be years separated by commas.")
        return [int(part) for part in parts]


def _choices(choices: Any) -> forms.MultipleChoiceField:
    return forms.MultipleChoiceField(choices=choices, required=False, widget=forms.CheckboxSelectMultiple)


class PolicyForm(PromiseForm):
    """The targets are a table: a field for each priority and metric, added below."""

    conditions: ClassVar = ("priorities", "channels", "categories", "tiers", "departments", "tags")

    name = forms.CharField(max_length=100)
    position = forms.IntegerField(
        min_value=0, required=False, help_text="Policies are asked in this order, lowest first; the default is last."
    )
    calendar = forms.ModelChoiceField(Calendar.objects.all(), help_text="Working time counts by its hours.")
    warning_percent = forms.IntegerField(label="Warn at", initial=80, help_text="Per cent of the target.")
    floor_minutes = Span(
        label="Least time left",
        initial=10,
        required=False,
        help_text="Kept when a priority rises late, or a ticket is reopened.",
    )
    pending_pauses_responses = forms.BooleanField(
        required=False, label="Pending pauses responses", help_text="It always pauses the resolution."
    )
    on_hold_pauses = forms.BooleanField(required=False, label="On hold pauses too")
    priorities = _choices(Priority.choices)
    channels = _choices(Channel.choices)
    categories = _choices(Category.choices)
    tiers = _choices(Tier.choices)
    departments = forms.ModelMultipleChoiceField(
        Department.objects.all(), required=False, widget=forms.CheckboxSelectMultiple
    )
    tags = Words(required=False, max_length=500, help_text="Separated by commas; one of them is enough.")
    example_priority = forms.ChoiceField(choices=Priority.choices, initial=Priority.NORMAL, required=False)

    @staticmethod
    def initial_of(policy: Policy, version: PolicyVersion) -> dict[str, Any]:
        conditions = version.conditions
        targets = {
            target_name(priority, metric): version.targets[priority.value].get(metric.value)
            for priority in Priority
            for metric in Metric
        }
        words = ("warning_percent", "floor_minutes", "pending_pauses_responses", "on_hold_pauses", "calendar")
        return {
            "name": policy.name,
            "position": policy.position,
            **{name: getattr(version, name) for name in words},
            **{name: conditions.get(name, []) for name in ("priorities", "channels", "categories", "tiers", "tags")},
            "departments": conditions.get("department_ids", []),
            "example_priority": Priority.NORMAL,
            **targets,
        }

    def words(self) -> dict[str, Any]:
        """What the services take of a version."""
        given = self.cleaned_data
        names = ("calendar", "warning_percent", "pending_pauses_responses", "on_hold_pauses")
        return {name: given[name] for name in names} | {
            "floor_minutes": given["floor_minutes"] or 0,
            "targets": self.targets(),
            "conditions": {name: given[name] for name in ("priorities", "channels", "categories", "tiers", "tags")}
            | {"department_ids": [department.pk for department in given["departments"]]},
        }

    def targets(self) -> dict[str, dict[str, int | None]]:
        return {
            priority.value: {metric.value: self.cleaned_data[target_name(priority, metric)] for metric in Metric}
            for priority in Priority
        }

    def rows(self) -> Iterator[tuple[str, list[Any]]]:
        """The table of targets: name of the priority, and its fields."""
        for priority in Priority:
            yield str(priority.label), [self[target_name(priority, metric)] for metric in Metric]

    def parts(self, *names: str) -> list[Any]:
        return [self[name] for name in names]

    def main(self) -> list[Any]:
        return self.parts("name", "position", "calendar")

    def rules(self) -> list[Any]:
        return self.parts("warning_percent", "floor_minutes", "pending_pauses_responses", "on_hold_pauses")

    def met(self) -> list[Any]:
        return self.parts(*self.conditions)

    def example(self) -> list[Any]:
        return self.parts("example_priority", "example_at")

    def place_of(self, field: str) -> str:
        head, _, rest = field.partition(".")
        if head == "targets":
            priority, _, metric = rest.partition(".")
            return f"{priority}_{metric}"
        if head == "conditions":
            return rest.partition("[")[0].replace("department_ids", "departments")
        return field.removesuffix("_id")


def target_name(priority: Priority, metric: Metric) -> str:
    return f"{priority.value}_{metric.value}"


PolicyForm.base_fields |= {
    target_name(priority, metric): Span(required=False) for priority in Priority for metric in Metric
}


def hours_in(form: CalendarForm) -> Any:
    """The hours that a sound form holds, saved or not."""
    given = form.content()
    return versions.build_hours(given["timezone"], given["week"], {str(day): "" for day in given["holidays"]})


class AcknowledgeForm(ServiceForm):
    reason = forms.CharField(max_length=500, widget=forms.Textarea(attrs={"rows": 3}))
