"""Tickets, their conversation and their timeline."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar, cast

from django.db.models import Prefetch, QuerySet, prefetch_related_objects
from django.http.response import HttpResponseBase
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from agents.enums import EVERY_ROLE, Role, Scope
from agents.models import Agent
from customers.audit import record_read
from customers.services import Erased
from quimbi import service as quimbi
from supportdesk.core import kept
from supportdesk.core.actor import ActorKind
from supportdesk.core.api import trimming
from supportdesk.core.api.filters import parse_instant, refuse_unknown
from supportdesk.core.api.pagination import Ordering
from supportdesk.core.api.renderers import FileRenderer
from supportdesk.core.api.schema import operation
from supportdesk.core.api.views import ApiViewSet, expected_version, versioned
from supportdesk.core.errors import Forbidden, InvalidInput, StaleVersion
from supportdesk.core.models import Event
from tickets import audit, lists, search, selectors
from tickets.api import examples, export
from tickets.api.bulk import BulkResults, BulkUpdate
from tickets.api.conversation import HeardMessage, MessageCreate, MessageOut, MessagePosted, NoteCreate, NoteOut
from tickets.api.detail import represent, tells_of_customer
from tickets.api.filters import BY_RANK, BY_TIME, HistoryFilter, ListFilter, TicketFilter
from tickets.api.ranks import RankOut
from tickets.api.serializers import EventOut, FoundTicket, TicketCreate, TicketDetail, TicketRow, TicketUpdate
from tickets.enums import Sender
from tickets.explaining import between, explain
from tickets.models import Attachment, Message, Note, Ticket
from tickets.services import bulk, conversation, lifecycle
from tickets.services.conversation import NewerMessages
from tickets.status import IllegalTransition

READERS = EVERY_ROLE | {Scope.TICKETS_READ}
WRITERS = EVERY_ROLE | {Scope.TICKETS_WRITE}
EXPORT_DESCRIPTION = (
    "Every ticket that the filters of the list leave, newest first, as CSV in UTF-8 with a line of names. A cell "
    "that a spreadsheet would take for a formula begins with an apostrophe. `fields` chooses the columns. Supervisors, "
    "administrators and API keys only; each export leaves a fact of the audit."
)


class TicketViewSet(ApiViewSet):
    allowed: ClassVar = {
        **dict.fromkeys(("list", "retrieve"), READERS),
        "export": frozenset({Role.SUPERVISOR.value, Role.ADMIN.value, Scope.TICKETS_READ.value}),
        **dict.fromkeys(("create", "partial_update", "destroy", "bulk"), WRITERS),
    }
    orderings: ClassVar = BY_RANK
    queryset = Ticket.objects.none()

    @property
    def filterset_class(self) -> type[TicketFilter]:
        return ListFilter if self.action == "list" else TicketFilter

    @operation("List tickets", returns=FoundTicket(many=True), example=examples.ROW)
    def list(self, request: Request) -> Response:
        """The order of work: those first whose customer has waited closest to too long, those that are done last."""
        parameters = request.query_params
        if not parameters.keys() & (audit.SEARCHES | {"cursor"}):
            return self._first_page()
        answer = self._found() if self._text else self._page()
        ids = [ticket.pk for ticket in self.shown]
        audit.record_search(ids=ids, parameters=parameters, through="list", by=self.actor, now=self.now)
        return answer

    def _first_page(self) -> Response:
        """Made, or repeated while it is as good as new."""
        request = self.request
        links: Any = getattr(self, "link_parameters", request.query_params)
        asked = [sorted(parameters.lists()) for parameters in (request.query_params, links)]
        text = kept.answer(
            lists.KIND,
            key=[request.build_absolute_uri(request.path), asked, *self.actor.sight],
            groups=lists.groups_for(self.actor),
            make=lambda: json.dumps(self._page().data, cls=JSONEncoder),
        )
        return Response(json.loads(text))

    def _found(self) -> Response:
        """Not in parts: words are rarer than anything else that is asked for."""
        return self.page(selectors.listed(self.actor), FoundTicket)

    def _page(self) -> Response:
        in_departments = "department" in self.request.query_params
        parts = Ticket.objects.visible_parts(self.actor, in_departments=in_departments)
        return self.page(selectors.with_names(), FoundTicket, parts=parts)

    def filtered(self, parts: Sequence[Any]) -> Any:
        """The parts of the list, in more parts where its order begins long before what is asked for."""
        found: Any = super().filtered(parts)
        parameters = self.request.query_params
        if parameters.get("ordering") != "created_at" or "updated_since" not in parameters or self._text:
            return found
        since = parse_instant(parameters["updated_since"])
        return [half for part in found for half in part.updated_since(since)]

    @property
    def _text(self) -> str:
        return self.request.query_params.get("q", "").strip()

    def beside(self, rows: Sequence[Any]) -> dict[str, Any]:
        return self._highlights(rows) | self._ranks(rows)

    def _ranks(self, rows: Sequence[Any]) -> dict[str, Any]:
        """Why the rows are in this order, where that is asked for. Raises InvalidInput in any other order."""
        parameters = self.request.query_params
        if "explain" not in parameters:
            return {}
        if not self.actor.may(Scope.CUSTOMERS_READ):
            raise Forbidden("Why a ticket comes first tells of its customer, whom this key does not read.")
        if parameters.get("ordering", "rank") != "rank":
            raise InvalidInput.on("explain", "Explains the order of work; leave the ordering out.", "out_of_place")
        decided = {behind.pk: str(between(ahead, behind)[0]) for ahead, behind in pairwise(rows)}
        now = self.now
        return {"ranks": {ticket.pk: explain(ticket, now=now) for ticket in rows}, "decided_by": decided}

    def _highlights(self, rows: Sequence[Any]) -> dict[str, Any]:
        wanted = trimming.wanted_of(self.request, FoundTicket())
        if not self._text or (wanted is not None and "highlight" not in wanted):
            return {}
        return {"highlights": search.highlights([ticket.pk for ticket in rows], self._text, self.actor)}

    @operation(
        "Export tickets",
        returns={(200, "text/csv"): str},
        description=EXPORT_DESCRIPTION,
        filtered=True,
        trims=tuple(export.COLUMNS),
    )
    def export(self, request: Request) -> HttpResponseBase:
        refuse_unknown(request, {*TicketFilter.base_filters, trimming.PARAMETER})
        columns = export.columns_of(request.query_params.get(trimming.PARAMETER))
        tickets: Any = self.filter_queryset(selectors.listed(self.actor))
        return export.stream(tickets, columns, parameters=request.query_params, by=self.actor, now=self.now)

    def get_renderers(self) -> Any:
        return [*super().get_renderers(), *([FileRenderer()] if self.action == "export" else [])]

    @operation(
        "Open a ticket",
        takes=TicketCreate,
        request_example=examples.CREATE,
        returns=TicketDetail,
        example=examples.CREATED,
        status=201,
        errors=[lifecycle.ExternalIdTaken, Erased],
    )
    def create(self, request: Request) -> Response:
        data = self.read(TicketCreate)
        watched = vars(data["customer"])["is_watched"]
        ticket = lifecycle.create_ticket(**data, by=self.actor, now=self.now, is_watched=watched)
        detail = selectors.Detail(ticket=ticket, description=data["description"], assignment=None)
        return versioned(represent(detail, self.actor, now=self.now), ticket.version, status=201)

    @operation("Get a ticket", returns=TicketDetail, example=examples.DETAIL)
    def retrieve(self, request: Request, pk: int) -> Response:
        refuse_unknown(request, {trimming.PARAMETER})
        wanted = trimming.wanted_of(request, TicketDetail())
        with_customer = self.actor.may(Scope.CUSTOMERS_READ) and (wanted is None or "customer" in wanted)
        detail = selectors.detail(ticket_id=pk, actor=self.actor, identities=with_customer)
        if tells_of_customer(wanted, self.actor):
            customer_id = detail.ticket.customer_id
            record_read(customer_id=customer_id, through="ticket", by=self.actor, now=self.now, ticket_id=pk)
        body = represent(detail, self.actor, wanted, now=self.now, ask_quimbi=True)
        return versioned(body, detail.ticket.version)

    @operation(
        "Change a ticket",
        takes=TicketUpdate,
        request_example=examples.UPDATE,
        returns=TicketDetail,
        example=examples.DETAIL,
        errors=[IllegalTransition, lifecycle.Archived],
    )
    def partial_update(self, request: Request, pk: int) -> Response:
        """With `If-Match`, only when the ticket still has that version."""
        by, now, changes = self.actor, self.now, self.read(TicketUpdate)
        try:
            ticket = lifecycle.update_ticket(
                ticket_id=pk, changes=changes, by=by, now=now, expected_version=expected_version(request)
            )
        except StaleVersion:  # which says what is there now
            customer_id = selectors.customer_of(pk, by)
            record_read(customer_id=customer_id, through="ticket", by=by, now=now, ticket_id=pk)
            raise
        if ticket.updated_at != now:  # what changes nothing is a reading
            record_read(customer_id=ticket.customer_id, through="ticket", by=by, now=now, ticket_id=pk)
        changed = selectors.detail_after_change(ticket)
        return versioned(represent(changed, by, now=now), ticket.version)

    @operation(
        "Change many tickets",
        takes=BulkUpdate,
        request_example=examples.BULK_UPDATE,
        returns=BulkResults,
        example=examples.BULK_RESULTS,
    )
    def bulk(self, request: Request) -> Response:
        """The same changes to up to 100 tickets, each for itself; the results are in the order of the request."""
        data = self.read(BulkUpdate)
        targets = [bulk.Target(**item) for item in data["tickets"]]
        outcomes = bulk.update_tickets(targets, changes=data["changes"], by=self.actor, now=self.now)
        return Response({"results": [_bulk_result(outcome) for outcome in outcomes]})

    @operation("Archive a ticket", status=204)
    def destroy(self, request: Request, pk: int) -> Response:
        """Closes it and takes it out of the default lists. Nothing is deleted; archiving again changes nothing."""
        lifecycle.archive_ticket(ticket_id=pk, by=self.actor, now=self.now, expected_version=expected_version(request))
        return Response(status=204)


def _bulk_result(outcome: bulk.Outcome) -> dict[str, Any]:
    refused = outcome.refused
    return {
        "id": outcome.id,
        "status": refused.status if refused else 200,
        "version": outcome.ticket.version if outcome.ticket else None,
        "problem": {"code": refused.code, "detail": refused.detail} if refused else None,
    }


class OnTicketViewSet(ApiViewSet):
    """What belongs to one ticket, which the path names. A page of it is a reading of what its customer told us."""

    through: ClassVar[str]

    def page_of_ticket(
        self, queryset: QuerySet[Any], serializer_class: type[serializers.BaseSerializer[Any]], ticket_id: int
    ) -> Response:
        answer = self.page(queryset, serializer_class)
        if self.shown:
            whose = self.shown[0].customer_id
            record_read(customer_id=whose, through=self.through, by=self.actor, now=self.now, ticket_id=ticket_id)
        return answer

    def check_reach(self, **path: Any) -> None:
        selectors.seen(path["pk"], self.actor)


class MessageViewSet(OnTicketViewSet):
    allowed: ClassVar = {"list": READERS, "create": WRITERS}
    orderings: ClassVar = {
        "position": Ordering("position"),
        "-position": Ordering("position", descending=True),
    }
    queryset = Message.objects.none()
    through = "messages"

    @operation("List a ticket's messages", returns=HeardMessage(many=True), example=examples.HEARD)
    def list(self, request: Request, pk: int) -> Response:
        return self.page_of_ticket(selectors.messages(ticket_id=pk, actor=self.actor), HeardMessage, pk)

    def beside(self, rows: Sequence[Any]) -> dict[str, Any]:
        written = [message.pk for message in rows if message.sender == Sender.CUSTOMER]
        return {"sentiments": quimbi.known_sentiments(written)}

    @operation(
        "Add a message",
        takes=MessageCreate,
        request_example=examples.MESSAGE_CREATE,
        returns=MessagePosted,
        example=examples.POSTED,
        status=201,
        errors=[conversation.TicketClosed, conversation.MessageExternalIdTaken, NewerMessages, Erased],
    )
    def create(self, request: Request, pk: int) -> Response:
        """A customer's message reopens a ticket that waits or is resolved; on a closed one it opens a follow-up."""
        data, by, now = self.read(MessageCreate), self.actor, self.now
        try:
            posted = conversation.add_message(
                **{**data, "sender": Sender(data["sender"])}, ticket_id=pk, by=by, now=now
            )
        except NewerMessages as refused:
            customer_id = selectors.customer_of(pk, by)
            record_read(customer_id=customer_id, through=self.through, by=by, now=now, ticket_id=pk)
            refused.more["messages"] = MessageOut(refused.messages, many=True).data  # type: ignore[arg-type]
            raise
        if posted.message.agent_id is not None:
            posted.message.agent = cast(Agent, request.user)  # who wrote it is who asks, and is known already
        if not data.get("attachments"):
            prefetch_related_objects([posted.message], Prefetch("attachments", Attachment.objects.none()))
        body = {**MessageOut(posted.message).data, "follow_up": posted.follow_up}
        return Response(body, status=201)


class RankViewSet(ApiViewSet):
    allowed: ClassVar = {"retrieve": EVERY_ROLE | {Scope.CUSTOMERS_READ}}  # a rank tells of the customer
    queryset = Ticket.objects.none()

    @operation("Explain a ticket's rank", returns=RankOut, example=examples.RANK, trims=())
    def retrieve(self, request: Request, pk: int) -> Response:
        """Why it stands where it stands in the order of work, and what decides between it and its neighbours."""
        refuse_unknown(request, ())
        ranked = selectors.ranked(ticket_id=pk, actor=self.actor)
        serializer = RankOut(context={"ranked": ranked})
        return versioned(serializer.to_representation(explain(ranked.ticket, now=self.now)), ranked.ticket.version)


class NoteViewSet(OnTicketViewSet):
    allowed: ClassVar = {"list": EVERY_ROLE | {Scope.NOTES_READ}, "create": EVERY_ROLE}
    orderings: ClassVar = {"id": Ordering("pk"), "-id": Ordering("pk", descending=True)}
    queryset = Note.objects.none()
    through = "notes"

    @operation("List a ticket's notes", returns=NoteOut(many=True), example=examples.NOTE)
    def list(self, request: Request, pk: int) -> Response:
        return self.page_of_ticket(selectors.notes(ticket_id=pk, actor=self.actor), NoteOut, pk)

    @operation(
        "Add a note",
        takes=NoteCreate,
        request_example=examples.NOTE_CREATE,
        returns=NoteOut,
        example=examples.NOTE,
        status=201,
        errors=[lifecycle.Archived],
    )
    def create(self, request: Request, pk: int) -> Response:
        """Seen by agents only. Mentioned agents must be able to see the ticket."""
        data = self.read(NoteCreate)
        note = conversation.add_note(**data, ticket_id=pk, by=self.actor, now=self.now)
        return Response(NoteOut(note).data, status=201)


class TimelineViewSet(ApiViewSet):
    allowed: ClassVar = {"list": READERS}
    orderings: ClassVar = {"at": Ordering("at"), "-at": Ordering("at", descending=True)}
    queryset = Event.objects.none()

    @operation("Get a ticket's timeline", returns=EventOut(many=True), example=examples.EVENT)
    def list(self, request: Request, pk: int) -> Response:
        """Every fact: what happened, when, by whom and through which door. Facts are never changed or removed."""
        events = selectors.timeline(ticket_id=pk, actor=self.actor)
        return self.page(events, EventOut)

    def beside(self, rows: Sequence[Any]) -> dict[str, Any]:
        people = {row.actor_id for row in rows if row.actor_kind == ActorKind.PERSON}
        return {"agents": Agent.objects.get_queryset().in_bulk(people)}


class CustomerTicketsViewSet(ApiViewSet):
    allowed: ClassVar = {"list": READERS}
    orderings: ClassVar = BY_TIME
    filterset_class = HistoryFilter
    queryset = Ticket.objects.none()

    @operation("List a customer's tickets", returns=TicketRow(many=True), example=examples.ROW)
    def list(self, request: Request, pk: int) -> Response:
        """The history, newest first; archived tickets are in it."""
        theirs = selectors.history(customer_id=pk, actor=self.actor)
        answer = self.page(selectors.with_names(), TicketRow, parts=[theirs])
        record_read(customer_id=pk, through="history", by=self.actor, now=self.now)
        return answer
