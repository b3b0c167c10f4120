"""Where else a customer can be known."""

from django.db import models


class IdentitySource(models.TextChoices):
    SHOPIFY = "shopify", "Shopify"
    GORGIAS = "gorgias", "Gorgias"
    IMPORT = "import", "Import"
