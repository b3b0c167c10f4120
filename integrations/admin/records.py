"""What came over connections and what became of it, in the admin: to look at."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone

from agents.admin import RecordAdmin
from integrations import privacy, receipts
from integrations.models import DataSubjectRequest, SyncCursor, WebhookReceipt
from supportdesk.core.admin import ServiceForm
from supportdesk.core.errors import Conflict, DomainError

RECEIPT_FIELDS = (
    *("source", "topic", "status", "attempts", "error", "resource_key", "delivery_id", "received_at"),
    *("next_attempt_at", "finished_at", "redacted_at"),
)


class ReceiptForm(ServiceForm):
    source = forms.CharField()
    topic = forms.CharField()
    status = forms.CharField()
    attempts = forms.IntegerField()
    error = forms.CharField(label="Last failure")
    resource_key = forms.CharField(label="About")
    delivery_id = forms.CharField(label="Key")
    received_at = forms.DateTimeField(label="Received")
    next_attempt_at = forms.DateTimeField(label="Next try")
    finished_at = forms.DateTimeField(label="Finished")
    redacted_at = forms.DateTimeField(label="Body blanked")


@admin.register(WebhookReceipt)
class ReceiptAdmin(RecordAdmin):
    """Read only, without the body; working off again goes through the service."""

    form_class = ReceiptForm
    list_display = ("id", "source", "topic", "status", "attempts", "error", "received_at", "finished_at")
    list_filter: ClassVar[Any] = ("status", "provider")
    plain_filters = ("status", "provider")
    ordering = ("-id",)
    actions = ("replay",)
    shown = RECEIPT_FIELDS

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).defer("raw_body")

    @admin.action(description="Work off again")
    def replay(self, request: HttpRequest, queryset: QuerySet[WebhookReceipt]) -> None:
        again = 0
        for pk in queryset.order_by("pk").values_list("pk", flat=True):
            try:
                receipts.replay(receipt_id=pk, by=self.actor(request), now=timezone.now())
                again += 1
            except DomainError as problem:
                if problem.status >= 500:
                    raise
                messages.error(request, f"{pk}: {problem.detail}")
        if again:
            messages.success(request, f"{again} {'delivery is' if again == 1 else 'deliveries are'} worked off again.")


class CursorForm(ServiceForm):
    connection = forms.CharField()
    resource = forms.CharField()
    phase = forms.CharField()
    watermark = forms.DateTimeField(label="Everything up to")
    seen = forms.IntegerField()
    written = forms.IntegerField()
    skipped = forms.IntegerField(label="Left as they are")
    failed = forms.IntegerField(label="Refused")
    failures = forms.JSONField(label="The last that were refused", widget=forms.Textarea)
    lease_owner = forms.CharField(label="Taken over by")
    last_full_at = forms.DateTimeField(label="Last came to its end")


@admin.register(SyncCursor)
class CursorAdmin(RecordAdmin):
    form_class = CursorForm
    list_display = ("connection", "resource", "phase", "watermark", "written", "failed", "lease_owner", "last_full_at")
    list_filter: ClassVar[Any] = ("resource", "phase")
    plain_filters = ("resource", "phase")
    list_select_related = ("connection",)
    ordering = ("connection", "resource", "id")
    shown = (
        *("connection", "resource", "phase", "watermark", "seen", "written", "skipped", "failed", "failures"),
        *("lease_owner", "last_full_at"),
    )


class PrivacyForm(ServiceForm):
    source = forms.CharField()
    kind = forms.CharField()
    subject = forms.CharField(label="Whom it is about, as the partner calls them")
    received_at = forms.DateTimeField(label="Received")
    due_at = forms.DateTimeField(label="Due")
    completed_at = forms.DateTimeField(label="Done")
    evidence = forms.JSONField(widget=forms.Textarea)


@admin.register(DataSubjectRequest)
class PrivacyAdmin(RecordAdmin):
    """An export is downloaded here, and done when it was given to whom it is for; the rest is done by itself."""

    form_class = PrivacyForm
    list_display = ("id", "source", "kind", "subject", "received_at", "due_at", "completed_at")
    list_filter: ClassVar[Any] = ("kind",)
    plain_filters = ("kind",)
    ordering = ("-id",)
    actions = ("download", "mark_delivered")
    shown = ("source", "kind", "subject", "received_at", "due_at", "completed_at", "evidence")

    @admin.action(description="Download the export")
    def download(self, request: HttpRequest, queryset: QuerySet[DataSubjectRequest]) -> HttpResponse | None:
        """What `GET /api/customers/ID/export` answers, as a file. One person in a file, and nothing of it kept."""
        ids = list(queryset.values_list("pk", flat=True)[:2])
        try:
            if len(ids) != 1:
                raise Conflict("Choose one request.")
            number, found = privacy.export(request_id=ids[0], by=self.actor(request), now=timezone.now())
        except DomainError as problem:
            if problem.status >= 500:
                raise
            messages.error(request, problem.detail)
            return None
        answer = JsonResponse(found, json_dumps_params={"indent": 2, "ensure_ascii": False})
        answer["Content-Disposition"] = f'attachment; filename="customer-{number}.json"'
        return answer

    @admin.action(description="The export was delivered")
    def mark_delivered(self, request: HttpRequest, queryset: QuerySet[DataSubjectRequest]) -> None:
        for pk in queryset.order_by("pk").values_list("pk", flat=True):
            privacy.delivered(request_id=pk, by=self.actor(request), now=timezone.now())
        messages.success(request, "Noted.")
