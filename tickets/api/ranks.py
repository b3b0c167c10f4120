"""Why a ticket stands where it stands in the order of work, as the API speaks of it."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from tickets.explaining import AdviceState, Explanation, Step, between
from tickets.models import Ticket
from tickets.ordering import Part


class StepOut(serializers.Serializer[Step]):
    part = serializers.ChoiceField(choices=[(part.value, part.value) for part in Part])
    seconds = serializers.SerializerMethodField(help_text="By how much it moves the rank; earlier when negative.")
    why = serializers.CharField()

    def get_seconds(self, step: Step) -> float:
        return step.moves.total_seconds()


class RankParts(serializers.Serializer[Explanation]):
    """`begin_at` and the seconds of all parts add up to `rank_at`."""

    rank_at = serializers.DateTimeField(source="at")
    begin_at = serializers.DateTimeField(
        source="rank.begin", help_text="Since when its customer waits; else when a promise ends, or it was heard of."
    )
    parts = StepOut(source="steps", many=True)
    sentence = serializers.CharField(help_text="All of this in words.")
    stale = serializers.BooleanField(
        help_text="The order knows it by other weights still, until `rerank` has come to it."
    )
    advice = serializers.ChoiceField(
        choices=[(state.value, state.value) for state in AdviceState],
        help_text="Of what Quimbi says: `fresh`, `stale` (it counts until it expires), or `absent`, and then the order "
        "is what it would be without Quimbi.",
    )


class RankInList(RankParts):
    decided_by = serializers.SerializerMethodField(
        help_text="The part that puts it behind the one before it on this page: a part, `begin` or `id`; null for the "
        "first."
    )

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_decided_by(self, explanation: Explanation) -> str | None:
        found: str | None = self.context["decided_by"].get(explanation.ticket.pk)
        return found


class RankPart(RankInList):
    """Of the row's ticket, from the context's `ranks`; left out without those."""

    def get_attribute(self, instance: Any) -> Any:
        if "ranks" not in self.context:
            raise serializers.SkipField
        return self.context["ranks"][instance.pk]


class NeighbourOut(serializers.Serializer[Any]):
    ticket_id = serializers.IntegerField()
    decided_by = serializers.CharField(help_text="The part that decides between the two: a part, `begin` or `id`.")
    sentence = serializers.CharField()


class RankOut(RankParts):
    ticket_id = serializers.IntegerField(source="ticket.pk")
    weights_version = serializers.IntegerField(source="version")
    ahead = serializers.SerializerMethodField(help_text="The one right before it, of those that the caller sees.")
    behind = serializers.SerializerMethodField(help_text="The one right after it.")

    @extend_schema_field(NeighbourOut(allow_null=True))
    def get_ahead(self, explanation: Explanation) -> Any:
        other = self.context["ranked"].ahead
        return other and _neighbour(other, *between(other, explanation.ticket))

    @extend_schema_field(NeighbourOut(allow_null=True))
    def get_behind(self, explanation: Explanation) -> Any:
        other = self.context["ranked"].behind
        return other and _neighbour(other, *between(explanation.ticket, other))


def _neighbour(ticket: Ticket, reason: str, sentence: str) -> dict[str, Any]:
    return {"ticket_id": ticket.pk, "decided_by": str(reason), "sentence": sentence}
