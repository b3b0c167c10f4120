"""What Quimbi says, as the API repeats it: each value with its source, its age, and the reason when it is missing."""

from typing import Any

from rest_framework import serializers

from quimbi.types import Length, Reason, Source, Tone
from supportdesk.core.api import fields
from tickets.enums import Channel

REASONS = [(reason.value, reason.value) for reason in Reason]
SOURCES = [(source.value, source.value) for source in Source]


class ArchetypeOut(serializers.Serializer[Any]):
    id = serializers.CharField(allow_null=True)
    level = serializers.CharField(allow_null=True)


class MetricsOut(serializers.Serializer[Any]):
    lifetime_value = serializers.FloatField(allow_null=True, help_text="Quimbi states no currency.")
    total_orders = serializers.IntegerField(allow_null=True)
    avg_order_value = serializers.FloatField(allow_null=True)
    days_since_last_purchase = serializers.IntegerField(allow_null=True)
    tenure_days = serializers.IntegerField(allow_null=True)


class LtvOut(serializers.Serializer[Any]):
    current = serializers.FloatField(allow_null=True)
    forecast_12m = serializers.FloatField(allow_null=True)
    tier = serializers.CharField(allow_null=True, help_text="Quimbi's word; nothing here depends on it.")


class DnaOut(serializers.Serializer[Any]):
    archetype = ArchetypeOut(allow_null=True)
    segments = serializers.DictField(
        child=serializers.DictField(child=serializers.FloatField()), help_text="Axis, segment, membership."
    )
    dominant_segments = serializers.DictField(child=serializers.CharField())
    confidence = serializers.FloatField(allow_null=True)
    guidance = serializers.ListField(child=serializers.CharField())
    metrics = MetricsOut()
    ltv = LtvOut(allow_null=True)


class FactorOut(serializers.Serializer[Any]):
    factor = serializers.CharField()
    impact = serializers.JSONField(allow_null=True, help_text="A number or a word.")


class ChurnOut(serializers.Serializer[Any]):
    score = serializers.FloatField(allow_null=True, help_text="0 to 1.")
    level = serializers.CharField(allow_null=True, help_text="low, medium, high or critical by the score.")
    factors = FactorOut(many=True)
    advice = serializers.ListField(child=serializers.CharField())


class Provenance(serializers.Serializer[Any]):
    """`value` is null exactly when `reason` says why, except for an old value that stands in: then both are there."""

    source = serializers.ChoiceField(choices=SOURCES)  # type: ignore[assignment]
    as_of = serializers.DateTimeField(allow_null=True, help_text="When Quimbi said it.")
    reason = serializers.ChoiceField(choices=REASONS, allow_null=True)


class DnaInsight(Provenance):
    value = DnaOut(allow_null=True)


class ChurnInsight(Provenance):
    value = ChurnOut(allow_null=True)


class SentimentOut(serializers.Serializer[Any]):
    score = serializers.FloatField(help_text="As Quimbi gave it, which does not say between what its scores lie.")
    emotion = serializers.CharField(allow_null=True)
    confidence = serializers.FloatField(allow_null=True)


class SentimentInsight(Provenance):
    value = SentimentOut(allow_null=True)


class InsightsOut(serializers.Serializer[Any]):
    dna = DnaInsight()
    churn_risk = ChurnInsight(source="churn")


class ActionOut(serializers.Serializer[Any]):
    action = serializers.CharField()
    priority = serializers.IntegerField(allow_null=True, help_text="1 before 2 before 3.")
    reasoning = serializers.CharField(allow_null=True)
    details = serializers.CharField(allow_null=True)


class RecommendationOut(serializers.Serializer[Any]):
    recommended = ActionOut(many=True)
    warnings = serializers.ListField(child=serializers.CharField())
    talking_points = serializers.ListField(child=serializers.CharField())


class RecommendationInsight(Provenance):
    value = RecommendationOut(allow_null=True)


class DraftInsight(Provenance):
    """A text to read, change and send, or not; it is never sent by itself."""

    draft = serializers.CharField(allow_null=True)
    tone = serializers.CharField(allow_null=True)
    personalization = serializers.ListField(child=serializers.CharField())
    reasoning = serializers.CharField(allow_null=True)
    too_long = serializers.BooleanField(help_text="For its channel: an SMS of more than 160 characters.")


class DraftRequest(fields.StrictSerializer):
    tone = fields.Choice(choices=[(tone.value, tone.value) for tone in Tone], required=False)
    length = fields.Choice(choices=[(length.value, length.value) for length in Length], required=False)
    channel = fields.Choice(choices=Channel.choices, required=False, help_text="The ticket's own unless given.")


class DraftFigures(serializers.Serializer[Any]):
    shown = serializers.IntegerField()
    sent = serializers.IntegerField(help_text="As they were.")
    edited = serializers.IntegerField(help_text="Changed, and sent.")
    discarded = serializers.IntegerField(help_text="Not used, or not answered with in a week.")
    open = serializers.IntegerField(help_text="Not answered yet.")
    likeness = serializers.FloatField(allow_null=True, help_text="Mean of those sent and edited: 1 is as it was.")


class DraftsOfTone(DraftFigures):
    tone = serializers.CharField(help_text="Empty: Quimbi did not say.")


class DraftsOfAgent(DraftFigures):
    agent_id = serializers.IntegerField()
    name = serializers.CharField()


class CallFigures(serializers.Serializer[Any]):
    function = serializers.CharField()
    calls = serializers.IntegerField()
    answered = serializers.IntegerField()
    median_ms = serializers.FloatField(allow_null=True)


class ReportOut(serializers.Serializer[Any]):
    since = serializers.DateField()
    until = serializers.DateField()
    drafts = DraftFigures()
    by_tone = DraftsOfTone(many=True)
    by_agent = DraftsOfAgent(many=True)
    calls = CallFigures(many=True, help_text="To Quimbi, of everybody; only for who sees everything.")
