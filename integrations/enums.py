"""The words that connections and what comes over them are described with."""

from django.db import models


class Provider(models.TextChoices):
    SHOPIFY = "shopify", "Shopify"
    GORGIAS = "gorgias", "Gorgias"
    SLACK = "slack", "Slack"


class ConnectionStatus(models.TextChoices):
    PENDING = "pending", "Not yet active"
    ACTIVE = "active", "Active"
    REAUTH = "reauth", "Must be connected again"
    PAUSED = "paused", "Paused"
    UNINSTALLED = "uninstalled", "Uninstalled there"


class ReceiptStatus(models.TextChoices):
    RECEIVED = "received", "Received"
    PROCESSING = "processing", "Worked on"
    RETRY = "retry", "Tried again later"
    DONE = "done", "Done"
    IGNORED = "ignored", "Ignored"
    DEAD = "dead", "Given up"


class SyncPhase(models.TextChoices):
    BACKFILL = "backfill", "Everything once"
    INCREMENTAL = "incremental", "What changed since"


class PrivacyRequest(models.TextChoices):
    """What a partner asks for in a person's name."""

    EXPORT = "export", "What is known of a person"
    ERASE = "erase", "Erase a person"
    ERASE_ACCOUNT = "erase_account", "Erase all of an account"


class NoticeKind(models.TextChoices):
    """What is told in a channel."""

    WARNING = "warning", "Promise nearly broken"
    BREACH = "breach", "Promise broken"
    TICKET = "ticket", "Urgent ticket"
    MENTION = "mention", "Mention in a note"


class NoticeStatus(models.TextChoices):
    """`sending` with nobody at work on it: it was sent, or it was not."""

    WAITING = "waiting", "Waiting"
    SENDING = "sending", "Being sent"
    SENT = "sent", "Sent"
    REFUSED = "refused", "Refused"
    UNSURE = "unsure", "Maybe sent"
    STALE = "stale", "Overtaken by events"
