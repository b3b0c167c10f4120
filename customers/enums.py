"""What a customer can be, and where else they can be known."""

from django.db import models


class IdentitySource(models.TextChoices):
    SHOPIFY = "shopify", "Shopify"
    GORGIAS = "gorgias", "Gorgias"
    IMPORT = "import", "Import"


class Tier(models.TextChoices):
    STANDARD = "standard", "Standard"
    VIP = "vip", "VIP"
