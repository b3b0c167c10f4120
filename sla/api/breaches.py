"""Promises that were broken, and those that are at risk."""

from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from sla import selectors
from sla.api import examples
from sla.api.filters import AtRiskFilter, BreachFilter
from sla.api.views import READERS, WRITERS
from sla.enums import METRICS
from sla.models import SLAAlert, SLAClock
from sla.services import breaches
from supportdesk.core.api import fields
from supportdesk.core.api.pagination import Ordering
from supportdesk.core.api.schema import operation
from supportdesk.core.api.views import ApiViewSet
from supportdesk.core.errors import NotFound
from tickets.api.serializers import PersonName
from tickets.enums import Priority, Status


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


class BreachViewSet(ApiViewSet):
    allowed: ClassVar = {"list": READERS, "acknowledge": WRITERS}
    orderings: ClassVar = {"-at": Ordering("at", descending=True), "at": Ordering("at")}
    filterset_class = BreachFilter
    queryset = SLAAlert.objects.none()

    def check_reach(self, **path: Any) -> None:
        if not SLAAlert.objects.visible_to(self.actor).breaches().filter(pk=path["pk"]).exists():
            raise NotFound

    @operation("List breaches", returns=BreachOut(many=True), example=examples.BREACH)
    def list(self, request: Request) -> Response:
        """Broken promises on tickets that the caller sees, the latest first. Once there, a breach stays."""
        return self.page(selectors.breaches(self.actor), BreachOut)

    @operation(
        "Acknowledge a breach",
        takes=Acknowledgment,
        request_example={"reason": "The carrier's site was down all morning."},
        returns=BreachOut,
        example=examples.BREACH,
        errors=[breaches.AlreadyAcknowledged],
    )
    def acknowledge(self, request: Request, pk: int) -> Response:
        """Notes once, for good, why the promise was broken. Supervisors and administrators."""
        breaches.acknowledge(breach_id=pk, **self.read(Acknowledgment), by=self.actor, now=self.now)
        return Response(BreachOut(selectors.breaches(self.actor).get(pk=pk)).data)


class AtRiskViewSet(ApiViewSet):
    allowed: ClassVar = {"list": READERS}
    orderings: ClassVar = {"due_at": Ordering("due_at"), "-due_at": Ordering("due_at", descending=True)}
    filterset_class = AtRiskFilter
    queryset = SLAClock.objects.none()

    @operation("List what is at risk", returns=AtRiskOut(many=True), example=examples.AT_RISK)
    def list(self, request: Request) -> Response:
        """Running clocks that were warned of and are not due yet, the earliest first, on tickets that the caller
        sees.
        """
        return self.page(selectors.at_risk(self.actor, now=self.now), AtRiskOut)
