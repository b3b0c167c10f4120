"""What the product itself is doing, for administrators: deliveries, and a second chance for what was given up."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from agents.admin import RecordAdmin
from supportdesk.core import delivery
from supportdesk.core.admin import ServiceForm
from supportdesk.core.errors import DomainError
from supportdesk.core.models import Delivery

FIELDS = ("reaction", "state", "attempts", "last_error", "due_at", "finished_at")


class DeliveryForm(ServiceForm):
    reaction = forms.CharField()
    state = forms.CharField()
    attempts = forms.IntegerField()
    last_error = forms.CharField(label="Last failure")
    due_at = forms.DateTimeField(label="Due")
    finished_at = forms.DateTimeField(label="Finished")


@admin.register(Delivery)
class DeliveryAdmin(RecordAdmin):
    """Read only; trying again goes through the service."""

    form_class = DeliveryForm
    list_display = ("reaction", "subject", "event_name", "state", "attempts", "last_error", "due_at", "finished_at")
    list_filter: ClassVar[Any] = ("state",)
    plain_filters = ("state",)
    list_select_related = ("event",)
    search_fields = ("reaction",)
    search_help_text = "Part of a reaction's name"
    ordering = ("-id",)
    shown = FIELDS
    actions = ("try_again",)

    @admin.display(description="Subject")
    def subject(self, obj: Delivery) -> str:
        return f"{obj.subject_type} {obj.subject_id}"

    @admin.display(description="Event")
    def event_name(self, obj: Delivery) -> str:
        return obj.event.name

    @admin.action(description="Try again (what was given up)")
    def try_again(self, request: HttpRequest, queryset: QuerySet[Delivery]) -> None:
        tried = 0
        for pk in queryset.values_list("pk", flat=True):
            try:
                delivery.retry(delivery_id=pk, by=self.actor(request), now=timezone.now())
                tried += 1
            except DomainError as problem:
                messages.error(request, f"{pk}: {problem.detail}")
        if tried:
            messages.success(request, f"{tried} {'delivery is' if tried == 1 else 'deliveries are'} tried again.")
