"""What a shop tells us of by webhooks: what we want, whether it is registered and aimed at us, and registering it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from integrations.enums import Provider
from integrations.models import Connection
from integrations.shopify import client, queries
from supportdesk.core.http import Rejected

MOST = 250
SECONDS, TRIES = 10.0, 2  # of one call
# By the scope that a topic needs. Requests about privacy are registered with the app itself, not here.
WANTED: Mapping[str, Sequence[str]] = {
    "customers": (
        *("CUSTOMERS_CREATE", "CUSTOMERS_UPDATE", "CUSTOMERS_ENABLE", "CUSTOMERS_DISABLE", "CUSTOMERS_DELETE"),
        *("CUSTOMER_TAGS_ADDED", "CUSTOMER_TAGS_REMOVED", "CUSTOMERS_PURCHASING_SUMMARY"),
    ),
    "customer_merge": ("CUSTOMERS_MERGE",),
    "orders": (
        *("ORDERS_CREATE", "ORDERS_UPDATED", "ORDERS_CANCELLED", "ORDERS_PAID", "ORDERS_FULFILLED", "ORDERS_DELETE"),
    ),
    "products": ("PRODUCTS_UPDATE",),
}
ALWAYS = ("APP_UNINSTALLED", "APP_SCOPES_UPDATE")


@dataclass(frozen=True, kw_only=True)
class Found:
    """Topics: aimed at us, and wanted but not. `elsewhere` is how many there are that lead to another address."""

    here: Sequence[str]
    missing: Sequence[str]
    elsewhere: int


def wanted(known: Connection) -> list[str]:
    """What the scopes allow; all of it while they are not known."""
    granted = set(known.scopes)
    topics = [
        topic
        for name, group in WANTED.items()
        if not granted or {f"read_{name}", f"write_{name}"} & granted
        for topic in group
    ]
    return [*topics, *ALWAYS]


def address(known: Connection) -> str:
    return f"{settings.PUBLIC_URL}api/integrations/{Provider.SHOPIFY}/webhook/{known.public_id}"


def look(known: Connection) -> Found:
    """Raises what `client.ask` does."""
    answer = _ask(known, queries.SUBSCRIPTIONS, {"first": MOST}).data.get("webhookSubscriptions")
    nodes = answer.get("nodes") if isinstance(answer, Mapping) else None
    if not isinstance(nodes, list):
        raise Rejected("bad_answer")
    ours = address(known)
    here = sorted({str(one.get("topic")) for one in nodes if isinstance(one, Mapping) and one.get("uri") == ours})
    missing = [topic for topic in wanted(known) if topic not in here]
    return Found(here=here, missing=missing, elsewhere=sum(one.get("uri") != ours for one in nodes))


def register(known: Connection) -> Sequence[str]:
    """Topics that are registered now and were not. Raises what `client.ask` does."""
    missing = look(known).missing
    for topic in missing:
        said = _ask(known, queries.SUBSCRIBE, {"topic": topic, "uri": address(known)})
        client.changed(said, "webhookSubscriptionCreate")
    return missing


def _ask(known: Connection, text: str, given: Mapping[str, Any]) -> client.Said:
    return client.ask(known, text, given, seconds=SECONDS, tries=TRIES)  # somebody may wait for it
