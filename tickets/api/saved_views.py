"""Lists that agents keep, and what they hold now."""

from typing import Any, ClassVar

from django.http import QueryDict
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.enums import EVERY_ROLE
from supportdesk.core.api import fields
from supportdesk.core.api.filters import refuse_unknown
from supportdesk.core.api.pagination import PARAMETERS, Ordering
from supportdesk.core.api.schema import operation
from supportdesk.core.api.views import ApiViewSet, expected_version, versioned
from supportdesk.core.errors import InvalidInput, NotFound
from tickets.api import examples
from tickets.api.filters import BY_RANK, TicketFilter
from tickets.api.serializers import FoundTicket
from tickets.api.views import TicketViewSet
from tickets.models import SavedView
from tickets.services import saved_views
from tickets.services.saved_views import ViewNameTaken


class Query(serializers.DictField):
    """Parameters of the list of tickets."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=fields.Text(max_length=200), **kwargs)

    @property
    def documented(self) -> dict[str, Any]:
        known = {name: parameter.text_schema for name, parameter in TicketFilter.base_filters.items()}
        ordering = {"type": "string", "enum": list(BY_RANK)}
        return {"properties": {**known, "ordering": ordering}, "additionalProperties": False}


class SavedViewCreate(fields.StrictSerializer):
    name = fields.Text(max_length=100)
    query = Query(help_text='Such as `{"status": "open", "assignee": "me", "ordering": "-created_at"}`.')
    shared = fields.Boolean(required=False, help_text="Supervisors and administrators only.")


class SavedViewUpdate(fields.StrictSerializer):
    name = fields.Text(max_length=100, required=False)
    query = Query(required=False)
    shared = fields.Boolean(required=False)


class SavedViewOut(serializers.Serializer[SavedView]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    query = serializers.DictField(child=serializers.CharField())
    shared = serializers.BooleanField()
    owner_id = serializers.IntegerField()
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class SavedViewViewSet(ApiViewSet):
    allowed: ClassVar = dict.fromkeys(("list", "create", "retrieve", "partial_update", "destroy"), EVERY_ROLE)
    orderings: ClassVar = {"id": Ordering("pk"), "-id": Ordering("pk", descending=True)}
    queryset = SavedView.objects.none()

    @operation("List saved views", returns=SavedViewOut(many=True), example=examples.SAVED_VIEW)
    def list(self, request: Request) -> Response:
        """One's own, and those that supervisors share."""
        return self.page(self._visible(), SavedViewOut)

    @operation(
        "Save a view",
        takes=SavedViewCreate,
        request_example=examples.SAVED_VIEW_CREATE,
        returns=SavedViewOut,
        example=examples.SAVED_VIEW,
        status=201,
        errors=[ViewNameTaken],
    )
    def create(self, request: Request) -> Response:
        """`query` holds parameters of the list of tickets, each checked as there. Supervisors may share a view."""
        data = self.read(SavedViewCreate)
        _check_query(data["query"], request)
        view = saved_views.create_view(**data, by=self.actor, now=self.now)
        return versioned(SavedViewOut(view).data, view.version, status=201)

    @operation("Get a saved view", returns=SavedViewOut, example=examples.SAVED_VIEW)
    def retrieve(self, request: Request, pk: int) -> Response:
        return self.found(self._visible().filter(pk=pk), SavedViewOut)

    @operation(
        "Change a saved view",
        takes=SavedViewUpdate,
        request_example={"shared": True},
        returns=SavedViewOut,
        example=examples.SAVED_VIEW | {"shared": True, "version": 2},
        errors=[ViewNameTaken],
    )
    def partial_update(self, request: Request, pk: int) -> Response:
        changes = self.read(SavedViewUpdate)
        if "query" in changes:
            _check_query(changes["query"], request)
        view = saved_views.update_view(
            view_id=pk, changes=changes, by=self.actor, now=self.now, expected_version=expected_version(request)
        )
        return versioned(SavedViewOut(view).data, view.version)

    @operation("Delete a saved view", status=204)
    def destroy(self, request: Request, pk: int) -> Response:
        saved_views.delete_view(view_id=pk, by=self.actor, now=self.now, expected_version=expected_version(request))
        return Response(status=204)

    def _visible(self) -> Any:
        return SavedView.objects.visible_to(self.actor)


class SavedViewTicketsViewSet(TicketViewSet):
    """The list of tickets with the parameters of a view."""

    allowed: ClassVar = {"list": EVERY_ROLE}

    @operation("List the tickets of a saved view", returns=FoundTicket(many=True), example=examples.ROW, filtered=False)
    def list(self, request: Request, pk: int) -> Response:  # type: ignore[override]
        """What the reader sees of it. The page's own parameters may be given; the filters are the view's."""
        view = SavedView.objects.visible_to(self.actor).filter(pk=pk).first()
        if view is None:
            raise NotFound
        refuse_unknown(request, PARAMETERS)
        self.link_parameters = request.query_params
        given: Any = request.query_params.copy()
        for name, value in view.query.items():
            given.setdefault(name, value)
        request._request.GET = given
        return super().list(request)


def _check_query(query: dict[str, str], request: Request) -> None:
    """Raises InvalidInput naming the parameter that the list of tickets would refuse."""
    data = QueryDict(mutable=True)
    data.update({name: value for name, value in query.items() if name != "ordering"})
    unknown = sorted(set(data) - set(TicketFilter.base_filters))
    if unknown:
        raise InvalidInput.on(f"query.{unknown[0]}", "There is no such parameter of the list.", "unknown_parameter")
    if query.get("ordering", "rank") not in BY_RANK:
        raise InvalidInput.on("query.ordering", f"Must be one of: {', '.join(BY_RANK)}.", "invalid_choice")
    form = TicketFilter(data, queryset=TicketViewSet.queryset, request=request).form
    for name, errors in form.errors.as_data().items():
        raise InvalidInput.on(f"query.{name}", " ".join(errors[0].messages), errors[0].code or "invalid")
