"""How connections stand: what waits, what was given up, when something came last."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db.models import Count, DateTimeField, IntegerField, Min, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce

from integrations.enums import ConnectionStatus, NoticeStatus, Provider, ReceiptStatus
from integrations.models import UNFINISHED, Connection, DataSubjectRequest, SlackNotification, WebhookReceipt


@dataclass(frozen=True, kw_only=True)
class Backlog:
    """Of one connection, or of all."""

    due: int
    dead: int
    lag: timedelta
    last_received_at: datetime | None = None


def backlog_of(known: Connection, *, now: datetime) -> Backlog:
    receipts = WebhookReceipt.objects.filter(connection=known)
    found = _backlog(receipts, now=now)
    last = receipts.order_by("-pk").values_list("received_at", flat=True).first()
    return Backlog(due=found.due, dead=found.dead, lag=found.lag, last_received_at=last)


def backlog(*, now: datetime) -> Backlog:
    return _backlog(WebhookReceipt.objects.all(), now=now)


def refused_notices(known: Connection, *, since: datetime) -> int:
    """Messages to Slack that are not there, or of which nobody knows."""
    lost = SlackNotification.objects.filter(status__in=[NoticeStatus.REFUSED, NoticeStatus.UNSURE])
    return lost.filter(channel__connection=known, at__gte=since).count()


def statuses() -> Mapping[tuple[str, str], int]:
    """How many connections there are, by provider and state."""
    found = Connection.objects.values_list("provider", "status").annotate(count=Count("pk")).order_by()
    return {(provider, status): count for provider, status, count in found}


def silences(*, now: datetime) -> Mapping[str, float]:
    """Seconds since an active connection of each provider that sends us anything was last heard of."""
    active: QuerySet[Any] = Connection.objects.filter(status=ConnectionStatus.ACTIVE).exclude(provider=Provider.SLACK)
    found: dict[str, float] = {}
    for known in with_figures(active).only("provider", "connected_at"):
        if (last := known.last_received_at or known.connected_at) is not None:
            found[known.provider] = max(found.get(known.provider, 0.0), (now - last).total_seconds())
    return found


@dataclass(frozen=True, kw_only=True)
class Worries:
    """Of connections that are active, and of requests about privacy that are open."""

    overdue: Mapping[str, float]  # seconds since a token was to be renewed and was not, by provider
    outdated: int  # shops that serve another version than is asked for
    earliest_due: datetime | None  # of the requests


def worries(*, now: datetime) -> Worries:
    active = Connection.objects.filter(status=ConnectionStatus.ACTIVE)
    expiring = active.filter(refresh_token__isnull=False, expires_at__isnull=False).order_by()
    ends = expiring.values_list("provider").annotate(earliest=Min("expires_at"))
    other = active.filter(provider=Provider.SHOPIFY).exclude(api_version__in=["", settings.SHOPIFY_API_VERSION])
    due = DataSubjectRequest.objects.open().order_by("due_at").values_list("due_at", flat=True).first()
    overdue = {provider: max(0.0, (now - earliest).total_seconds()) for provider, earliest in ends}
    return Worries(overdue=overdue, outdated=other.count(), earliest_due=due)


def with_figures(connections: QuerySet[Any]) -> QuerySet[Any]:
    """Each with `last_received_at`, `dead` and `due_since`, of its receipts."""
    theirs = WebhookReceipt.objects.filter(connection=OuterRef("pk"))
    dead = theirs.filter(status=ReceiptStatus.DEAD).order_by().values("connection").annotate(n=Count("pk"))
    waiting = theirs.filter(status__in=UNFINISHED, next_attempt_at__isnull=False).order_by("next_attempt_at")
    found: QuerySet[Any] = connections.annotate(
        last_received_at=Subquery(theirs.order_by("-pk").values("received_at")[:1], output_field=DateTimeField()),
        dead=Coalesce(Subquery(dead.values("n"), output_field=IntegerField()), 0),
        due_since=Subquery(waiting.values("next_attempt_at")[:1], output_field=DateTimeField()),
    )
    return found


def _backlog(receipts: QuerySet[WebhookReceipt], *, now: datetime) -> Backlog:
    due = receipts.filter(status__in=UNFINISHED, next_attempt_at__lte=now)
    oldest = due.order_by("next_attempt_at").values_list("next_attempt_at", flat=True).first()
    dead = receipts.filter(status=ReceiptStatus.DEAD).count()
    return Backlog(due=due.count(), dead=dead, lag=now - oldest if oldest else timedelta(0))
