"""Filters of the lists of breaches and of what is at risk."""

from typing import Any

import django_filters
from django.db.models import QuerySet

from sla.clock import Metric
from sla.models import SLAAlert, SLAClock
from supportdesk.core.api import filters
from tickets.enums import Priority

METRICS = [metric.value for metric in Metric]


class BreachFilter(django_filters.FilterSet):
    metric = filters.Choices("metric", choices=METRICS)
    priority = filters.Choices("priority", choices=Priority.values)
    owner = filters.Id(field_name="owner_id", help_text="Id of the agent who had the ticket then.")
    department = filters.Id(field_name="department_id", help_text="Id of a department.")
    ticket = filters.Id(field_name="ticket_id", help_text="Id of a ticket.")
    acknowledged = filters.Choices("acknowledged_at", choices=["false", "true"])
    since = filters.Since("at")

    class Meta:
        model = SLAAlert
        fields: list[str] = []

    def filter_queryset(self, queryset: QuerySet[Any]) -> QuerySet[Any]:
        acknowledged = set(self.form.cleaned_data.pop("acknowledged") or [])
        if len(acknowledged) == 1:
            queryset = queryset.filter(acknowledged_at__isnull=acknowledged == {"false"})
        found: QuerySet[Any] = super().filter_queryset(queryset)
        return found


class AtRiskFilter(django_filters.FilterSet):
    metric = filters.Choices("metric", choices=METRICS)
    priority = filters.Choices("ticket__priority", choices=Priority.values)
    assignee = filters.Id(field_name="ticket__assignee_id", help_text="Id of an agent.")
    department = filters.Id(field_name="ticket__department_id", help_text="Id of a department.")

    class Meta:
        model = SLAClock
        fields: list[str] = []
