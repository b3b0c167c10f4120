"""The append-only record of everything that happened, and what is still to follow from it."""

from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from supportdesk.core.actor import Actor
from supportdesk.core.crypto import EncryptedTextField

APPEND_ONLY = ("core_event",)  # the application's database role reads and adds rows of these, and no more


class Event(models.Model):
    """One fact: timeline of its subject, audit of the change, and the source of whatever follows from it.

    Rows are never changed or deleted; a trigger in the database refuses both. The payload holds ids, enumerated values
    and names of changed fields, never personal data, so erasing a person leaves history as it is.
    """

    name = models.CharField(max_length=64)
    subject_type = models.CharField(max_length=32)
    subject_id = models.BigIntegerField()
    payload = models.JSONField(default=dict)
    actor_kind = models.CharField(max_length=16)
    actor_id = models.BigIntegerField(null=True)
    actor_name = models.CharField(max_length=64, blank=True)
    origin = models.CharField(max_length=16)
    request_id = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField(help_text="When it happened; for imported history, when it happened there.")
    recorded_at = models.DateTimeField(db_default=Now(), help_text="When this row was written.")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["subject_type", "subject_id", "at", "id"], name="event_timeline"),
        ]

    def __str__(self) -> str:
        return f"{self.name} {self.subject_type}:{self.subject_id}"


class DeliveryState(models.TextChoices):
    PENDING = "pending", "Pending"
    DONE = "done", "Done"
    DEAD = "dead", "Given up"


class DeliveryQuerySet(models.QuerySet["Delivery"]):
    def visible_to(self, actor: Actor) -> "DeliveryQuerySet":
        """All of them, for who sees everything; none for anybody else."""
        return self if actor.sees_everything else self.none()

    def pending(self) -> "DeliveryQuerySet":
        return self.filter(state=DeliveryState.PENDING)

    def dead(self) -> "DeliveryQuerySet":
        return self.filter(state=DeliveryState.DEAD)


class Delivery(models.Model):
    """One reaction to one event, to be run once: written in the transaction of the event, worked off after it.

    Who works on it holds a lease, by the clock of the database; `claim` names the holder, so that one who comes back
    after losing it finishes nothing. See core.delivery.
    """

    event = models.ForeignKey(Event, models.PROTECT, related_name="deliveries", db_index=False)
    reaction = models.CharField(max_length=64, help_text="Such as tickets.auto_assign; see reactions.py.")
    subject_type = models.CharField(max_length=32)
    subject_id = models.BigIntegerField()
    state = models.CharField(max_length=8, choices=DeliveryState.choices, default=DeliveryState.PENDING)
    due_at = models.DateTimeField()
    leased_until = models.DateTimeField(null=True)
    claim = models.UUIDField(null=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.CharField(max_length=200, blank=True, help_text="The kind of the last failure, never its text.")
    created_at = models.DateTimeField(db_default=Now())
    finished_at = models.DateTimeField(null=True)

    objects = DeliveryQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "deliveries"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["event", "reaction"], name="delivery_unique"),
            models.CheckConstraint(condition=Q(state__in=DeliveryState.values), name="delivery_state_known"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["due_at", "id"], condition=Q(state="pending"), name="delivery_due"),
            models.Index(
                fields=["reaction", "subject_type", "subject_id", "event"],
                condition=Q(state="pending"),
                name="delivery_turn",
            ),
            models.Index(fields=["finished_at"], condition=Q(finished_at__isnull=False), name="delivery_finished"),
            models.Index(fields=["id"], condition=Q(state="dead"), name="delivery_dead"),
        ]

    def __str__(self) -> str:
        return f"{self.reaction} of event {self.event_id}"


class IdempotencyRecord(models.Model):
    """The answer to a POST that named an Idempotency-Key, kept for a day so that sending it again does nothing again.

    Written in the transaction of the work itself. `digest` is a keyed hash of the body; the answer may hold personal
    data and is ciphertext.
    """

    caller = models.CharField(max_length=40)
    route = models.CharField(max_length=200)
    key = models.CharField(max_length=255)
    digest = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    headers = models.JSONField(default=dict)
    answer = EncryptedTextField()
    created_at = models.DateTimeField(db_index=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["caller", "route", "key"], name="idempotency_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.route} by {self.caller}"


class RateWindow(models.Model):
    """The count of a strict limit while Redis does not answer; see core.limits."""

    key = models.CharField(max_length=160, primary_key=True)
    count = models.PositiveIntegerField()
    ends_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.key


class ImportRecord(models.Model):
    """What an import made of one row of one source: how a second run, or one after a crash, knows what is done.

    `digest` is the SHA-256 of the row as it was read, so an unchanged row costs nothing; `subject_version` is the
    version the import left behind, so a row that changed since never overwrites what people did here.
    """

    kind = models.CharField(max_length=32)
    source = models.CharField(max_length=32)
    external_id = models.CharField(max_length=191)
    digest = models.CharField(max_length=64)
    subject_id = models.BigIntegerField()
    subject_version = models.PositiveIntegerField()
    seen_at = models.DateTimeField(help_text="When the run that last met the row began.")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "source", "external_id"], name="import_record_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.source}:{self.external_id}"
