"""Applications of policies to open tickets as the API speaks of them."""

from rest_framework import serializers

from sla.enums import JobState
from sla.models import PolicyApplication
from supportdesk.core.api import fields


class ApplicationCreate(fields.StrictSerializer):
    preview = fields.Boolean(help_text="true counts only; false gives the open tickets the present version.")


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
