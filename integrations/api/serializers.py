"""What partners hold, as the API repeats it."""

from typing import Any

from rest_framework import serializers


class VariantOut(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="Shopify's; a text, as it is too long for a number.")
    sku = serializers.CharField(allow_null=True)
    title = serializers.CharField(allow_null=True)
    price = serializers.CharField(allow_null=True, help_text="In the currency of the shop.")


class ProductOut(serializers.Serializer[Any]):
    id = serializers.CharField(help_text="Shopify's.")
    shop = serializers.CharField()
    title = serializers.CharField()
    handle = serializers.CharField(allow_null=True)
    status = serializers.CharField(allow_null=True, help_text="Shopify's word, such as active or archived.")
    vendor = serializers.CharField(allow_null=True)
    type = serializers.CharField(allow_null=True)
    tags = serializers.ListField(child=serializers.CharField())
    image = serializers.CharField(allow_null=True)
    variants = VariantOut(many=True)
