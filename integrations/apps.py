from django.apps import AppConfig


class IntegrationsConfig(AppConfig):
    """The edge to partner systems; imports everybody, imported by nobody."""

    name = "integrations"
