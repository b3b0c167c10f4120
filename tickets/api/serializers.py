"""Tickets and their timeline as the API speaks of them."""

from typing import Any

from rest_framework import serializers

from agents.enums import Scope
from agents.models import Agent, Department
from customers.api.serializers import CustomerName, CustomerOut
from customers.models import Customer
from quimbi.api.serializers import InsightsOut
from sla.api.status import StatusOut
from supportdesk.core.actor import Actor, ActorKind
from supportdesk.core.api import fields
from supportdesk.core.models import Event
from tickets.api.ranks import RankPart
from tickets.enums import AssignmentReason, Category, Channel, Priority, Status
from tickets.models import Assignment, Ticket
from tickets.models.conversation import MAX_BODY
from tickets.models.ticket import MAX_TAG_LENGTH, MAX_TAGS
from tickets.services import topic_alerts

MAX_SUBJECT = 300
MAX_POSITION = 2**31 - 1


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


class TicketDetail(serializers.Serializer[Any]):
    """The ticket with everything beside it. Parts that are not there are null."""

    ticket = TicketFull()
    customer = CustomerOut(allow_null=True, help_text="Null for an API key without `customers:read`.")
    assignment = AssignmentOut(allow_null=True, help_text="The present one.")
    sla = StatusOut(allow_null=True, help_text="What was promised; null for imported tickets.")
    ai_insights = InsightsOut(
        allow_null=True, help_text="What Quimbi says of the customer; null for an API key without `customers:read`."
    )


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
