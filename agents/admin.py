"""Agents, departments and skills in the admin."""

from datetime import timedelta
from typing import Any, ClassVar, cast

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from agents import keys, services, structure
from agents.enums import Availability, Role, Scope
from agents.models import Agent, ApiKey, Department, Specialization
from agents.selectors import actor_for, led_departments
from supportdesk.core.actor import Actor, Door
from supportdesk.core.admin import ServiceAdmin, ServiceForm
from supportdesk.core.observability.middleware import current_request_id
from tickets import selectors, workload
from tickets.matching import ONE
from tickets.models import Ticket

DEFAULT_KEY_LIFE = timedelta(days=90)
KEY_FIELDS = ("name", "scopes", "expires_at")
SHOWN_TICKETS = 20


class DeskAdmin(ServiceAdmin):
    """What the admins of all apps share: the actor is the agent who is logged in."""

    def actor(self, request: HttpRequest) -> Actor:
        """Built once per request."""
        known: Actor | None = getattr(request, "desk_actor", None)
        if known is None:
            agent: Any = request.user
            known = actor_for(agent, led=led_departments(agent), origin=Door.ADMIN, request_id=current_request_id())
            request.desk_actor = known  # type: ignore[attr-defined]
        return known

    def is_admin(self, request: HttpRequest) -> bool:
        return self.actor(request).role == Role.ADMIN


class RecordAdmin(DeskAdmin):
    """Of what administrators look at and nobody changes by hand: `shown` is what the page of one tells."""

    sortable_by: ClassVar[Any] = ()
    shown: ClassVar[tuple[str, ...]]

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) and self.is_admin(request)

    has_module_permission = has_view_permission

    def settable(self, request: HttpRequest, obj: Any) -> frozenset[str]:
        return frozenset()

    def build_form(self, request: HttpRequest, obj: Any) -> ServiceForm:
        return self.form_class(initial={name: getattr(obj, name) for name in self.shown}, settable=frozenset())


class AgentForm(ServiceForm):
    name = forms.CharField(max_length=200)
    email = forms.EmailField(max_length=254)
    role = forms.ChoiceField(choices=Role.choices)
    department = forms.ModelChoiceField(Department.objects.all(), required=False)
    leads = forms.ModelMultipleChoiceField(
        Department.objects.all(), required=False, help_text="Departments a supervisor leads; none named means all."
    )
    specializations = forms.ModelMultipleChoiceField(Specialization.objects.all(), required=False)
    languages = forms.CharField(required=False, max_length=200, help_text="Codes separated by commas: en, pt-br.")
    capacity = forms.IntegerField(min_value=0, max_value=500, help_text="Open tickets the agent takes at a time.")
    availability = forms.ChoiceField(choices=Availability.choices)
    is_active = forms.BooleanField(required=False, label="Active", help_text="An inactive agent cannot log in.")
    password = forms.CharField(
        required=False,
        max_length=1_000,
        strip=False,
        label="New password",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 12 characters. Setting one ends every login of the agent.",
    )

    def clean_languages(self) -> list[str]:
        codes = [code.strip().lower() for code in self.cleaned_data["languages"].split(",") if code.strip()]
        if any(len(code) > 16 or not code.replace("-", "").isalnum() for code in codes):
            raise forms.ValidationError("Must be language codes such as en or pt-br.")
        return codes

    def changes(self) -> dict[str, Any]:
        changes = super().changes()
        if not changes.get("password"):
            changes.pop("password", None)
        return changes


class ActiveFilter(admin.BooleanFieldListFilter):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.title = "activity"


@admin.register(Agent)
class AgentAdmin(DeskAdmin):
    form_class = AgentForm
    record_template = "admin/desk/agent.html"
    may_add = True
    list_display = ("name", "email", "role", "department", "availability", "capacity", "active")
    list_filter: ClassVar[Any] = ("role", "availability", ("is_active", ActiveFilter))
    plain_filters = ("role", "availability", "is_active")
    list_select_related = ("department",)
    search_fields = ("name", "email")
    ordering = ("name", "id")

    @admin.display(description="Active", boolean=True, ordering="is_active")
    def active(self, obj: Agent) -> bool:
        return obj.is_active

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and self.is_admin(request)

    def settable(self, request: HttpRequest, obj: Any) -> frozenset[str]:
        if obj is None:
            return services.ALL_FIELDS - {"availability", "is_active"}
        return services.settable_fields(by=self.actor(request), agent=obj)

    def initial(self, obj: Agent) -> dict[str, Any]:
        return {
            "name": obj.name,
            "email": obj.email,
            "role": obj.role,
            "department": obj.department_id,
            "leads": obj.leads.all(),
            "specializations": obj.specializations.all(),
            "languages": ", ".join(obj.languages),
            "capacity": obj.capacity,
            "availability": obj.availability,
            "is_active": obj.is_active,
        }

    def build_form(self, request: HttpRequest, obj: Any) -> ServiceForm:
        form = super().build_form(request, obj)
        if obj is None:
            del form.fields["availability"], form.fields["is_active"]
            form.fields["capacity"].initial = 10
        if form.fields["password"].disabled:
            del form.fields["password"]
        return form

    def beside(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """How much the agent has to do, and of that what the actor sees."""
        if obj is None:
            return {}
        queue = selectors.queue_of(agent_id=obj.pk, actor=self.actor(request))
        return {
            "load": workload.load_of(obj.pk) / ONE,
            "unfinished": Ticket.objects.unfinished().filter(assignee=obj).count(),
            "queue": queue.order_by("rank_at", "pk")[:SHOWN_TICKETS],
        }

    def write(self, request: HttpRequest, obj: Any, form: ServiceForm) -> Agent:
        by, now = self.actor(request), timezone.now()
        if obj is None:
            given = {name: value for name, value in form.cleaned_data.items() if name != "version"}
            return services.create_agent(**{**given, "password": given["password"] or None}, by=by, now=now)
        return services.update_agent(
            agent_id=obj.pk, changes=form.changes(), by=by, now=now, expected_version=form.seen_version
        )


class DepartmentForm(ServiceForm):
    name = forms.CharField(max_length=100)


@admin.register(Department)
class DepartmentAdmin(DeskAdmin):
    """Names only; administrators add and rename them."""

    form_class = DepartmentForm
    may_add = True
    list_display = ("name", "created_at")
    search_fields = ("name",)
    ordering = ("name", "id")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and self.is_admin(request)

    def settable(self, request: HttpRequest, obj: Any) -> frozenset[str]:
        return frozenset({"name"}) if self.is_admin(request) else frozenset()

    def initial(self, obj: Department) -> dict[str, Any]:
        return {"name": obj.name}

    def write(self, request: HttpRequest, obj: Any, form: ServiceForm) -> Department:
        by, now = self.actor(request), timezone.now()
        if obj is None:
            return structure.create_department(name=form.cleaned_data["name"], by=by, now=now)
        return structure.rename_department(
            department_id=obj.pk,
            name=form.cleaned_data["name"],
            by=by,
            now=now,
            expected_version=form.seen_version,
        )


class SpecializationForm(ServiceForm):
    slug = forms.SlugField(max_length=50)
    name = forms.CharField(max_length=100)
    categories = forms.CharField(
        max_length=500, required=False, help_text="Categories of tickets that need this skill, separated by commas."
    )

    def clean_categories(self) -> list[str]:
        return sorted({part.strip() for part in self.cleaned_data["categories"].split(",") if part.strip()})


@admin.register(Specialization)
class SpecializationAdmin(DeskAdmin):
    form_class = SpecializationForm
    may_add = True
    list_display = ("name", "slug", "needed_for")
    search_fields = ("name", "slug")
    ordering = ("slug", "id")

    @admin.display(description="Needed for")
    def needed_for(self, obj: Specialization) -> str:
        return ", ".join(obj.categories)

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and self.is_admin(request)

    def settable(self, request: HttpRequest, obj: Any) -> frozenset[str]:
        return frozenset({"slug", "name", "categories"}) if self.is_admin(request) else frozenset()

    def initial(self, obj: Specialization) -> dict[str, Any]:
        return {"slug": obj.slug, "name": obj.name, "categories": ", ".join(obj.categories)}

    def write(self, request: HttpRequest, obj: Any, form: ServiceForm) -> Specialization:
        by, now = self.actor(request), timezone.now()
        if obj is None:
            given = {name: form.cleaned_data[name] for name in ("slug", "name", "categories")}
            return structure.create_specialization(**given, by=by, now=now)
        return structure.update_specialization(
            specialization_id=obj.pk, changes=form.changes(), by=by, now=now, expected_version=form.seen_version
        )


class ApiKeyForm(ServiceForm):
    name = forms.CharField(max_length=100, help_text="The machine or the integration that will hold it.")
    scopes = forms.MultipleChoiceField(choices=Scope.choices, widget=forms.CheckboxSelectMultiple)
    expires_at = forms.DateTimeField(help_text="UTC; at most 366 days from now.", label="Expires")


@admin.register(ApiKey)
class ApiKeyAdmin(DeskAdmin):
    """Administrators make and revoke keys; the key is shown once, above the record that it leaves."""

    form_class = ApiKeyForm
    may_add = True
    list_display = ("name", "prefix", "allows", "last_used_at", "expires_at", "revoked_at")
    search_fields = ("name", "prefix")
    ordering = ("-id",)
    actions = ("revoke",)

    @admin.display(description="Scopes")
    def allows(self, obj: ApiKey) -> str:
        return ", ".join(obj.scopes)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) and self.is_admin(request)

    has_module_permission = has_view_permission

    def settable(self, request: HttpRequest, obj: Any) -> frozenset[str]:
        return frozenset(KEY_FIELDS) if obj is None else frozenset()

    def build_form(self, request: HttpRequest, obj: Any) -> ServiceForm:
        data = request.POST if request.method == "POST" else None
        life = timezone.now().replace(minute=0, second=0, microsecond=0) + DEFAULT_KEY_LIFE
        initial = {"expires_at": life} if obj is None else {name: getattr(obj, name) for name in KEY_FIELDS}
        return ApiKeyForm(data, initial=initial, settable=self.settable(request, obj))

    def write(self, request: HttpRequest, obj: Any, form: ServiceForm) -> ApiKey:
        if obj is not None:
            return cast(ApiKey, obj)
        given = {name: form.cleaned_data[name] for name in KEY_FIELDS}
        issued = keys.issue(**given, by=self.actor(request), now=timezone.now())
        messages.warning(request, f"This is the key. It is shown only now: {issued.text}")
        return issued.key

    @admin.action(description="Revoke")
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiKey]) -> None:
        for pk in queryset.values_list("pk", flat=True):
            keys.revoke(key_id=pk, by=self.actor(request), now=timezone.now())
        messages.success(request, "Revoked: refused from the next request on.")
