"""A page with more than one button: save it, see what it would mean, and what else can be done."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar

from django.contrib import messages
from django.contrib.admin.utils import unquote
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from agents.admin import DeskAdmin
from sla.admin.forms import PromiseForm
from sla.clock import Metric
from sla.preview import Example
from sla.services.rights import WRITERS
from supportdesk.core.errors import DomainError, InvalidInput

Act = Callable[[HttpRequest, Any], str]


class PromiseAdmin(DeskAdmin):
    """`acts` are the buttons besides Save and Preview: each does one thing with the object and says what it did."""

    may_add = True
    example_metrics: ClassVar[Mapping[Metric, str]] = {}  # of each the title of its column

    def acts(self) -> Mapping[str, Act]:
        return {}

    def check_form(self, form: Any) -> None:
        """Raises InvalidInput when the services would refuse what a sound form holds."""

    def preview(self, form: Any) -> list[Example]:
        """Examples of what a sound form means."""
        raise NotImplementedError

    def may_write(self, request: HttpRequest) -> bool:
        return self.actor(request).role in WRITERS

    def settable(self, request: HttpRequest, obj: Any) -> frozenset[str]:
        form: Any = self.form_class()
        return frozenset(form.fields) if self.may_write(request) else frozenset()

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> Any:
        do = request.POST.get("do", "save") if request.method == "POST" else ""
        if do == "preview":
            return self._preview(request, object_id)
        if object_id is not None and do in self.acts():
            return self._act(request, unquote(object_id), do)
        return super().changeform_view(request, object_id, form_url, extra_context)

    def page(self, request: HttpRequest, obj: Any, more: Mapping[str, Any]) -> Any:
        form: Any = more["form"]
        shown = {
            "example_columns": ["Comes in", *self.example_metrics.values()],
            "examples": self.examples(form),
            "may_write": self.may_write(request),
        }
        return super().page(request, obj, {**shown, **more})

    def examples(self, form: PromiseForm) -> list[list[str]]:
        """What the form means, in the words of a table; nothing while it means nothing."""
        sound = form
        if not form.is_bound:
            fields = form.fields.items()
            sound = type(form)(
                {name: field.prepare_value(form.get_initial_for_field(field, name)) for name, field in fields}
            )
        found = self.preview(sound) if sound.is_valid() else []
        return [[_moment(one.at), *(_moment(one.due.get(metric)) for metric in self.example_metrics)] for one in found]

    def _preview(self, request: HttpRequest, object_id: str | None) -> HttpResponse:
        """The page with the example of what was typed; nothing is saved."""
        obj = self.get_object(request, unquote(object_id)) if object_id else None
        if object_id and obj is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, str(object_id))  # type: ignore[attr-defined,no-any-return]
        form: Any = self.build_form(request, obj)
        if form.is_valid():
            try:
                self.check_form(form)
            except InvalidInput as problem:
                form.take(problem)
        page: HttpResponse = self.page(request, obj, {"form": form, **self.beside(request, obj)})
        return page

    def _act(self, request: HttpRequest, object_id: str, do: str) -> HttpResponse:
        obj = self.get_object(request, object_id)
        if obj is None:
            return self._get_obj_does_not_exist_redirect(request, self.opts, object_id)  # type: ignore[attr-defined,no-any-return]
        try:
            messages.success(request, self.acts()[do](request, obj))
        except DomainError as problem:
            if problem.status >= 500:
                raise
            messages.error(request, problem.detail)
        return HttpResponseRedirect(self.url_of(obj))


def _moment(at: datetime | None) -> str:
    return f"{at:%a %Y-%m-%d %H:%M}" if at else "-"
