"""How much agents have to do, counted from the tickets themselves, and who has room for more.

A count is right by itself; a stored counter would have to be right after every crash and every change by hand. The
index `ticket_load` holds unfinished tickets only, so counting costs what there is to count.
"""

import uuid
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from django.db.models import Case, IntegerField, OuterRef, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce
from prometheus_client import Counter

from agents.enums import Availability
from agents.models import Agent, AgentQuerySet
from supportdesk.core.asking import Asking
from tickets.enums import Status
from tickets.matching import ONE
from tickets.models import Ticket

KEPT_SECONDS = 30
_GENERATION = "available-agents:generation"

LOOKUPS = Counter("supportdesk_available_agents_total", "Looks for who is available: kept, or read.", ["found"])

_redis = Asking("available")


def with_load(agents: AgentQuerySet) -> AgentQuerySet:
    """Adds `load`, in hundredths of an open ticket: open and on hold count as one, pending as the setting says."""
    work = Ticket.objects.unfinished().filter(assignee_id=OuterRef("pk")).order_by().values("assignee_id")
    load = work.annotate(load=Sum(_cost())).values("load")
    return agents.annotate(load=Coalesce(Subquery(load), Value(0)))


def _cost() -> Case:
    """Of an unfinished ticket."""
    return Case(
        When(status=Status.PENDING, then=Value(settings.PENDING_LOAD)), default=Value(ONE), output_field=IntegerField()
    )


def load_of(agent_id: int) -> int:
    """In hundredths of an open ticket."""
    agent: Any = with_load(Agent.objects.get_queryset().filter(pk=agent_id)).only("pk").get()
    load: int = agent.load
    return load


def available() -> dict[int, int]:
    """Every agent who is online and has room, with their load, whoever asks.

    Kept for 30 s, and dropped with each commit that changes it. Without Redis it is read each time.
    """
    generation = _redis.ask(lambda: cache.get_or_set(_GENERATION, _new_generation, None))
    key = f"available-agents:{generation}"
    known: dict[int, int] | None = _redis.ask(lambda: cache.get(key)) if generation else None
    LOOKUPS.labels("read" if known is None else "kept").inc()
    if known is not None:
        return known
    found = _read_available()
    if generation:
        _redis.ask(lambda: cache.set(key, found, KEPT_SECONDS))
    return found


def forget_available() -> None:
    """Drops what `available` keeps, when the caller's transaction commits."""
    transaction.on_commit(_forget, robust=True)


def _forget() -> None:
    """Begins a new generation: who has been reading since before this keeps what they found under the old one."""
    _redis.ask(lambda: cache.set(_GENERATION, _new_generation(), None))


def _read_available() -> dict[int, int]:
    """Adds up all work in one pass over `ticket_load`: to look it up agent by agent costs more from some dozen on."""
    work = Ticket.objects.unfinished().filter(assignee__isnull=False).order_by().values_list("assignee_id")
    loads = dict(work.annotate(load=Sum(_cost())))
    online = Agent.objects.get_queryset().filter(is_active=True, availability=Availability.ONLINE)
    found = {pk: (loads.get(pk, 0), capacity * ONE) for pk, capacity in online.values_list("pk", "capacity")}
    return {pk: load for pk, (load, capacity) in found.items() if load + ONE <= capacity}


def _new_generation() -> str:
    return uuid.uuid4().hex
