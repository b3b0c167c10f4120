"""Filters of the agents' list. Those on what a card does not show apply to whole records only."""

from typing import Any

import django_filters

from agents.enums import Availability, Role
from agents.models import Agent, AgentQuerySet
from supportdesk.core.api import filters


class AgentFilter(django_filters.FilterSet):
    availability = filters.Choices("availability", choices=Availability.values)
    role = filters.Choices("role", choices=Role.values)
    department = filters.Id(field_name="department_id", help_text="Id of a department.")
    specialization = filters.Id(method="with_specialization", help_text="Id of a specialization.")
    q = filters.Text(field_name="name", lookup_expr="icontains", help_text="Part of the name.")

    class Meta:
        model = Agent
        fields: list[str] = []

    def filter_queryset(self, queryset: Any) -> Any:
        hidden = {"role", "department", "specialization"}
        if any(self.form.cleaned_data.get(name) for name in hidden):
            queryset = queryset.filter(whole=True)
        return super().filter_queryset(queryset)

    def with_specialization(self, queryset: AgentQuerySet, name: str, value: int | None) -> AgentQuerySet:
        return queryset if value is None else queryset.filter(specializations=value)
