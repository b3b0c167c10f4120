"""Filters of the customers' list."""

from typing import Any

import django_filters

from customers import selectors
from customers.models import Customer, CustomerQuerySet
from supportdesk.core.api import filters


class CustomerFilter(django_filters.FilterSet):
    email = filters.Text(method="with_email", help_text="The whole address, in any case.")
    phone = filters.Text(method="with_phone", help_text="The whole number, in any spelling.")
    q = filters.Text(
        method="named", help_text="Part of the name, or a word much like one in it; a letter or two begin a word."
    )
    created_since = filters.Since("created_at", never_after="updated_at")
    updated_since = filters.Since("updated_at")

    class Meta:
        model = Customer
        fields: list[str] = []

    def with_email(self, queryset: CustomerQuerySet, name: str, value: Any) -> CustomerQuerySet:
        return selectors.with_email(queryset, value) if value else queryset

    def with_phone(self, queryset: CustomerQuerySet, name: str, value: Any) -> CustomerQuerySet:
        return selectors.with_phone(queryset, value) if value else queryset

    def named(self, queryset: CustomerQuerySet, name: str, value: Any) -> CustomerQuerySet:
        return selectors.named(queryset, value) if value else queryset
