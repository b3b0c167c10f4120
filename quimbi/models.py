"""The log of calls to Quimbi. No customer, no ticket and no word of either is in it."""

from datetime import datetime

from django.conf import settings
from django.db import models

from supportdesk.core.actor import Actor


class CallQuerySet(models.QuerySet["Call"]):
    def visible_to(self, actor: Actor) -> "CallQuerySet":
        """All of them, for who sees everything; none for anybody else."""
        return self if actor.sees_everything else self.none()


class Call(models.Model):
    """One call with all its tries, as the request or the task that made it saw it."""

    function = models.CharField(max_length=20)
    dialect = models.CharField(max_length=20)
    outcome = models.CharField(max_length=30)
    tries = models.PositiveSmallIntegerField()
    milliseconds = models.PositiveIntegerField()
    request_id = models.CharField(max_length=64, blank=True)
    called_at = models.DateTimeField()

    objects = CallQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["called_at"], name="quimbi_call_called_at")]

    def __str__(self) -> str:
        return f"{self.function}: {self.outcome}"


def prune(*, now: datetime) -> int:
    """Deletes what is older than QUIMBI_CALLS_KEPT; returns how many."""
    return Call.objects.filter(called_at__lte=now - settings.QUIMBI_CALLS_KEPT).delete()[0]
