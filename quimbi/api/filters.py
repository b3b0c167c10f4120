"""Parameters of what is asked of Quimbi."""

from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError

from quimbi.types import Length, Tone
from supportdesk.core.api import filters
from tickets.enums import Channel
from tickets.models import Draft


class _WordField(forms.CharField):
    def __init__(self, *, allowed: list[str], **kwargs: Any) -> None:
        self.allowed = allowed
        super().__init__(**kwargs)

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if text and text not in self.allowed:
            raise ValidationError(f"Must be one of: {', '.join(self.allowed)}.", code="invalid_choice")
        return text or None


class _Word(filters.Parameter):
    """One of the values."""

    field_class = _WordField

    def __init__(self, *, choices: list[str], help_text: str) -> None:
        self.schema = {"type": "string", "enum": choices}
        super().__init__(allowed=choices, help_text=help_text)


class InsightFilter(django_filters.FilterSet):
    """A filter of nothing."""

    refresh = _Word(choices=["1"], help_text="Asks Quimbi again, whatever is kept. Some times a minute.")

    class Meta:
        model = Draft
        fields: list[str] = []


class DraftFilter(django_filters.FilterSet):
    """A filter of nothing."""

    tone = _Word(choices=[tone.value for tone in Tone], help_text="Quimbi chooses one unless given.")
    length = _Word(choices=[length.value for length in Length], help_text="Some of Quimbi's dialects ignore it.")
    channel = _Word(choices=Channel.values, help_text="The ticket's own unless given.")

    class Meta:
        model = Draft
        fields: list[str] = []
