"""The ticket."""

from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import reduce
from operator import or_
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex, OpClass
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Upper
from django.utils import timezone

from agents.enums import Scope
from agents.models import Agent, Department
from customers.models import Customer
from supportdesk.core.actor import Actor, ActorKind
from tickets import weights
from tickets.enums import Category, Channel, Priority, Status
from tickets.ordering import DONE_FROM, WHOLE, Advice, Rank, Standing, rank
from tickets.status import DONE

MAX_TAGS = 30
MAX_TAG_LENGTH = 50
LONG_LIFE = timedelta(days=14)  # from a ticket's creation to its last change; few have a longer one
_LIVED_LONG = Func(  # as PostgreSQL lets an index say it: a moment and a span do not always make the same moment
    "updated_at",
    "created_at",
    arg_joiner=" - ",
    template=f"(%(expressions)s) > '{LONG_LIFE.days} days'::interval",
    output_field=models.BooleanField(),
)


class TicketQuerySet(models.QuerySet["Ticket"]):
    def visible_to(self, actor: Actor) -> "TicketQuerySet":
        """Tickets without a department, of the actor's departments, or assigned to the actor."""
        return self.filter(reduce(or_, _reach(actor))) if actor.may(Scope.TICKETS_READ) else self.none()

    def visible_parts(self, actor: Actor, *, in_departments: bool = False) -> list["TicketQuerySet"]:
        """The same tickets in parts, which overlap, never none: each can be read off an index by itself, in any order.

        `in_departments`: only those in a department are asked for. In the part of the others PostgreSQL, which does not
        see the contradiction, would look for them all along an index.
        """
        if not actor.may(Scope.TICKETS_READ):
            return [self.none()]
        reach = _reach(actor)
        if in_departments and len(reach) > 1:
            reach.remove(_NO_DEPARTMENT)
        return [self.filter(part) for part in reach]

    def in_status(self, statuses: Collection[str]) -> "TicketQuerySet":
        """Those in one of the statuses. Says as well in which part of the order of work they stand, which PostgreSQL
        does not know and without which it would look for them from the wrong end.
        """
        found = self.filter(status__in=statuses) if len(statuses) > 1 else self.filter(status=next(iter(statuses)))
        if DONE.issuperset(statuses):
            return found.filter(rank_at__gte=DONE_FROM)
        return found.filter(rank_at__lt=DONE_FROM) if DONE.isdisjoint(statuses) else found

    def tagged(self, tags: Sequence[str]) -> "TicketQuerySet":
        """Those that have all the tags."""
        given = Value(list(tags), ArrayField(models.TextField()))
        return self.filter(tag_keys__contains=Func(given, function="tickets_tag_keys"))

    def updated_since(self, since: datetime) -> list["TicketQuerySet"]:
        """Those updated since then, in parts, which overlap and can be read in the order of creation: of the few that
        lived long any, of the others those that were not created long before. One range would begin at the oldest.
        """
        found = self.filter(updated_at__gte=since)
        if since - datetime.min.replace(tzinfo=UTC) < LONG_LIFE:
            return [found]
        return [found.filter(_LIVED_LONG), found.filter(created_at__gte=since - LONG_LIFE)]

    def live(self) -> "TicketQuerySet":
        """Without the archived, which stay out of every list that does not ask for them."""
        return self.filter(archived_at__isnull=True)

    def unfinished(self) -> "TicketQuerySet":
        """Those that are still work: not resolved, not closed. Said by the column that a constraint ties to the status,
        so that the indexes of unfinished tickets serve whatever else is asked.
        """
        return self.filter(resolved_at__isnull=True)


# What a list is filtered and ordered by, and what is counted, as far as it is small. What is mostly null costs nothing.
FOUND_BY = (
    "status",
    "priority",
    "channel",
    "category",
    "tag_keys",
    "department",
    "assignee",
    "rank_at",
    "created_at",
    "updated_at",
    "archived_at",
    "waiting_since",
    "queued_at",
)


def _covering(*fields: str, name: str, condition: Q | None = None) -> models.Index:
    held = [field for field in FOUND_BY if field not in fields]
    return models.Index(fields=[*fields, "id"], include=held, condition=condition, name=name)


_NO_DEPARTMENT = Q(department__isnull=True)


def _reach(actor: Actor) -> list[Q]:
    """What the actor sees: whatever meets one of these."""
    if actor.departments is None:
        return [Q()]
    reach = [_NO_DEPARTMENT, *(Q(department_id=pk) for pk in sorted(actor.departments))]
    return [*reach, Q(assignee_id=actor.id)] if actor.kind == ActorKind.PERSON else reach


def _share(help_text: str) -> "models.PositiveSmallIntegerField[int, int]":
    """Of the head start that belongs to it, in thousandths."""
    return models.PositiveSmallIntegerField(default=0, db_default=0, help_text=f"{help_text} In thousandths.")


class Ticket(models.Model):
    """One concern of one customer, worked until it is done."""

    subject = models.CharField(max_length=300)
    status = models.CharField(max_length=16, choices=Status.choices, default=Status.OPEN)
    priority = models.CharField(max_length=16, choices=Priority.choices, default=Priority.NORMAL)
    channel = models.CharField(max_length=16, choices=Channel.choices, default=Channel.EMAIL)
    category = models.CharField(max_length=50, choices=Category.choices, default=Category.GENERAL)
    tags = ArrayField(models.CharField(max_length=MAX_TAG_LENGTH), default=list, blank=True)
    tag_keys = models.GeneratedField(
        expression=Func("tags", function="tickets_tag_keys"),
        output_field=ArrayField(models.BigIntegerField(), null=True),
        db_persist=True,
        help_text="The tags as numbers of one size (their hashes), so that an index can hold them.",
    )
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
    rank_version = models.PositiveSmallIntegerField(default=0, db_default=0, help_text="Of the weights it was made by.")
    promised_at = models.DateTimeField(null=True, help_text="When the next of its running promises ends.")
    vip = models.BooleanField(default=False, db_default=False, help_text="Whether its customer is one.")
    lift_minutes = models.PositiveIntegerField(default=0, db_default=0, help_text="What a topic alert gives it.")
    lift_until = models.DateTimeField(null=True, help_text="When that ends.")
    advice_value = _share("What the customer is worth, as Quimbi said.")
    advice_churn = _share("How likely they are to leave, as Quimbi said.")
    advice_sentiment = _share("How upset they write, as Quimbi said.")
    advised_at = models.DateTimeField(null=True, help_text="When Quimbi said so; of several, the oldest.")
    rank_expires_at = models.DateTimeField(null=True, help_text="When what Quimbi said counts no more.")
    first_response_at = models.DateTimeField(null=True, help_text="First public reply by a person.")
    resolved_at = models.DateTimeField(null=True, help_text="When it was last resolved or closed, while it is.")
    archived_at = models.DateTimeField(null=True)
    created_at_estimated = models.BooleanField(default=False, help_text="The source did not say when it was created.")
    version = models.PositiveIntegerField(default=1)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    is_watched = True  # whether a topic alert may lift it, where that was asked: see services.lifecycle.locked

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
                condition=Q(status__in=[Status.RESOLVED, Status.CLOSED], rank_at__gte=DONE_FROM)
                | Q(rank_at__lt=DONE_FROM) & ~Q(status__in=[Status.RESOLVED, Status.CLOSED]),
                name="ticket_done_ranks_last",
            ),
            models.CheckConstraint(condition=Q(updated_at__gte=F("created_at")), name="ticket_updated_once_created"),
            models.CheckConstraint(
                condition=Q(lift_minutes=0, lift_until__isnull=True) | Q(lift_minutes__gt=0, lift_until__isnull=False),
                name="ticket_lift_ends",
            ),
            models.CheckConstraint(
                condition=Q(
                    advice_value=0,
                    advice_churn=0,
                    advice_sentiment=0,
                    advised_at__isnull=True,
                    rank_expires_at__isnull=True,
                )
                | Q(
                    advice_value__lte=WHOLE,
                    advice_churn__lte=WHOLE,
                    advice_sentiment__lte=WHOLE,
                    advised_at__isnull=False,
                    rank_expires_at__isnull=False,
                ),
                name="ticket_advice_expires",
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
        # Each order of the lists is an index, alone and behind what bounds a list the most; it holds what the filters
        # ask for as well, so that a page is found without reading a ticket that is not on it. Behind the other filters
        # stands the order of work, for values that are rare.
        indexes: ClassVar = [
            _covering("rank_at", name="ticket_rank"),
            _covering("department", "rank_at", name="ticket_department_rank"),
            _covering("assignee", "rank_at", name="ticket_assignee_rank"),
            _covering("status", "rank_at", name="ticket_status_rank"),
            _covering("rank_at", name="ticket_unsorted_rank", condition=_NO_DEPARTMENT),
            _covering("created_at", name="ticket_unsorted_created", condition=_NO_DEPARTMENT),
            _covering("updated_at", name="ticket_unsorted_updated", condition=_NO_DEPARTMENT),
            _covering("rank_at", name="ticket_unassigned_rank", condition=Q(assignee__isnull=True)),
            _covering("rank_at", name="ticket_archived_rank", condition=Q(archived_at__isnull=False)),
            _covering("customer", "created_at", name="ticket_customer_created"),
            _covering("created_at", name="ticket_created"),
            _covering("updated_at", name="ticket_updated"),
            _covering("created_at", name="ticket_lived_long", condition=Q(_LIVED_LONG)),
            models.Index(fields=["priority", "rank_at", "id"], name="ticket_priority_rank"),
            models.Index(fields=["channel", "rank_at", "id"], name="ticket_channel_rank"),
            models.Index(fields=["category", "rank_at", "id"], name="ticket_category_rank"),
            models.Index(fields=["source", "rank_at", "id"], condition=~Q(source=""), name="ticket_source_rank"),
            models.Index(fields=["external_id"], condition=Q(external_id__isnull=False), name="ticket_external_id"),
            GinIndex(fields=["tag_keys"], name="ticket_tags"),
            GinIndex(OpClass(Upper("subject"), name="gin_trgm_ops"), name="ticket_subject_trigram"),
            # Of the unfinished only, so they stay as small as the work at hand: the load of all; an agent's queue; what
            # nobody has; what waits to be given to somebody.
            models.Index(
                fields=["assignee", "status"],
                condition=Q(resolved_at__isnull=True, assignee__isnull=False),
                name="ticket_load",
            ),
            _covering(
                "assignee",
                "rank_at",
                name="ticket_work",
                condition=Q(resolved_at__isnull=True, assignee__isnull=False),
            ),
            _covering(
                "rank_at", name="ticket_unassigned", condition=Q(resolved_at__isnull=True, assignee__isnull=True)
            ),
            _covering("rank_at", name="ticket_queued", condition=Q(queued_at__isnull=False)),
            models.Index(fields=["lift_until", "id"], condition=Q(lift_until__isnull=False), name="ticket_lift"),
            models.Index(
                fields=["rank_expires_at", "id"], condition=Q(rank_expires_at__isnull=False), name="ticket_rank_expires"
            ),
            models.Index(
                fields=["assignee", "resolved_at"],
                include=["satisfaction_rating"],
                condition=Q(resolved_at__isnull=False, assignee__isnull=False),
                name="ticket_handled",
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
            promised_at=self.promised_at,
            vip=self.vip,
            lift=timedelta(minutes=self.lift_minutes),
            advice=self.advice,
        )

    @property
    def advice(self) -> Advice:
        return Advice(value=self.advice_value, churn=self.advice_churn, sentiment=self.advice_sentiment)

    def rank(self) -> Rank:
        """By the weights in force, in its parts."""
        return rank(self.standing(), weights.current())

    def rerank(self) -> None:
        """Sets `rank_at` from the facts it depends on; the caller saves it, with `rank_version`."""
        self.rank_at, self.rank_version = self.rank().at, weights.current().version

    def touch(self, now: datetime) -> None:
        """One version more, written at `now` though never before it was made; the caller saves."""
        self.version += 1
        self.updated_at = max(now, self.created_at)
