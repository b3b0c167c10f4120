"""What an agent can be."""

from django.db import models


class Role(models.TextChoices):
    AGENT = "agent", "Agent"
    SENIOR = "senior", "Senior agent"
    SUPERVISOR = "supervisor", "Supervisor"
    ADMIN = "admin", "Administrator"


EVERY_ROLE = frozenset(Role.values)


class Availability(models.TextChoices):
    ONLINE = "online", "Online"
    BUSY = "busy", "Busy"
    OFFLINE = "offline", "Offline"
