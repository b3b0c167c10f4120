"""Policies in the admin: a table of targets, conditions to tick, and what it would mean for the next ten tickets."""

from datetime import datetime
from typing import Any, ClassVar

from django.contrib import admin
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from sla import preview, selectors, versions
from sla.admin.base import Act, PromiseAdmin
from sla.admin.forms import PolicyForm
from sla.clock import Metric
from sla.enums import VersionState
from sla.hours import NoWorkingTime
from sla.models import Policy, PolicyApplication, PolicyVersion
from sla.services import applying, policies
from sla.services.calendars import active_version
from supportdesk.core.admin import ServiceForm

SHOWN = 10


@admin.register(Policy)
class PolicyAdmin(PromiseAdmin):
    form_class = PolicyForm
    record_template = "admin/desk/policy.html"
    example_metrics: ClassVar = {metric: f"{metric.value.replace('_', ' ').capitalize()} due" for metric in Metric}
    list_display = ("position", "name", "default", "used", "holds", "draft", "updated")
    list_display_links = ("name",)
    list_filter: ClassVar[Any] = ("active",)
    plain_filters = ("active",)
    search_fields = ("name",)
    ordering = ("position", "id")
    sortable_by: ClassVar[Any] = ()

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).prefetch_related("versions__calendar", "versions__created_by")

    @admin.display(description="Default", boolean=True)
    def default(self, obj: Policy) -> bool:
        return obj.is_default

    @admin.display(description="Active", boolean=True)
    def used(self, obj: Policy) -> bool:
        return obj.active

    @admin.display(description="Updated")
    def updated(self, obj: Policy) -> datetime:
        return obj.updated_at

    @admin.display(description="Version")
    def holds(self, obj: Policy) -> str:
        version = _of(obj, VersionState.ACTIVE)
        return str(version.number) if version else "-"

    @admin.display(description="Draft", boolean=True)
    def draft(self, obj: Policy) -> bool:
        return _of(obj, VersionState.DRAFT) is not None

    def initial(self, obj: Policy) -> dict[str, Any]:
        return PolicyForm.initial_of(obj, _edited(obj))

    def acts(self) -> dict[str, Act]:
        return {
            "activate": self._activate,
            "switch": self._switch,
            "default": self._make_default,
            "count": lambda request, obj: self._apply(request, obj, preview=True),
            "apply": lambda request, obj: self._apply(request, obj, preview=False),
        }

    def check_form(self, form: PolicyForm) -> None:
        with transaction.atomic():
            policies.check_words(form.words(), of=form.cleaned_data["name"])

    def preview(self, form: PolicyForm) -> list[preview.Example]:
        priority = form.cleaned_data.get("example_priority") or "normal"
        try:
            hours = versions.hours_of(active_version(form.cleaned_data["calendar"]))
            return preview.due_times(versions.targets_of(form.targets()[priority]), hours, start=form.start)
        except NoWorkingTime:
            return []

    def beside(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        if obj is None:
            return {}
        tags = {tag for version in obj.versions.all() for tag in version.conditions.get("tags", ())}
        jobs = PolicyApplication.objects.filter(policy_version__policy=obj).select_related("policy_version")
        return {
            "history": sorted(obj.versions.all(), key=lambda version: -version.number)[:SHOWN],
            "active_version": _of(obj, VersionState.ACTIVE),
            "draft": _of(obj, VersionState.DRAFT),
            "unused_tags": selectors.unused_tags(tags),
            "applications": jobs.order_by("-pk")[:SHOWN],
        }

    def write(self, request: HttpRequest, obj: Any, form: ServiceForm) -> Policy:
        by, now = self.actor(request), timezone.now()
        words, given = _words(form), form.cleaned_data
        if obj is None:
            return policies.create_policy(name=given["name"], position=given["position"], **words, by=by, now=now)
        position = obj.position if given["position"] is None else given["position"]
        changes = {"name": given["name"], "position": position, **words}
        return policies.update_policy(
            policy_id=obj.pk, changes=changes, by=by, now=now, expected_version=form.seen_version
        )

    def _activate(self, request: HttpRequest, obj: Policy) -> str:
        number = request.POST.get("number", "")
        seen = int(number) if number.isascii() and number.isdecimal() and len(number) < 10 else None
        policies.activate(policy_id=obj.pk, number=seen, by=self.actor(request), now=timezone.now())
        return "Activated: tickets get it from now on. Those that run keep theirs."

    def _switch(self, request: HttpRequest, obj: Policy) -> str:
        self._change(request, obj, active=not obj.active)
        return "Switched off: no new ticket gets it." if obj.active else "Switched on."

    def _make_default(self, request: HttpRequest, obj: Policy) -> str:
        self._change(request, obj, is_default=True)
        return "This is the default policy now."

    def _apply(self, request: HttpRequest, obj: Policy, *, preview: bool) -> str:
        applying.request(policy_id=obj.pk, preview=preview, by=self.actor(request), now=timezone.now())
        return "Counting; read the page again for the result." if preview else "Under way; read the page again."

    def _change(self, request: HttpRequest, obj: Policy, **changes: Any) -> None:
        policies.update_policy(policy_id=obj.pk, changes=changes, by=self.actor(request), now=timezone.now())


def _words(form: Any) -> dict[str, Any]:
    words: dict[str, Any] = form.words()
    return words


def _of(policy: Policy, state: VersionState) -> PolicyVersion | None:
    return next((version for version in policy.versions.all() if version.state == state), None)


def _edited(policy: Policy) -> PolicyVersion:
    """The version that the form shows: the draft, or what holds."""
    return max(policy.versions.all(), key=lambda version: (version.state != VersionState.RETIRED, version.number))
