"""What agents change about a customer, in the shop: note and tags, and nothing else.

Only of connections whose administrator wants it and whose scopes allow it, and only what was changed. The shop is asked
first: what it has already is not sent, and what changed there meanwhile stays, but that tags of ours are added to it.
"""

from collections.abc import Iterable, Mapping, Set
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from customers.models import Customer
from integrations import connections, links
from integrations.enums import ConnectionStatus, Provider
from integrations.links import CUSTOMER
from integrations.models import Connection, ExternalLink
from integrations.shopify import client, mapping, queries, tags
from supportdesk.core.errors import Unavailable as Away
from supportdesk.core.http import GatewayError, Unavailable

SENT = frozenset({mapping.NOTE, mapping.TAGS})
SCOPE, OPTION = "write_customers", "write_back"
SECONDS, TRIES = 4.0, 2  # of one call: a delivery makes four at most, within its lease

log = structlog.get_logger("supportdesk.shopify")


def writes_back(known: Connection) -> bool:
    return bool(known.options.get(OPTION)) and SCOPE in known.scopes


def write_back(*, customer_id: int, names: Set[str], at: datetime, now: datetime) -> None:
    """Brings the shops that know the customer up to date with what of SENT was changed here.

    Raises errors.Unavailable.
    """
    theirs = ExternalLink.objects.filter(local_type=CUSTOMER, local_id=customer_id, object_type=CUSTOMER)
    active = theirs.filter(connection__provider=Provider.SHOPIFY, connection__status=ConnectionStatus.ACTIVE)
    for link in active.select_related("connection"):
        customer = Customer.objects.filter(pk=customer_id, erased_at__isnull=True).first()
        if customer is not None and writes_back(link.connection):
            _write(link, customer, names, at=at, now=now)


def _write(link: ExternalLink, customer: Customer, names: Set[str], *, at: datetime, now: datetime) -> None:
    try:
        _send(link, customer, names, at=at, now=now)
    except Unavailable as away:
        raise Away("The shop does not answer.", retry_after=int(away.retry_after or 0) or None) from None
    except GatewayError as error:
        log.error("the shop does not take what agents changed", connection=link.connection_id, reason=error.reason)
        connections.note_error(link.connection, error.reason, now=now)


def _send(link: ExternalLink, customer: Customer, names: Set[str], *, at: datetime, now: datetime) -> None:
    note = str(customer.attributes.get(mapping.NOTE) or "").strip()
    is_news = mapping.NOTE in names and not links.is_known(link, mapping.NOTE, note)
    if not (is_news or mapping.TAGS in names):
        return
    gid = mapping.gid("Customer", link.external_id)
    node = _ask(link.connection, queries.CUSTOMER, {"id": gid}).data.get("customer")
    if not isinstance(node, Mapping):
        return
    told = mapping.customer_of_node(node)
    if is_news:
        _send_note(link, note, told, at=at, now=now)
    if mapping.TAGS in names:
        _send_tags(link, customer.attributes.get(mapping.TAGS), told.tags or ())


def _send_note(link: ExternalLink, note: str, told: mapping.CustomerTold, *, at: datetime, now: datetime) -> None:
    there = told.note or ""
    if there != note:
        is_later = told.told_at is None or told.told_at <= at
        if not (is_later or links.is_known(link, mapping.NOTE, there)):
            return  # the shop's own change is newer, and comes with the next telling
        links.mark_pushed(link, {mapping.NOTE: note}, now=now)
        link.save(update_fields=["pushed"])
        given = {"input": {"id": mapping.gid("Customer", link.external_id), "note": note}}
        client.changed(_ask(link.connection, queries.UPDATE_CUSTOMER, given), "customerUpdate")
    with transaction.atomic():
        held = _held(link)
        links.learn(held, {mapping.NOTE: note})
        held.save(update_fields=["remote"])


def _send_tags(link: ExternalLink, here: object, there: Iterable[str]) -> None:
    gid = mapping.gid("Customer", link.external_id)
    added, removed = tags.to_send(link, here, there)
    if added:
        client.changed(_ask(link.connection, queries.ADD_TAGS, {"id": gid, "tags": sorted(added)}), "tagsAdd")
    if removed:
        client.changed(_ask(link.connection, queries.REMOVE_TAGS, {"id": gid, "tags": sorted(removed)}), "tagsRemove")
    with transaction.atomic():
        held = _held(link)
        both = tags.split(here) & {*there, *added}
        held.remote = {**held.remote, tags.KNOWN: tags.sent(held, both=both, removed=removed)}
        held.save(update_fields=["remote"])


def _held(link: ExternalLink) -> ExternalLink:
    """As it is now: webhooks told us more meanwhile."""
    return ExternalLink.objects.select_for_update().get(pk=link.pk)


def _ask(known: Connection, text: str, given: Mapping[str, Any]) -> client.Said:
    return client.ask(known, text, given, seconds=SECONDS, tries=TRIES)
