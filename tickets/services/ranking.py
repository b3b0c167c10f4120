"""The rank of tickets, written with whatever changes what it depends on, and never by the clock alone.

Whoever changes a ticket ranks it as they save it, with what that change means for its promises and topic alerts: see
services.lifecycle. What comes from elsewhere is written here: promises, tiers and alerts that change for many tickets,
and what Quimbi says. Only derived columns are, so neither the version of a ticket nor `updated_at` moves.
"""

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from customers.enums import Tier
from customers.models import Customer
from tickets import lists, weights
from tickets.models import Ticket
from tickets.models.ticket import TicketQuerySet
from tickets.ordering import NO_ADVICE, Advice, Weights, rank

BATCH = 500
ADVISED = ("advice_value", "advice_churn", "advice_sentiment", "advised_at", "rank_expires_at")
WRITTEN = ("promised_at", "vip", "lift_minutes", "lift_until", *ADVISED, "rank_at", "rank_version")
READ = (*WRITTEN, "status", "priority", "waiting_since", "last_activity_at", "assignee", "department", "customer")

_PROMISED = """
UPDATE tickets_ticket t SET promised_at = told.ends
FROM unnest(%s::bigint[], %s::timestamptz[]) AS told (id, ends) WHERE t.id = told.id
RETURNING t.id, t.promised_at, t.vip, t.lift_minutes, t.lift_until, t.advice_value,
    t.advice_churn, t.advice_sentiment, t.advised_at, t.rank_expires_at, t.rank_at, t.rank_version, t.status,
    t.priority, t.waiting_since, t.last_activity_at, t.assignee_id, t.department_id
"""

# What the strongest alert that runs gives a ticket `t`, and until when.
_STRONGEST = """
LEFT JOIN LATERAL (
    SELECT a.minutes, a.ends_at FROM tickets_topicalert a
    WHERE a.ends_at > %s AND (a.department_id IS NULL OR a.department_id = t.department_id)
        AND (a.tag = ANY (t.tags) OR a.phrase <> '' AND (
            strpos(upper(t.subject), upper(a.phrase)) > 0 OR EXISTS (
                SELECT FROM tickets_message m WHERE m.ticket_id = t.id AND m.sender = 'customer'
                    AND strpos(upper(m.body), upper(a.phrase)) > 0
            )
        ))
    ORDER BY a.minutes DESC, a.ends_at DESC LIMIT 1
) a ON true
"""
_LIFT = f"""
SELECT COALESCE(a.minutes, 0), a.ends_at
FROM (SELECT %s::bigint, %s::text, %s::text[], %s::bigint) AS t (id, subject, tags, department_id) {_STRONGEST}
"""  # noqa: S608 - texts of this file
# Of each ticket for which that differs from what it has.
_LIFTS = f"""
SELECT t.id, COALESCE(a.minutes, 0), a.ends_at FROM tickets_ticket t {_STRONGEST}
WHERE t.id = ANY (%s) AND (t.lift_minutes, t.lift_until) IS DISTINCT FROM (COALESCE(a.minutes, 0), a.ends_at)
"""  # noqa: S608 - texts of this file


@dataclass(frozen=True, kw_only=True)
class Preview:
    """Ids of the tickets that come first, by the ranks that are stored and by other weights."""

    before: Sequence[int]
    after: Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What Quimbi said at `as_of`, in shares of the head starts (see ordering.Advice). None: nothing of this."""

    as_of: datetime
    value: int | None = None
    churn: int | None = None
    sentiment: int | None = None

    @property
    def shares(self) -> dict[str, int]:
        """Those that it said something of."""
        said = {"value": self.value, "churn": self.churn, "sentiment": self.sentiment}
        return {name: share for name, share in said.items() if share is not None}


def promise(ends: Mapping[int, datetime | None]) -> None:
    """Notes of each of these tickets, whose locks the caller holds, when the next of its running promises ends; None
    without any. No statement without tickets; else one, and another when that moves a rank.
    """
    if not ends:
        return
    told: Any = Ticket.objects.raw(_PROMISED, [list(ends), list(ends.values())])
    _write(ticket for ticket in told if ticket.rank_at != ticket.rank().at)


def follow_tier(*, customer_id: int) -> int:
    """Ranks the customer's tickets by the tier that they have now; returns how many changed."""
    changed = 0
    while True:
        with transaction.atomic():
            customers = Customer.objects.select_for_update().filter(pk=customer_id)  # who is opening a ticket first
            tier = customers.values_list("tier", flat=True).first()
            stale = Ticket.objects.filter(customer=customer_id).exclude(vip=tier == Tier.VIP).order_by("pk")
            tickets = _read(stale.select_for_update(of=("self",))[:BATCH])
            for ticket in tickets:
                ticket.vip = tier == Tier.VIP
            _write(tickets)
        if not tickets:
            return changed
        changed += len(tickets)


def lift(ticket: Ticket, *, now: datetime) -> None:
    """Has the strongest topic alert that runs lift the ticket, or none: one statement, about the ticket as it is in
    memory, its messages as they are written. The caller holds its lock, if it is there already, and saves it.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LIFT, [ticket.pk, ticket.subject, ticket.tags, ticket.department_id, now])
        ticket.lift_minutes, ticket.lift_until = cursor.fetchone()


def lift_all(ticket_ids: Sequence[int], *, now: datetime) -> int:
    """Has the strongest topic alert that runs lift each of the tickets and writes that; returns how many changed.

    The caller holds the tickets' locks. One statement while nothing changes.
    """
    with connection.cursor() as cursor:
        cursor.execute(_LIFTS, [now, list(ticket_ids)])
        given = {pk: (minutes, ends_at) for pk, minutes, ends_at in cursor.fetchall()}
    tickets = _read(Ticket.objects.filter(pk__in=given)) if given else []
    for ticket in tickets:
        ticket.lift_minutes, ticket.lift_until = given[ticket.pk]
    _write(tickets)
    return len(tickets)


def advise(told: Mapping[int, Told], *, now: datetime) -> int:
    """Ranks each of the unfinished tickets by what Quimbi said of it; returns how many ranks that changed.

    Locks them in the order of their ids. What is not told stays until it expires, and with what stays the rest expires.
    """
    with transaction.atomic():
        unfinished = Ticket.objects.unfinished().filter(pk__in=told).order_by("pk")
        locked = _read(unfinished.select_for_update(of=("self",)))
        erased = Customer.objects.filter(pk__in={ticket.customer_id for ticket in locked}, erased_at__isnull=False)
        gone = set(erased.values_list("pk", flat=True))  # asked once an erasure that was under way has ended
        tickets = [ticket for ticket in locked if ticket.customer_id not in gone]
        before = {ticket.pk: (ticket.rank_at, *_advice_of(ticket)) for ticket in tickets}
        for ticket in tickets:
            _take(ticket, told[ticket.pk])
            ticket.rerank()
        _write(ticket for ticket in tickets if before[ticket.pk] != (ticket.rank_at, *_advice_of(ticket)))
    return sum(before[ticket.pk][0] != ticket.rank_at for ticket in tickets)


def drop_expired_advice(*, now: datetime, limit: int) -> int:
    """Takes from tickets what Quimbi said of them too long ago, in batches; returns how many there were."""
    dropped = 0
    while dropped < limit:
        with transaction.atomic():
            expired = Ticket.objects.filter(rank_expires_at__lte=now).order_by("rank_expires_at", "pk")
            tickets = _read(expired.select_for_update(of=("self",), skip_locked=True)[:BATCH])
            for ticket in tickets:
                _set_advice(ticket, NO_ADVICE, None)
            _write(tickets)
        if not tickets:
            break
        dropped += len(tickets)
    return dropped


def drop_advice(ticket_ids: Sequence[int]) -> None:
    """Takes from the tickets whatever Quimbi said."""
    with transaction.atomic():
        advised = Ticket.objects.filter(pk__in=ticket_ids, rank_expires_at__isnull=False).order_by("pk")
        tickets = _read(advised.select_for_update(of=("self",)))
        for ticket in tickets:
            _set_advice(ticket, NO_ADVICE, None)
        _write(tickets)


def rerank(*, after: int = 0) -> tuple[int, int] | None:
    """Ranks the next unfinished tickets behind id `after` that were ranked by other weights than those in force;
    returns the id to go on from and how many there were, None at the end.

    A ticket that somebody is changing is left to them, who rank it by the weights in force, or to another round.
    """
    with transaction.atomic():
        stale = stale_ones().filter(pk__gt=after).order_by("pk")
        tickets = _read(stale.select_for_update(of=("self",), skip_locked=True)[:BATCH])
        _write(tickets)
    return (tickets[-1].pk, len(tickets)) if tickets else None


def stale_ones() -> TicketQuerySet:
    """Unfinished tickets that were ranked by other weights than those in force."""
    return Ticket.objects.unfinished().exclude(rank_version=weights.current().version)


def preview(wanted: Weights, *, most: int) -> Preview:
    """The first unfinished tickets as they are and as they would be."""
    unfinished = Ticket.objects.unfinished()
    ranked = (
        (rank(ticket.standing(), wanted).at, ticket.pk) for ticket in unfinished.only(*READ).order_by().iterator()
    )
    return Preview(
        before=list(unfinished.order_by("rank_at", "pk").values_list("pk", flat=True)[:most]),
        after=[pk for _, pk in heapq.nsmallest(most, ranked)],
    )


def _take(ticket: Ticket, told: Told) -> None:
    had, new = asdict(ticket.advice), told.shares
    advice = Advice(**(had | new))
    stays = any(had[name] for name in had.keys() - new.keys())
    older = stays and ticket.advised_at is not None and ticket.advised_at < told.as_of
    _set_advice(ticket, advice, ticket.advised_at if older else told.as_of)


def _set_advice(ticket: Ticket, advice: Advice, as_of: datetime | None) -> None:
    """Advice that moves nothing is none."""
    ticket.advice_value, ticket.advice_churn, ticket.advice_sentiment = advice.value, advice.churn, advice.sentiment
    ticket.advised_at = as_of if advice else None
    ticket.rank_expires_at = as_of + settings.RANK_ADVICE_FOR if advice and as_of else None


def _advice_of(ticket: Ticket) -> tuple[Any, ...]:
    return tuple(getattr(ticket, name) for name in ADVISED)


def _read(tickets: TicketQuerySet) -> list[Ticket]:
    return list(tickets.only(*READ))


def _write(tickets: Iterable[Ticket]) -> None:
    tickets = list(tickets)
    for ticket in tickets:
        ticket.rerank()
    if tickets:
        Ticket.objects.bulk_update(tickets, WRITTEN)
        lists.forget(tickets)
