from django.apps import AppConfig


class SupportDeskConfig(AppConfig):
    """The roof: URL table, schedule, settings and the commands that cross several apps. No models."""

    name = "supportdesk"
