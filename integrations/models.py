"""What we are connected to, what came in, and what was told. See intake, receipts and slack beside it."""

import secrets
from typing import ClassVar

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from agents.models import Agent
from integrations.enums import (
    ConnectionStatus,
    NoticeKind,
    NoticeStatus,
    PrivacyRequest,
    Provider,
    ReceiptStatus,
    SyncPhase,
)
from supportdesk.core.actor import Actor, ActorKind
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
    `webhook_secret`, or until `previous_until` with the one before it. `connected_at` is since when the account is
    opened with what we have now: what was said of it before is not about this connection any more.
    """

    provider = models.CharField(max_length=16, choices=Provider.choices)
    account_key = models.CharField(max_length=100, help_text="The shop's domain, the subdomain, the workspace.")
    public_id = models.CharField(max_length=43, unique=True, default=new_public_id, editable=False)
    status = models.CharField(max_length=16, choices=ConnectionStatus.choices, default=ConnectionStatus.PENDING)
    options = models.JSONField(default=dict, help_text="What is no secret, such as the channel that is written to.")
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


class ExternalLinkQuerySet(models.QuerySet["ExternalLink"]):
    def visible_to(self, actor: Actor) -> "ExternalLinkQuerySet":
        """All of them, for who sees everything; none for anybody else."""
        return self if actor.sees_everything else self.none()


class ExternalLink(models.Model):
    """That an object of a partner and a row of ours are the same thing. Customers have `ExternalIdentity` instead.

    `remote_updated_at` is of the newest state that was taken over. `pushed` holds, by field, a keyed hash of the value
    that we wrote there and when (ISO 8601), so that its echo is known as one.
    """

    connection = models.ForeignKey(Connection, models.PROTECT, related_name="links", db_index=False)
    object_type = models.CharField(max_length=16, help_text="The partner's word: ticket, message, product, ….")
    external_id = models.CharField(max_length=64)
    local_type = models.CharField(max_length=16)
    local_id = models.BigIntegerField()
    remote_updated_at = models.DateTimeField(null=True)
    remote = models.JSONField(default=dict, help_text="What the partner calls things for which we have no word.")
    pushed = models.JSONField(default=dict)
    created_at = models.DateTimeField(db_default=Now())

    objects = ExternalLinkQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["connection", "object_type", "external_id"], name="link_unique"),
        ]
        indexes: ClassVar = [models.Index(fields=["local_type", "local_id"], name="link_local")]

    def __str__(self) -> str:
        return f"{self.object_type} {self.external_id}"


class SyncCursorQuerySet(models.QuerySet["SyncCursor"]):
    def visible_to(self, actor: Actor) -> "SyncCursorQuerySet":
        """All of them, for who sees everything; none for anybody else."""
        return self if actor.sees_everything else self.none()


class SyncCursor(models.Model):
    """How far a resource of a connection was taken over: moved in the transaction that writes the page it stands for.

    Everything up to `watermark` (and `watermark_id` within its instant) is here. `cursor` is the partner's own place
    in the run that is under way. Who runs holds the lease, by the clock of the database.
    """

    connection = models.ForeignKey(Connection, models.CASCADE, related_name="cursors", db_index=False)
    resource = models.CharField(max_length=16)
    phase = models.CharField(max_length=12, choices=SyncPhase.choices, default=SyncPhase.BACKFILL)
    cursor = models.CharField(max_length=2_000, blank=True)
    watermark = models.DateTimeField(null=True)
    watermark_id = models.CharField(max_length=64, blank=True)
    seen = models.PositiveBigIntegerField(default=0)
    written = models.PositiveBigIntegerField(default=0)
    skipped = models.PositiveBigIntegerField(default=0)
    failed = models.PositiveBigIntegerField(default=0)
    failures = models.JSONField(default=list, help_text="Ids of the last records that were refused, with the reason.")
    lease_owner = models.CharField(max_length=100, blank=True)
    lease_until = models.DateTimeField(null=True)
    last_full_at = models.DateTimeField(null=True, help_text="When a run last came to its end.")
    counted_at = models.DateTimeField(null=True, help_text="When what there is was last compared, there and here.")
    counted_there = models.PositiveBigIntegerField(null=True)
    counted_here = models.PositiveBigIntegerField(null=True)

    objects = SyncCursorQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["connection", "resource"], name="sync_cursor_unique"),
            models.CheckConstraint(condition=Q(phase__in=SyncPhase.values), name="sync_phase_known"),
        ]

    def __str__(self) -> str:
        return f"{self.resource} of {self.connection_id}"


class OAuthStateQuerySet(models.QuerySet["OAuthState"]):
    def visible_to(self, actor: Actor) -> "OAuthStateQuerySet":
        """Those that the actor began."""
        is_person = actor.kind == ActorKind.PERSON and actor.id is not None
        return self.filter(agent_id=actor.id or 0) if is_person else self.none()


class OAuthState(models.Model):
    """An authorization that an administrator began: good once, for ten minutes, in the browser session it began in.

    The state itself goes through the browser only; here is its SHA-256.
    """

    digest = models.CharField(max_length=64, unique=True)
    provider = models.CharField(max_length=16, choices=Provider.choices)
    account_key = models.CharField(max_length=100)
    agent = models.ForeignKey(Agent, models.CASCADE, related_name="+")
    session_digest = models.CharField(max_length=64)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)

    objects = OAuthStateQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=Q(provider__in=Provider.values), name="oauth_provider_known"),
        ]

    def __str__(self) -> str:
        return f"authorization of {self.account_key}"


class DataSubjectRequestQuerySet(models.QuerySet["DataSubjectRequest"]):
    def visible_to(self, actor: Actor) -> "DataSubjectRequestQuerySet":
        """All of them, for who sees everything; none for anybody else."""
        return self if actor.sees_everything else self.none()

    def open(self) -> "DataSubjectRequestQuerySet":
        return self.filter(completed_at__isnull=True)


class DataSubjectRequest(models.Model):
    """A partner asked, in the name of a person or a shop, for an export or an erasure; and what came of it.

    `subject` is the partner's id of whom it is about, which names nobody by itself; `evidence` holds counts and ids.
    """

    connection = models.ForeignKey(Connection, models.PROTECT, null=True, related_name="privacy_requests")
    source = models.CharField(max_length=120)
    kind = models.CharField(max_length=16, choices=PrivacyRequest.choices)
    subject = models.CharField(max_length=128)
    request_key = models.CharField(max_length=128, help_text="What makes it the same request when it comes again.")
    received_at = models.DateTimeField()
    due_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True)
    evidence = models.JSONField(default=dict)

    objects = DataSubjectRequestQuerySet.as_manager()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["source", "kind", "request_key"], name="privacy_request_unique"),
            models.CheckConstraint(condition=Q(kind__in=PrivacyRequest.values), name="privacy_request_kind_known"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["due_at"], condition=Q(completed_at__isnull=True), name="privacy_request_open"),
            models.Index(fields=["subject"], name="privacy_request_subject"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.source}"


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
