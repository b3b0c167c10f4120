"""Warnings and breaches in the admin: what happened, and why, once somebody says so."""

from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils import timezone

from agents.admin import DeskAdmin
from sla.admin.forms import AcknowledgeForm
from sla.enums import AlertKind
from sla.models import SLAAlert
from sla.services import breaches
from supportdesk.core.admin import ServiceForm


class AcknowledgedFilter(admin.SimpleListFilter):
    title = "acknowledgment"
    parameter_name = "acknowledged"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [("no", "Not yet"), ("yes", "Acknowledged")]

    def queryset(self, request: HttpRequest, queryset: Any) -> Any:
        if self.value() == "no":
            return queryset.filter(kind=AlertKind.BREACH, acknowledged_at__isnull=True)
        return queryset.filter(acknowledged_at__isnull=False) if self.value() == "yes" else queryset


@admin.register(SLAAlert)
class AlertAdmin(DeskAdmin):
    """Says numbers of tickets and never their subjects: who the customer is stands on the ticket's own page."""

    form_class = AcknowledgeForm
    record_template = "admin/desk/alert.html"
    list_display = ("number", "kind", "metric", "due", "priority", "owner", "department", "acknowledged")
    list_filter: ClassVar[Any] = ("kind", "metric", "priority", AcknowledgedFilter)
    plain_filters = ("kind", "metric", "priority", "acknowledged")
    list_select_related = ("owner", "department")
    ordering = ("-at", "-id")
    sortable_by: ClassVar[Any] = ()

    @admin.display(description="Ticket")
    def number(self, obj: SLAAlert) -> str:
        return f"#{obj.ticket_id}"

    @admin.display(description="Due")
    def due(self, obj: SLAAlert) -> datetime:
        return obj.at

    @admin.display(description="Acknowledged")
    def acknowledged(self, obj: SLAAlert) -> datetime | None:
        return obj.acknowledged_at

    def settable(self, request: HttpRequest, obj: SLAAlert) -> frozenset[str]:
        return frozenset({"reason"}) if obj.kind == AlertKind.BREACH and not obj.acknowledged_at else frozenset()

    def build_form(self, request: HttpRequest, obj: SLAAlert) -> ServiceForm:
        data = request.POST if request.method == "POST" else None
        return AcknowledgeForm(data, initial={"reason": obj.reason}, settable=self.settable(request, obj))

    def write(self, request: HttpRequest, obj: SLAAlert, form: ServiceForm) -> SLAAlert:
        reason = form.cleaned_data["reason"]
        return breaches.acknowledge(breach_id=obj.pk, reason=reason, by=self.actor(request), now=timezone.now())
