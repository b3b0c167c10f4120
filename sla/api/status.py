"""A ticket's promises in short, as they stand beside it. Imports nothing of the tickets' own API."""

from typing import Any

from rest_framework import serializers

from sla.clock import Metric
from sla.enums import STATES
from sla.models import PolicyVersion
from sla.selectors import Standing


class Seconds(serializers.IntegerField):
    """Whole seconds of a span."""

    def to_representation(self, value: Any) -> int:
        return int(value.total_seconds())


class ClockBrief(serializers.Serializer[Standing]):
    state = serializers.ChoiceField(choices=STATES)
    cycle = serializers.IntegerField(source="clock.cycle")
    due_at = serializers.DateTimeField(source="clock.due_at", allow_null=True, help_text="Null while it does not run.")
    breached_at = serializers.DateTimeField(allow_null=True)
    remaining_seconds = Seconds(source="remaining", help_text="Of working time; negative once overdue.")


class PolicyName(serializers.Serializer[PolicyVersion]):
    id = serializers.IntegerField(source="policy_id")
    name = serializers.CharField(source="policy.name")
    number = serializers.IntegerField(help_text="Of its version.")


class StatusOut(serializers.Serializer[Any]):
    """The newest clock of each metric; null where there is none."""

    policy = PolicyName()
    first_response = ClockBrief(allow_null=True)
    next_response = ClockBrief(allow_null=True)
    resolution = ClockBrief(allow_null=True)


def parts(status: tuple[PolicyVersion, dict[str, Standing]] | None) -> dict[str, Any] | None:
    """What StatusOut represents."""
    if status is None:
        return None
    policy, clocks = status
    return {"policy": policy, **{metric.value: clocks.get(metric.value) for metric in Metric}}
