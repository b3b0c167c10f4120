"""Tickets, messages and notes as the API speaks of them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agents.api.serializers import SkillOut
from agents.enums import Scope
from agents.models import Agent, Department
from customers.api.serializers import CustomerName, CustomerOut
from customers.models import Customer
from quimbi.api.serializers import InsightsOut, SentimentInsight
from sla.api.status import StatusOut
from supportdesk.core.actor import Actor, ActorKind
from supportdesk.core.api import fields
from supportdesk.core.models import Event
from tickets import decisions
from tickets.api.filters import BY_RANK, TicketFilter
from tickets.enums import AssignmentReason, Category, Channel, DecisionOutcome, Priority, Sender, Status, Trigger
from tickets.explaining import AdviceState, Explanation, Step, between
from tickets.matching import ONE
from tickets.models import Assignment, AssignmentDecision, Attachment, Message, Note, SavedView, Ticket
from tickets.models.conversation import MAX_BODY
from tickets.models.ticket import MAX_TAG_LENGTH, MAX_TAGS
from tickets.ordering import Part
from tickets.services import topic_alerts

MAX_SUBJECT = 300
MAX_MENTIONS = 20
MAX_POSITION = 2**31 - 1
MAX_BULK = 100
MAX_ATTACHMENTS = 10
MAX_REASON = 500


class Tags(serializers.ListField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=fields.Text(max_length=MAX_TAG_LENGTH), max_length=MAX_TAGS, **kwargs)


class Source(fields.Text):
    """The system that an external id comes from."""

    @property
    def documented(self) -> dict[str, Any]:
        return {"pattern": "^[a-z0-9_-]*[a-z0-9][a-z0-9_-]*$"}

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(max_length=32, **kwargs)

    def to_internal_value(self, data: Any) -> str:
        name = super().to_internal_value(data)
        if not (name.isascii() and name.replace("-", "").replace("_", "").isalnum() and name == name.lower()):
            detail = "Must consist of a-z, 0-9, - and _."
            raise serializers.ValidationError(detail, code="invalid_source")
        return name


class ExternallyKnown(fields.StrictSerializer):
    """An id in another system, and which system that is: both or none."""

    source = Source(required=False)  # type: ignore[assignment]
    external_id = fields.Text(max_length=191, required=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        missing = {"source", "external_id"} - set(attrs)
        if len(missing) == 1:
            detail = "An external id needs its source, and a source an external id."
            raise serializers.ValidationError({missing.pop(): [serializers.ErrorDetail(detail, code="required")]})
        return attrs


class TicketCreate(ExternallyKnown):
    customer_id = fields.Reference(topic_alerts.told_of(Customer.objects.with_identities()), source="customer")
    subject = fields.Text(max_length=MAX_SUBJECT)
    description = fields.Text(
        max_length=MAX_BODY, multiline=True, trim_whitespace=False, help_text="Becomes the customer's first message."
    )
    priority = fields.Choice(choices=Priority.choices, required=False)
    channel = fields.Choice(choices=Channel.choices, required=False)
    category = fields.Choice(choices=Category.choices, required=False)
    tags = Tags(required=False)
    attributes = fields.Attributes(required=False)
    language = fields.Language(required=False, allow_blank=True)
    department_id = fields.Reference(Department.objects, source="department", required=False, allow_null=True)


class TicketUpdate(fields.StrictSerializer):
    """What is given is replaced as a whole, `tags` and `attributes` too."""

    subject = fields.Text(max_length=MAX_SUBJECT, required=False)
    status = fields.Choice(choices=Status.choices, required=False)
    priority = fields.Choice(choices=Priority.choices, required=False)
    channel = fields.Choice(choices=Channel.choices, required=False)
    category = fields.Choice(choices=Category.choices, required=False)
    tags = Tags(required=False)
    attributes = fields.Attributes(required=False)
    language = fields.Language(required=False, allow_blank=True)
    department_id = fields.Reference(Department.objects, source="department", required=False, allow_null=True)


class BulkItem(fields.StrictSerializer):
    id = fields.Id()
    version = fields.Integer(
        min_value=1, max_value=MAX_POSITION, required=False, help_text="Change it only if it still has this version."
    )


class BulkUpdate(fields.StrictSerializer):
    tickets = BulkItem(many=True, min_length=1, max_length=MAX_BULK)  # type: ignore[call-arg]
    changes = TicketUpdate()

    def validate_tickets(self, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
        if len({item["id"] for item in items}) < len(items):
            raise serializers.ValidationError("Each ticket may be named once.", code="repeated")
        return items

    def validate_changes(self, changes: dict[str, Any]) -> dict[str, Any]:
        if not changes:
            raise serializers.ValidationError("Name at least one change.", code="required")
        return changes


class BulkProblem(serializers.Serializer[Any]):
    code = serializers.CharField()
    detail = serializers.CharField()


class BulkResult(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    status = serializers.IntegerField(help_text="What a PATCH of this ticket alone would have answered.")
    version = serializers.IntegerField(allow_null=True, help_text="The version now; null if it was not changed.")
    problem = BulkProblem(allow_null=True)


class BulkResults(serializers.Serializer[Any]):
    results = BulkResult(many=True)


class MessageCreate(ExternallyKnown):
    body = fields.Text(max_length=MAX_BODY, multiline=True, trim_whitespace=False)
    sender = fields.Choice(
        choices=[(Sender.AGENT.value, "Agent"), (Sender.CUSTOMER.value, "Customer")],
        default=Sender.AGENT.value,
        help_text="`agent`: the caller's public reply. `customer`: what the customer said, on the phone for instance.",
    )
    channel = fields.Choice(choices=Channel.choices, required=False, help_text="The ticket's own unless given.")
    last_seen_position = fields.Integer(
        min_value=0,
        max_value=MAX_POSITION,
        required=False,
        help_text="The newest message its author saw. If there is a newer one: 409, with the newer ones in `messages`.",
    )
    force = fields.Boolean(required=False, help_text="Send even if there is a newer one.")
    attachments = serializers.ListField(
        child=fields.Id(),
        max_length=MAX_ATTACHMENTS,
        required=False,
        help_text="Files of this ticket that the caller uploaded and no message has yet.",
    )


class NoteCreate(fields.StrictSerializer):
    body = fields.Text(max_length=MAX_BODY, multiline=True, trim_whitespace=False)
    mentions = serializers.ListField(
        child=fields.Id(), max_length=MAX_MENTIONS, required=False, help_text="Ids of agents who can see the ticket."
    )


class PersonName(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class CustomerPart(CustomerName):
    """Null for a machine whose key does not read customers. The context's `actor` is who asks."""

    def get_attribute(self, instance: Any) -> Any:
        actor: Actor = self.context["actor"]
        return super().get_attribute(instance) if actor.may(Scope.CUSTOMERS_READ) else None


class TicketRow(serializers.Serializer[Ticket]):
    id = serializers.IntegerField()
    subject = serializers.CharField()
    status = serializers.ChoiceField(choices=Status.choices)
    priority = serializers.ChoiceField(choices=Priority.choices)
    channel = serializers.ChoiceField(choices=Channel.choices)
    category = serializers.ChoiceField(choices=Category.choices)
    tags = serializers.ListField(child=serializers.CharField())
    customer = CustomerPart(allow_null=True, help_text="Null for an API key without `customers:read`.")
    assignee = PersonName(allow_null=True)
    department = PersonName(allow_null=True)
    source = serializers.CharField(help_text="Empty: opened here.")  # type: ignore[assignment]
    external_id = serializers.CharField(allow_null=True)
    message_count = serializers.IntegerField(source="last_position")
    waiting_since = serializers.DateTimeField(allow_null=True, help_text="Oldest customer message without a reply.")
    queued_at = serializers.DateTimeField(
        allow_null=True, help_text="Since when it waits for an agent who can take it; null when it does not."
    )
    last_activity_at = serializers.DateTimeField()
    first_response_at = serializers.DateTimeField(allow_null=True)
    resolved_at = serializers.DateTimeField(allow_null=True)
    archived_at = serializers.DateTimeField(allow_null=True)
    rank_at = serializers.DateTimeField(help_text="The sort key of the default order; compare it, do not read it.")
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    created_at_estimated = serializers.BooleanField()
    updated_at = serializers.DateTimeField()


class HighlightOut(serializers.Serializer[Any]):
    where = serializers.ChoiceField(choices=["subject", "message", "note"])
    text = serializers.CharField(help_text="The words around the first match, as plain text.")
    marks = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField(), min_length=2, max_length=2),
        help_text="Start and end of each matching word in `text`, in characters (Unicode code points).",
    )


class HighlightPart(HighlightOut):
    """Of the row's ticket, from the context's `highlights`; left out without those."""

    def get_attribute(self, instance: Any) -> Any:
        if "highlights" not in self.context:
            raise serializers.SkipField
        return self.context["highlights"].get(instance.pk)


class StepOut(serializers.Serializer[Step]):
    part = serializers.ChoiceField(choices=[(part.value, part.value) for part in Part])
    seconds = serializers.SerializerMethodField(help_text="By how much it moves the rank; earlier when negative.")
    why = serializers.CharField()

    def get_seconds(self, step: Step) -> float:
        return step.moves.total_seconds()


class RankParts(serializers.Serializer[Explanation]):
    """`begin_at` and the seconds of all parts add up to `rank_at`."""

    rank_at = serializers.DateTimeField(source="at")
    begin_at = serializers.DateTimeField(
        source="rank.begin", help_text="Since when its customer waits; else when a promise ends, or it was heard of."
    )
    parts = StepOut(source="steps", many=True)
    sentence = serializers.CharField(help_text="All of this in words.")
    stale = serializers.BooleanField(
        help_text="The order knows it by other weights still, until `rerank` has come to it."
    )
    advice = serializers.ChoiceField(
        choices=[(state.value, state.value) for state in AdviceState],
        help_text="Of what Quimbi says: `fresh`, `stale` (it counts until it expires), or `absent`, and then the order "
        "is what it would be without Quimbi.",
    )


class RankInList(RankParts):
    decided_by = serializers.SerializerMethodField(
        help_text="The part that puts it behind the one before it on this page: a part, `begin` or `id`; null for the "
        "first."
    )

    @extend_schema_field(serializers.CharField(allow_null=True))
    def get_decided_by(self, explanation: Explanation) -> str | None:
        found: str | None = self.context["decided_by"].get(explanation.ticket.pk)
        return found


class RankPart(RankInList):
    """Of the row's ticket, from the context's `ranks`; left out without those."""

    def get_attribute(self, instance: Any) -> Any:
        if "ranks" not in self.context:
            raise serializers.SkipField
        return self.context["ranks"][instance.pk]


class NeighbourOut(serializers.Serializer[Any]):
    ticket_id = serializers.IntegerField()
    decided_by = serializers.CharField(help_text="The part that decides between the two: a part, `begin` or `id`.")
    sentence = serializers.CharField()


class RankOut(RankParts):
    ticket_id = serializers.IntegerField(source="ticket.pk")
    weights_version = serializers.IntegerField(source="version")
    ahead = serializers.SerializerMethodField(help_text="The one right before it, of those that the caller sees.")
    behind = serializers.SerializerMethodField(help_text="The one right after it.")

    @extend_schema_field(NeighbourOut(allow_null=True))
    def get_ahead(self, explanation: Explanation) -> Any:
        other = self.context["ranked"].ahead
        return other and _neighbour(other, *between(other, explanation.ticket))

    @extend_schema_field(NeighbourOut(allow_null=True))
    def get_behind(self, explanation: Explanation) -> Any:
        other = self.context["ranked"].behind
        return other and _neighbour(other, *between(explanation.ticket, other))


def _neighbour(ticket: Ticket, reason: str, sentence: str) -> dict[str, Any]:
    return {"ticket_id": ticket.pk, "decided_by": str(reason), "sentence": sentence}


class FoundTicket(TicketRow):
    rank = RankPart(required=False, help_text="Only with `explain=1`.")
    highlight = HighlightPart(
        required=False, allow_null=True, help_text="Only with `q`; null when a name or a number was found."
    )


class TicketFull(TicketRow):
    description = serializers.SerializerMethodField(help_text="The first message.")
    attributes = serializers.DictField(child=serializers.JSONField())
    language = serializers.CharField()
    follow_up_of = serializers.IntegerField(source="follow_up_of_id", allow_null=True)
    satisfaction_rating = serializers.IntegerField(allow_null=True)

    def get_description(self, ticket: Ticket) -> str:
        return str(self.context["description"])


class AssignmentOut(serializers.Serializer[Assignment]):
    id = serializers.IntegerField()
    agent = PersonName()
    reason = serializers.ChoiceField(choices=AssignmentReason.choices)
    assigned_at = serializers.DateTimeField()


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


class Assign(fields.StrictSerializer):
    agent_id = fields.Id()


class Transfer(fields.StrictSerializer):
    from_agent_id = fields.Id(help_text="Who has the ticket, as far as the caller knows.")
    agent_id = fields.Id()
    reason = fields.Text(max_length=MAX_REASON, help_text="For colleagues; kept with the assignment.")


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


class TicketDetail(serializers.Serializer[Any]):
    """The ticket with everything beside it. Parts that are not there are null."""

    ticket = TicketFull()
    customer = CustomerOut(allow_null=True, help_text="Null for an API key without `customers:read`.")
    assignment = AssignmentOut(allow_null=True, help_text="The present one.")
    sla = StatusOut(allow_null=True, help_text="What was promised; null for imported tickets.")
    ai_insights = InsightsOut(
        allow_null=True, help_text="What Quimbi says of the customer; null for an API key without `customers:read`."
    )


class TicketDecided(TicketDetail):
    decision = DecisionOut(allow_null=True, help_text="Null when nothing had to be decided.")


class AttachmentName(serializers.Serializer[Attachment]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    content_type = serializers.CharField(help_text="By content, never by name.")
    size = serializers.IntegerField(help_text="Bytes.")


class AttachmentOut(AttachmentName):
    ticket_id = serializers.IntegerField()
    message_id = serializers.IntegerField(allow_null=True, help_text="Null until a message takes it up.")
    uploaded_by = PersonName(allow_null=True, help_text="Null when a machine did.")
    sha256 = serializers.CharField()
    created_at = serializers.DateTimeField()


class Upload(fields.StrictSerializer):
    file = serializers.FileField(max_length=1_000, allow_empty_file=True)


class MessageOut(serializers.Serializer[Message]):
    id = serializers.IntegerField()
    ticket_id = serializers.IntegerField()
    position = serializers.IntegerField(help_text="Counts from 1 within the ticket.")
    sender = serializers.ChoiceField(choices=Sender.choices)
    agent = PersonName(allow_null=True)
    system_name = serializers.CharField(help_text="Who speaks, when the sender is the system.")
    body = serializers.CharField()
    channel = serializers.ChoiceField(choices=Channel.choices)
    automated = serializers.BooleanField()
    attachments = AttachmentName(many=True)
    source = serializers.CharField()  # type: ignore[assignment]
    external_id = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class SentimentPart(SentimentInsight):
    """Of the row, from the context's `sentiments`; null for what no customer wrote."""

    def get_attribute(self, instance: Any) -> Any:
        return self.context["sentiments"].get(instance.pk)


class HeardMessage(MessageOut):
    sentiment = SentimentPart(
        allow_null=True,
        help_text="How Quimbi says the customer felt, where its dialect says such things and was asked by now; null "
        "for what no customer wrote.",
    )


class MessagePosted(MessageOut):
    follow_up = serializers.BooleanField(
        help_text="True when the ticket was closed and the message opened a new one, named by `ticket_id`."
    )


class NoteOut(serializers.Serializer[Note]):
    id = serializers.IntegerField()
    ticket_id = serializers.IntegerField()
    author = PersonName(allow_null=True)
    system_name = serializers.CharField(help_text="Who remarks it, when no agent does.")
    body = serializers.CharField()
    mentions = PersonName(many=True)
    created_at = serializers.DateTimeField()


class EventActor(serializers.Serializer[Any]):
    kind = serializers.ChoiceField(choices=[kind.value for kind in ActorKind])
    id = serializers.IntegerField(allow_null=True)
    name = serializers.CharField()


class EventOut(serializers.Serializer[Event]):
    id = serializers.IntegerField()
    name = serializers.CharField(help_text="Such as `ticket.status_changed`.")
    at = serializers.DateTimeField()
    actor = serializers.SerializerMethodField()
    origin = serializers.CharField(help_text="The door it came through: api, admin, command, import, task.")
    payload = serializers.DictField(child=serializers.JSONField())
    request_id = serializers.CharField()

    def get_actor(self, event: Event) -> EventActor:
        agents: dict[int, Agent] = self.context["agents"]
        agent = agents.get(event.actor_id or 0)
        name = agent.name if agent else event.actor_name
        return {"kind": event.actor_kind, "id": event.actor_id, "name": name}  # type: ignore[return-value]


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
