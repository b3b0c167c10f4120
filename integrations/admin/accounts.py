"""Connections to partners, for administrators: made, tested, connected on the partner's page, watched."""

from datetime import datetime
from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from agents.admin import DeskAdmin
from integrations import connections, doctor, oauth, providers, receipts, selectors
from integrations.enums import Provider
from integrations.models import Connection
from sla.wording import span
from supportdesk.core.admin import ServiceForm
from supportdesk.core.errors import Conflict, DomainError
from supportdesk.core.http import GatewayError

# What a field is at one provider, where it is not what it is elsewhere: its label, and a word about it.
AT_SLACK = {
    "access_token": ("Token", "The bot's, which begins with xoxb-."),
    "api_key": ("Incoming webhook", "Its address, instead of a token."),
}
DOINGS = ("test", "activate", "pause", "connect", "register", "replay")


def _secret(label: str, help_text: str) -> forms.CharField:
    widget = forms.PasswordInput(attrs={"autocomplete": "off"})
    return forms.CharField(required=False, max_length=2_000, label=label, widget=widget, help_text=help_text)


def _label(name: str, provider: str) -> str:
    at_slack = AT_SLACK.get(name) if provider == Provider.SLACK else None
    return at_slack[0] if at_slack else str(ConnectionForm.base_fields[name].label)


class ConnectionForm(ServiceForm):
    """Of a new one the provider and the account; then what that provider has. Secrets go in and are never shown; an
    empty one is left as it is.
    """

    do = forms.ChoiceField(required=False, choices=[("", ""), *((name,) * 2 for name in DOINGS)])
    provider = forms.ChoiceField(choices=Provider.choices)
    account_key = forms.CharField(
        max_length=100,
        label="Account",
        help_text="The shop's domain, the subdomain at Gorgias, or the workspace's name.",
    )
    channel = forms.CharField(required=False, max_length=32, help_text="Its id, such as C0123456789.")
    email = forms.CharField(
        required=False, max_length=254, label="E-mail", help_text="Of the user whose API key it is."
    )
    address = forms.CharField(
        required=False,
        max_length=254,
        label="Answers come from",
        help_text="The address connected there, for tickets that are opened here. Empty: those stay here.",
    )
    write_back = forms.BooleanField(
        required=False,
        label="Write back",
        help_text="Notes and tags that agents change, with the scope write_customers.",
    )
    access_token = _secret("Token", "Instead of connecting on the provider's page.")
    api_key = _secret("API key", "Of the user with that e-mail address.")
    webhook_secret = _secret("Webhook secret", "The one before it is good for a day more.")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["do"].widget = forms.HiddenInput()
        self.leads_to = ""  # an address elsewhere, where it goes on


@admin.register(Connection)
class ConnectionAdmin(DeskAdmin):
    form_class = ConnectionForm
    record_template = "admin/desk/connection.html"
    may_add = True
    list_display = ("__str__", "status", "last_delivery", "lag", "dead", "last_ok_at", "last_error")
    list_filter: ClassVar[Any] = ("provider", "status")
    plain_filters = ("provider", "status")
    ordering = ("provider", "account_key", "id")
    sortable_by: ClassVar[Any] = ()

    def get_urls(self) -> list[Any]:
        complete = self.admin_site.admin_view(self.complete)
        found = self.admin_site.admin_view(self.find_wanted)
        return [
            path("install/<str:provider>/", self.come_to_install, name="integrations_connection_install"),
            path("wanted/<str:provider>/", found, name="integrations_connection_wanted"),
            path("callback/<str:provider>/", self.come_back, name="integrations_connection_callback"),
            path("complete/<str:provider>/", complete, name="integrations_connection_complete"),
            *super().get_urls(),
        ]

    def come_back(self, request: HttpRequest, provider: str) -> HttpResponse:
        """Where a provider sends the browser once its owner allowed us."""
        return self._lead_on(request, provider, to="complete")

    def come_to_install(self, request: HttpRequest, provider: str) -> HttpResponse:
        """Where a provider sends the browser of an owner who chose our app on its pages: the address of the app."""
        return self._lead_on(request, provider, to="wanted")

    def _lead_on(self, request: HttpRequest, provider: str, *, to: str) -> HttpResponse:
        """Who comes from elsewhere comes without the session: a page of ours leads on to where that is known. Does
        nothing.
        """
        query = request.META.get("QUERY_STRING", "")
        if provider not in providers.AUTHORIZATIONS:
            raise Http404
        if len(query) > oauth.MOST_QUERY:
            raise BadRequest
        address = f"{reverse(f'admin:integrations_connection_{to}', args=[provider])}?{query}"
        return TemplateResponse(request, "admin/desk/lead_on.html", {"title": "Connecting", "address": address})

    def find_wanted(self, request: HttpRequest, provider: str) -> HttpResponse:
        """The connection of the account, or the form for a new one. Changes nothing."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if provider not in providers.AUTHORIZATIONS:
            raise Http404
        query = request.META.get("QUERY_STRING", "")
        try:
            account = oauth.wanted(provider=Provider(provider), ways=providers.AUTHORIZATIONS, query=query)
        except DomainError as problem:
            messages.error(request, problem.detail)
            return HttpResponseRedirect(reverse("admin:integrations_connection_changelist"))
        known = Connection.objects.filter(provider=provider, account_key=account).first()
        if known is not None:
            return HttpResponseRedirect(self.url_of(known))
        given = urlencode({"provider": provider, "account_key": account})
        return HttpResponseRedirect(f"{reverse('admin:integrations_connection_add')}?{given}")

    def complete(self, request: HttpRequest, provider: str) -> HttpResponse:
        """Asks whether to finish, and does."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        if provider not in providers.AUTHORIZATIONS:
            raise Http404
        label = Provider(provider).label
        if request.method != "POST":
            context = {
                **self.admin_site.each_context(request),
                "title": f"Connect with {label}",
                "provider": label,
                "opts": self.opts,
                "changelist_url": reverse("admin:integrations_connection_changelist"),
            }
            return TemplateResponse(request, "admin/desk/finish_connecting.html", context)
        try:
            known = oauth.complete(
                provider=Provider(provider),
                ways=providers.AUTHORIZATIONS,
                query=request.META.get("QUERY_STRING", ""),
                session=request.session.session_key or "",
                by=self.actor(request),
                now=timezone.now(),
            )
        except DomainError as problem:
            messages.error(request, problem.detail)
            return HttpResponseRedirect(reverse("admin:integrations_connection_changelist"))
        missing = connections.missing_of(known, now=timezone.now())
        messages.success(request, f"{known} is connected. {missing}".strip())
        return HttpResponseRedirect(self.url_of(known))

    @admin.display(description="Last delivery")
    def last_delivery(self, obj: Any) -> datetime | None:
        found: datetime | None = obj.last_received_at
        return found

    @admin.display(description="Oldest is due for")
    def lag(self, obj: Any) -> str:
        now = timezone.now()
        return span(now - obj.due_since) if obj.due_since and obj.due_since < now else ""

    @admin.display(description="Given up")
    def dead(self, obj: Any) -> int:
        return int(obj.dead)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return selectors.with_figures(super().get_queryset(request))

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return super().has_view_permission(request, obj) and self.is_admin(request)

    has_module_permission = has_view_permission

    def settable(self, request: HttpRequest, obj: Any) -> frozenset[str]:
        if obj is None:
            return frozenset({"provider", "account_key"})
        return connections.CHANGEABLE[Provider(obj.provider)] | {"do"}

    def build_form(self, request: HttpRequest, obj: Any) -> ServiceForm:
        data = request.POST if request.method == "POST" else None
        if obj is not None:
            known = {"provider": obj.provider, "account_key": obj.account_key, **obj.options}
        elif data is None:
            known = {name: request.GET[name] for name in ("provider", "account_key") if name in request.GET}
        else:
            known = {}  # whatever it was filled with, what is sent is new
        settable = self.settable(request, obj)
        form = ConnectionForm(data, initial=known, settable=settable)
        for name in form.fields.keys() - settable - {"provider", "account_key", "version"}:
            del form.fields[name]
        if known.get("provider") == Provider.SLACK:
            for name in AT_SLACK.keys() & form.fields.keys():
                form.fields[name].label, form.fields[name].help_text = AT_SLACK[name]
        return form

    def beside(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """How it stands. Of secrets, whether there is one."""
        if obj is None:
            return {}
        inbound = f"{settings.PUBLIC_URL}api/integrations/{obj.provider}/webhook/{obj.public_id}"
        now = timezone.now()
        return {
            "address": "" if obj.provider == Provider.SLACK else inbound,
            "may_register": obj.provider in providers.REGISTRARS,
            "may_connect": obj.provider in providers.AUTHORIZATIONS,
            "backlog": selectors.backlog_of(obj, now=now),
            "has": {
                _label(name, obj.provider): bool(getattr(obj, name))
                for name in sorted(connections.SECRETS)
                if getattr(obj, name) or name in connections.CHANGEABLE[Provider(obj.provider)]
            },
            "previous_until": obj.previous_until if obj.previous_until and obj.previous_until > now else None,
        }

    def write(self, request: HttpRequest, obj: Any, form: ServiceForm) -> Model:
        given, now, by = form.changes(), timezone.now(), self.actor(request)
        match given.pop("do", ""):
            case "test":
                self._test(request, obj, now)
                return obj  # type: ignore[no-any-return]
            case "activate":
                return connections.activate(connection_id=obj.pk, by=by, now=now)
            case "connect":
                form.leads_to = oauth.begin(  # type: ignore[attr-defined]
                    connection_id=obj.pk,
                    ways=providers.AUTHORIZATIONS,
                    session=request.session.session_key or "",
                    by=by,
                    now=now,
                )
                return obj  # type: ignore[no-any-return]
            case "register":
                self._register(request, obj)
                return obj  # type: ignore[no-any-return]
            case "replay":
                count = receipts.replay_dead(connection_id=obj.pk, by=by, now=now)
                messages.success(request, f"Worked off again: {count}.")
                return obj  # type: ignore[no-any-return]
            case "pause":
                return connections.pause(connection_id=obj.pk, by=by, now=now)
        if obj is None:
            chosen, account = Provider(form.cleaned_data["provider"]), form.cleaned_data["account_key"]
            return connections.create(provider=chosen, account_key=account, by=by, now=now)
        return connections.update(connection_id=obj.pk, changes=given, by=by, now=now)

    def saved(self, request: HttpRequest, saved: Model, form: ServiceForm) -> HttpResponse:
        if form.leads_to:  # type: ignore[attr-defined]
            # Not a redirect: to answer a form with one elsewhere is what our policy of contents forbids.
            found = {"title": f"Connect {saved}", "address": form.leads_to}  # type: ignore[attr-defined]
            return TemplateResponse(request, "admin/desk/lead_on.html", found)
        if form.cleaned_data.get("do") in {"test", "register", "replay"}:  # which say for themselves what came of it
            return HttpResponseRedirect(self.url_of(saved))
        return super().saved(request, saved, form)

    def _register(self, request: HttpRequest, known: Connection) -> None:
        register = providers.REGISTRARS.get(Provider(known.provider))
        if register is None:
            raise Conflict("There is nothing to register at this provider.")
        try:
            made = register(known)
        except GatewayError as error:
            raise Conflict(f"{known.get_provider_display()} does not do it ({error.reason}).") from None
        messages.success(request, f"Registered: {', '.join(made) or 'nothing was missing'}.")

    def _test(self, request: HttpRequest, known: Connection, now: datetime) -> None:
        for finding in doctor.examine(known, now=now):
            tell = messages.info if finding.is_fine else messages.error
            tell(request, str(finding))
