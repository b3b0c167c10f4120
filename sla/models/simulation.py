"""What another version of a policy would have meant."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from agents.enums import Scope
from agents.models import Agent
from sla.enums import JobState
from sla.models.policy import Policy
from supportdesk.core.actor import Actor


class SimulationQuerySet(models.QuerySet["Simulation"]):
    def visible_to(self, actor: Actor) -> "SimulationQuerySet":
        """All of them; of what they found, everybody is shown what is of tickets that they see."""
        return self if actor.may(Scope.TICKETS_READ) else self.none()


class Simulation(models.Model):
    """The work of winding the clocks of past tickets by words and hours that they did not have.

    Words and hours are copied, so that an edit meanwhile changes nothing. Worked in batches in the order of the
    tickets' ids; `through` is the last one that is done. `found` holds what services.simulating counts, by department.
    """

    policy = models.ForeignKey(Policy, models.PROTECT, related_name="simulations")
    number = models.PositiveIntegerField(help_text="Of the version that was simulated.")
    days = models.PositiveSmallIntegerField()
    words = models.JSONField()
    hours = models.JSONField()
    state = models.CharField(max_length=16, choices=JobState.choices, default=JobState.PENDING)
    through = models.BigIntegerField(default=0)
    tickets = models.PositiveIntegerField(default=0, help_text="Looked at so far.")
    total = models.PositiveIntegerField(help_text="To be looked at.")
    found = models.JSONField(default=dict)
    created_by = models.ForeignKey(Agent, models.PROTECT, null=True, related_name="+")
    created_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True)

    objects = SimulationQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(state__in=JobState.values), name="simulation_state_known"),
        ]

    def __str__(self) -> str:
        return f"simulation {self.pk}"
