"""With sequential scans out of the question, does an index answer each way of asking, and in its order?"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from customers.models import Customer
from customers.selectors import named, with_email, with_phone
from supportdesk.core.models import Event
from supportdesk.load.measuring import rolled_back
from supportdesk.tests.plans import explained, look_at, plan
from tickets import workload
from tickets.api.filters import HistoryFilter
from tickets.enums import Sender
from tickets.models import Message, Note, Ticket
from tickets.tests.builders import fill_desk

pytestmark = pytest.mark.django_db
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module", autouse=True)
def _desk(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock(), rolled_back():
        fill_desk()
        look_at([Customer(name=f"Name {number}") for number in range(500)])
        look_at([Message(ticket_id=number, position=1, sender=Sender.CUSTOMER, body="Hello") for number in range(500)])
        look_at([Note(ticket_id=number, author_id=1, body="Hello") for number in range(500)])
        look_at([Event(at=START, subject_type="ticket", subject_id=number) for number in range(500)])
        yield


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({"archived_at__isnull": True}, "ticket_rank"),
        ({"status": "open"}, "ticket_status_rank"),
        ({"priority": "urgent"}, "ticket_priority_rank"),
        ({"channel": "chat"}, "ticket_channel_rank"),
        ({"category": "refund"}, "ticket_category_rank"),
        ({"department_id": 1}, "ticket_department_rank"),
        ({"department_id__isnull": True}, "ticket_unsorted_rank"),
        ({"assignee_id": 1}, "ticket_assignee_rank"),
        ({"assignee__isnull": True}, "ticket_unassigned_rank"),
        ({"assignee_id": 1, "resolved_at__isnull": True}, "ticket_work"),
        ({"assignee__isnull": True, "resolved_at__isnull": True}, "ticket_unassigned"),
        ({"queued_at__isnull": False}, "ticket_queued"),
    ],
)
def test_a_page_of_a_filtered_list_is_read_off_one_index_in_order(filters: dict[str, Any], index: str) -> None:
    found = plan(Ticket.objects.filter(**filters).order_by("rank_at", "pk")[:51], in_order=True)
    assert f"Index Scan using {index}" in found
    assert "Sort" not in found


@pytest.mark.parametrize(
    ("filters", "order", "index"),
    [
        ({"customer_id": 1}, ("-created_at", "-pk"), "ticket_customer_created"),
        ({"created_at__gte": START}, ("created_at", "pk"), "ticket_created"),
        ({"updated_at__gte": START}, ("updated_at", "pk"), "ticket_updated"),
        ({"department_id__isnull": True}, ("-created_at", "-pk"), "ticket_unsorted_created"),
        ({"department_id__isnull": True, "status": "closed"}, ("-updated_at", "-pk"), "ticket_unsorted_updated"),
    ],
)
def test_lists_by_time_are_read_off_one_index(filters: dict[str, Any], order: tuple[str, ...], index: str) -> None:
    found = plan(Ticket.objects.filter(**filters).order_by(*order).values("pk")[:51], in_order=True)
    assert index in found
    assert "Sort" not in found


@pytest.mark.parametrize(
    ("queryset", "index"),
    [
        (lambda: Ticket.objects.tagged(["vip"]), "ticket_tags"),
        (lambda: Ticket.objects.filter(external_id="7"), "ticket_external_id"),
        (lambda: Ticket.objects.filter(subject__icontains="refund"), "ticket_subject_trigram"),
        (lambda: with_email(Customer.objects.all(), "zoe@example.com"), "customers_customer_email_index"),
        (lambda: with_phone(Customer.objects.all(), "+4930901820"), "customers_customer_phone_index"),
        (lambda: named(Customer.objects.all(), "garcia"), "customer_name_trigram"),
        (lambda: Message.objects.filter(ticket_id=1).order_by("position"), "message_position_unique"),
        (lambda: Note.objects.filter(ticket_id=1).order_by("pk"), "note_ticket"),
        (lambda: Event.objects.filter(subject_type="ticket", subject_id=1).order_by("at", "id"), "event_timeline"),
    ],
)
def test_every_other_way_in_has_its_index(queryset: Any, index: str) -> None:
    assert index in plan(queryset())


def test_what_was_created_since_begins_there_in_the_order_of_updates() -> None:
    since = timezone.now() - timedelta(minutes=1_500)
    made = HistoryFilter({"created_since": since.isoformat()}, queryset=Ticket.objects.all()).qs
    found = plan(made.order_by("updated_at", "pk").values("pk")[:51], in_order=True)
    assert "ticket_updated" in found
    assert "Index Cond: (updated_at >=" in found


def test_the_oldest_that_were_updated_since_begin_shortly_before_it_or_among_the_few_that_lived_long() -> None:
    long_lived, others = Ticket.objects.updated_since(timezone.now() - timedelta(minutes=1_500))
    orders = [part.order_by("created_at", "pk").values("pk")[:51] for part in (long_lived, others)]
    first, second = (plan(order, in_order=True) for order in orders)
    assert "ticket_lived_long" in first
    assert "Index Cond: (created_at >=" in second
    assert "Sort" not in first + second


def test_the_work_of_all_is_counted_in_one_pass_over_the_smallest_index() -> None:
    with CaptureQueriesContext(connection) as captured:
        workload.available()
    (counted,) = [query["sql"] for query in captured if "SUM(" in query["sql"]]
    # Without bitmaps, which it takes while a table was not vacuumed.
    assert "Index Only Scan using ticket_load" in explained(counted, in_order=True)
