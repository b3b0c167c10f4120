"""Promises, calendars and breaches as the API speaks of them."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any

from django.conf import settings
from rest_framework import serializers

from agents.models import Department
from customers.enums import Tier
from sla import wording
from sla.api.performance import FiguresOut
from sla.api.status import ClockBrief, PolicyName, Seconds
from sla.dashboard import Dashboard
from sla.enums import METRICS, JobState, VersionState
from sla.models import Calendar, CalendarVersion, Policy, PolicyApplication, PolicyVersion, SLAAlert, SLAClock
from sla.selectors import Simulated
from sla.services.calendars import MOST_HOLIDAYS, MOST_INTERVALS, MOST_YEARS, WEEKDAYS
from sla.services.policies import MOST_VALUES
from sla.services.promising import MOST_MINUTES
from sla.services.simulating import MOST_DAYS
from supportdesk.core.api import fields
from tickets.api.serializers import PersonName, Tags
from tickets.enums import Category, Channel, Priority, Status

MAX_POSITION = 2**31 - 1
MINUTES = "Minutes of working time, a year at most; null: not promised."


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


class Whole(fields.Integer):
    """A number whose bounds the services hold; the document tells them."""

    def __init__(self, low: int, high: int, **kwargs: Any) -> None:
        self.low, self.high = low, high
        super().__init__(**kwargs)

    @property
    def documented(self) -> dict[str, Any]:
        return {"minimum": self.low, "maximum": self.high}


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


class TargetsIn(fields.StrictSerializer):
    first_response = Whole(1, MOST_MINUTES, required=False, allow_null=True, help_text=MINUTES)
    next_response = Whole(1, MOST_MINUTES, required=False, allow_null=True, help_text=MINUTES)
    resolution = Whole(1, MOST_MINUTES, required=False, allow_null=True, help_text=MINUTES)


class TargetsOfPriorities(fields.StrictSerializer):
    """What one priority promises every priority does."""

    urgent = TargetsIn()
    high = TargetsIn()
    normal = TargetsIn()
    low = TargetsIn()


class ConditionsIn(fields.StrictSerializer):
    """A ticket meets a condition when it has one of its values; it must meet all. What is left out is always met."""

    priorities = serializers.ListField(
        child=fields.Choice(choices=Priority.choices), max_length=MOST_VALUES, required=False
    )
    channels = serializers.ListField(
        child=fields.Choice(choices=Channel.choices), max_length=MOST_VALUES, required=False
    )
    categories = serializers.ListField(
        child=fields.Choice(choices=Category.choices), max_length=MOST_VALUES, required=False
    )
    tags = Tags(required=False)
    tiers = serializers.ListField(child=fields.Choice(choices=Tier.choices), max_length=MOST_VALUES, required=False)
    department_ids = fields.References(Department.objects, required=False)

    def to_internal_value(self, data: Any) -> Any:
        given = super().to_internal_value(data)
        if "department_ids" in given:
            given["department_ids"] = [department.pk for department in given["department_ids"]]
        return given


class PolicyCreate(fields.StrictSerializer):
    name = fields.Text(max_length=100)
    position = fields.Integer(min_value=0, max_value=MAX_POSITION, required=False, help_text="Last unless given.")
    conditions = ConditionsIn(required=False)
    targets = TargetsOfPriorities()
    warning_percent = Whole(1, 100, required=False)
    floor_minutes = Whole(0, 1_440, required=False, help_text="Working time left at least when a target moves.")
    pending_pauses_responses = fields.Boolean(required=False, help_text="Pending always pauses the resolution.")
    on_hold_pauses = fields.Boolean(required=False)
    calendar_id = fields.Reference(Calendar.objects, source="calendar")


class PolicyUpdate(fields.StrictSerializer):
    """`name`, `position`, `is_default` and `active` hold at once. The rest goes to the draft, which is made when there
    is none, and holds from its activation.
    """

    name = fields.Text(max_length=100, required=False)
    position = fields.Integer(min_value=0, max_value=MAX_POSITION, required=False)
    is_default = fields.Boolean(required=False, help_text="true takes the mark from the policy that has it.")
    active = fields.Boolean(required=False)
    conditions = ConditionsIn(required=False)
    targets = TargetsOfPriorities(required=False)
    warning_percent = Whole(1, 100, required=False)
    floor_minutes = Whole(0, 1_440, required=False)
    pending_pauses_responses = fields.Boolean(required=False)
    on_hold_pauses = fields.Boolean(required=False)
    calendar_id = fields.Reference(Calendar.objects, source="calendar", required=False)


class Activation(fields.StrictSerializer):
    number = fields.Integer(
        min_value=1, max_value=MAX_POSITION, required=False, help_text="Of the draft that was read; another is a 409."
    )


class ApplicationCreate(fields.StrictSerializer):
    preview = fields.Boolean(help_text="true counts only; false gives the open tickets the present version.")


class HoursIn(fields.StrictSerializer):
    """Working hours of no calendar."""

    timezone = fields.TimeZone()
    week = WeekIn()
    holidays = Holidays(required=False)


class SimulationCreate(fields.StrictSerializer):
    days = Whole(1, MOST_DAYS, required=False, help_text="Tickets created in these last days; 30 unless given.")
    number = fields.Integer(
        min_value=1,
        max_value=MAX_POSITION,
        required=False,
        help_text="Of the version to simulate; the draft unless given, without a draft what is active.",
    )
    calendar = HoursIn(required=False, help_text="Other hours than the present ones of its calendar.")


class MinutesOut(serializers.Serializer[Any]):
    first_response = serializers.IntegerField(allow_null=True)
    next_response = serializers.IntegerField(allow_null=True)
    resolution = serializers.IntegerField(allow_null=True)

    def to_representation(self, minutes: Any) -> Any:
        return {metric: minutes.get(metric) for metric in self.fields}


class TargetsOut(serializers.Serializer[Any]):
    urgent = MinutesOut()
    high = MinutesOut()
    normal = MinutesOut()
    low = MinutesOut()


class ConditionsOut(serializers.Serializer[Any]):
    priorities = serializers.ListField(child=serializers.CharField())
    channels = serializers.ListField(child=serializers.CharField())
    categories = serializers.ListField(child=serializers.CharField())
    tags = serializers.ListField(child=serializers.CharField())
    tiers = serializers.ListField(child=serializers.CharField())
    department_ids = serializers.ListField(child=serializers.IntegerField())

    def to_representation(self, conditions: Any) -> Any:
        return {name: list(conditions.get(name, ())) for name in self.fields}


class CalendarName(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class PolicyVersionOut(serializers.Serializer[PolicyVersion]):
    number = serializers.IntegerField()
    state = serializers.ChoiceField(choices=VersionState.choices)
    conditions = ConditionsOut()
    targets = TargetsOut(help_text="Minutes of working time.")
    warning_percent = serializers.IntegerField()
    floor_minutes = serializers.IntegerField()
    pending_pauses_responses = serializers.BooleanField()
    on_hold_pauses = serializers.BooleanField()
    calendar = CalendarName()
    created_by = PersonName(allow_null=True)
    created_at = serializers.DateTimeField()
    activated_at = serializers.DateTimeField(allow_null=True)
    retired_at = serializers.DateTimeField(allow_null=True)


class VersionPart(PolicyVersionOut):
    """The policy's version in one state, of those at hand."""

    def __init__(self, *args: Any, wanted: VersionState = VersionState.ACTIVE, **kwargs: Any) -> None:
        self.wanted = wanted
        super().__init__(*args, source="versions", allow_null=True, **kwargs)

    def get_attribute(self, instance: Any) -> Any:
        return next((version for version in instance.versions.all() if version.state == self.wanted), None)


class PolicyOut(serializers.Serializer[Policy]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    position = serializers.IntegerField()
    is_default = serializers.BooleanField()
    active = serializers.BooleanField(help_text="Whether new tickets may get it.")
    active_version = VersionPart()
    draft = VersionPart(wanted=VersionState.DRAFT)
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class PolicyDetail(PolicyOut):
    unused_tags = serializers.SerializerMethodField(
        help_text="Tags of its conditions that no ticket bears; a condition of such tags alone is never met."
    )

    def get_unused_tags(self, policy: Policy) -> list[str]:
        found: list[str] = self.context["unused_tags"]
        return found


class ApplicationOut(serializers.Serializer[PolicyApplication]):
    id = serializers.IntegerField()
    policy_id = serializers.IntegerField(source="policy_version.policy_id")
    number = serializers.IntegerField(source="policy_version.number", help_text="Of the version that is applied.")
    preview = serializers.BooleanField()
    state = serializers.ChoiceField(choices=JobState.choices)
    tickets = serializers.IntegerField(help_text="Open tickets with another version, looked at so far.")
    earlier = serializers.IntegerField(help_text="Of them, with a clock that is due earlier.")
    later = serializers.IntegerField(help_text="With a clock that is due later.")
    breached = serializers.IntegerField(help_text="With a clock that is breached by the change alone.")
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class ExampleOut(serializers.Serializer[Any]):
    ticket_id = serializers.IntegerField()
    subject = serializers.CharField()
    metric = serializers.ChoiceField(choices=METRICS)
    at = serializers.DateTimeField(help_text="When it was broken, or would have been.")


class TallyOut(serializers.Serializer[Any]):
    department = PersonName(allow_null=True)
    tickets = serializers.IntegerField(help_text="Looked at.")
    recorded = serializers.IntegerField(help_text="Promises of them that were broken.")
    simulated = serializers.IntegerField(help_text="That would have been.")
    gained = serializers.IntegerField(help_text="That would have been and were not.")
    lost = serializers.IntegerField(help_text="That were and would not have been.")
    gained_examples = ExampleOut(many=True)
    lost_examples = ExampleOut(many=True)


class SimulationOut(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    policy_id = serializers.IntegerField()
    number = serializers.IntegerField(help_text="Of the version that is simulated.")
    days = serializers.IntegerField()
    state = serializers.ChoiceField(choices=JobState.choices)
    tickets = serializers.IntegerField(help_text="Looked at so far, of all departments.")
    total = serializers.IntegerField(help_text="To be looked at.")
    departments = TallyOut(many=True, help_text="Those of the caller.")
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)

    def to_representation(self, simulated: Simulated) -> Any:
        return super().to_representation({**vars(simulated.job), "departments": [*_tallies(simulated)]})


def _tallies(simulated: Simulated) -> Iterator[dict[str, Any]]:
    """Without the examples that the caller does not see."""
    for pk, tally in simulated.found.items():
        name = simulated.departments.get(pk)
        examples = {
            kind: [
                {
                    "ticket_id": ticket_id,
                    "subject": simulated.tickets[ticket_id],
                    "metric": metric,
                    "at": datetime.fromisoformat(at),
                }
                for ticket_id, metric, at in getattr(tally, kind)
                if ticket_id in simulated.tickets
            ]
            for kind in ("gained_examples", "lost_examples")
        }
        yield vars(tally) | examples | {"department": {"id": pk, "name": name} if name else None}


class PauseOut(serializers.Serializer[Any]):
    started_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)


class ClockOut(ClockBrief):
    metric = serializers.ChoiceField(source="clock.metric", choices=METRICS)
    started_at = serializers.DateTimeField(source="clock.started_at")
    warn_at = serializers.DateTimeField(source="clock.warn_at", allow_null=True)
    warned_at = serializers.DateTimeField(allow_null=True)
    stopped_at = serializers.DateTimeField(source="clock.stopped_at", allow_null=True)
    target_seconds = Seconds(source="clock.target", help_text="Working time allowed.")
    elapsed_seconds = Seconds(source="elapsed", help_text="Working time used.")
    cause = serializers.CharField(
        source="clock.cause", help_text="What the target comes from: created, retargeted, floored or reopened."
    )
    pauses = PauseOut(source="clock.pauses.all", many=True)
    why = serializers.CharField(help_text="All of this in a sentence.")


class CalendarOfTicket(serializers.Serializer[CalendarVersion]):
    id = serializers.IntegerField(source="calendar_id")
    name = serializers.CharField(source="calendar.name")
    number = serializers.IntegerField()
    timezone = serializers.CharField()


class TicketSLAOut(serializers.Serializer[Any]):
    ticket_id = serializers.IntegerField()
    policy = PolicyName(source="policy_version", help_text="The version that the ticket was promised.")
    calendar = CalendarOfTicket(source="calendar_version")
    started_at = serializers.DateTimeField()
    clocks = ClockOut(many=True)


class TicketName(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    subject = serializers.CharField()
    status = serializers.ChoiceField(choices=Status.choices)
    priority = serializers.ChoiceField(choices=Priority.choices)


class BreachOut(serializers.Serializer[SLAAlert]):
    id = serializers.IntegerField()
    ticket = TicketName(help_text="As it is now.")
    metric = serializers.ChoiceField(choices=METRICS)
    cycle = serializers.IntegerField()
    at = serializers.DateTimeField(help_text="When it was due.")
    raised_at = serializers.DateTimeField(help_text="When that was noticed.")
    priority = serializers.ChoiceField(choices=Priority.choices, help_text="Then.")
    owner = PersonName(allow_null=True, help_text="Who had the ticket then.")
    department = PersonName(allow_null=True)
    policy_id = serializers.IntegerField()
    policy_name = serializers.CharField()
    policy_number = serializers.IntegerField(help_text="Of its version.")
    acknowledged_at = serializers.DateTimeField(allow_null=True)
    acknowledged_by = PersonName(allow_null=True)
    reason = serializers.CharField()


class Acknowledgment(fields.StrictSerializer):
    reason = fields.Text(max_length=500, multiline=True)


class AtRiskOut(serializers.Serializer[SLAClock]):
    id = serializers.IntegerField()
    ticket = TicketName()
    metric = serializers.ChoiceField(choices=METRICS)
    cycle = serializers.IntegerField()
    due_at = serializers.DateTimeField()
    warned_at = serializers.DateTimeField()
    assignee_id = serializers.IntegerField(allow_null=True)
    assignee_name = serializers.CharField(allow_null=True)
    department_id = serializers.IntegerField(allow_null=True)
    department_name = serializers.CharField(allow_null=True)


class PriorityFigures(FiguresOut):
    priority = serializers.ChoiceField(choices=Priority.choices, help_text="Of a broken promise, at that instant.")


class ChannelFigures(FiguresOut):
    channel = serializers.ChoiceField(choices=Channel.choices)


class DepartmentFigures(FiguresOut):
    department = PersonName(allow_null=True, help_text="Of a broken promise, when that was noticed.")


class AgentFigures(FiguresOut):
    agent = PersonName(allow_null=True, help_text="Who had it when it was broken, else who has or had the ticket.")


class DayFigures(FiguresOut):
    day = serializers.DateField(help_text="On which it was met or broken (UTC).")


class LoadOut(serializers.Serializer[Any]):
    """Promises that run, by when they end."""

    overdue = serializers.IntegerField(help_text="Broken, and not answered or resolved yet.")
    within_1_hour = serializers.IntegerField(help_text="Due by then, and not overdue.")
    within_4_hours = serializers.IntegerField(help_text="Those within the hour included.")
    within_24_hours = serializers.IntegerField()


class DepartmentLoad(LoadOut):
    department = PersonName(allow_null=True)


class LoadsOut(serializers.Serializer[Any]):
    total = LoadOut()
    by_department = DepartmentLoad(many=True)


class DashboardOut(serializers.Serializer[Any]):
    """Of tickets that the caller sees. Rows are there for what there was something of."""

    since = serializers.DateField()
    until = serializers.DateField(help_text="The last day, included.")
    as_of = serializers.DateTimeField(help_text="When it was added up.")
    max_age_seconds = serializers.IntegerField(help_text="How old it may be.")
    total = FiguresOut()
    by_priority = PriorityFigures(many=True)
    by_channel = ChannelFigures(many=True)
    by_department = DepartmentFigures(many=True)
    by_agent = AgentFigures(many=True, help_text="Agents whose record the caller may read, and what nobody had.")
    by_day = DayFigures(many=True)
    load = LoadsOut(help_text="What lies ahead, from `as_of` on.")

    def to_representation(self, dashboard: Dashboard) -> Any:
        return super().to_representation(
            {
                "since": dashboard.during.since,
                "until": dashboard.during.until,
                "as_of": dashboard.as_of,
                "max_age_seconds": settings.KEPT_ANSWER_SECONDS,
                "total": dashboard.figures[None][None],
                "by_priority": _named(dashboard.figures["priority"], "priority"),
                "by_channel": _named(dashboard.figures["channel"], "channel"),
                "by_department": _people(dashboard.figures["department_id"], "department", dashboard.departments),
                "by_agent": _people(dashboard.figures["agent_id"], "agent", dashboard.agents),
                "by_day": _named(dashboard.figures["day"], "day"),
                "load": {
                    "total": dashboard.load[0][None],
                    "by_department": _people(dashboard.load[1], "department", dashboard.departments),
                },
            }
        )


class _Row:
    """Figures with what they are of."""

    def __init__(self, figures: Any, name: str, value: Any) -> None:
        self._figures = figures
        setattr(self, name, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._figures, name)


def _named(figures: Mapping[Any, Any], name: str) -> list[_Row]:
    return [_Row(counted, name, value) for value, counted in figures.items()]


def _people(figures: Mapping[Any, Any], name: str, names: Mapping[int, str]) -> list[_Row]:
    """Nobody is null; who is not among the names is left out."""
    known = {pk: {"id": pk, "name": text} for pk, text in names.items()}
    return [_Row(counted, name, known.get(pk)) for pk, counted in figures.items() if pk is None or pk in known]
