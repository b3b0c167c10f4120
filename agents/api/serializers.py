"""Agents as the API speaks of them."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from agents.enums import Availability, Role, Scope
from agents.models import Agent, ApiKey, Department, Specialization
from sla.api.performance import AgentPerformanceOut
from supportdesk.core.api import fields


class Languages(serializers.ListField):
    def __init__(self, **kwargs: Any) -> None:
        super().__init__(child=fields.Language(), max_length=20, **kwargs)


class Credentials(fields.StrictSerializer):
    email = fields.Text(max_length=254)
    password = fields.Text(max_length=1_000, trim_whitespace=False)


class RefreshRequest(fields.StrictSerializer):
    refresh = fields.Text(max_length=4_000)


class NothingRequest(fields.StrictSerializer):
    """An empty object, or no body at all."""


class AgentCreate(fields.StrictSerializer):
    email = serializers.EmailField(max_length=254)
    name = fields.Text(max_length=200)
    password = fields.Text(
        max_length=1_000, trim_whitespace=False, required=False, allow_null=True, help_text="At least 12 characters."
    )
    role = fields.Choice(choices=Role.choices, required=False)
    department_id = fields.Reference(Department.objects, source="department", required=False, allow_null=True)
    leads = fields.References(Department.objects, required=False, help_text="Ids of departments.")
    specializations = fields.References(Specialization.objects, required=False, help_text="Ids of specializations.")
    languages = Languages(required=False)
    capacity = fields.Integer(min_value=0, max_value=500, required=False)


class AgentUpdate(fields.StrictSerializer):
    """Which of these the caller may set depends on their role and on whose record it is."""

    email = serializers.EmailField(max_length=254, required=False)
    name = fields.Text(max_length=200, required=False)
    password = fields.Text(max_length=1_000, trim_whitespace=False, required=False)
    role = fields.Choice(choices=Role.choices, required=False)
    department_id = fields.Reference(Department.objects, source="department", required=False, allow_null=True)
    leads = fields.References(Department.objects, required=False)
    specializations = fields.References(Specialization.objects, required=False)
    languages = Languages(required=False)
    capacity = fields.Integer(min_value=0, max_value=500, required=False)
    availability = fields.Choice(choices=Availability.choices, required=False)
    is_active = fields.Boolean(required=False)


class Named(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class SkillOut(serializers.Serializer[Specialization]):
    id = serializers.IntegerField()
    slug = serializers.CharField()
    name = serializers.CharField()


class AgentCard(serializers.Serializer[Agent]):
    """What everybody may know of an agent."""

    id = serializers.IntegerField()
    name = serializers.CharField()
    availability = serializers.ChoiceField(choices=Availability.choices)


class AgentRecord(AgentCard):
    """The whole record: one's own, and of the agents of one's departments."""

    email = serializers.EmailField()
    role = serializers.ChoiceField(choices=Role.choices)
    department = Named(allow_null=True)
    leads = Named(many=True)
    specializations = SkillOut(many=True)
    languages = serializers.ListField(child=serializers.CharField())
    capacity = serializers.IntegerField()
    is_active = serializers.BooleanField()
    last_login = serializers.DateTimeField(allow_null=True)
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class AgentEntry(AgentRecord):
    """The record where the caller may read it; else the card's members only."""

    def get_fields(self) -> dict[str, Any]:
        members = super().get_fields()
        for name in set(members) - set(AgentCard().fields):
            members[name].required = False
        return members

    def to_representation(self, instance: Agent) -> Any:
        whole = getattr(instance, "whole", False)
        if whole:
            return super().to_representation(instance)
        return {name: value for name, value in AgentCard(instance).data.items() if name in self.fields}


class AgentProfile(AgentEntry):
    """An agent with their performance."""

    performance = serializers.SerializerMethodField()

    @extend_schema_field(AgentPerformanceOut)
    def get_performance(self, agent: Agent) -> Any:
        return AgentPerformanceOut(self.context["performance"]).data


class TokenPair(serializers.Serializer[Any]):
    access = serializers.CharField(help_text="Send as `Authorization: Bearer …`.")
    refresh = serializers.CharField(help_text="Good for one use at `/api/auth/refresh`.")
    token_type = serializers.CharField(default="Bearer")
    expires_in = serializers.IntegerField(help_text="Seconds that the access token lives.")
    agent = AgentCard()


class ApiKeyCreate(fields.StrictSerializer):
    name = fields.Text(max_length=100, help_text="The machine or the integration that will hold it.")
    scopes = serializers.ListField(child=fields.Choice(choices=Scope.choices), min_length=1, max_length=len(Scope))
    expires_at = fields.Instant(help_text="At most 366 days from now.")


class ApiKeyOut(serializers.Serializer[ApiKey]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    prefix = serializers.CharField(help_text="How the key begins.")
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField(allow_null=True, help_text="To the minute.")
    revoked_at = serializers.DateTimeField(allow_null=True)


class ApiKeyIssued(ApiKeyOut):
    key = serializers.CharField(allow_null=True, help_text="Shown this once; null in an answer that is repeated.")


class WsTicket(serializers.Serializer[Any]):
    ticket = serializers.CharField(help_text="Opens one socket or stream, once. Never put it in an address.")
    expires_in = serializers.IntegerField(help_text="Seconds.")
    path = serializers.CharField(help_text="Of the WebSocket, on the same host.")
