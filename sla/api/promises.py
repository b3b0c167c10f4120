"""The promises of a ticket in full."""

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from sla import selectors
from sla.api import examples
from sla.api.status import ClockBrief, PolicyName, Seconds
from sla.api.views import READERS
from sla.enums import METRICS
from sla.models import CalendarVersion, SLAClock
from supportdesk.core.api import trimming
from supportdesk.core.api.filters import refuse_unknown
from supportdesk.core.api.schema import operation
from supportdesk.core.api.views import ApiViewSet


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


class TicketSLAViewSet(ApiViewSet):
    allowed: ClassVar = {"retrieve": READERS}
    queryset = SLAClock.objects.none()

    @operation("Get a ticket's promises", returns=TicketSLAOut, example=examples.TICKET_SLA)
    def retrieve(self, request: Request, pk: int) -> Response:
        """Every clock that the ticket ever had, as it is now, in the order in which they began."""
        refuse_unknown(request, {trimming.PARAMETER})
        serializer = TicketSLAOut()
        trimming.trim(serializer, trimming.wanted_of(request, serializer))
        sla = selectors.of_ticket(ticket_id=pk, actor=self.actor)
        parts = {
            "ticket_id": sla.ticket_id,
            "policy_version": sla.policy_version,
            "calendar_version": sla.calendar_version,
            "started_at": sla.started_at,
            "clocks": selectors.standings(sla, now=self.now),
        }
        return Response(serializer.to_representation(parts))
