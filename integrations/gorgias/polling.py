"""Looking at Gorgias without being called: the safety net of every five minutes, and everything once.

Its lists know no "changed since": they are read newest first, until a whole page is older than what is known, and the
first page is read once more, for what moved there meanwhile.

Of a ticket that is as it was no more is asked than its row.
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from customers.enums import IdentitySource
from customers.models import ExternalIdentity
from integrations import connections, links, syncing
from integrations.gorgias import client, mapping, people, taking
from integrations.gorgias.client import Down, Refused
from integrations.gorgias.names import TICKET
from integrations.gorgias.taking import Taken
from integrations.models import Connection, ExternalLink, SyncCursor
from integrations.reading import Unreadable, external_id
from integrations.syncing import BAD, Asked, DeadCursor, Held, Limits, Page, Source
from supportdesk.core.actor import Actor, Door, system

SECONDS = 30.0  # for one request, with what the limit makes it wait
RUN = 20.0  # seconds after which a poll begins nothing more; the next one goes on
POLL_SIZE, POLL_SECONDS = 3, 5.0  # tickets to a page, and seconds for each request: they fit the rest of its task
SIZE = 20  # tickets to a page, each of which may be a request
REFUSED = "\0refused"  # no name of theirs: why a ticket could not be read
MOST_AGAIN = 5
NEWEST = "updated_datetime:desc"
BY = system("integrations.gorgias", origin=Door.GORGIAS)
IMPORTER = system("integrations.gorgias", origin=Door.IMPORT)

log = structlog.get_logger("supportdesk.gorgias")


def poll(known: Connection, *, now: datetime) -> syncing.Progress | None:
    """Takes over what changed since the last poll, or since the connection was made; None when it came to nothing."""
    row = SyncCursor.objects.filter(connection=known, resource=CHANGES.resource).first()
    until = time.monotonic() + RUN
    try:
        if row is not None:
            _try_again(known, row, until=until, now=now)
        progress = _since_last(known, CHANGES, until=until)
        if progress.ended and time.monotonic() < until:
            _look_once_more(known, now=now)
            _since_last(known, PEOPLE, until=until)
    except Held:
        return None
    except Refused as refused:
        if refused.of_the_account:
            connections.require_reauth(connection_id=known.pk, error=refused.reason, by=BY, now=now)
        else:
            connections.note_error(known, refused.reason, now=now)
        return None
    except Down as down:
        log.warning("gorgias does not answer", connection=known.pk, reason=down.reason)
        return None
    connections.note_success(known, now=now)
    return progress


def _since_last(known: Connection, source: Source, *, until: float) -> syncing.Progress:
    begun = SyncCursor.objects.filter(connection=known, resource=source.resource)
    is_first = not begun.exclude(watermark=None, cursor="").exists()
    limits = Limits(seconds=until - time.monotonic(), request_seconds=POLL_SECONDS)
    return syncing.run(known, source, by=BY, since=known.connected_at if is_first else None, limits=limits)


def _try_again(known: Connection, row: SyncCursor, *, until: float, now: datetime) -> None:
    """What the last poll could not take over is asked for once more: it may have met a rival. Then it is told."""
    for failure in row.failures[-MOST_AGAIN:]:
        if time.monotonic() > until - RUN / 2:
            return
        try:
            raw = client.ticket(known, str(failure["id"]), left=POLL_SECONDS)
            with transaction.atomic():
                _write_ticket(known, raw, BY, now)
        except (*BAD, Refused) as problem:
            why = type(problem).__name__
            log.error("a ticket of gorgias is not here", connection=known.pk, ticket=failure["id"], error=why)


def _look_once_more(known: Connection, *, now: datetime) -> None:
    row = SyncCursor.objects.get(connection=known, resource=CHANGES.resource)
    for raw in _tickets(known, Asked(since=row.watermark, after="", size=POLL_SIZE, seconds=POLL_SECONDS)).records:
        with suppress(*BAD), transaction.atomic():
            _write_ticket(known, raw, BY, now)


def _tickets(known: Connection, asked: Asked) -> Page:
    """A page of the list; those of which it says something new, as they are in full."""
    found = _page(known, "tickets", asked)
    rows = [row for row in found.rows if _key_or_none(row)]
    seen = _seen(known, [str(_key(row)[0]) for row in rows])
    records = [row if _is_known(row, asked, seen) else _in_full(known, row, asked) for row in rows]
    return Page(records=records, after=found.after)


def _customers(known: Connection, asked: Asked) -> Page:
    found = _page(known, "customers", asked)
    return Page(records=found.rows, after=found.after)


def _page(known: Connection, kind: str, asked: Asked) -> client.Page:
    try:
        left, limit = asked.seconds or SECONDS, str(min(asked.size, client.PAGE))
        return client.page(known, kind, left=left, after=asked.after, limit=limit, order_by=NEWEST)
    except Refused as refused:
        if asked.after and refused.status in {400, 404, 410}:
            raise DeadCursor from None  # places are good for a short time
        raise


def _is_known(row: Mapping[str, Any], asked: Asked, seen: Mapping[str, datetime | None]) -> bool:
    number, at = _key(row)
    if asked.since is not None and at < asked.since:
        return True
    if number not in seen and (row.get("trashed_datetime") or row.get("spam") is True):
        return True  # which is not taken
    known_at = seen.get(number)
    return known_at is not None and at <= known_at


def _in_full(known: Connection, row: Mapping[str, Any], asked: Asked) -> Mapping[str, Any]:
    try:
        return client.ticket(known, _key(row)[0], left=asked.seconds or SECONDS)
    except Refused as refused:
        if refused.status == 404:
            return row  # it went while we looked
        if refused.of_the_account:
            raise
        return {**row, REFUSED: refused.reason}  # of this one only


def _seen(known: Connection, ids: list[str]) -> dict[str, datetime | None]:
    """How new what we have of each ticket is."""
    found = ExternalLink.objects.filter(connection=known, object_type=TICKET, external_id__in=ids)
    return dict(found.values_list("external_id", "remote_updated_at"))


def _key(raw: Mapping[str, Any]) -> tuple[str, datetime]:
    at = mapping.instant(raw.get("updated_datetime")) or mapping.instant(raw.get("created_datetime"))
    if at is None:
        raise Unreadable("no time")
    return external_id(raw.get("id")), at


def _key_or_none(raw: Mapping[str, Any]) -> tuple[str, datetime] | None:
    try:
        return _key(raw)
    except Unreadable:
        return None


def _write_ticket(known: Connection, raw: Mapping[str, Any], by: Actor, now: datetime) -> bool:
    if REFUSED in raw:
        raise Unreadable(raw[REFUSED])
    if "messages" not in raw:
        return False
    return taking.take(known, mapping.ticket(raw), by=by, now=now) in {Taken.NEW, Taken.MERGED}


def _write_customer(known: Connection, raw: Mapping[str, Any], by: Actor, now: datetime) -> bool:
    """A customer who is known already, by their id there, is left as they are."""
    person = mapping.person(raw)
    if person is None:
        raise Unreadable("no id")
    if links.is_buried(known, person.id):
        return False
    if ExternalIdentity.objects.filter(source=IdentitySource.GORGIAS, external_id=person.id).exists():
        return False
    people.customer_of(person, by=by, now=now)
    people.follow(known, person, at=_key(raw)[1], by=by, now=now)
    return True


def _follow_customer(known: Connection, raw: Mapping[str, Any], by: Actor, now: datetime) -> bool:
    """Whom no ticket told of is nobody here, until one does."""
    person = mapping.person(raw)
    if person is None:
        raise Unreadable("no id")
    people.follow(known, person, at=_key(raw)[1], by=by, now=now)
    return False


TICKETS = Source(resource="tickets", page=_tickets, key=_key, write=_write_ticket, newest_first=True, size=SIZE)
CHANGES = replace(TICKETS, resource="changes", size=POLL_SIZE)  # the poll's place is not the import's
CUSTOMERS = Source(resource="customers", page=_customers, key=_key, write=_write_customer, newest_first=True)
PEOPLE = replace(CUSTOMERS, resource="people", write=_follow_customer)
SOURCES = {"tickets": TICKETS, "customers": CUSTOMERS}
