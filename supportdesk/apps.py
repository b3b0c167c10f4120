from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class SupportDeskConfig(AppConfig):
    """The roof: URL table, schedule, settings and the commands that cross several apps. No models."""

    name = "supportdesk"


class DeskAdminConfig(AdminConfig):
    """Django's admin on our own site."""

    default_site = "supportdesk.site.DeskSite"
