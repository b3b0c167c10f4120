"""Customers as the API speaks of them."""

from typing import Any

from rest_framework import serializers

from customers.enums import IdentitySource, Tier
from customers.models import Customer, ExternalIdentity, Order
from quimbi.api.serializers import DnaInsight
from supportdesk.core.api import fields

TIER_HELP = "Set by supervisors and administrators only."


class IdentityInput(fields.StrictSerializer):
    source = fields.Choice(choices=IdentitySource.choices)  # type: ignore[assignment]
    external_id = fields.Text(max_length=191)


class CustomerCreate(fields.StrictSerializer):
    name = fields.Text(max_length=200)
    email = fields.Text(max_length=254, required=False, allow_null=True)
    phone = fields.Text(
        max_length=50, required=False, allow_null=True, help_text="With its country code, such as +49 30 901820."
    )
    address = fields.Text(max_length=1_000, multiline=True, required=False, allow_null=True)
    timezone = fields.TimeZone(required=False, allow_blank=True)
    language = fields.Language(required=False, allow_blank=True)
    tier = fields.Choice(choices=Tier.choices, required=False, help_text=TIER_HELP)
    attributes = fields.Attributes(required=False)
    identities = IdentityInput(many=True, required=False, max_length=20)  # type: ignore[call-arg]


class CustomerUpdate(fields.StrictSerializer):
    """What is given is replaced as a whole, `attributes` too; null removes."""

    name = fields.Text(max_length=200, required=False)
    email = fields.Text(max_length=254, required=False, allow_null=True)
    phone = fields.Text(max_length=50, required=False, allow_null=True)
    address = fields.Text(max_length=1_000, multiline=True, required=False, allow_null=True)
    timezone = fields.TimeZone(required=False, allow_blank=True)
    language = fields.Language(required=False, allow_blank=True)
    tier = fields.Choice(choices=Tier.choices, required=False, help_text=TIER_HELP)
    attributes = fields.Attributes(required=False)


class IdentityOut(serializers.Serializer[ExternalIdentity]):
    source = serializers.ChoiceField(choices=IdentitySource.choices)  # type: ignore[assignment]
    external_id = serializers.CharField()


class CustomerOut(serializers.Serializer[Customer]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    email = serializers.CharField(allow_null=True)
    phone = serializers.CharField(allow_null=True, help_text="E.164.")
    address = serializers.CharField(allow_null=True)
    timezone = serializers.CharField(help_text="IANA name, or empty.")
    language = serializers.CharField(help_text="ISO 639-1, or empty.")
    tier = serializers.ChoiceField(choices=Tier.choices, help_text="Tickets of a VIP go to seniors first.")
    attributes = serializers.DictField(child=serializers.JSONField())
    identities = IdentityOut(many=True, source="known_as")
    erased_at = serializers.DateTimeField(allow_null=True)
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()


class DnaPart(DnaInsight):
    """From the context's `dna`."""

    def get_attribute(self, instance: Any) -> Any:
        return self.context["dna"]


class CustomerDetail(CustomerOut):
    dna = DnaPart(help_text="What Quimbi makes of them.")


class ItemOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    quantity = serializers.IntegerField()
    product_id = serializers.CharField(allow_null=True)
    category = serializers.CharField(allow_null=True)
    price = serializers.CharField(allow_null=True, help_text="Of one, as a decimal number.")


class ParcelOut(serializers.Serializer[Any]):
    carrier = serializers.CharField()
    number = serializers.CharField()
    url = serializers.CharField()


class OrderOut(serializers.Serializer[Order]):
    id = serializers.IntegerField()
    source = serializers.ChoiceField(choices=IdentitySource.choices)  # type: ignore[assignment]
    external_id = serializers.CharField()
    number = serializers.CharField(help_text="What the shop calls it, or empty.")
    payment = serializers.CharField(help_text="The shop's word, or empty.")
    fulfilment = serializers.CharField(help_text="The shop's word, or empty.")
    total = serializers.DecimalField(max_digits=19, decimal_places=4)
    currency = serializers.CharField(help_text="ISO 4217.")
    items = ItemOut(many=True)
    parcels = ParcelOut(many=True)
    ordered_at = serializers.DateTimeField()
    cancelled_at = serializers.DateTimeField(allow_null=True)


class CustomerName(serializers.Serializer[Any]):
    id = serializers.IntegerField()
    name = serializers.CharField()


class ErasureRequest(fields.StrictSerializer):
    confirm = fields.Choice(choices=[("erase", "Erase")], help_text="The word `erase`: nothing brings the data back.")


class PersonalData(serializers.Serializer[Any]):
    customer = serializers.DictField()
    tickets = serializers.ListField(child=serializers.DictField())
