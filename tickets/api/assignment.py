"""Who works on which ticket: assigning, transferring, and the lists to do it by."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, ClassVar

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.api.serializers import NothingRequest, SkillOut
from agents.enums import EVERY_ROLE, Scope
from agents.models import Agent
from customers.audit import record_read
from supportdesk.core.api import fields
from supportdesk.core.api.pagination import Ordering
from supportdesk.core.api.schema import operation
from supportdesk.core.api.views import ApiViewSet, versioned
from tickets import audit, decisions, selectors, workload
from tickets.api import examples
from tickets.api.detail import represent
from tickets.api.filters import BY_RANK, TicketFilter
from tickets.api.serializers import AssignmentOut, PersonName, TicketDetail, TicketRow
from tickets.api.views import READERS, WRITERS, OnTicketViewSet
from tickets.enums import DecisionOutcome, Trigger
from tickets.matching import ONE
from tickets.models import Assignment, AssignmentDecision, Ticket
from tickets.models.ticket import TicketQuerySet
from tickets.services import assignment
from tickets.services.assignment import AlreadyAssigned, AssignmentChanged, NotAssignable, NotAssigned

MAX_REASON = 500


class Assign(fields.StrictSerializer):
    agent_id = fields.Id()


class Transfer(fields.StrictSerializer):
    from_agent_id = fields.Id(help_text="Who has the ticket, as far as the caller knows.")
    agent_id = fields.Id()
    reason = fields.Text(max_length=MAX_REASON, help_text="For colleagues; kept with the assignment.")


class DecisionOut(serializers.Serializer[AssignmentDecision]):
    """Why the ticket went to whom it went, or to nobody."""

    id = serializers.IntegerField()
    outcome = serializers.ChoiceField(choices=DecisionOutcome.choices)
    trigger = serializers.ChoiceField(choices=Trigger.choices, source="record.trigger", help_text="What led to it.")
    why = serializers.SerializerMethodField(help_text="In one sentence.")
    over_capacity = serializers.BooleanField(
        source="record.over_capacity", help_text="The agent had no room for it; by hand only."
    )
    version = serializers.IntegerField(source="record.version", help_text="Of the rules it was made by.")
    decided_at = serializers.DateTimeField()

    def get_why(self, decision: AssignmentDecision) -> str:
        return decisions.why(decision.record)


class AssignmentEntry(AssignmentOut):
    """A stretch of one agent's work on the ticket."""

    previous_agent = PersonName(allow_null=True, help_text="From whom it was transferred.")
    transfer_reason = serializers.CharField(help_text="Why, in the words of who transferred it.")
    assigned_by = PersonName(allow_null=True, help_text="Null when no person did.")
    ended_at = serializers.DateTimeField(allow_null=True, help_text="Null: the present one.")
    decision = DecisionOut(allow_null=True, help_text="Null for what was assigned before decisions were kept.")


class TicketDecided(TicketDetail):
    decision = DecisionOut(allow_null=True, help_text="Null when nothing had to be decided.")


class AvailableAgent(serializers.Serializer[Agent]):
    """An agent who is online and has room. The context's `loads` hold everybody's."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    department = PersonName(allow_null=True)
    specializations = SkillOut(many=True)
    capacity = serializers.IntegerField(help_text="Open tickets the agent takes at a time.")
    load = serializers.SerializerMethodField(help_text="Unfinished tickets; pending ones count in part.")
    free = serializers.SerializerMethodField(help_text="Open tickets there is room for.")

    def get_load(self, agent: Agent) -> float:
        return self._load(agent) / ONE

    def get_free(self, agent: Agent) -> int:
        return (agent.capacity * ONE - self._load(agent)) // ONE

    def _load(self, agent: Agent) -> int:
        loads: dict[int, int] = self.context["loads"]
        return loads[agent.pk]


class AssignmentViewSet(OnTicketViewSet):
    allowed: ClassVar = {"list": READERS, **dict.fromkeys(("assign", "auto_assign", "transfer"), WRITERS)}
    orderings: ClassVar = {"id": Ordering("pk"), "-id": Ordering("pk", descending=True)}
    queryset = Assignment.objects.none()

    @operation("List a ticket's assignments", returns=AssignmentEntry(many=True), example=examples.ASSIGNMENT_ENTRY)
    def list(self, request: Request, pk: int) -> Response:
        """Who has the ticket and who had it, by whom it was given and why."""
        return self.page(selectors.assignments(ticket_id=pk, actor=self.actor), AssignmentEntry)

    @operation(
        "Assign a ticket",
        takes=Assign,
        request_example=examples.ASSIGN,
        returns=TicketDecided,
        example=examples.ASSIGNED,
        errors=[NotAssignable, AlreadyAssigned],
    )
    def assign(self, request: Request, pk: int) -> Response:
        """Gives a ticket that nobody has to an agent whose record the caller may read, even if they have no room."""
        given, now = self.read(Assign), self.now
        return self._decided(assignment.assign(ticket_id=pk, **given, by=self.actor, now=now), now)

    @operation(
        "Assign a ticket automatically",
        takes=NothingRequest,
        request_example={},
        returns=TicketDecided,
        example=examples.AUTO_ASSIGNED,
        errors=[NotAssignable, AlreadyAssigned],
    )
    def auto_assign(self, request: Request, pk: int) -> Response:
        """To who fits best of those who are online and have room. If nobody can take it, the ticket waits (`queued_at`)
        and goes to the next who can; `decision` says why.
        """
        self.read(NothingRequest)
        now = self.now
        return self._decided(assignment.auto_assign(ticket_id=pk, by=self.actor, now=now), now)

    @operation(
        "Transfer a ticket",
        takes=Transfer,
        request_example=examples.TRANSFER,
        returns=TicketDecided,
        example=examples.TRANSFERRED,
        errors=[NotAssignable, NotAssigned, AssignmentChanged],
    )
    def transfer(self, request: Request, pk: int) -> Response:
        """From the agent who has it to another. Of rivals one wins; the others are told who has the ticket now."""
        given, now = self.read(Transfer), self.now
        return self._decided(assignment.transfer(ticket_id=pk, **given, by=self.actor, now=now), now)

    def _decided(self, result: assignment.Result, now: datetime) -> Response:
        ticket = result.ticket
        if ticket.updated_at != now:  # what changes nothing is a reading
            whose = ticket.customer_id
            record_read(customer_id=whose, through="ticket", by=self.actor, now=now, ticket_id=ticket.pk)
        detail = represent(selectors.detail_after_change(ticket), self.actor, now=now)
        decision = DecisionOut(result.decision).data if result.decision else None
        return versioned({**detail, "decision": decision}, ticket.version)


class WorkViewSet(ApiViewSet):
    """A list of tickets that somebody has to work on."""

    allowed: ClassVar = {"list": READERS}
    orderings: ClassVar = BY_RANK
    filterset_class = TicketFilter
    queryset = Ticket.objects.none()

    def page_of_work(self, tickets: TicketQuerySet, through: str) -> Response:
        answer = self.page(selectors.with_names(), TicketRow, parts=[tickets])
        ids, parameters = [ticket.pk for ticket in self.shown], self.request.query_params
        audit.record_search(ids=ids, parameters=parameters, through=through, by=self.actor, now=self.now)
        return answer


class UnassignedViewSet(WorkViewSet):
    @operation("List unassigned tickets", returns=TicketRow(many=True), example=examples.UNASSIGNED_ROW)
    def list(self, request: Request) -> Response:
        """Unfinished tickets that nobody has, in the order of work."""
        return self.page_of_work(selectors.unassigned(self.actor), "unassigned")


class AgentQueueViewSet(WorkViewSet):
    @operation("List an agent's queue", returns=TicketRow(many=True), example=examples.ROW)
    def list(self, request: Request, pk: int) -> Response:
        """The agent's unfinished tickets in the order of work, as far as the caller sees them."""
        return self.page_of_work(selectors.queue_of(agent_id=pk, actor=self.actor), "queue")


class AvailableAgentViewSet(ApiViewSet):
    allowed: ClassVar = {"list": EVERY_ROLE | {Scope.AGENTS_READ}}
    orderings: ClassVar = {"id": Ordering("pk")}
    queryset = Agent.objects.none()

    @operation("List available agents", returns=AvailableAgent(many=True), example=examples.AVAILABLE)
    def list(self, request: Request) -> Response:
        """Who is online and has room, of the agents whose record the caller may read."""
        self.loads = workload.available()
        return self.page(selectors.available_agents(self.actor, self.loads), AvailableAgent)

    def beside(self, rows: Sequence[Any]) -> dict[str, Any]:
        return {"loads": self.loads}
