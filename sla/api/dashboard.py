"""How promises were kept, and what lies ahead."""

import json
from collections.abc import Mapping
from typing import Any, ClassVar

from django.conf import settings
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from sla import dashboard, performance
from sla.api import examples
from sla.api.filters import PeriodFilter
from sla.api.performance import FiguresOut
from sla.api.views import READERS
from sla.dashboard import Dashboard
from sla.models import SLAClock
from supportdesk.core import kept
from supportdesk.core.api.filters import read_parameters
from supportdesk.core.api.schema import operation
from supportdesk.core.api.views import ApiViewSet
from tickets.api.serializers import PersonName
from tickets.enums import Channel, Priority


class PriorityFigures(FiguresOut):
    priority = serializers.ChoiceField(choices=Priority.choices, help_text="Of a broken promise, at that instant.")


class ChannelFigures(FiguresOut):
    channel = serializers.ChoiceField(choices=Channel.choices)


class DepartmentFigures(FiguresOut):
    department = PersonName(allow_null=True, help_text="Of a broken promise, when that was noticed.")


class AgentFigures(FiguresOut):
    agent = PersonName(allow_null=True, help_text="Who had it when it was broken, else who has or had the ticket.")


class DayFigures(FiguresOut):
    day = serializers.DateField(help_text="On which it was met or broken (UTC).")


class LoadOut(serializers.Serializer[Any]):
    """Promises that run, by when they end."""

    overdue = serializers.IntegerField(help_text="Broken, and not answered or resolved yet.")
    within_1_hour = serializers.IntegerField(help_text="Due by then, and not overdue.")
    within_4_hours = serializers.IntegerField(help_text="Those within the hour included.")
    within_24_hours = serializers.IntegerField()


class DepartmentLoad(LoadOut):
    department = PersonName(allow_null=True)


class LoadsOut(serializers.Serializer[Any]):
    total = LoadOut()
    by_department = DepartmentLoad(many=True)


class DashboardOut(serializers.Serializer[Any]):
    """Of tickets that the caller sees. Rows are there for what there was something of."""

    since = serializers.DateField()
    until = serializers.DateField(help_text="The last day, included.")
    as_of = serializers.DateTimeField(help_text="When it was added up.")
    max_age_seconds = serializers.IntegerField(help_text="How old it may be.")
    total = FiguresOut()
    by_priority = PriorityFigures(many=True)
    by_channel = ChannelFigures(many=True)
    by_department = DepartmentFigures(many=True)
    by_agent = AgentFigures(many=True, help_text="Agents whose record the caller may read, and what nobody had.")
    by_day = DayFigures(many=True)
    load = LoadsOut(help_text="What lies ahead, from `as_of` on.")

    def to_representation(self, dashboard: Dashboard) -> Any:
        return super().to_representation(
            {
                "since": dashboard.during.since,
                "until": dashboard.during.until,
                "as_of": dashboard.as_of,
                "max_age_seconds": settings.KEPT_ANSWER_SECONDS,
                "total": dashboard.figures[None][None],
                "by_priority": _named(dashboard.figures["priority"], "priority"),
                "by_channel": _named(dashboard.figures["channel"], "channel"),
                "by_department": _people(dashboard.figures["department_id"], "department", dashboard.departments),
                "by_agent": _people(dashboard.figures["agent_id"], "agent", dashboard.agents),
                "by_day": _named(dashboard.figures["day"], "day"),
                "load": {
                    "total": dashboard.load[0][None],
                    "by_department": _people(dashboard.load[1], "department", dashboard.departments),
                },
            }
        )


class _Row:
    """Figures with what they are of."""

    def __init__(self, figures: Any, name: str, value: Any) -> None:
        self._figures = figures
        setattr(self, name, value)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._figures, name)


def _named(figures: Mapping[Any, Any], name: str) -> list[_Row]:
    return [_Row(counted, name, value) for value, counted in figures.items()]


def _people(figures: Mapping[Any, Any], name: str, names: Mapping[int, str]) -> list[_Row]:
    """Nobody is null; who is not among the names is left out."""
    known = {pk: {"id": pk, "name": text} for pk, text in names.items()}
    return [_Row(counted, name, known.get(pk)) for pk, counted in figures.items() if pk is None or pk in known]


class DashboardViewSet(ApiViewSet):
    allowed: ClassVar = {"retrieve": READERS}
    filterset_class = PeriodFilter
    queryset = SLAClock.objects.none()

    @operation("Get the dashboard", returns=DashboardOut, example=examples.DASHBOARD, filtered=True, trims=())
    def retrieve(self, request: Request) -> Response:
        """How promises were kept on tickets that the caller sees, and what lies ahead. Up to a minute old."""
        actor, now = self.actor, self.now
        during = performance.period(**read_parameters(request, PeriodFilter), now=now)

        def made() -> str:
            found = dashboard.dashboard(actor, during, now=now)
            return json.dumps(DashboardOut().to_representation(found), cls=JSONEncoder)

        text = kept.answer(
            dashboard.KIND, key=[*actor.sight, during.since, during.until], groups=[dashboard.KIND], make=made
        )
        return Response(json.loads(text))
