"""How many records a shop has, and how many of them are here: what no webhook told and no run found shows in this.

Only of what was taken over as a whole once. Orders of nobody whom we know are not kept, so of orders the difference is
a figure and no fault.
"""

from collections.abc import Mapping
from datetime import datetime

import structlog
from django.db.models import F, Max

from customers.models import Order
from integrations import links
from integrations.enums import ConnectionStatus
from integrations.models import Connection, ExternalLink, SyncCursor
from integrations.shopify import sources, taking
from supportdesk.core.http import GatewayError

log = structlog.get_logger("supportdesk.sync")


def compare(known: Connection, *, now: datetime) -> None:
    """Counts what there is of each resource, there and here. A shop that is away is asked the next night."""
    for cursor in known.cursors.filter(last_full_at__isnull=False, resource__in=sources.SOURCES):
        count = sources.SOURCES[cursor.resource].count
        if count is None or not sources.may_read(known, cursor.resource):
            continue
        try:
            there, is_exact = count(known, None)
        except GatewayError as error:
            log.warning("a shop is not counted", connection=known.pk, resource=cursor.resource, reason=error.reason)
            continue
        if is_exact:
            here = _here(known, cursor.resource)
            SyncCursor.objects.filter(pk=cursor.pk).update(counted_there=there, counted_here=here, counted_at=now)


def missing() -> Mapping[tuple[str, str], int]:
    """By provider and resource, of the connection that lacks most; negative where more is here than there."""
    counted = SyncCursor.objects.filter(counted_at__isnull=False, connection__status=ConnectionStatus.ACTIVE)
    found = counted.values_list("connection__provider", "resource").order_by()
    lacking = found.annotate(missing=Max(F("counted_there") - F("counted_here")))
    return {(provider, resource): number for provider, resource, number in lacking}


def _here(known: Connection, resource: str) -> int:
    if resource == "orders":
        return Order.objects.filter(source=known.provider, account=known.account_key).count()
    kind = {"customers": links.CUSTOMER, "products": taking.PRODUCT}[resource]
    theirs = ExternalLink.objects.filter(connection=known, object_type=kind)
    return theirs.exclude(local_type=links.GONE).count()
