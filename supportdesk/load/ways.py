"""The ways of asking that are measured, and what each may cost."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from urllib.parse import quote

from customers.models import Customer
from supportdesk.core.api.pagination import Position, cursor_of
from supportdesk.load.askers import Asker
from supportdesk.load.generating import TAGS, order_of, word
from tickets.enums import Category, Channel, Priority, Status
from tickets.models import Ticket
from tickets.models.ticket import TicketQuerySet

DEEP = 0.8  # how far down "deep" is
MOST_BUFFERS = 2_000  # of any read
LIST, QUEUE = 1_000, 350
ORDERS = ("rank", "created_at", "-created_at", "updated_at", "-updated_at")


@dataclass(frozen=True, kw_only=True)
class Way:
    """`statements` and `buffers` are what it may cost at most, `growth` how many times that of another size."""

    name: str
    who: str
    path: str
    statements: int | None = None
    buffers: int = MOST_BUFFERS
    growth: float | None = None


def main_ways(askers: Mapping[str, Asker]) -> list[Way]:
    """What a desk does all day."""
    ways = [Way(name="list", who=who, path="/api/tickets") for who in askers]
    ways += [replace(way, name="list of 100", path="/api/tickets?page_size=100") for way in ways]
    ways += [Way(name="list, 80 % deep", who=who, path=_deep(askers[who])) for who in ("admin", "agent", "small")]
    ways = [replace(way, statements=2, buffers=LIST, growth=1.5) for way in ways]
    queues = {
        "agent's queue": f"/api/agents/{askers['agent'].agent.pk}/queue",
        "unassigned": "/api/tickets/unassigned",
        "available agents": "/api/agents/available",
    }
    for name, path in queues.items():
        ways += [Way(name=name, who=who, path=path, buffers=QUEUE, growth=2.5) for who in ("admin", "agent")]
    one = f"/api/tickets/{Ticket.objects.order_by('-last_position', 'pk')[0].pk}"
    return [
        *ways,
        Way(name="ticket", who="admin", path=one, statements=3),
        Way(name="its messages", who="admin", path=f"{one}/messages"),
        Way(name="its notes", who="admin", path=f"{one}/notes"),
        Way(name="its timeline", who="admin", path=f"{one}/events"),
        Way(name="its files", who="admin", path=f"{one}/attachments"),
        Way(name="its assignments", who="admin", path=f"{one}/assignments"),
        Way(name="export, first piece", who="admin", path="/api/tickets/export"),
        Way(name="export, first piece", who="supervisor", path="/api/tickets/export"),
    ]


def filters(askers: Mapping[str, Asker], *, now: datetime) -> Iterator[str]:
    """Every filter of the list of tickets by itself, the pairs that people use, and both in every order."""
    me = askers["agent"].agent
    busiest = Ticket.objects.order_by("customer_id").values_list("customer_id", flat=True)[:1].get()
    said = [
        *(f"status={value}" for value in Status.values),
        "status=open,pending,on_hold",
        "status=resolved,closed",
        *(f"priority={value}" for value in Priority.values),
        *(f"channel={value}" for value in Channel.values),
        *(f"category={value}" for value in Category.values),
        *(f"tag={TAGS[number]}" for number in (0, 5, 20, 40, 59)),
        f"tag={TAGS[0]},{TAGS[1]}",
        "tag=unheard-of",
        *(f"created_since={_since(now, days)}" for days in (0.1, 1, 30, 700)),
        *(f"updated_since={_since(now, days)}" for days in (0.1, 1, 30, 700)),
        f"customer={busiest}",
        f"department={me.department_id}",
        f"department={askers['small'].agent.department_id}",
        f"assignee={me.pk}",
        f"assignee={askers['small'].agent.pk}",
        "assignee=me",
        "assignee=none",
        "source=gorgias",
        "external_id=88",
        "source=gorgias&external_id=88",
        "archived=true",
        "archived=true,false",
        *(f"status={status}&priority={value}" for status in ("open", "closed") for value in ("urgent", "low")),
        *(f"status={status}&assignee={me.pk}" for status in ("open", "closed")),
        *(f"status={status}&assignee=none" for status in ("open", "closed")),
        *(f"status={status}&department={me.department_id}" for status in ("open", "closed")),
        *(f"status={status}&tag={TAGS[5]}" for status in ("open", "closed")),
        "status=on_hold&category=account",
        "status=resolved&channel=sms",
        "priority=urgent&category=account",
        f"priority=urgent&created_since={_since(now, 30)}",
    ]
    for order in ORDERS:
        yield from (f"/api/tickets?ordering={order}&{some}" for some in said)


def other_reads(askers: Mapping[str, Asker], *, now: datetime) -> Iterator[str]:
    """Every other list, in every order and under every filter."""
    for order in ("created_at", "-created_at", "updated_at", "-updated_at"):
        for some in (
            "",
            f"created_since={_since(now, 300)}",
            f"updated_since={_since(now, 1)}",
            "q=customer+77",
            "q=zq",
        ):
            yield f"/api/customers?ordering={order}&{some}"
    customers = Customer.objects.order_by("pk").values_list("pk", flat=True)
    busiest, latest = customers[:1].get(), customers.reverse()[:1].get()
    yield f"/api/customers?email={quote('load-customer-7@example.com')}"
    yield f"/api/customers?phone={quote('+4930901820')}"
    for order in ORDERS[1:]:
        for some in ("", "status=closed", "priority=urgent", f"tag={TAGS[5]}"):
            yield f"/api/customers/{busiest}/tickets?ordering={order}&{some}"
    yield f"/api/customers/{busiest}"
    yield f"/api/customers/{latest}"
    department = askers["agent"].agent.department_id
    for some in (
        "",
        "availability=online",
        "role=agent",
        f"department={department}",
        "q=agent",
        "ordering=-created_at",
    ):
        yield f"/api/agents?{some}"
    yield "/api/views"
    for order in ORDERS:
        yield f"/api/tickets/unassigned?ordering={order}"
        yield f"/api/agents/{askers['agent'].agent.pk}/queue?ordering={order}"


def admin_pages(askers: Mapping[str, Asker]) -> Iterator[str]:
    """The admin's lists, their filters and their search."""
    department = askers["small"].agent.department_id
    for some in (
        "",
        *(f"status={status}" for status in (*Status.values, "archived")),
        *(f"priority={value}" for value in Priority.values),
        *(f"channel={value}" for value in Channel.values),
        *(f"category={value}" for value in Category.values),
        *(f"assignee={who}" for who in ("me", "none", "some")),
        "department=none",
        f"department={department}",
        "priority=urgent&category=account",
        "o=9",
        "o=-9",
        "p=10",
        f"q={word(5_000)}",
        "q=4242",
    ):
        yield f"/admin/tickets/ticket/?{some}"
    for some in ("", "q=customer+77", "q=nobody", "p=5"):
        yield f"/admin/customers/customer/?{some}"
    yield "/admin/agents/agent/"
    yield "/admin/"


def searches() -> Mapping[str, str]:
    """What is looked for, by what kind of thing that is: words that half of the tickets have, and ever fewer."""
    ticket = Ticket.objects.order_by("-pk")[1_000:1_001].get().pk if Ticket.objects.all()[1_000:1_001] else 1
    return {
        "half of all have it": word(1),
        "one in twenty": word(12),
        "one in two hundred": word(120),
        "one in two thousand": word(1_200),
        "hardly any": word(12_000),
        "two words": f"{word(3)} {word(30)}",
        "one without another": f"{word(12)} -{word(1)}",
        "a number": str(order_of(ticket)),
    }


def _deep(asker: Asker) -> str:
    """The page that begins four fifths down the order of work."""
    seen: TicketQuerySet = Ticket.objects.live()
    department = asker.agent.department_id
    if department is not None:
        seen = seen.filter(department=department)
    ranked = seen.order_by("rank_at", "pk").values_list("rank_at", "pk")
    key, pk = ranked[int(seen.count() * DEEP)]
    return f"/api/tickets?cursor={cursor_of(Position(ordering='rank', backwards=False, key=key, id=pk))}"


def _since(now: datetime, days: float) -> str:
    return (now - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
