from django.apps import AppConfig
from django.core import checks

from integrations.shopify.versions import check_version


class IntegrationsConfig(AppConfig):
    """The edge to partner systems; imports everybody, imported by nobody."""

    name = "integrations"

    def ready(self) -> None:
        checks.register(check_version)
