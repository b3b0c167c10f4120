"""The admin site: who may enter, what its first page shows, and which of other people's tables stay out of the way."""

from typing import Any

from django import forms
from django.contrib.admin import AdminSite
from django.contrib.admin.forms import AdminAuthenticationForm
from django.contrib.auth.models import Group
from django.db.models import Count, Q
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone

from agents import credentials, sessions
from agents.credentials import BadCredentials, TooManyAttempts
from agents.selectors import actor_for, led_departments
from supportdesk.core.actor import Door
from supportdesk.core.network import client_network
from supportdesk.core.observability.middleware import current_request_id
from tickets import selectors
from tickets.enums import Priority, Status
from tickets.models import Ticket

HIDDEN = frozenset({"SolarSchedule", "ClockedSchedule"})  # kinds of schedule that nothing here uses
NEXT = 8


class LoginForm(AdminAuthenticationForm):
    """The admin's login, under the same limits as the API's."""

    error_messages = AdminAuthenticationForm.error_messages | {
        "invalid_login": "The e-mail address or the password is wrong."
    }

    def clean(self) -> dict[str, Any]:
        email, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if email and password and self.request:
            try:
                agent = credentials.verify(
                    email=email, password=password, network=client_network(self.request), now=timezone.now()
                )
            except TooManyAttempts as problem:
                raise forms.ValidationError(problem.detail, code=problem.code) from None
            except BadCredentials:
                raise self.get_invalid_login_error() from None
            if not agent.is_staff:
                raise forms.ValidationError("This is for supervisors and administrators.", code="not_staff")
            sessions.enter_admin(agent=agent, now=timezone.now(), request_id=current_request_id())
            self.user_cache = agent
        return dict(self.cleaned_data)


class DeskSite(AdminSite):
    login_form = LoginForm
    site_title = "Support Desk"
    site_header = "Support Desk"
    index_title = "Overview"
    empty_value_display = "-"
    site_url = None
    enable_nav_sidebar = False

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        apps = super().get_app_list(request, app_label)
        for app in apps:
            app["models"] = [model for model in app["models"] if model["object_name"] not in HIDDEN]
        return [app for app in apps if app["models"]]

    def register(self, model_or_iterable: Any, admin_class: Any = None, **options: Any) -> None:
        """Leaves out Django's groups: rights follow from the role, and a group would only look as if it gave some."""
        models = [model_or_iterable] if isinstance(model_or_iterable, type) else model_or_iterable
        super().register([model for model in models if model is not Group], admin_class, **options)

    def password_change(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        """On the agent's own page: there it goes through the service, which ends every other login."""
        return HttpResponseRedirect(reverse("admin:agents_agent_change", args=[request.user.pk]))

    def autocomplete_view(self, request: HttpRequest) -> HttpResponse:
        """No field of ours uses it, and it would find people without leaving a trace."""
        raise Http404

    def logout(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        if request.method == "POST" and request.user.is_authenticated:
            agent: Any = request.user
            sessions.leave_admin(agent=agent, now=timezone.now(), request_id=current_request_id())
        return super().logout(request, extra_context)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        return super().index(request, {**_overview(request), **(extra_context or {})})


def _overview(request: HttpRequest) -> dict[str, Any]:
    """Open work in numbers, and who has waited longest, of what the agent sees."""
    agent: Any = request.user
    actor = actor_for(agent, led=led_departments(agent), origin=Door.ADMIN)
    live = Ticket.objects.visible_to(actor).filter(status=Status.OPEN, archived_at__isnull=True)
    numbers = live.aggregate(
        open=Count("pk"),
        waiting=Count("pk", filter=Q(waiting_since__isnull=False)),
        unassigned=Count("pk", filter=Q(assignee__isnull=True)),
        urgent=Count("pk", filter=Q(priority=Priority.URGENT)),
    )
    waiting = live.filter(waiting_since__isnull=False).order_by("rank_at", "pk")
    ids = list(waiting.values_list("pk", flat=True)[:NEXT])  # first, off an index; the rows of no others are read
    return {"numbers": numbers, "next_tickets": selectors.listed(actor).filter(pk__in=ids).order_by("rank_at", "pk")}
