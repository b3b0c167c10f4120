from django.apps import AppConfig


class QuimbiConfig(AppConfig):
    """The gateway to the external intelligence backend."""

    name = "quimbi"
