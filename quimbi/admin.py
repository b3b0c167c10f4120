"""The log of calls to Quimbi, for administrators: read only, and without a word of any customer."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin

from agents.admin import RecordAdmin
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
class CallAdmin(RecordAdmin):
    form_class = CallForm
    list_display = FIELDS
    list_filter: ClassVar[Any] = ("function", "outcome")
    plain_filters = ("function", "outcome")
    ordering = ("-id",)
    shown = FIELDS
