"""Django's admin over `visible_to` and the services: one more door, with no way around either."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.contrib.admin.utils import unquote
from django.contrib.admin.views.main import PAGE_VAR
from django.core.exceptions import BadRequest, PermissionDenied, ValidationError
from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.text import capfirst

from supportdesk.core.actor import Actor
from supportdesk.core.api.filters import parse_id
from supportdesk.core.errors import DomainError, NotFound, StaleVersion
from supportdesk.core.text import is_one_line

PAGES_AHEAD = 2


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts some pages on from the one that is shown, and finds a page by its ids before it reads it, so that a list
    opens as fast in a table of millions.
    """

    def __init__(self, *args: Any, shown: int, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shown = shown

    @property
    def farthest(self) -> int:
        return (self.shown + PAGES_AHEAD) * self.per_page

    @cached_property
    def count(self) -> int:
        rows: Any = self.object_list
        return int(rows[: self.farthest].count())  # in their order, off the same index

    def page(self, number: int | str) -> Page[Any]:
        rows: Any = self.object_list
        first = (self.validate_number(number) - 1) * self.per_page
        ids = rows.values_list("pk", flat=True)[first : first + self.per_page]
        return Page(rows.filter(pk__in=list(ids)), self.validate_number(number), self)

    @property
    def is_bounded(self) -> bool:
        """Whether there may be more than were counted."""
        return self.count == self.farthest


class ServiceForm(forms.Form):
    """A form whose values go to a service. What the actor may not set is only shown."""

    version = forms.IntegerField(widget=forms.HiddenInput, required=False)

    def __init__(self, *args: Any, settable: frozenset[str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.read_only = settable is not None and not settable
        for name, field in self.fields.items():
            if name != "version" and settable is not None and name not in settable:
                field.disabled = True

    def clean(self) -> dict[str, Any]:
        for name, value in self.cleaned_data.copy().items():
            texts = value if isinstance(value, list) else [value]
            one_line = not isinstance(self.fields[name].widget, forms.Textarea)
            if one_line and not all(is_one_line(text) for text in texts if isinstance(text, str)):
                self.add_error(name, "Must not hold line breaks or control characters.")
        return self.cleaned_data

    @property
    def seen_version(self) -> int | None:
        version = self.cleaned_data.get("version")
        return version if isinstance(version, int) else None

    def changes(self) -> dict[str, Any]:
        """Field name to new value, of what was edited."""
        return {name: self.cleaned_data[name] for name in self.changed_data if name != "version"}

    def take(self, problem: DomainError) -> None:
        """Shows what a service refused at the field that it names, or above the form.

        Raises what is no refusal but a fault of ours: that is a page of its own.
        """
        if problem.status >= 500:
            raise problem
        placed = False
        for error in problem.errors:
            if error.field in self.fields:
                self.add_error(error.field, error.detail)
                placed = True
        if not placed or problem.status == StaleVersion.status:
            self.add_error(None, problem.detail)


class ServiceAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Lists what the actor sees; shows and changes one object through a form and a service."""

    form_class: ClassVar[type[ServiceForm]]
    record_template: ClassVar[str] = "admin/desk/record.html"
    may_add: ClassVar[bool] = False
    show_full_result_count = False
    list_per_page = 50
    list_max_show_all = 50
    paginator = BoundedPaginator
    plain_filters: ClassVar[Sequence[str]] = ()

    # What a subclass says.

    def actor(self, request: HttpRequest) -> Actor:
        raise NotImplementedError

    def settable(self, request: HttpRequest, obj: Any) -> frozenset[str]:
        """Names of the form's fields that the actor may set."""
        raise NotImplementedError

    def initial(self, obj: Any) -> Mapping[str, Any]:
        """The form's values for an object."""
        raise NotImplementedError

    def write(self, request: HttpRequest, obj: Any, form: ServiceForm) -> Model:
        """Calls the service; `obj` is None for a new one. Raises DomainError."""
        raise NotImplementedError

    def beside(self, request: HttpRequest, obj: Any) -> dict[str, Any]:
        """More for the page of an object."""
        return {}

    # What follows from it.

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        manager: Any = self.model._default_manager
        found: QuerySet[Any] = manager.visible_to(self.actor(request)).order_by(*self.get_ordering(request))
        return found

    def get_paginator(self, request: HttpRequest, queryset: Any, per_page: int, *args: Any, **kwargs: Any) -> Paginator:  # type: ignore[type-arg]
        given = request.GET.get(PAGE_VAR, "1")
        shown = int(given) if given.isascii() and given.isdecimal() and len(given) < 6 else 1
        return self.paginator(queryset, per_page, *args, shown=shown, **kwargs)

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.site.has_permission(request)

    has_module_permission = has_view_permission

    def has_add_permission(self, request: HttpRequest) -> bool:
        return self.may_add and self.has_view_permission(request)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return self.has_view_permission(request)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Only the filters on show: any other lookup could ask about columns that are not."""
        return lookup.removesuffix("__exact") in self.plain_filters

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        obj = None
        if object_id is None and not self.has_add_permission(request):
            raise PermissionDenied
        if object_id is not None:
            obj = self.get_object(request, unquote(object_id))
            if obj is None or not self.has_view_permission(request, obj):
                return self._get_obj_does_not_exist_redirect(request, self.opts, str(object_id))  # type: ignore[attr-defined]
        form = self.build_form(request, obj)
        if request.method == "POST" and form.is_valid():
            try:
                saved = self.write(request, obj, form)
            except NotFound:
                return self._get_obj_does_not_exist_redirect(request, self.opts, str(object_id))  # type: ignore[attr-defined]
            except DomainError as problem:
                form.take(problem)
            else:
                return self.saved(request, saved, form)
        return self.page(request, obj, {"form": form, **self.beside(request, obj), **(extra_context or {})})

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        title = capfirst(str(self.opts.verbose_name_plural))
        return super().changelist_view(request, {"title": title, **(extra_context or {})})

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Django's page of its own log, which nothing of ours writes, under the name of whom it is about."""
        raise Http404

    def response_action(self, request: HttpRequest, queryset: QuerySet[Any], *more: Any) -> HttpResponse | None:
        """Raises BadRequest for a selection that are no ids, on which Django would fail."""
        try:
            for selected in request.POST.getlist(ACTION_CHECKBOX_NAME):
                parse_id(selected)
        except ValidationError:
            raise BadRequest from None
        return super().response_action(request, queryset, *more)

    def build_form(self, request: HttpRequest, obj: Any) -> ServiceForm:
        initial = {} if obj is None else {"version": obj.version, **self.initial(obj)}
        data = request.POST if request.method == "POST" else None
        return self.form_class(data, initial=initial, settable=self.settable(request, obj))

    def saved(self, request: HttpRequest, saved: Model, form: ServiceForm) -> HttpResponse:
        messages.success(request, "Saved." if form.changed_data else "Nothing was changed.")
        return HttpResponseRedirect(self.url_of(saved))

    def url_of(self, obj: Model) -> str:
        return reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_change", args=[obj.pk])

    def page(self, request: HttpRequest, obj: Any, more: Mapping[str, Any]) -> TemplateResponse:
        title = str(obj) if obj is not None else f"Add {self.opts.verbose_name}"
        context = {
            **self.admin_site.each_context(request),
            "title": title,
            "opts": self.opts,
            "original": obj,
            "changelist_url": reverse(f"admin:{self.opts.app_label}_{self.opts.model_name}_changelist"),
            **more,
        }
        return TemplateResponse(request, self.record_template, context)
