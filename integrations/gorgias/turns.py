"""A turn at one ticket of Gorgias: what a delivery holds while it tells of it, and what is kept of that."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from prometheus_client import Counter

from integrations import connections, links
from integrations.enums import ConnectionStatus, Provider
from integrations.gorgias import mapping, taking
from integrations.gorgias.names import TICKET
from integrations.models import Connection, ExternalLink
from supportdesk.core.actor import Door, system
from supportdesk.core.delivery import LATEST, Later
from tickets.models import Ticket
from tickets.services import conversation

SECONDS = 11.0  # for all calls of one delivery, which ends within its lease
MOST, IN, REST = 20, timedelta(minutes=10), timedelta(hours=1)  # operations on a ticket, before it rests
MOST_FOLLOWED = 5  # tickets that follow one on another
KEPT_FOR = timedelta(hours=24)  # what could not be sent by then is told to the agents instead
BY = system("integrations.gorgias", origin=Door.GORGIAS)
NAME = "Gorgias"  # who remarks on the ticket what could not be sent

OPERATIONS = Counter("supportdesk_gorgias_total", "What was to be done at Gorgias, by what became of it.", ["outcome"])
log = structlog.get_logger("supportdesk.gorgias")


class GivenUp(Exception):
    """The account was not to be asked for too long."""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One delivery: the ticket there, since when it is to be done, and until when it may take."""

    known: Connection
    link: ExternalLink
    at: datetime
    now: datetime
    end: float  # monotonic
    given_up: bool

    @property
    def left(self) -> float:
        """Seconds for the next call; nothing is begun without any. Raises GivenUp."""
        if self.given_up:
            raise GivenUp
        return self.end - time.monotonic()

    @property
    def there(self) -> str:
        return self.link.external_id


def turn_on(ticket_id: int, *, at: datetime, now: datetime) -> Turn | None:
    """None where the ticket is not at Gorgias. Raises Later while the connection is not active, for as long as it may
    become so; nothing is asked of Gorgias before.
    """
    link = found_link(ticket_id)
    return None if link is None else turn_of(link, at=at, now=now)


def turn_of(link: ExternalLink, *, at: datetime, now: datetime) -> Turn:
    """Raises Later."""
    status = link.connection.status
    may_become = status != ConnectionStatus.UNINSTALLED and now - at < KEPT_FOR
    if status != ConnectionStatus.ACTIVE and may_become:
        raise Later(LATEST)
    end = time.monotonic() + SECONDS
    given_up = status != ConnectionStatus.ACTIVE
    return Turn(known=link.connection, link=link, at=at, now=now, end=end, given_up=given_up)


def found_link(ticket_id: int) -> ExternalLink | None:
    """Also when the ticket there is a follow-up of this one by now: its customer wrote before we could."""
    there = ExternalLink.objects.filter(object_type=TICKET, connection__provider=Provider.GORGIAS)
    there = there.filter(local_type=TICKET).select_related("connection").order_by("-pk")
    ids = [ticket_id]
    for _ in range(MOST_FOLLOWED):
        if (found := there.filter(local_id__in=ids).first()) is not None:
            return found
        ids = list(Ticket.objects.filter(follow_up_of__in=ids).values_list("pk", flat=True))
        if not ids:
            break
    return None


def count(turn: Turn, ticket_id: int | None) -> None:
    """One operation more; over MOST of them the ticket rests, and somebody is told. Raises Later. Without a ticket: of
    a customer.
    """
    with transaction.atomic():
        link = held(turn)
        resting = datetime.fromisoformat(link.pushed["rests"]) if "rests" in link.pushed else turn.now
        if resting > turn.now:
            raise Later((resting - turn.now).total_seconds())
        recent = [one for one in link.pushed.get("ops", []) if datetime.fromisoformat(one) > turn.now - IN]
        too_many = len(recent) >= MOST
        kept = {name: value for name, value in link.pushed.items() if name != "rests"}
        more = (
            {"ops": [], "rests": (turn.now + REST).isoformat()}
            if too_many
            else {"ops": [*recent, turn.now.isoformat()]}
        )
        link.pushed = {**kept, **more}
        link.save(update_fields=["pushed"])
    if too_many:
        OPERATIONS.labels("paused").inc()
        log.error("too much is sent to gorgias at once", ticket=ticket_id, connection=turn.known.pk)
        connections.note_error(turn.known, "one ticket or customer sends too much", now=turn.now)
        minutes = int(REST.total_seconds() // 60)
        what = f"Too much went to Gorgias in a short time. Nothing more does for {minutes} minutes."
        if ticket_id is not None:
            remark(ticket_id, what, now=turn.now)
        raise Later(REST.total_seconds())


def note_pushed(turn: Turn, name: str, value: str) -> None:
    with transaction.atomic():
        link = held(turn)
        links.mark_pushed(link, {name: value}, now=turn.now)
        link.save(update_fields=["pushed"])


def note_base(turn: Turn, name: str, value: str, answer: Mapping[str, Any] | None) -> None:
    """What is there now."""
    with transaction.atomic():
        link = held(turn)
        base = dict(link.remote.get("base", {}))
        if name in {"tags+", "tags-"}:
            names, before = value.split("\0"), set(base.get("tags", []))
            base["tags"] = sorted(before | set(names) if name == "tags+" else before - set(names))
        else:
            base[name] = links.digest(value) if name == "subject" else value
        written = mapping.instant((answer or {}).get("updated_datetime"))  # no more: a customer may have written before
        link.remote = {**link.remote, "base": base, **({"written": written.isoformat()} if written else {})}
        link.save(update_fields=["remote"])


def held(turn: Turn) -> ExternalLink:
    """The link as it is now, in the caller's transaction, which nobody else writes meanwhile."""
    taking.one_at_a_time(turn.known.pk, turn.there)
    return ExternalLink.objects.get(pk=turn.link.pk)


def remark(ticket_id: int, body: str, *, now: datetime) -> None:
    conversation.add_system_note(ticket_id=ticket_id, body=body, system_name=NAME, by=BY, now=now)
