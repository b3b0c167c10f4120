"""Filters and orders of the lists of tickets."""

from typing import Any

import django_filters
from django import forms
from django.core.exceptions import ValidationError

from supportdesk.core.actor import ActorKind
from supportdesk.core.api import filters
from supportdesk.core.api.pagination import Ordering
from supportdesk.core.errors import InvalidInput
from tickets import search
from tickets.enums import Category, Channel, Priority, Status
from tickets.models import Ticket
from tickets.models.ticket import TicketQuerySet

ME, NOBODY = "me", "none"
BY_TIME = {
    "-created_at": Ordering("created_at", descending=True),
    "created_at": Ordering("created_at"),
    "-updated_at": Ordering("updated_at", descending=True),
    "updated_at": Ordering("updated_at"),
}
BY_RANK = {"rank": Ordering("rank_at"), **BY_TIME}


class _AssigneeField(forms.CharField):
    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if text in {"", ME, NOBODY}:
            return text
        try:
            return filters.parse_id(text)
        except ValidationError:
            raise ValidationError("Must be the id of an agent, me or none.", code="invalid_id") from None


class _Assignee(filters.Parameter):
    field_class = _AssigneeField
    schema = {"type": "string", "pattern": f"^({ME}|{NOBODY}|[1-9][0-9]{{0,17}})$"}


class _Status(filters.Choices):
    def filter(self, queryset: Any, value: list[str] | None) -> Any:
        return queryset if value is None else queryset.in_status(value)


class _Archived(filters.Choices):
    """Leaves archived tickets out when nothing is said as well."""

    def filter(self, queryset: Any, value: list[str] | None) -> Any:
        wanted = set(value or ["false"])
        return queryset.filter(archived_at__isnull="false" in wanted) if len(wanted) == 1 else queryset


class HistoryFilter(django_filters.FilterSet):
    """Filters of a customer's history, which holds archived tickets too."""

    status = _Status("status", choices=Status.values)
    priority = filters.Choices("priority", choices=Priority.values)
    channel = filters.Choices("channel", choices=Channel.values)
    category = filters.Choices("category", choices=Category.values)
    tag = filters.Text(method="tagged", help_text="A tag, or several separated by commas: tickets that have all.")
    created_since = filters.Since("created_at", never_after="updated_at")
    updated_since = filters.Since("updated_at")

    class Meta:
        model = Ticket
        fields: list[str] = []

    def tagged(self, queryset: TicketQuerySet, name: str, value: str) -> TicketQuerySet:
        tags = [tag.strip().lower() for tag in value.split(",") if tag.strip()]
        return queryset.tagged(tags) if tags else queryset


class TicketFilter(HistoryFilter):
    """As a history, and by the people involved; leaves archived tickets out unless they are asked for."""

    customer = filters.Id(field_name="customer_id", help_text="Id of a customer.")
    department = filters.Id(field_name="department_id", help_text="Id of a department.")
    assignee = _Assignee(method="assigned", help_text="Id of an agent, `me`, or `none`.")
    source = filters.Text(field_name="source", help_text="The system the ticket came from.")
    external_id = filters.Text(field_name="external_id", help_text="Its id there.")
    archived = _Archived("archived_at", choices=["false", "true"])
    q = filters.Text(  # the last: a name is looked for only where the other filters leave no ticket with the words
        method="matching",
        help_text='Words of subject, messages and notes (`-word` leaves out, `"…"` keeps together), or a number, or a '
        "part of a subject or of a customer's name.",
    )

    def matching(self, queryset: TicketQuerySet, name: str, value: str) -> TicketQuerySet:
        return search.matching(queryset, value, self.request.auth.actor) if value.strip() else queryset

    def assigned(self, queryset: TicketQuerySet, name: str, value: Any) -> TicketQuerySet:
        if value == NOBODY:
            return queryset.filter(assignee__isnull=True)
        actor = self.request.auth.actor
        if value == ME and actor.kind != ActorKind.PERSON:
            raise InvalidInput.on("assignee", "An API key has no tickets of its own; name an agent.", "invalid_choice")
        if value == ME:
            return queryset.filter(assignee_id=actor.id)
        return queryset.filter(assignee_id=value) if value else queryset


class _ExplainField(forms.CharField):
    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        if text not in {"", "1"}:
            raise ValidationError("Must be 1, or left out.", code="invalid_choice")
        return text


class _Explain(filters.Parameter):
    field_class = _ExplainField
    schema = {"type": "string", "enum": ["1"]}


class ListFilter(TicketFilter):
    """As a filter of tickets, and whether the list says why it is in this order."""

    explain = _Explain(method="unchanged", help_text="Adds `rank` to each ticket; only in the order of work.")

    def unchanged(self, queryset: TicketQuerySet, name: str, value: str) -> TicketQuerySet:
        return queryset
