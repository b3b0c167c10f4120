"""Policies and their versions as the API speaks of them."""

from typing import Any

from rest_framework import serializers

from agents.models import Department
from customers.enums import Tier
from sla.enums import VersionState
from sla.models import Calendar, Policy, PolicyVersion
from sla.services.policies import MOST_VALUES
from sla.services.promising import MOST_MINUTES
from supportdesk.core.api import fields
from tickets.api.serializers import PersonName, Tags
from tickets.enums import Category, Channel, Priority

MAX_POSITION = 2**31 - 1
MINUTES = "Minutes of working time, a year at most; null: not promised."


class Whole(fields.Integer):
    """A number whose bounds the services hold; the document tells them."""

    def __init__(self, low: int, high: int, **kwargs: Any) -> None:
        self.low, self.high = low, high
        super().__init__(**kwargs)

    @property
    def documented(self) -> dict[str, Any]:
        return {"minimum": self.low, "maximum": self.high}


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
