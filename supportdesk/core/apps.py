from django.apps import AppConfig


class CoreConfig(AppConfig):
    """The floor every app stands on: events, errors, encryption, API conventions, observability."""

    name = "supportdesk.core"
    label = "core"
    verbose_name = "The desk itself"
