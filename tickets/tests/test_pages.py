"""Walking through lists page by page, and what PostgreSQL does for a page."""

import base64
import json
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from agents.tests.builders import SYSTEM, actor_of, make_agent, make_department
from customers.models import Customer
from customers.privacy import erase
from customers.services import update_customer
from customers.tests.builders import make_customer
from supportdesk.tests.client import Api, counted_statements
from tickets.models import Ticket
from tickets.models.ticket import LONG_LIFE
from tickets.services import lifecycle
from tickets.services.history import create_past_tickets
from tickets.tests.builders import assign, change, make_ticket, past_ticket

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def page(api: Api, link: str) -> dict[str, Any]:
    response = api.client.get(link, headers=api.headers)
    assert response.status_code == 200, response.content
    found: dict[str, Any] = response.json()
    return found


@pytest.mark.parametrize("ordering", ["rank", "created_at", "-created_at", "updated_at", "-updated_at"])
@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_pages_forward_and_back_show_everything_once_in_order(ordering: str, size: int) -> None:
    customer = make_customer()
    for number in range(7):  # several share an instant, so that the id must decide
        make_ticket(customer=customer, now=START + timedelta(hours=number // 3))
    api = Api(make_agent())
    whole = [row["id"] for row in api.get("/api/tickets", ordering=ordering).body["results"]]
    assert len(set(whole)) == 7
    link: str | None = f"/api/tickets?page_size={size}&ordering={ordering}"
    forward, last = [], {}
    while link:
        last = page(api, link)
        forward.append([row["id"] for row in last["results"]])
        link = last["next"]
    assert [pk for part in forward for pk in part] == whole
    backward = [forward[-1]]
    while last["previous"]:
        last = page(api, last["previous"])
        backward.append([row["id"] for row in last["results"]])
    assert backward == forward[::-1]


@pytest.mark.parametrize("since", [timedelta(0), 5 * LONG_LIFE, 8 * LONG_LIFE, 40 * LONG_LIFE])
def test_the_oldest_that_were_updated_since_are_found_however_long_they_lived(since: timedelta) -> None:
    reader, random = make_agent(department=make_department()), Random(1)
    for number in range(40):
        ticket = make_ticket(department=reader.department if number % 2 else None)
        created = START + random.random() * 8 * LONG_LIFE
        lived = random.choice([timedelta(0), 0.9 * LONG_LIFE, LONG_LIFE, 1.1 * LONG_LIFE, 9 * LONG_LIFE])
        Ticket.objects.filter(pk=ticket.pk).update(created_at=created, updated_at=created + lived)
    text = (START + since).isoformat().replace("+00:00", "Z")
    expected = list(
        Ticket.objects.filter(updated_at__gte=START + since).order_by("created_at", "pk").values_list("pk", flat=True)
    )
    link: str | None = f"/api/tickets?ordering=created_at&updated_since={text}&page_size=7&count=exact"
    found, last = [], {}
    while link:
        last = page(Api(reader), link)
        assert last["count"] == len(expected)
        found += [row["id"] for row in last["results"]]
        link = last["next"]
    assert found == expected
    if last["previous"]:
        before = page(Api(reader), last["previous"])["results"]
        assert [row["id"] for row in before] == expected[-len(last["results"]) - 7 : -len(last["results"])]


def test_a_list_of_one_department_is_what_the_reader_sees_of_it() -> None:
    here, there = make_department(), make_department()
    reader, newcomer = make_agent(department=here), make_agent(department=None)
    tickets = [make_ticket(department=department) for department in (here, there, there, None)]
    Ticket.objects.filter(pk=tickets[1].pk).update(assignee=reader)
    for who in (reader, newcomer, make_agent(role="supervisor", leads=[here, there]), make_agent(role="admin")):
        for department in (here, there):
            seen = Ticket.objects.visible_to(actor_of(who)).filter(department=department)
            for ordering in ("rank", "created_at"):
                found = Api(who).get("/api/tickets", department=department.pk, ordering=ordering).body["results"]
                assert {row["id"] for row in found} == set(seen.values_list("pk", flat=True))


def test_a_foreign_department_is_not_looked_for_among_the_tickets_of_none() -> None:
    actor = actor_of(make_agent(department=make_department()))
    parts = Ticket.objects.visible_parts(actor, in_departments=True)
    assert len(parts) == len(Ticket.objects.visible_parts(actor)) - 1 > 0
    assert not any("IS NULL" in str(part.query) for part in parts)


def test_since_the_beginning_of_time_is_since_then() -> None:
    ticket = make_ticket()
    found = Api(make_agent()).get("/api/tickets", ordering="created_at", updated_since="0001-01-01T00:00:00Z")
    assert [row["id"] for row in found.body["results"]] == [ticket.pk]
    refused = Api(make_agent()).get("/api/tickets", ordering="created_at", updated_since="then")
    assert (refused.status, refused.body["errors"][0]["field"]) == (400, "updated_since")


@pytest.mark.parametrize("ordering", ["rank", "created_at", "-updated_at"])
@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_pages_of_a_reader_with_bounds_show_each_ticket_once(ordering: str, size: int) -> None:
    """What they see has parts that overlap: their department's tickets, their own, those of no department."""
    here, there = make_department(), make_department()
    reader = make_agent(department=here)
    for number in range(12):
        department = (here, there, None)[number % 3]
        ticket = make_ticket(department=department, now=START + timedelta(hours=number // 4))
        if number % 2 == 0:
            Ticket.objects.filter(pk=ticket.pk).update(assignee=reader)
    api, actor = Api(reader), actor_of(reader)
    column = {"rank": "rank_at", "-updated_at": "-updated_at"}.get(ordering, ordering)
    sign = "-" if column.startswith("-") else ""
    expected = list(Ticket.objects.visible_to(actor).order_by(column, f"{sign}pk").values_list("pk", flat=True))
    assert len(expected) == 10
    parts = [set(part.values_list("pk", flat=True)) for part in Ticket.objects.visible_parts(actor)]
    assert sum(map(len, parts)) > len(set.union(*parts)) == len(expected)
    link: str | None = f"/api/tickets?page_size={size}&ordering={ordering}&count=exact"
    forward, last = [], {}
    while link:
        last = page(api, link)
        assert last["count"] == 10
        forward.append([row["id"] for row in last["results"]])
        link = last["next"]
    assert [pk for some in forward for pk in some] == expected
    while last["previous"]:
        last = page(api, last["previous"])
        assert [row["id"] for row in last["results"]] == forward[-2]
        forward.pop()


def test_a_done_ticket_ranks_behind_every_other_one() -> None:
    ticket = make_ticket()
    with pytest.raises(IntegrityError, match="ticket_done_ranks_last"), transaction.atomic():
        Ticket.objects.filter(pk=ticket.pk).update(rank_at=datetime(5000, 1, 1, tzinfo=UTC))
    done = change(ticket, status="resolved")
    with pytest.raises(IntegrityError, match="ticket_done_ranks_last"), transaction.atomic():
        Ticket.objects.filter(pk=done.pk).update(rank_at=START)


def test_a_ticket_is_never_updated_before_it_was_created() -> None:
    """Whoever wrote it: a list since its creation begins at that instant in the order of updates as well."""
    customer, now = make_customer(), timezone.now()
    early, later = now - timedelta(hours=1), now + timedelta(hours=1)
    (imported,) = create_past_tickets([past_ticket(customer, created_at=later)], by=SYSTEM, now=now)
    ticket = make_ticket(customer=customer, now=now)
    assert imported.updated_at == later
    given: Any = {"by": SYSTEM, "now": early}
    assert lifecycle.update_ticket(ticket_id=ticket.pk, changes={"priority": "low"}, **given).updated_at == now
    assert assign(ticket, make_agent(), now=early).ticket.updated_at == now
    changed = update_customer(customer_id=customer.pk, changes={"name": "Zoe"}, by=SYSTEM, now=early)
    assert changed.updated_at == customer.created_at
    erase(customer_id=customer.pk, **given)
    assert {row.updated_at for row in Ticket.objects.all()} == {now, later}
    for rows in (Ticket.objects.all(), Customer.objects.all()):
        with pytest.raises(IntegrityError, match="updated_once_created"), transaction.atomic():
            rows.update(updated_at=early - timedelta(days=1))


@pytest.mark.parametrize("order", ["rank", "created_at", "-created_at", "updated_at", "-updated_at"])
def test_a_list_since_an_instant_holds_the_same_in_every_order(order: str) -> None:
    tickets = [make_ticket(now=START + timedelta(hours=hour)) for hour in range(4)]
    change(tickets[0], priority="low")
    found = Api(make_agent()).get("/api/tickets", ordering=order, created_since=tickets[2].created_at.isoformat())
    assert {row["id"] for row in found.body["results"]} == {tickets[2].pk, tickets[3].pk}


def test_rows_that_come_and_go_are_neither_repeated_nor_skipped() -> None:
    tickets = [make_ticket(now=START + timedelta(hours=hour)) for hour in range(4)]
    api = Api(make_agent())
    first = api.get("/api/tickets", page_size=2).body
    make_ticket(now=START - timedelta(days=1))
    assert api.delete(f"/api/tickets/{tickets[1].pk}").status == 204
    assert [row["id"] for row in page(api, first["next"])["results"]] == [tickets[2].pk, tickets[3].pk]


def test_links_keep_the_filters_and_the_count() -> None:
    for _ in range(3):
        make_ticket(tags=["vip"])
    make_ticket()
    api = Api(make_agent())
    first = api.get("/api/tickets", page_size=2, tag="vip", count="exact").body
    second = page(api, first["next"])
    assert (first["count"], second["count"], len(second["results"]), second["next"]) == (3, 3, 1, None)


def cursor(*parts: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode().rstrip("=")


@pytest.mark.vuln
@pytest.mark.parametrize(
    "forged",
    [
        cursor("rank", False, "2026-01-05T09:00:00", 1),
        cursor("rank", False, "2026-01-05T09:00:00+00:00", -1),
        cursor("rank", False, "2026-01-05T09:00:00+00:00", 2**64),
        cursor("rank", False, "2026-01-05T09:00:00+00:00", True),
        cursor("rank", 0, "2026-01-05T09:00:00+00:00", 1),
        cursor("-created_at", False, "2026-01-05T09:00:00+00:00", 1),
        cursor("rank", False, "'; DROP TABLE tickets_ticket; --", 1),
        cursor("rank", False, None, 1),
        cursor("rank", False, [1], 1),
        cursor("rank", False, 1.5, 1),
        cursor("rank"),
        cursor(),
        base64.urlsafe_b64encode(b"[" * 5000).decode(),
        "%%%",
        "é",
        "A",
    ],
)
def test_a_forged_cursor_is_a_400(forged: str) -> None:
    make_ticket()
    answer = Api(make_agent()).get("/api/tickets", cursor=forged)
    assert (answer.status, answer.fields) == (400, {"cursor": "invalid_cursor"})


def test_a_number_where_a_time_belongs_is_a_400_too() -> None:
    answer = Api(make_agent()).get("/api/tickets", cursor=cursor("rank", False, 5, 1))
    assert (answer.status, answer.fields) == (400, {"cursor": "invalid_cursor"})


def test_the_position_of_a_page_is_one_range_of_the_index() -> None:
    for _ in range(60):
        make_ticket()
    api = Api(make_agent(role="admin"))
    link = api.get("/api/tickets", page_size=1).body["next"]
    with counted_statements() as statements:
        page(api, link)
    with connection.cursor() as db:
        db.execute("ANALYZE tickets_ticket")
        db.execute("SET LOCAL enable_seqscan = off")
        db.execute(f"EXPLAIN {statements[-1]}")
        found = "\n".join(row[0] for row in db.fetchall())
    assert "Index Cond: (ROW(rank_at, " in found
