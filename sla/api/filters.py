"""Filters of the lists of breaches and of what is at risk, and the days of the dashboard."""

from datetime import date
from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError
from django.db.models import QuerySet

from sla.clock import Metric
from sla.models import SLAAlert, SLAClock
from supportdesk.core.api import filters
from tickets.enums import Priority

FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(2200, 12, 31)
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


class _DayField(forms.CharField):
    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if not text:
            return None
        try:
            day = date.fromisoformat(text)
        except ValueError:
            raise ValidationError("Must be a date such as 2026-12-25.", code="invalid_date") from None
        if not FIRST_DAY <= day <= LAST_DAY:
            raise ValidationError("Must be from 1970 to 2200.", code="out_of_range")
        return day


class _Day(filters.Parameter):
    field_class = _DayField
    schema = {"type": "string", "format": "date"}


class PeriodFilter(django_filters.FilterSet):
    """Days by UTC; a filter of nothing, read by who adds up."""

    since = _Day(help_text="The first day (UTC); 29 days before the last one unless given, and at most 365 before it.")
    until = _Day(help_text="The last day (UTC), which must not lie ahead; today unless given.")

    class Meta:
        model = SLAClock
        fields: list[str] = []
