"""The ticket."""

from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Upper
from django.utils import timezone

from agents.enums import Scope
from agents.models import Agent, Department
from customers.models import Customer
from supportdesk.core.actor import Actor, ActorKind
from tickets.enums import Category, Channel, Priority, Status
from tickets.ordering import Standing, rank_at

MAX_TAGS = 30
MAX_TAG_LENGTH = 50


class TicketQuerySet(models.QuerySet["Ticket"]):
    def visible_to(self, actor: Actor) -> "TicketQuerySet":
        """Tickets without a department, of the actor's departments, or assigned to the actor."""
        if not actor.may(Scope.TICKETS_READ):
            return self.none()
        if actor.sees_everything:
            return self
        reach = Q(department__isnull=True) | Q(department_id__in=actor.departments or ())
        if actor.kind == ActorKind.PERSON:
            reach |= Q(assignee_id=actor.id)
        return self.filter(reach)

    def live(self) -> "TicketQuerySet":
        """Without the archived, which stay out of every list that does not ask for them."""
        return self.filter(archived_at__isnull=True)

    def unfinished(self) -> "TicketQuerySet":
        """Those that are still work: not resolved, not closed. Said by the column that a constraint ties to the status,
        so that the indexes of unfinished tickets serve whatever else is asked.
        """
        return self.filter(resolved_at__isnull=True)


class Ticket(models.Model):
    """One concern of one customer, worked until it is done."""

    subject = models.CharField(max_length=300)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.OPEN)
    priority = models.CharField(max_length=16, choices=Priority.choices, default=Priority.NORMAL)
    channel = models.CharField(max_length=16, choices=Channel.choices, default=Channel.EMAIL)
    category = models.CharField(max_length=50, choices=Category.choices, default=Category.GENERAL)
    tags = ArrayField(models.CharField(max_length=MAX_TAG_LENGTH), default=list, blank=True)
    attributes = models.JSONField(default=dict, blank=True)
    language = models.CharField(max_length=16, blank=True)

    # The indexes below begin with these three; another of each alone would only cost.
    customer = models.ForeignKey(Customer, models.PROTECT, related_name="tickets", db_index=False)
    assignee = models.ForeignKey(
        Agent, models.PROTECT, null=True, blank=True, related_name="assigned_tickets", db_index=False
    )
    department = models.ForeignKey(
        Department, models.PROTECT, null=True, blank=True, related_name="tickets", db_index=False
    )
    follow_up_of = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="follow_ups")

    source = models.CharField(max_length=32, blank=True, help_text="The system it came from; empty: made here.")
    external_id = models.CharField(max_length=191, null=True, blank=True, help_text="Its id in that system.")
    satisfaction_rating = models.PositiveSmallIntegerField(null=True, blank=True, help_text="1 (bad) to 5 (good).")

    last_position = models.PositiveIntegerField(default=0, help_text="Position of the newest message.")
    waiting_since = models.DateTimeField(null=True, help_text="Oldest customer message without an answer.")
    queued_at = models.DateTimeField(null=True, help_text="Since when it waits for an agent who can take it.")
    last_activity_at = models.DateTimeField(help_text="Newest message.")
    rank_at = models.DateTimeField(help_text="Orders the work, earliest first; see tickets.ordering.")
    first_response_at = models.DateTimeField(null=True, help_text="First public reply by a person.")
    resolved_at = models.DateTimeField(null=True, help_text="When it was last resolved or closed, while it is.")
    archived_at = models.DateTimeField(null=True)
    created_at_estimated = models.BooleanField(default=False, help_text="The source did not say when it was created.")
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    objects = TicketQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(status__in=Status.values), name="ticket_status_known"),
            models.CheckConstraint(condition=Q(priority__in=Priority.values), name="ticket_priority_known"),
            models.CheckConstraint(condition=Q(channel__in=Channel.values), name="ticket_channel_known"),
            models.CheckConstraint(
                condition=Q(status__in=[Status.RESOLVED, Status.CLOSED], resolved_at__isnull=False)
                | Q(resolved_at__isnull=True) & ~Q(status__in=[Status.RESOLVED, Status.CLOSED]),
                name="ticket_resolved_at_while_done",
            ),
            models.CheckConstraint(
                condition=Q(archived_at__isnull=True) | Q(status=Status.CLOSED), name="ticket_archived_is_closed"
            ),
            models.CheckConstraint(
                condition=Q(queued_at__isnull=True) | Q(assignee__isnull=True, resolved_at__isnull=True),
                name="ticket_queued_has_nobody",
            ),
            models.CheckConstraint(
                condition=Q(satisfaction_rating__isnull=True) | Q(satisfaction_rating__range=(1, 5)),
                name="ticket_rating_range",
            ),
            models.UniqueConstraint(
                fields=["source", "external_id"],
                condition=Q(external_id__isnull=False),
                name="ticket_external_id_unique",
            ),
        ]
        # Each filter of the list ends in the list's own order, so that a page is read off one index, whatever the size
        # of the table.
        indexes: ClassVar = [
            models.Index(fields=["rank_at", "id"], condition=Q(archived_at__isnull=True), name="ticket_rank"),
            models.Index(fields=["status", "rank_at", "id"], name="ticket_status_rank"),
            models.Index(fields=["priority", "rank_at", "id"], name="ticket_priority_rank"),
            models.Index(fields=["channel", "rank_at", "id"], name="ticket_channel_rank"),
            models.Index(fields=["category", "rank_at", "id"], name="ticket_category_rank"),
            models.Index(fields=["department", "rank_at", "id"], name="ticket_department_rank"),
            models.Index(fields=["assignee", "rank_at", "id"], name="ticket_assignee_rank"),
            models.Index(fields=["rank_at", "id"], condition=Q(assignee__isnull=True), name="ticket_unassigned_rank"),
            models.Index(fields=["customer", "created_at", "id"], name="ticket_customer_created"),
            models.Index(fields=["created_at", "id"], name="ticket_created"),
            models.Index(fields=["updated_at", "id"], name="ticket_updated"),
            models.Index(F("archived_at"), F("id"), condition=Q(archived_at__isnull=False), name="ticket_archived"),
            models.Index(fields=["external_id"], condition=Q(external_id__isnull=False), name="ticket_external_id"),
            GinIndex(fields=["tags"], name="ticket_tags"),
            GinIndex(OpClass(Upper("subject"), name="gin_trgm_ops"), name="ticket_subject_trigram"),
            # Of the unfinished only, so they stay as small as the work at hand: an agent's queue and load; what nobody
            # has; what waits to be given to somebody.
            models.Index(
                fields=["assignee", "rank_at", "id"],
                include=["status"],
                condition=Q(resolved_at__isnull=True, assignee__isnull=False),
                name="ticket_work",
            ),
            models.Index(
                fields=["rank_at", "id"],
                condition=Q(resolved_at__isnull=True, assignee__isnull=True),
                name="ticket_unassigned",
            ),
            models.Index(
                fields=["rank_at", "id"],
                include=["queued_at"],
                condition=Q(queued_at__isnull=False),
                name="ticket_queued",
            ),
        ]

    def __str__(self) -> str:
        return f"#{self.pk} {self.subject}"

    def standing(self) -> Standing:
        return Standing(
            status=Status(self.status),
            priority=Priority(self.priority),
            waiting_since=self.waiting_since,
            last_activity_at=self.last_activity_at,
        )

    def rerank(self) -> None:
        """Sets `rank_at` from the facts it depends on; the caller saves."""
        self.rank_at = rank_at(self.standing())
