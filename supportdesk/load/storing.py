"""Writing generated rows as fast as PostgreSQL takes them: COPY, a chunk per transaction."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, connections, transaction
from django.db.models import Field, Model

from agents import services, structure
from agents.enums import Availability, Role
from agents.models import Agent, Department
from customers import services as customer_services
from customers.models import Customer
from supportdesk.core.actor import Actor
from supportdesk.core.events import event_row
from supportdesk.core.models import Event
from supportdesk.core.owning import cursor_of_owner
from supportdesk.load.generating import SPAN, Cast, Chunk, Ids, Team
from tickets import lists
from tickets.models import Assignment, Message, Note, Ticket, TicketText

SHARES = {"Care": 0.55, "Delivery": 0.25, "Billing": 0.14, "Products": 0.05, "Key accounts": 0.01}
TICKETS_PER_AGENT = 2_500
FEWEST_AGENTS, MOST_AGENTS = 15, 400
TICKETS_PER_CUSTOMER = 4
FEWEST_CUSTOMERS = 10
CUSTOMERS_AT_ONCE = 5_000
IDS_AT_ONCE = 10_000
EMAIL = "load-customer-{}@example.com"
NAME = "Load customer "
WRITTEN: tuple[type[Model], ...] = (Customer, Ticket, TicketText, Message, Note, Assignment, Event)


def cast(*, tickets: int, by: Actor, now: datetime) -> Cast:
    """Whom so many tickets are between: departments, agents who cannot log in, and customers, those of an earlier run
    first.
    """
    agents = min(max(FEWEST_AGENTS, tickets // TICKETS_PER_AGENT), MOST_AGENTS)
    teams = [
        _team(f"Load: {name}", share, agents=max(2, round(agents * share)), by=by, now=now)
        for name, share in SHARES.items()
    ]
    customers = max(FEWEST_CUSTOMERS, tickets // TICKETS_PER_CUSTOMER)
    return Cast(customer_ids=_customers(customers, by=by, now=now), teams=teams)


def ids() -> Ids:
    return Ids(tickets=_fresh(Ticket), messages=_fresh(Message), notes=_fresh(Note))


def store(chunk: Chunk, *, by: Actor) -> None:
    """All rows of the chunk or none of them. Written through, whatever the server's setting: VACUUM takes only what is
    on disk for settled, and where it does not, an index alone does not answer.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL synchronous_commit = on")
        _copy(Ticket, chunk.tickets)
        _copy(Message, chunk.messages)
        _copy(Note, chunk.notes)
        _copy(Assignment, chunk.assignments)
        _copy(Event, (event_row(fact, by) for fact in chunk.facts))
        lists.forget_all()


def tidy() -> None:
    """VACUUM and ANALYZE what was written, as the tables' owner: a plan is only as good as what PostgreSQL knows. Gives
    no space back, for which it would wait until nobody reads.
    """
    tables = ", ".join(f'"{model._meta.db_table}"' for model in WRITTEN)
    with cursor_of_owner() as cursor:
        cursor.execute(f"VACUUM (ANALYZE, TRUNCATE false) {tables}")


def _team(name: str, share: float, *, agents: int, by: Actor, now: datetime) -> Team:
    department = Department.objects.filter(name=name).first()
    department = department or structure.create_department(name=name, by=by, now=now)
    known = list(Agent.objects.get_queryset().filter(department=department).order_by("pk").values_list("pk", flat=True))
    missing = range(len(known), agents)
    made = [_agent(f"{department.pk}-{number}", department, by=by, now=now) for number in missing]
    return Team(department_id=department.pk, share=share, agent_ids=[*known, *made])


def _agent(label: str, department: Department, *, by: Actor, now: datetime) -> int:
    """Every other one of them is there."""
    agent = services.create_agent(
        email=f"load-agent-{label}@example.com",
        name=f"Load agent {label}",
        password=None,
        role=Role.AGENT,
        department=department,
        by=by,
        now=now,
    )
    if agent.pk % 2:
        services.update_agent(agent_id=agent.pk, changes={"availability": Availability.ONLINE}, by=by, now=now)
    return agent.pk


def _customers(count: int, *, by: Actor, now: datetime) -> Sequence[int]:
    """Their ids, in eight bytes each. They came one after the other over the same years as the tickets."""
    theirs = Customer.objects.filter(name__startswith=NAME, email_index__isnull=False).order_by("pk")
    known = array("q", theirs.values_list("pk", flat=True).iterator())
    for start in range(len(known), count, CUSTOMERS_AT_ONCE):
        drafts = [
            customer_services.draft_customer(
                name=f"{NAME}{number}", email=EMAIL.format(number), now=now - _age(number, count)
            )
            for number in range(start, min(start + CUSTOMERS_AT_ONCE, count))
        ]
        known.extend(customer.pk for customer in customer_services.create_customers(drafts, by=by, now=now))
    return known[:count]


def _age(number: int, count: int) -> timedelta:
    return (1 - number / count) * SPAN


def _fresh(model: type[Model]) -> Iterator[int]:
    """New ids from the table's own sequence, reserved some thousand at a time."""
    while True:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT nextval(pg_get_serial_sequence(%s, 'id')) FROM generate_series(1, %s)",
                [model._meta.db_table, IDS_AT_ONCE],
            )
            reserved = [row[0] for row in cursor.fetchall()]
        yield from reserved


def _copy(model: type[Model], rows: Iterable[Model]) -> None:
    """Every column of the model, so that one which is added later is written too; an id that is None is left out."""
    fields = [field for field in model._meta.concrete_fields if not _filled_by_the_database(model, field)]
    columns = ", ".join(f'"{field.column}"' for field in fields)
    database = connections[DEFAULT_DB_ALIAS]  # itself, not the proxy: it is asked millions of times
    with (
        database.cursor() as cursor,
        cursor.copy(f'COPY "{model._meta.db_table}" ({columns}) FROM STDIN') as copy,
    ):
        for row in rows:
            copy.write_row([field.get_db_prep_save(getattr(row, field.attname), database) for field in fields])


def _filled_by_the_database(model: type[Model], field: "Field[Any, Any]") -> bool:
    return field.generated or field.has_db_default() or (field.primary_key and model in {Assignment, Event})
