"""The log of calls to Quimbi, for administrators: read only, and without a word of any customer."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest

from agents.admin import DeskAdmin
from quimbi.models import Call
from supportdesk.core.admin import ServiceForm

FIELDS = ("function", "dialect", "outcome", "tries", "milliseconds", "request_id", "called_at")


class CallForm(ServiceForm):
    function = forms.CharField()
    dialect = forms.CharField()
    outcome = forms.CharField()
    tries = forms.IntegerField()
    milliseconds = forms.IntegerField()
    request_id = forms.CharField(label="Request")
    called_at = forms.DateTimeField(label="Called")


@admin.register(Call)
class CallAdmin(DeskAdmin):
    form_class = CallForm
    list_display = FIELDS
    list_filter: ClassVar[Any] = ("function", "outcome")
    plain_filters = ("function", "outcome")
    ordering = ("-id",)
    sortable_by: ClassVar[Any] = ()

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) and self.is_admin(request)

    has_module_permission = has_view_permission

    def settable(self, request: HttpRequest, obj: Any) -> frozenset[str]:
        return frozenset()

    def build_form(self, request: HttpRequest, obj: Any) -> ServiceForm:
        return CallForm(initial={name: getattr(obj, name) for name in FIELDS}, settable=frozenset())
