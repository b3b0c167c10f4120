"""What an agent can be."""

from django.db import models


class Role(models.TextChoices):
    AGENT = "agent", "Agent"
    SENIOR = "senior", "Senior agent"
    SUPERVISOR = "supervisor", "Supervisor"
    ADMIN = "admin", "Administrator"


class Availability(models.TextChoices):
    ONLINE = "online", "Online"
    BUSY = "busy", "Busy"
    OFFLINE = "offline", "Offline"
