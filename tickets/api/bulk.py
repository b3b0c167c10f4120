"""Changes to many tickets at once as the API speaks of them."""

from typing import Any

from rest_framework import serializers

from supportdesk.core.api import fields
from tickets.api.serializers import MAX_POSITION, TicketUpdate

MAX_BULK = 100


class BulkItem(fields.StrictSerializer):
    id = fields.Id()
    version = fields.Integer(
        min_value=1, max_value=MAX_POSITION, required=False, help_text="Change it only if it still has this version."
    )


class BulkUpdate(fields.StrictSerializer):
    tickets = BulkItem(many=True, min_length=1, max_length=MAX_BULK)  # type: ignore[call-arg]
    changes = TicketUpdate()

    def validate_tickets(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if len({item["id"] for item in items}) < len(items):
            raise serializers.ValidationError("Each ticket may be named once.", code="repeated")
        return items

    def validate_changes(self, changes: dict[str, Any]) -> dict[str, Any]:
        if not changes:
            raise serializers.ValidationError("Name at least one change.", code="required")
        return changes


class BulkProblem(serializers.Serializer[Any]):
    code = serializers.CharField()
    detail = serializers.CharField()


class BulkResult(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    status = serializers.IntegerField(help_text="What a PATCH of this ticket alone would have answered.")
    version = serializers.IntegerField(allow_null=True, help_text="The version now; null if it was not changed.")
    problem = BulkProblem(allow_null=True)


class BulkResults(serializers.Serializer[Any]):
    results = BulkResult(many=True)
