"""A ticket's clocks from its creation on, moved in the transaction of whatever moves them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db.models import F, OuterRef, QuerySet, Subquery
from django.db.models.functions import JSONObject

from sla.clock import Fact, Kind
from sla.conditions import Candidate, Case, choose
from sla.enums import VersionState
from sla.models import CalendarVersion, Policy, PolicyVersion, TicketSLA
from sla.services import records
from sla.services.records import Record, Row
from tickets.models import Ticket
from tickets.services import ranking


@dataclass(frozen=True, kw_only=True)
class Promise:
    """The versions that a ticket gets; that of the policy as far as an answer names it."""

    policy_version: PolicyVersion
    calendar_version_id: int


def start(ticket: Ticket, *, now: datetime) -> None:
    """Gives a new ticket its promises and starts their clocks, in the transaction that creates it: two statements. The
    ticket has them at hand then; the caller saves what is promised next. A desk without a policy promises nothing.
    """
    happened = {ticket.pk: [Fact(at=now, kind=Kind.CREATED, value=ticket.priority)]}
    for sla, rows in _write(promises([ticket.pk]), happened, now=now):
        sla.ticket, sla.begun = ticket, [records.model(ticket.pk, row) for row in rows]
        ticket.promised_at = records.next_end(rows)


def recompute(ticket: Ticket, *, now: datetime) -> None:
    """Winds the clocks of the locked ticket through all that happened to it. The caller saves what is promised next.

    A ticket without promises stays without.
    """
    for record in records.read([ticket.pk]):
        rows = record.wind(now)
        records.update([(record, rows)])
        ticket.promised_at = records.next_end(rows)


def settle(wound: Sequence[tuple[Record, Sequence[Row]]]) -> int:
    """Makes the table and the ranks of the locked tickets say what these clocks say; returns how many rows changed."""
    changed = records.update(wound)
    ends = ((record, records.next_end(rows)) for record, rows in wound)
    ranking.promise({record.ticket_id: end for record, end in ends if end != record.promised_at})
    return changed


def promises(ticket_ids: Iterable[int]) -> dict[int, Promise]:
    """What each of the tickets would be promised now: one statement."""
    found = {}
    for pk, case, candidates in cases(ticket_ids):
        chosen = choose(case, candidates)
        if chosen is not None:
            policy = Policy(pk=chosen.policy_id, name=chosen.name)
            version = PolicyVersion(pk=chosen.policy_version_id, policy=policy, number=chosen.number)
            found[pk] = Promise(policy_version=version, calendar_version_id=chosen.calendar_version_id)
    return found


def cases(ticket_ids: Iterable[int]) -> Iterator[tuple[int, Case, list[Candidate]]]:
    """What is asked of each of the tickets, and the active policies that ask, in their order: one statement."""
    rows = (
        Ticket.objects.filter(pk__in=list(ticket_ids))
        .annotate(tier=F("customer__tier"), candidates=ArraySubquery(_candidates()))
        .values_list("pk", "priority", "channel", "category", "tags", "department_id", "tier", "candidates")
    )
    for pk, priority, channel, category, tags, department_id, tier, candidates in rows:
        case = Case(
            priority=priority,
            channel=channel,
            category=category,
            tags=frozenset(tags),
            tier=tier,
            department_id=department_id,
        )
        yield pk, case, [Candidate(**candidate) for candidate in candidates]


def begin(chosen: Mapping[int, Promise], happened: Mapping[int, Sequence[Fact]], *, now: datetime) -> None:
    """Writes promises, clocks and ranks for locked tickets that have no promises, from the first fact of each on."""
    wound = _write(chosen, happened, now=now)
    ranking.promise({sla.ticket_id: records.next_end(rows) for sla, rows in wound})


def _write(
    chosen: Mapping[int, Promise], happened: Mapping[int, Sequence[Fact]], *, now: datetime
) -> list[tuple[TicketSLA, list[Row]]]:
    """Writes promises with their clocks for tickets that have none, and answers both; no statement for no tickets."""
    slas = [
        TicketSLA(
            ticket_id=ticket_id,
            policy_version=promise.policy_version,
            calendar_version_id=promise.calendar_version_id,
            started_at=min(happened[ticket_id]).at,
        )
        for ticket_id, promise in chosen.items()
    ]
    wound = [
        (sla, records.wind(happened[sla.ticket_id], sla.policy_version_id, sla.calendar_version_id, now=now))
        for sla in slas
    ]
    if slas:
        records.insert(slas, [(sla.ticket_id, row) for sla, rows in wound for row in rows])
    return wound


def _candidates() -> QuerySet[Any]:
    """Active policies in their order, each by its present version."""
    calendar = CalendarVersion.objects.filter(calendar=OuterRef("calendar"), state=VersionState.ACTIVE).values("pk")
    return (
        PolicyVersion.objects.filter(state=VersionState.ACTIVE, policy__active=True)
        .order_by("policy__position", "policy_id")
        .values(
            candidate=JSONObject(
                policy_version_id="pk",
                calendar_version_id=Subquery(calendar),
                conditions="conditions",
                is_default="policy__is_default",
                policy_id="policy_id",
                name="policy__name",
                number="number",
            )
        )
    )
