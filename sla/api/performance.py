"""How promises were kept, in numbers, of a desk or of an agent. Imports nothing of the tickets' own API."""

from typing import Any

from rest_framework import serializers

from sla.clock import Metric
from sla.performance import AgentPerformance, Figures


class Rounded(serializers.IntegerField):
    """A span in whole seconds."""

    def to_representation(self, value: Any) -> int:
        seconds: int = round(value)
        return seconds


class FiguresOut(serializers.Serializer[Figures]):
    """Promises that were decided: met, or broken, whichever came first. What was cancelled unbroken counts nowhere."""

    kept = serializers.IntegerField()
    breaches = serializers.IntegerField(source="broken")
    attainment = serializers.FloatField(allow_null=True, help_text="Share that was kept, 0 to 1; null without any.")
    first_response_attainment = serializers.SerializerMethodField()
    next_response_attainment = serializers.SerializerMethodField()
    resolution_attainment = serializers.SerializerMethodField()
    first_response_median_seconds = Rounded(
        source="first_response_median",
        allow_null=True,
        help_text="Working time until the first public reply by a person, of those decided and answered by now.",
    )
    first_response_p90_seconds = Rounded(
        source="first_response_p90", allow_null=True, help_text="Nine of ten were answered within it."
    )

    def get_first_response_attainment(self, figures: Figures) -> float | None:
        return figures.attainment_of(Metric.FIRST_RESPONSE)

    def get_next_response_attainment(self, figures: Figures) -> float | None:
        return figures.attainment_of(Metric.NEXT_RESPONSE)

    def get_resolution_attainment(self, figures: Figures) -> float | None:
        return figures.attainment_of(Metric.RESOLUTION)


class AgentPerformanceOut(serializers.Serializer[AgentPerformance]):
    """An agent's last 30 days, today included (UTC), of all their tickets, whichever of them the caller sees."""

    since = serializers.DateField(source="during.since")
    until = serializers.DateField(source="during.until")
    handled = serializers.IntegerField(
        help_text="Tickets of theirs that were resolved or closed in these days and still are."
    )
    open = serializers.IntegerField(help_text="Tickets of theirs that are not resolved or closed now.")
    hours_online = serializers.FloatField(help_text="Time in these days in which they were online or busy, in hours.")
    handled_per_hour = serializers.FloatField(
        allow_null=True, help_text="`handled` by `hours_online`; null for less than an hour."
    )
    first_response_median_seconds = Rounded(
        source="figures.first_response_median",
        allow_null=True,
        help_text="Working time until the first public reply, of first responses decided in these days and answered.",
    )
    resolution_median_seconds = Rounded(
        source="figures.resolution_median",
        allow_null=True,
        help_text="Working time until resolved or closed, of resolutions decided in these days and ended.",
    )
    kept = serializers.IntegerField(source="figures.kept", help_text="Promises met in these days on their tickets.")
    breaches = serializers.IntegerField(
        source="figures.broken", help_text="Promises broken in these days while the ticket was theirs."
    )
    attainment = serializers.FloatField(
        source="figures.attainment", allow_null=True, help_text="Share that was kept, 0 to 1; null without any."
    )
    transferred_away = serializers.IntegerField(help_text="Tickets transferred from them to somebody else.")
    transferred_to = serializers.IntegerField(help_text="Tickets transferred to them.")
    rating = serializers.FloatField(
        allow_null=True, help_text="Mean satisfaction (1 to 5) of the handled tickets that have one; null without any."
    )
    rated = serializers.IntegerField(help_text="How many of the handled tickets have one.")
