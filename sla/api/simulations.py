"""Simulations of policies on past tickets as the API speaks of them."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from rest_framework import serializers

from sla.api.hours import HoursIn
from sla.api.policies import MAX_POSITION, Whole
from sla.enums import METRICS, JobState
from sla.selectors import Simulated
from sla.services.simulating import MOST_DAYS
from supportdesk.core.api import fields
from tickets.api.serializers import PersonName


class SimulationCreate(fields.StrictSerializer):
    days = Whole(1, MOST_DAYS, required=False, help_text="Tickets created in these last days; 30 unless given.")
    number = fields.Integer(
        min_value=1,
        max_value=MAX_POSITION,
        required=False,
        help_text="Of the version to simulate; the draft unless given, without a draft what is active.",
    )
    calendar = HoursIn(required=False, help_text="Other hours than the present ones of its calendar.")


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
