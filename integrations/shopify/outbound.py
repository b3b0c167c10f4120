"""What agents change about a customer, in the shop: note and tags, and nothing else.

Only of connections whose administrator wants it and whose scopes allow it. The shop is asked first: what it has
already is not sent, and what changed there meanwhile stays, but that tags of ours are added to it.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import structlog

from customers.models import Customer
from integrations import connections, links
from integrations.enums import ConnectionStatus, Provider
from integrations.links import CUSTOMER
from integrations.models import Connection, ExternalLink
from integrations.shopify import client, mapping, queries
from integrations.shopify.taking import joined_tags
from supportdesk.core.errors import Unavailable as Away
from supportdesk.core.http import GatewayError, Unavailable

SCOPE, OPTION = "write_customers", "write_back"
SECONDS, TRIES = 4.0, 2  # of one call: a delivery makes four at most, within its lease

log = structlog.get_logger("supportdesk.shopify")


def writes_back(known: Connection) -> bool:
    return bool(known.options.get(OPTION)) and SCOPE in known.scopes


def write_back(*, customer_id: int, at: datetime, now: datetime) -> None:
    """Brings the shops that know the customer up to date with what was changed here. Raises errors.Unavailable."""
    theirs = ExternalLink.objects.filter(local_type=CUSTOMER, local_id=customer_id, object_type=CUSTOMER)
    active = theirs.filter(connection__provider=Provider.SHOPIFY, connection__status=ConnectionStatus.ACTIVE)
    for link in active.select_related("connection"):
        customer = Customer.objects.filter(pk=customer_id, erased_at__isnull=True).first()
        if customer is not None and writes_back(link.connection):
            _write(link, customer, at=at, now=now)


def _write(link: ExternalLink, customer: Customer, *, at: datetime, now: datetime) -> None:
    ours = _ours(customer)
    news = {name: value for name, value in ours.items() if not links.is_known(link, name, value)}
    if not news:
        return
    try:
        _send(link, news, now=now, at=at)
    except Unavailable as away:
        raise Away("The shop does not answer.", retry_after=int(away.retry_after or 0) or None) from None
    except GatewayError as error:
        log.error("the shop does not take what agents changed", connection=link.connection_id, reason=error.reason)
        connections.note_error(link.connection, error.reason, now=now)


def _send(link: ExternalLink, news: Mapping[str, str], *, at: datetime, now: datetime) -> None:
    known, gid = link.connection, mapping.gid("Customer", link.external_id)
    node = _ask(known, queries.CUSTOMER, {"id": gid}).data.get("customer")
    if not isinstance(node, Mapping):
        return
    told = mapping.customer_of_node(node)
    there = {mapping.NOTE: told.note or "", mapping.TAGS: joined_tags(told.tags or [])}
    is_later = told.told_at is None or told.told_at <= at
    links.mark_pushed(link, news, now=now)
    link.save(update_fields=["pushed"])
    if mapping.NOTE in news and there[mapping.NOTE] != news[mapping.NOTE]:
        if not (is_later or links.is_known(link, mapping.NOTE, there[mapping.NOTE])):
            return  # the shop's own change is newer, and comes with the next telling
        given = {"input": {"id": gid, "note": news[mapping.NOTE]}}
        client.changed(_ask(known, queries.UPDATE_CUSTOMER, given), "customerUpdate")
    if mapping.TAGS in news:
        _send_tags(link, gid, there[mapping.TAGS], news[mapping.TAGS])
    links.learn(link, news)
    link.save(update_fields=["remote"])


def _send_tags(link: ExternalLink, gid: str, there: str, wanted: str) -> None:
    theirs, ours = set(mapping.tags_of(there)), set(mapping.tags_of(wanted))
    if added := sorted(ours - theirs):
        client.changed(_ask(link.connection, queries.ADD_TAGS, {"id": gid, "tags": added}), "tagsAdd")
    # What is there and was never told may be a tag that somebody has just added there.
    removed = sorted(theirs - ours) if links.is_known(link, mapping.TAGS, there) else []
    if removed:
        client.changed(_ask(link.connection, queries.REMOVE_TAGS, {"id": gid, "tags": removed}), "tagsRemove")


def _ours(customer: Customer) -> dict[str, str]:
    held = {name: customer.attributes.get(name) or "" for name in (mapping.NOTE, mapping.TAGS)}
    return {
        mapping.NOTE: str(held[mapping.NOTE]).strip(),
        mapping.TAGS: joined_tags(mapping.tags_of(str(held[mapping.TAGS]))),
    }


def _ask(known: Connection, text: str, given: Mapping[str, Any]) -> client.Said:
    return client.ask(known, text, given, seconds=SECONDS, tries=TRIES)
