"""The desk's own gauges, asked for at the moment of a scrape: what is to follow, who is there, what waits."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from django.db import Error as DatabaseError
from django.db import transaction
from django.utils import timezone
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from agents.models import Tab
from integrations import comparing
from integrations import selectors as integrations
from supportdesk.core.models import Delivery
from tickets.backlog import backlog, outcomes

HOUR = timedelta(hours=1)


class Desk(Collector):
    """Never fails: without a database it says nothing, and `supportdesk_part_up` says why."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            with transaction.atomic():
                found = list(_gauges(timezone.now()))
        except DatabaseError:
            return
        yield from found


def _gauges(now: datetime) -> Iterator[GaugeMetricFamily]:
    deliveries = GaugeMetricFamily(
        "supportdesk_deliveries", "What is to follow from events: due, or given up.", labels=["state"]
    )
    due = Delivery.objects.pending().filter(due_at__lte=now)
    deliveries.add_metric(["due"], due.count())
    deliveries.add_metric(["dead"], Delivery.objects.dead().count())
    yield deliveries
    oldest = due.order_by("due_at").values_list("due_at", flat=True).first()
    yield GaugeMetricFamily(
        "supportdesk_delivery_lag_seconds", "For how long the oldest delivery is due.", value=_since(oldest, now)
    )
    yield from _partners(now)
    yield GaugeMetricFamily(
        "supportdesk_sockets_open",
        "WebSockets of agents, in all processes.",
        value=Tab.objects.filter(seen_until__gt=now, connection__isnull=False).count(),
    )
    waiting = backlog()
    yield GaugeMetricFamily("supportdesk_tickets_unassigned", "Unfinished, and nobody's.", value=waiting.unassigned)
    yield GaugeMetricFamily(
        "supportdesk_ticket_unassigned_seconds",
        "For how long the customer waits who waits longest for a ticket that nobody has.",
        value=_since(waiting.waiting_since, now),
    )
    yield GaugeMetricFamily("supportdesk_tickets_queued", "That nobody could take so far.", value=waiting.queued)
    decided = GaugeMetricFamily(
        "supportdesk_decisions", "About agents for tickets, in the last hour.", labels=["outcome"]
    )
    for outcome, count in outcomes(since=now - HOUR).items():
        decided.add_metric([outcome], count)
    yield decided


def _partners(now: datetime) -> Iterator[GaugeMetricFamily]:
    waiting = integrations.backlog(now=now)
    receipts = GaugeMetricFamily("supportdesk_receipts", "Deliveries of partners: due, or given up.", labels=["state"])
    receipts.add_metric(["due"], waiting.due)
    receipts.add_metric(["dead"], waiting.dead)
    yield receipts
    yield GaugeMetricFamily(
        "supportdesk_receipt_lag_seconds",
        "For how long the oldest delivery of a partner is due.",
        value=waiting.lag.total_seconds(),
    )
    connections = GaugeMetricFamily(
        "supportdesk_connections", "Connections to partners, by state.", labels=["provider", "status"]
    )
    for (provider, status), count in integrations.statuses().items():
        connections.add_metric([provider, status], count)
    yield connections
    silence = GaugeMetricFamily(
        "supportdesk_partner_silent_seconds",
        "Since the active connection that is quiet for longest sent something.",
        labels=["provider"],
    )
    for provider, seconds in integrations.silences(now=now).items():
        silence.add_metric([provider], seconds)
    yield silence
    yield from _worries(now)


def _worries(now: datetime) -> Iterator[GaugeMetricFamily]:
    found = integrations.worries(now=now)
    overdue = GaugeMetricFamily(
        "supportdesk_token_overdue_seconds",
        "Since the token of an active connection ended and was not renewed, 0 while it is good.",
        labels=["provider"],
    )
    for provider, seconds in found.overdue.items():
        overdue.add_metric([provider], seconds)
    yield overdue
    yield GaugeMetricFamily(
        "supportdesk_shops_outdated", "Shops that serve another version of their API than we ask for.", found.outdated
    )
    due = GaugeMetricFamily(
        "supportdesk_privacy_due_seconds", "Until the first open request about privacy is due; nothing without any."
    )
    if found.earliest_due is not None:
        due.add_metric([], (found.earliest_due - now).total_seconds())
    yield due
    missing = GaugeMetricFamily(
        "supportdesk_records_missing",
        "Records of a shop that are not here, of what was imported, as counted last night.",
        labels=["provider", "resource"],
    )
    for (provider, resource), number in comparing.missing().items():
        missing.add_metric([provider, resource], number)
    yield missing


def _since(instant: datetime | None, now: datetime) -> float:
    return max(0.0, (now - instant).total_seconds()) if instant else 0.0
