"""How PostgreSQL answers, on a desk of some thousand tickets that it has looked at: what docs/performance.md shows for
a million stays true. Statements, rows and buffers are exact, so no test here depends on how fast the machine is.
"""

import re
from collections.abc import Iterator, Mapping
from io import StringIO
from typing import Any

import pytest
from django.core.management import call_command
from django.test.utils import override_settings
from django.utils import timezone

from agents.tests.builders import SYSTEM
from sla.tests.builders import seed_default_policy
from supportdesk.load import ways
from supportdesk.load.askers import Asker, askers
from supportdesk.load.measuring import Measured, rolled_back
from supportdesk.tests.plans import forget_plans
from tickets.models import Ticket

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
TICKETS = 4_000  # enough that PostgreSQL's choice is the one it makes for a million
INDEX_READ = re.compile(r"Index Only Scan(?: backward)? (\w+): ([\d,]+) rows")


@pytest.fixture(scope="module")
def desk(django_db_setup: None, django_db_blocker: Any) -> Iterator[Mapping[str, Asker]]:
    """Committed, because VACUUM must see it, and gone when the tests of this module are over."""
    with django_db_blocker.unblock():
        forget_plans()
        call_command("generate_load", tickets=TICKETS, stdout=StringIO())
        try:
            with rolled_back(), override_settings(ALLOWED_HOSTS=["testserver"], KEPT_ANSWER_SECONDS=0):
                yield askers(by=SYSTEM, now=timezone.now())
        finally:
            # Versions of policies are kept by their id, so no id comes twice.
            call_command("flush", verbosity=0, interactive=False, reset_sequences=False)
            seed_default_policy()


def ask(asker: Asker, path: str) -> Measured:
    return asker.asking.read(path)


def indexes_read(asker: Asker, path: str) -> tuple[str, Mapping[str, int]]:
    """The plan of the list, and how many rows each index gave to it at most."""
    plan = next(plan for plan in ask(asker, path).plans if "Limit" in plan)
    read: dict[str, int] = {}
    for name, rows in INDEX_READ.findall(plan):
        read[name] = max(read.get(name, 0), int(rows.replace(",", "")))
    return plan, read


def test_what_is_asked_all_day_is_read_off_the_index_meant_for_it(desk: Mapping[str, Asker]) -> None:
    me = desk["agent"].agent
    intended = [
        ("admin", "/api/tickets", {"ticket_rank"}),
        # What has no department is so little here that two indexes serve it as well.
        *((who, "/api/tickets", {"ticket_department_rank", "ticket_assignee_rank"}) for who in ("agent", "small")),
        ("newcomer", "/api/tickets", {"ticket_department_rank", "ticket_assignee_rank"}),
        ("admin", "/api/tickets?status=resolved", {"ticket_status_rank"}),
        ("admin", f"/api/tickets?assignee={me.pk}", {"ticket_assignee_rank"}),
        ("admin", f"/api/tickets?department={me.department_id}", {"ticket_department_rank"}),
        ("admin", "/api/tickets?ordering=-created_at", {"ticket_created"}),
        ("admin", "/api/tickets?ordering=-updated_at", {"ticket_updated"}),
        ("admin", "/api/customers", {"customer_created"}),
    ]
    for who, path, indexes in intended:
        plan, read = indexes_read(desk[who], path)
        assert indexes <= set(read), f"{who} {path}\n{plan}"
        assert all(read[name] <= 51 for name in indexes), f"{who} {path}\n{plan}"
        assert "Seq Scan tickets_ticket" not in plan, f"{who} {path}\n{plan}"
    # Nearly all that is done is closed, so of these two either is as good; from the wrong end it would not be.
    plan, read = indexes_read(desk["admin"], "/api/tickets?status=closed")
    assert read in ({"ticket_rank": 51}, {"ticket_status_rank": 51}), plan


def test_statements_are_as_many_for_fifty_as_for_a_hundred_and_within_their_number(desk: Mapping[str, Asker]) -> None:
    for who, sizes in {"admin": (50, 100), "agent": (50, 100), "small": (10, 20), "newcomer": (10, 20)}.items():
        pages = [ask(desk[who], f"/api/tickets?page_size={size}") for size in sizes]
        assert [page.rows for page in pages] == list(sizes), who
        assert [page.statements for page in pages] == [1, 1]
    ticket = Ticket.objects.order_by("-last_position", "pk")[0]
    detail = ask(desk["admin"], f"/api/tickets/{ticket.pk}")
    assert (detail.statements, detail.audit) == (1, 1)  # an imported ticket has no promises to be asked for


def test_no_list_counts_unless_it_is_asked_to(desk: Mapping[str, Asker]) -> None:
    ticket = Ticket.objects.order_by("-last_position", "pk")[0]
    lists = [
        "/api/tickets",
        "/api/tickets?q=refund",
        f"/api/tickets/{ticket.pk}/messages",
        f"/api/tickets/{ticket.pk}/notes",
        f"/api/tickets/{ticket.pk}/events",
        f"/api/tickets/{ticket.pk}/attachments",
        f"/api/customers/{ticket.customer_id}/tickets",
        "/api/customers",
        "/api/agents",
        "/api/views",
        "/api/api-keys",
    ]
    for path in lists:
        assert not [sql for sql in ask(desk["admin"], path).reads if "COUNT(" in sql], path
    counted = ask(desk["agent"], "/api/tickets?count=exact")
    assert len([sql for sql in counted.reads if "COUNT(" in sql]) == 1


def test_a_page_costs_the_same_at_the_end_as_at_the_beginning(desk: Mapping[str, Asker]) -> None:
    deep = {way.who: way.path for way in ways.main_ways(desk) if way.name == "list, 80 % deep"}
    for who, path in deep.items():
        first, far = ask(desk[who], "/api/tickets?page_size=5"), ask(desk[who], f"{path}&page_size=5")
        assert first.rows == far.rows == 5
        assert far.buffers <= 1.2 * first.buffers
