"""What we are connected to, what came in, and what was told. See integrations.receipts and integrations.slack."""

import secrets
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from integrations.enums import ConnectionStatus, NoticeKind, NoticeStatus, Provider, ReceiptStatus
from supportdesk.core.actor import Actor
from supportdesk.core.crypto import EncryptedBytesField, EncryptedTextField
from tickets.models import Ticket

UNFINISHED = [ReceiptStatus.RECEIVED, ReceiptStatus.PROCESSING, ReceiptStatus.RETRY]
WAITING = [ReceiptStatus.RECEIVED, ReceiptStatus.RETRY]
PUBLIC_ID_BYTES = 32


def new_public_id() -> str:
    return secrets.token_urlsafe(PUBLIC_ID_BYTES)


class ConnectionQuerySet(models.QuerySet["Connection"]):
    def visible_to(self, actor: Actor) -> "ConnectionQuerySet":
        """All of them, for who sees everything; none for anybody else."""
        return self if actor.sees_everything else self.none()

    def active(self, provider: Provider) -> "ConnectionQuerySet":
        return self.filter(provider=provider, status=ConnectionStatus.ACTIVE)


class Connection(models.Model):
    """One account at a partner. What it is opened with is ciphertext, and stands in no text, form, log or answer.

    `public_id` is the part of our webhook address that nobody guesses. A webhook is believed that is signed with
    `webhook_secret`, or until `previous_until` with the one before it.
    """

    provider = models.CharField(max_length=16, choices=Provider.choices)
    account_key = models.CharField(max_length=100, help_text="The shop's domain, the subdomain, the workspace.")
    public_id = models.CharField(max_length=43, unique=True, default=new_public_id, editable=False)
    status = models.CharField(max_length=16, choices=ConnectionStatus.choices, default=ConnectionStatus.PENDING)
    options = models.JSONField(default=dict, help_text="What is no secret, such as the channel that is written to.")
    base_url = models.CharField(max_length=200, blank=True)
    api_version = models.CharField(max_length=16, blank=True)
    scopes = ArrayField(models.CharField(max_length=64), default=list)
    access_token = EncryptedTextField(null=True)
    refresh_token = EncryptedTextField(null=True)
    api_key = EncryptedTextField(null=True, help_text="Of a private app; of Slack, the address of an incoming webhook.")
    webhook_secret = EncryptedTextField(null=True)
    webhook_secret_previous = EncryptedTextField(null=True)
    previous_until = models.DateTimeField(null=True)
    expires_at = models.DateTimeField(null=True)
    refresh_expires_at = models.DateTimeField(null=True)
    token_version = models.PositiveIntegerField(default=0)
    refresh_lease_until = models.DateTimeField(null=True)
    connected_at = models.DateTimeField(null=True)
    last_ok_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=200, blank=True, help_text="The kind of the last failure, never its text.")
    last_error_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(db_default=Now())

    objects = ConnectionQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "account_key"], name="connection_unique"),
            models.CheckConstraint(condition=Q(provider__in=Provider.values), name="connection_provider_known"),
            models.CheckConstraint(condition=Q(status__in=ConnectionStatus.values), name="connection_status_known"),
        ]

    def __str__(self) -> str:
        return f"{self.get_provider_display()} {self.account_key}"


class WebhookReceiptQuerySet(models.QuerySet["WebhookReceipt"]):
    def visible_to(self, actor: Actor) -> "WebhookReceiptQuerySet":
        """All of them, for who sees everything; none for anybody else."""
        return self if actor.sees_everything else self.none()

    def unfinished(self) -> "WebhookReceiptQuerySet":
        return self.filter(status__in=UNFINISHED)

    def dead(self) -> "WebhookReceiptQuerySet":
        return self.filter(status=ReceiptStatus.DEAD)


class WebhookReceipt(models.Model):
    """One delivery by a partner, as it came: stored once per key before it is answered, worked off later.

    Who works on it holds a lease by the clock of the database; `claim` names the holder. Without `next_attempt_at` an
    unfinished one waits for its connection to be active. `subjects` are keyed hashes of whom the body speaks of, so
    that it is found when they are erased.
    """

    provider = models.CharField(max_length=16, choices=Provider.choices)
    source = models.CharField(max_length=120, help_text="Provider and account: within it, a delivery has one key.")
    connection = models.ForeignKey(Connection, models.PROTECT, null=True, related_name="receipts", db_index=False)
    topic = models.CharField(max_length=64)
    delivery_id = models.CharField(max_length=128)
    event_id = models.CharField(max_length=128, blank=True)
    headers = models.JSONField(default=dict)
    raw_body = EncryptedBytesField(null=True)
    body_sha256 = models.CharField(max_length=64)
    subjects = ArrayField(models.CharField(max_length=64), default=list)
    resource_key = models.CharField(max_length=128, blank=True, help_text="Of one, only the earliest is worked on.")
    privacy = models.BooleanField(default=False, help_text="Worked off whatever state the connection is in.")
    triggered_at = models.DateTimeField(null=True)
    received_at = models.DateTimeField()
    status = models.CharField(max_length=12, choices=ReceiptStatus.choices, default=ReceiptStatus.RECEIVED)
    attempts = models.PositiveSmallIntegerField(default=0)
    next_attempt_at = models.DateTimeField(null=True)
    lease_until = models.DateTimeField(null=True)
    claim = models.UUIDField(null=True)
    error = models.CharField(max_length=100, blank=True, help_text="The kind of the last failure, never its text.")
    finished_at = models.DateTimeField(null=True)
    redacted_at = models.DateTimeField(null=True, help_text="When the body was blanked.")

    objects = WebhookReceiptQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "delivery_id"], name="receipt_unique"),
            models.CheckConstraint(condition=Q(status__in=ReceiptStatus.values), name="receipt_status_known"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["next_attempt_at", "id"], condition=Q(status__in=UNFINISHED), name="receipt_due"),
            models.Index(
                fields=["source", "resource_key", "id"], condition=Q(status__in=UNFINISHED), name="receipt_turn"
            ),
            models.Index(fields=["id"], condition=Q(status=ReceiptStatus.DEAD), name="receipt_dead"),
            models.Index(fields=["connection", "-id"], name="receipt_connection"),
            models.Index(fields=["received_at"], condition=Q(redacted_at__isnull=True), name="receipt_body"),
            GinIndex(fields=["subjects"], name="receipt_subjects"),
        ]

    def __str__(self) -> str:
        return f"{self.topic or 'delivery'} from {self.source}"


class SlackChannelQuerySet(models.QuerySet["SlackChannel"]):
    def visible_to(self, actor: Actor) -> "SlackChannelQuerySet":
        """All of them, for who sees everything; none for anybody else."""
        return self if actor.sees_everything else self.none()


class SlackChannel(models.Model):
    """Whose turn it is to write to a channel: one caller at a time over all processes, by the clock of the database.

    `free_at` is when the next call may be made; `gather_until` until when new alerts are gathered for a digest.
    """

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="channels", db_index=False)
    channel = models.CharField(max_length=32)
    free_at = models.DateTimeField(db_default=Now())
    gather_until = models.DateTimeField(db_default=Now())
    claim = models.UUIDField(null=True)

    objects = SlackChannelQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["connection", "channel"], name="slack_channel_unique"),
        ]

    def __str__(self) -> str:
        return self.channel


class SlackNotificationQuerySet(models.QuerySet["SlackNotification"]):
    def visible_to(self, actor: Actor) -> "SlackNotificationQuerySet":
        """Those of the tickets the actor sees."""
        return self if actor.sees_everything else self.filter(ticket__in=Ticket.objects.visible_to(actor))


class SlackNotification(models.Model):
    """That something is to be told, or was: at most once per subject and channel, however many workers notice it.

    It holds ids and words of our own; what a message says is looked up when it is written. `ts` is Slack's name of the
    message, `shown` a hash of what it said last.
    """

    kind = models.CharField(max_length=12, choices=NoticeKind.choices)
    subject_key = models.CharField(max_length=64)
    channel = models.ForeignKey(SlackChannel, models.CASCADE, related_name="notifications", db_index=False)
    ticket = models.ForeignKey(Ticket, models.CASCADE, related_name="+", db_index=False)
    details = models.JSONField(default=dict)
    status = models.CharField(max_length=12, choices=NoticeStatus.choices, default=NoticeStatus.WAITING)
    attempts = models.PositiveSmallIntegerField(default=0)
    ts = models.CharField(max_length=32, blank=True)
    in_digest = models.BooleanField(default=False)
    shown = models.CharField(max_length=64, blank=True)
    error = models.CharField(max_length=64, blank=True)
    at = models.DateTimeField(help_text="When it happened.")
    sent_at = models.DateTimeField(null=True)

    objects = SlackNotificationQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "subject_key", "channel"], name="slack_notification_once"),
            models.CheckConstraint(condition=Q(kind__in=NoticeKind.values), name="slack_kind_known"),
            models.CheckConstraint(condition=Q(status__in=NoticeStatus.values), name="slack_status_known"),
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["channel", "id"],
                condition=Q(status__in=[NoticeStatus.WAITING, NoticeStatus.SENDING]),
                name="slack_waiting",
            ),
            models.Index(fields=["ticket"], name="slack_ticket"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject_key}"
