from django.apps import AppConfig


class SLAConfig(AppConfig):
    """Promises about the work."""

    name = "sla"
    verbose_name = "Promises"
