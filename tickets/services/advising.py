"""What Quimbi says of the customers of tickets, and what follows from it: ranks, and VIPs to seniors.

Nothing of it is kept here but the parts of ranks, for as long as they may count (see services.ranking). Quimbi is never
asked inside a transaction; what it does not say changes nothing.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from customers import insights
from quimbi import service as quimbi
from quimbi.dialects import Function
from quimbi.service import Purpose
from quimbi.types import DNA, SETTLED, Churn, CustomerInsights, Insight, Interaction, Profile, Reason, Source
from supportdesk.core.actor import Actor
from supportdesk.core.errors import Unavailable
from tickets.drafting import MOST_CHARACTERS
from tickets.enums import Sender
from tickets.models import Message, Ticket
from tickets.ordering import VIP_VALUE, WHOLE, value_of
from tickets.services import ranking, waiting
from tickets.services.ranking import Told

LONGEST = 40.0  # seconds, after which the rest is left to the next minute: a task may take fifty
OVER = 10.0  # seconds that the last of them may take
AT_ONCE = 8  # customers asked about together, within one total of the gateway
NEVER_ADVISED, DEEP = 3, 50  # asked about each minute although nobody opens them next; how far down they are looked for
MOST_INTERACTIONS = insights.MOST_INTERACTIONS
_AS_KEPT = frozenset({Source.LIVE, Source.CACHE})
NOBODY = CustomerInsights(
    dna=Insight(reason=Reason.NO_PROFILE),
    churn=Insight(reason=Reason.NO_PROFILE),
    ltv=Insight(reason=Reason.NO_PROFILE),
)

# The first of each online agent's open tickets, those first that come first in a queue.
_TOP = """
SELECT t.id, t.customer_id FROM agents_agent a CROSS JOIN LATERAL (
    SELECT t.id, t.customer_id, t.rank_at, row_number() OVER (ORDER BY t.rank_at, t.id) AS place
    FROM tickets_ticket t
    WHERE t.assignee_id = a.id AND t.resolved_at IS NULL AND t.status = 'open'
    ORDER BY t.rank_at, t.id LIMIT %s
) t WHERE a.is_active AND a.availability = 'online' ORDER BY t.place, t.rank_at, t.id
"""
# Some of those of which Quimbi never said anything, so that what came while it was away moves up as well: any of what
# stands in the first places of a queue, or waits for somebody.
_NEVER_ADVISED = """
SELECT t.id, t.customer_id FROM (
    SELECT t.id, t.customer_id, t.advised_at FROM agents_agent a CROSS JOIN LATERAL (
        SELECT t.id, t.customer_id, t.advised_at FROM tickets_ticket t
        WHERE t.assignee_id = a.id AND t.resolved_at IS NULL AND t.status = 'open'
        ORDER BY t.rank_at, t.id LIMIT %(deep)s
    ) t WHERE a.is_active AND a.availability = 'online'
    UNION ALL (
        SELECT t.id, t.customer_id, t.advised_at FROM tickets_ticket t
        WHERE t.assignee_id IS NULL AND t.resolved_at IS NULL AND t.status = 'open'
        ORDER BY t.rank_at, t.id LIMIT %(deep)s
    )
) t WHERE t.advised_at IS NULL AND t.id <> ALL(%(top)s) ORDER BY random() LIMIT %(many)s
"""


def insights_of(customer_ids: Iterable[int], *, purpose: Purpose, refresh: bool = False) -> dict[int, CustomerInsights]:
    """Of each of the customers: what is kept, else what Quimbi answers now, else why there is nothing.

    No statement while everything is kept, or Quimbi is left alone. `refresh` asks whatever is kept.
    """
    wanted = list(dict.fromkeys(customer_ids))
    found = quimbi.known(wanted)
    missing = [pk for pk in wanted if refresh or not is_settled(found[pk])]
    if not missing:
        return found
    if (why := quimbi.left_alone()) is not None:
        return found | {pk: _because(why, found[pk]) for pk in missing}
    profiles = insights.profiles(missing, interactions=_interactions(missing))
    answers = quimbi.insights(profiles, purpose=purpose, refresh=refresh)
    asked = dict(zip((profile.key for profile in profiles), answers, strict=True))
    return found | dict.fromkeys(missing, NOBODY) | asked


def dna_of(customer_id: int, *, refresh: bool = False) -> Insight[DNA]:
    """Of one customer, without asking for anything else."""
    profile = _profile(customer_id)
    return quimbi.analyze(profile, purpose=Purpose.REQUEST, refresh=refresh) if profile else NOBODY.dna


def churn_of(customer_id: int, *, refresh: bool = False) -> Insight[Churn]:
    """Of one customer, without asking for anything else."""
    profile = _profile(customer_id)
    return quimbi.churn(profile, purpose=Purpose.REQUEST, refresh=refresh) if profile else NOBODY.churn


def is_settled(known: CustomerInsights) -> bool:
    """Whether there is nothing to ask: each part is kept, and still good, or is known not to be had."""
    return all(part.source in _AS_KEPT or part.reason in SETTLED for part in (known.dna, known.churn))


def meet_new(*, ticket_id: int, by: Actor) -> None:
    """Has Quimbi say, within a short time, what it knows of the customer of a ticket that nobody has yet: so that a VIP
    goes to a senior at once.
    """
    ticket = Ticket.objects.unfinished().filter(pk=ticket_id, assignee__isnull=True).first()
    if ticket is not None and quimbi.enabled():
        _advise({ticket.pk: ticket.customer_id}, purpose=Purpose.ASSIGNMENT)


def meet_queues(*, by: Actor, now: datetime) -> int:
    """Asks about the tickets that agents will open next, the first of each before the second of any, and about a few of
    which Quimbi never said anything; ranks them by the answers, and moves a VIP's that nobody looked at to a senior.

    Returns how many tickets it came to in its time: none while another does the same, or nothing could be kept.
    """
    with quimbi.asking_ahead(seconds=LONGEST + OVER) as mine:
        return _meet(_next(), by=by, now=now) if mine else 0


def _next() -> list[tuple[int, int]]:
    with connection.cursor() as cursor:
        cursor.execute(_TOP, [settings.PREFETCHED_PER_AGENT])
        top = cursor.fetchall()
        cursor.execute(_NEVER_ADVISED, {"deep": DEEP, "many": NEVER_ADVISED, "top": [pk for pk, _ in top]})
        return [*top, *cursor.fetchall()]


def _meet(tickets: Sequence[tuple[int, int]], *, by: Actor, now: datetime) -> int:
    begun, done = time.monotonic(), 0
    while done < len(tickets) and time.monotonic() - begun < LONGEST:
        batch = dict(tickets[done : done + AT_ONCE])
        done += len(batch)
        for ticket_id, said in _advise(batch, purpose=Purpose.PREFETCH).items():
            if said.value is not None and said.value >= VIP_VALUE:
                waiting.serve_valuable(ticket_id=ticket_id, by=by, now=now)
    return done


def hear(*, ticket_id: int, position: int) -> None:
    """Ranks the ticket by how upset its customer writes, where Quimbi says such things."""
    if not (quimbi.enabled() and quimbi.offers(Function.SENTIMENT)):
        return
    written = Message.objects.filter(ticket=ticket_id, position=position, sender=Sender.CUSTOMER)
    said = written.select_related("ticket__customer").first()
    if said is None or said.position != said.ticket.last_position or said.ticket.customer.erased_at is not None:
        return
    felt = quimbi.sentiment(ticket_id, said.pk, said.body[:MOST_CHARACTERS], purpose=Purpose.PREFETCH)
    if felt.value is not None and felt.as_of is not None:
        upset = Told(as_of=felt.as_of, sentiment=_upset(felt.value.score))
        ranking.advise({ticket_id: upset}, now=timezone.now())


def forget(customer_id: int) -> None:
    """Has Quimbi's answers about an erased customer and their tickets gone from what is kept, and from ranks.

    Raises Unavailable when Redis was not told; it is to be done again then.
    """
    theirs = list(Ticket.objects.filter(customer=customer_id).values_list("pk", flat=True))
    ranking.drop_advice(theirs)
    said = Message.objects.filter(ticket__in=theirs, sender=Sender.CUSTOMER).values_list("pk", flat=True)
    _told(quimbi.forget_customer(customer_id), quimbi.forget_messages(said), quimbi.forget_conversations(theirs))


def outdate(customer_id: int) -> None:
    """Has Quimbi asked anew about a customer, and what it wrote for them written anew. Raises Unavailable."""
    _told(quimbi.outdate_customer(customer_id))
    forget_texts_for(customer_id)


def forget_texts(ticket_ids: Iterable[int]) -> None:
    """Drafts and recommendations for the tickets as they were. Raises Unavailable."""
    _told(quimbi.forget_conversations(ticket_ids))


def forget_texts_for(customer_id: int) -> None:
    """Those for the customer's unfinished tickets, after a change of what they rest on. Raises Unavailable."""
    forget_texts(Ticket.objects.unfinished().filter(customer=customer_id).values_list("pk", flat=True))


def _told(*answers: bool) -> None:
    if not all(answers):
        raise Unavailable("What Quimbi said is not forgotten everywhere yet.")


def told_of(known: CustomerInsights) -> Told | None:
    """What moves a rank, of what Quimbi said; None when it said nothing."""
    parts = [part for part in (known.ltv, known.churn) if part.as_of is not None]
    if not parts:
        return None
    ltv, churn = known.ltv.value, known.churn.value
    worth = ltv.current if ltv else None
    score = churn.score if churn else None
    return Told(
        as_of=min(part.as_of for part in parts if part.as_of is not None),
        value=None if worth is None else value_of(worth, vip_from=settings.VIP_LIFETIME_VALUE),
        churn=None if score is None else round(WHOLE * min(max(score, 0.0), 1.0)),
    )


def _advise(customers: Mapping[int, int], *, purpose: Purpose) -> dict[int, Told]:
    """Ranks tickets, by id, whose customers these are; returns what was said of each."""
    found = insights_of(customers.values(), purpose=purpose)
    told = {pk: said for pk, customer in customers.items() if (said := told_of(found[customer])) is not None}
    if told:
        ranking.advise(told, now=timezone.now())
    return told


def _upset(score: float) -> int:
    """Quimbi does not say between what its scores lie; what is below zero is bad, and -1 as bad as it gets."""
    return round(WHOLE * min(max(-score, 0.0), 1.0))


def _because(why: Insight[Any], known: CustomerInsights) -> CustomerInsights:
    """The reason why what was not asked for is not asked for now."""
    parts = {name: getattr(known, name) for name in ("dna", "churn", "ltv")}
    unasked = {name: part for name, part in parts.items() if part.reason == Reason.NOT_ASKED}
    told = {name: replace(part, reason=why.reason, retry_after=why.retry_after) for name, part in unasked.items()}
    return CustomerInsights(**{**parts, **told})


def _profile(customer_id: int) -> Profile | None:
    """None of one who was erased."""
    found = insights.profiles([customer_id], interactions=_interactions([customer_id]))
    return found[0] if found else None


def _interactions(customer_ids: Sequence[int]) -> dict[int, list[Interaction]]:
    """When each was in touch: their newest tickets, the newest first."""
    newest = Window(RowNumber(), partition_by=[F("customer_id")], order_by=[F("created_at").desc(), F("pk").desc()])
    tickets = Ticket.objects.filter(customer__in=customer_ids).annotate(place=newest)
    rows = tickets.filter(place__lte=MOST_INTERACTIONS).order_by("customer_id", "place")
    found: dict[int, list[Interaction]] = {}
    for customer, at, channel in rows.values_list("customer_id", "created_at", "channel"):
        found.setdefault(customer, []).append(Interaction(type="ticket", timestamp=at, channel=channel))
    return found
