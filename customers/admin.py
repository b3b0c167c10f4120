"""Customers in the admin."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from agents.admin import DeskAdmin
from customers import audit, selectors, services
from customers.enums import Tier
from customers.models import Customer
from supportdesk.core.admin import ServiceForm
from supportdesk.core.api.fields import known_timezones
from supportdesk.core.errors import InvalidInput

FIELDS = ("name", "email", "phone", "address", "timezone", "language", "tier")
SHOWN_TICKETS, SHOWN_ORDERS = 20, 20


class CustomerForm(ServiceForm):
    name = forms.CharField(max_length=200)
    email = forms.CharField(max_length=254, required=False, label="E-mail")
    phone = forms.CharField(max_length=50, required=False, help_text="With its country code, such as +49 30 901820.")
    address = forms.CharField(max_length=1_000, required=False, widget=forms.Textarea(attrs={"rows": 3}))
    timezone = forms.CharField(max_length=64, required=False, label="Time zone", help_text="Such as Europe/Berlin.")
    language = forms.CharField(max_length=16, required=False, help_text="Such as en or pt-br.")

    tier = forms.ChoiceField(
        choices=Tier.choices, initial=Tier.STANDARD, help_text="A VIP's tickets go to seniors first."
    )

    def clean_timezone(self) -> str:
        name: str = self.cleaned_data["timezone"]
        if name and name not in known_timezones():
            raise forms.ValidationError("Must be a time zone such as Europe/Berlin.")
        return name

    def given(self) -> dict[str, Any]:
        """Every value, with what was left empty as None where the service knows that."""
        values = {name: self.cleaned_data[name] for name in FIELDS}
        return values | {name: values[name] or None for name in ("email", "phone", "address")}


@admin.register(Customer)
class CustomerAdmin(DeskAdmin):
    form_class = CustomerForm
    record_template = "admin/desk/customer.html"
    may_add = True
    list_display = ("name", "email", "language", "tier", "created_at")
    search_fields = ("name",)
    search_help_text = "Part of a name; or a whole e-mail address or phone number"
    ordering = ("-created_at", "-id")
    sortable_by: ClassVar[Any] = ("created_at",)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        term = search_term.strip()
        found: Any = queryset
        try:
            if not term:
                return queryset, False
            if "@" in term:
                return selectors.with_email(found, term), False
            if term.startswith("+"):
                return selectors.with_phone(found, term), False
            return selectors.named(found, term), False
        except InvalidInput:
            return queryset.none(), False

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        page = super().changelist_view(request, extra_context)
        shown = getattr(page, "context_data", {}).get("cl")
        if shown is not None:
            ids = [customer.pk for customer in shown.result_list]
            by, now = self.actor(request), timezone.now()
            audit.record_listing(ids=ids, parameters=request.GET, through="admin", by=by, now=now)
        return page

    def settable(self, request: HttpRequest, obj: Any) -> frozenset[str]:
        return frozenset(FIELDS)

    def initial(self, obj: Customer) -> dict[str, Any]:
        return {name: getattr(obj, name) or "" for name in FIELDS}

    def beside(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        if obj is None:
            return {}
        audit.record_read(customer_id=obj.pk, through="admin", by=self.actor(request), now=timezone.now())
        tickets: Any = obj.tickets.visible_to(self.actor(request)).select_related("assignee")
        return {
            "identities": obj.identities.all(),
            "orders": obj.orders.order_by("-ordered_at", "-pk")[:SHOWN_ORDERS],
            "attributes": sorted(obj.attributes.items()),
            "tickets": tickets.order_by("-created_at", "-id")[:SHOWN_TICKETS],
        }

    def write(self, request: HttpRequest, obj: Any, form: Any) -> Customer:
        by, now = self.actor(request), timezone.now()
        if obj is None:
            return services.create_customer(**form.given(), by=by, now=now)
        given = form.given()
        changes = {name: given[name] for name in form.changes()}
        return services.update_customer(
            customer_id=obj.pk, changes=changes, by=by, now=now, expected_version=form.seen_version
        )
