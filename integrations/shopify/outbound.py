"""What agents change about a customer, in the shop: note and tags, and nothing else.

Only of connections whose administrator wants it and whose scopes allow it, and only what was changed. The shop is asked
first: what it has already is not sent, and what changed there meanwhile stays, but that tags of ours are added to it.
"""

import time
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction

from customers.models import Customer
from integrations import connections, links
from integrations.enums import ConnectionStatus, Provider
from integrations.models import Connection, ExternalLink
from integrations.shopify import client, mapping, queries, tags
from integrations.tokens import GrantRefused, NeedsReauth
from supportdesk.core.delivery import LATEST, SOONEST, Later, patience
from supportdesk.core.http import GatewayError, Unavailable

SENT = frozenset({mapping.NOTE, mapping.TAGS})
SCOPE, OPTION = "write_customers", "write_back"
SECONDS, TRIES = 11.0, 2  # for all calls of one delivery, which ends within its lease; and of one call
KEPT_FOR = timedelta(hours=24)  # what could not be written by then is given up

log = structlog.get_logger("supportdesk.shopify")


@dataclass(frozen=True, kw_only=True)
class _Turn:
    """One shop in one delivery: whom it knows there, what was changed here and when, and until when it may take."""

    link: ExternalLink
    customer: Customer
    names: Set[str]
    at: datetime
    now: datetime
    end: float  # monotonic

    @property
    def known(self) -> Connection:
        return self.link.connection

    @property
    def gid(self) -> str:
        return mapping.gid("Customer", self.link.external_id)


def writes_back(known: Connection) -> bool:
    return bool(known.options.get(OPTION)) and SCOPE in known.scopes


def write_back(*, customer_id: int, names: Set[str], at: datetime, now: datetime) -> None:
    """Brings the shops that know the customer up to date with what of SENT was changed here.

    Raises Later, for a day, while one of them is away or its connection is not active; the others are told meanwhile.
    """
    end, waits = time.monotonic() + SECONDS, []
    theirs = links.of_customer(customer_id).filter(connection__provider=Provider.SHOPIFY)
    told = theirs.exclude(connection__status=ConnectionStatus.UNINSTALLED).exclude(local_type=links.GONE)
    for link in told.select_related("connection").order_by("pk"):
        customer = Customer.objects.filter(pk=customer_id, erased_at__isnull=True).first()
        if customer is not None and writes_back(link.connection):
            turn = _Turn(link=link, customer=customer, names=names, at=at, now=now, end=end)
            if (wait := _write(turn)) is not None:
                waits.append(wait)
    if waits:
        raise Later(min(waits))


def _write(turn: _Turn) -> float | None:
    """Seconds to wait for the shop; None when nothing more is to be done."""
    try:
        if turn.known.status != ConnectionStatus.ACTIVE:
            return _wait(turn, "not_active", LATEST)
        _send(turn)
    except Unavailable as away:
        return _wait(turn, away.reason, away.retry_after)
    except (NeedsReauth, GrantRefused) as refused:
        return _wait(turn, refused.reason, LATEST)
    except GatewayError as error:
        log.error("the shop does not take what agents changed", connection=turn.known.pk, reason=error.reason)
        connections.note_error(turn.known, error.reason, now=turn.now)
    return None


def _wait(turn: _Turn, reason: str, seconds: float | None) -> float | None:
    age = turn.now - turn.at
    if age < KEPT_FOR:
        log.warning("what agents changed waits for the shop", connection=turn.known.pk, reason=reason)
        return max(SOONEST, patience(age, seconds))
    log.error("what agents changed is not in the shop", connection=turn.known.pk, customer=turn.customer.pk)
    connections.note_error(turn.known, f"write_back: {reason} for a day", now=turn.now)
    return None


def _send(turn: _Turn) -> None:
    note = str(turn.customer.attributes.get(mapping.NOTE) or "").strip()
    is_news = mapping.NOTE in turn.names and not links.is_known(turn.link, mapping.NOTE, note)
    if not (is_news or mapping.TAGS in turn.names):
        return
    node = _ask(turn, queries.CUSTOMER, {"id": turn.gid}).data.get("customer")
    if not isinstance(node, Mapping):
        return
    told = mapping.customer_of_node(node)
    if is_news:
        _send_note(turn, note, told)
    if mapping.TAGS in turn.names:
        _send_tags(turn, told.tags or ())


def _send_note(turn: _Turn, note: str, told: mapping.CustomerTold) -> None:
    link, there = turn.link, told.note or ""
    if there != note:
        is_later = told.told_at is None or told.told_at <= turn.at
        if not (is_later or links.is_known(link, mapping.NOTE, there)):
            return  # the shop's own change is newer, and comes with the next telling
        links.mark_pushed(link, {mapping.NOTE: note}, now=turn.now)
        link.save(update_fields=["pushed"])
        given = {"input": {"id": turn.gid, "note": note}}
        client.changed(_ask(turn, queries.UPDATE_CUSTOMER, given), "customerUpdate")
    with transaction.atomic():
        held = _held(link)
        links.learn(held, {mapping.NOTE: note})
        held.save(update_fields=["remote"])


def _send_tags(turn: _Turn, there: Iterable[str]) -> None:
    here = turn.customer.attributes.get(mapping.TAGS)
    added, removed = tags.to_send(turn.link, here, there)
    if added:
        client.changed(_ask(turn, queries.ADD_TAGS, {"id": turn.gid, "tags": sorted(added)}), "tagsAdd")
    if removed:
        client.changed(_ask(turn, queries.REMOVE_TAGS, {"id": turn.gid, "tags": sorted(removed)}), "tagsRemove")
    with transaction.atomic():
        held = _held(turn.link)
        both = tags.split(here) & {*there, *added}
        held.remote = {**held.remote, tags.KNOWN: tags.sent(held, both=both, removed=removed)}
        held.save(update_fields=["remote"])


def _held(link: ExternalLink) -> ExternalLink:
    """As it is now: webhooks told us more meanwhile."""
    return ExternalLink.objects.select_for_update().get(pk=link.pk)


def _ask(turn: _Turn, text: str, given: Mapping[str, Any]) -> client.Said:
    return client.ask(turn.known, text, given, seconds=max(0.0, turn.end - time.monotonic()), tries=TRIES)
