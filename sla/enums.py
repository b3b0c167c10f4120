"""The words that promises are described with."""

from django.db import models

from sla.clock import Metric, State


class VersionState(models.TextChoices):
    """A draft may still change; what is active or retired never does."""

    DRAFT = "draft", "Draft"
    ACTIVE = "active", "Active"
    RETIRED = "retired", "Retired"


class AlertKind(models.TextChoices):
    WARNING = "warning", "Warning"
    BREACH = "breach", "Breach"


class JobState(models.TextChoices):
    PENDING = "pending", "Pending"
    RUNNING = "running", "Running"
    DONE = "done", "Done"
    SUPERSEDED = "superseded", "Superseded by a newer version"


METRICS = [(metric.value, metric.value.replace("_", " ").capitalize()) for metric in Metric]
STATES = [(state.value, state.value.capitalize()) for state in State]
