"""What many customers write about just now, lifted for a time."""

from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.utils import timezone
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.api.serializers import NothingRequest
from agents.enums import EVERY_ROLE, Role, Scope
from agents.models import Department
from supportdesk.core.api import fields, filters
from supportdesk.core.api.pagination import Ordering
from supportdesk.core.api.schema import operation
from supportdesk.core.api.views import ApiViewSet
from supportdesk.core.errors import NotFound
from tickets.api import examples
from tickets.api.serializers import PersonName
from tickets.models import TopicAlert
from tickets.models.ticket import MAX_TAG_LENGTH
from tickets.services import topic_alerts
from tickets.weights import MOST_HEAD_START

READERS = EVERY_ROLE | {Scope.TICKETS_READ}
WRITERS = frozenset({Role.SUPERVISOR.value, Role.ADMIN.value})


class TopicAlertCreate(fields.StrictSerializer):
    """A phrase or a tag, one of the two."""

    phrase = fields.Text(
        max_length=100,
        required=False,
        help_text="In the subject or in what the customer wrote, in any case; at least three characters.",
    )
    tag = fields.Text(max_length=MAX_TAG_LENGTH, required=False)
    department_id = fields.Reference(
        Department.objects,
        source="department",
        required=False,
        allow_null=True,
        help_text="Only its tickets; supervisors of some departments must name one of theirs.",
    )
    minutes = fields.Integer(
        min_value=1, max_value=MOST_HEAD_START, help_text="How much earlier, as far as the weights allow."
    )
    ends_at = fields.Instant(help_text="At most 30 days from now.")


class TopicAlertOut(serializers.Serializer[TopicAlert]):
    id = serializers.IntegerField()
    phrase = serializers.CharField(help_text="Empty: it is about a tag.")
    tag = serializers.CharField(help_text="Empty: it is about a phrase.")
    department = PersonName(allow_null=True, help_text="Null: of every department.")
    minutes = serializers.IntegerField()
    ends_at = serializers.DateTimeField(help_text="When it ends, or ended.")
    created_by = PersonName(allow_null=True)
    created_at = serializers.DateTimeField()


class TopicAlertFilter(django_filters.FilterSet):
    running = filters.Choices("ends_at", choices=["false", "true"])

    class Meta:
        model = TopicAlert
        fields: list[str] = []

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        running = set(self.form.cleaned_data.pop("running") or [])
        if len(running) == 1:
            now = timezone.now()
            queryset = queryset.filter(ends_at__gt=now) if running == {"true"} else queryset.filter(ends_at__lte=now)
        found: QuerySet[Any] = super().filter_queryset(queryset)
        return found


class TopicAlertViewSet(ApiViewSet):
    allowed: ClassVar = {**dict.fromkeys(("list", "retrieve"), READERS), **dict.fromkeys(("create", "end"), WRITERS)}
    orderings: ClassVar = {
        "-created_at": Ordering("created_at", descending=True),
        "created_at": Ordering("created_at"),
    }
    filterset_class = TopicAlertFilter
    queryset = TopicAlert.objects.none()

    def check_reach(self, **path: Any) -> None:
        if "pk" in path and not self._visible().filter(pk=path["pk"]).exists():
            raise NotFound

    @operation("List topic alerts", returns=TopicAlertOut(many=True), example=examples.TOPIC_ALERT)
    def list(self, request: Request) -> Response:
        """Those for every department and for the caller's own, the newest first."""
        return self.page(self._visible(), TopicAlertOut)

    @operation(
        "Begin a topic alert",
        takes=TopicAlertCreate,
        request_example=examples.TOPIC_ALERT_CREATE,
        returns=TopicAlertOut,
        example=examples.TOPIC_ALERT,
        status=201,
    )
    def create(self, request: Request) -> Response:
        """Tickets that match come earlier until it ends; open ones within seconds. Supervisors and administrators."""
        alert = topic_alerts.begin(**self.read(TopicAlertCreate), by=self.actor, now=self.now)
        return Response(TopicAlertOut(alert).data, status=201)

    @operation("Get a topic alert", returns=TopicAlertOut, example=examples.TOPIC_ALERT, trims=())
    def retrieve(self, request: Request, pk: int) -> Response:
        filters.refuse_unknown(request, ())
        alert = self._visible().filter(pk=pk).first()
        if alert is None:
            raise NotFound
        return Response(TopicAlertOut(alert).data)

    @operation(
        "End a topic alert",
        takes=NothingRequest,
        request_example={},
        returns=TopicAlertOut,
        example=examples.TOPIC_ALERT,
    )
    def end(self, request: Request, pk: int) -> Response:
        """Before its time. One that is over stays as it is."""
        self.read(NothingRequest)
        return Response(TopicAlertOut(topic_alerts.end(alert_id=pk, by=self.actor, now=self.now)).data)

    def _visible(self) -> Any:
        return TopicAlert.objects.visible_to(self.actor).select_related("department", "created_by")
