"""A thousand marked values go through the whole product, and none comes out where it should not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from django.core.cache import cache
from django.db import DatabaseError, connection, transaction
from django.http import JsonResponse
from django.utils import timezone

from agents.tests.builders import SYSTEM
from customers.models import Customer
from customers.tests.builders import make_customer
from integrations.shopify.sandbox import Sandbox as Shopify
from quimbi.sandbox import Sandbox
from supportdesk.core.events import emit
from supportdesk.core.models import IdempotencyRecord, ImportRecord, RateWindow
from supportdesk.core.observability.metrics import LIMITED
from supportdesk.tests import working
from supportdesk.tests.canary.drive import Drive
from supportdesk.tests.canary.marks import Marks
from supportdesk.tests.canary.places import Places, watched
from supportdesk.tests.test_audit_trail import STREAMS, api_routes, embedded
from tickets.events import TicketUpdated

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.vuln]
METHODS = ("GET", "POST", "PATCH", "DELETE")


@pytest.mark.timeout(300)
def test_no_personal_value_is_found_where_none_may_be(
    tmp_path: Path, django_capture_on_commit_callbacks: Any, quimbi: Sandbox, shopify: Shopify
) -> None:
    shopify.add_product(7)
    marks = Marks()
    with watched() as places:
        drive = Drive(marks, places, tmp_path)
        with django_capture_on_commit_callbacks(execute=True):
            drive.all()
        assert "core.deliver" in places.texts()["queue"]
        assert places.leaks(marks) == {}
    assert len(marks.kinds) >= 1_000
    # And it was a drive through all of it, with everything in it that may go wrong.
    done = {(method, route) for method, route, status in drive.answers if status < 300}
    assert done >= {(method, route) for method, route in api_routes(*METHODS) if route not in STREAMS}
    assert sum(number for (_, _, status), number in drive.answers.items() if status >= 500) == 6
    assert {"request", "unhandled"} <= {line["event"] for line in places.log.lines()}
    assert len(places.problems) > 200
    assert len(places.links) > 20


# The places are looked at: a value that is planted in one is found there, and only there.

Plant = Callable[[str, Places], Any]


def log_it(mark: str, places: Places) -> None:
    structlog.get_logger("supportdesk.test").debug("found", name=mark)


def count_it(mark: str, places: Places) -> None:
    LIMITED.labels(mark).inc()


def state_it(mark: str, places: Places) -> None:
    with transaction.atomic():
        emit(TicketUpdated(subject_id=1, fields=[mark]), by=SYSTEM, at=timezone.now())


def note_import(mark: str, places: Places) -> None:
    given = {"kind": "x", "source": "x", "digest": "", "subject_id": 1, "subject_version": 1, "seen_at": timezone.now()}
    ImportRecord.objects.create(external_id=mark, **given)


def keep_answer(mark: str, places: Places) -> None:
    given = {"caller": "x", "route": "x", "digest": "", "status": 200, "answer": "x", "created_at": timezone.now()}
    IdempotencyRecord.objects.create(key=mark, **given)


def link_to_it(mark: str, places: Places) -> None:
    places.note(JsonResponse({"next": f"/api/tickets?q={mark}", "previous": None}), "q=another")


def refuse_it(mark: str, places: Places) -> None:
    places.note(JsonResponse({"detail": f"There is no {mark}."}, status=400))


def fail_in_the_database(mark: str, places: Places) -> None:
    with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT %s::text::int", [mark])


def store_in_plain(mark: str, places: Places) -> None:
    Customer.objects.filter(pk=make_customer().pk).update(name=mark)


@pytest.mark.parametrize(
    ("place", "plant"),
    [
        ("log", log_it),
        ("redis", lambda mark, places: cache.set("x", mark)),
        ("redis", lambda mark, places: cache.set(mark, "x")),
        ("metrics", count_it),
        ("core_event", state_it),
        ("core_importrecord", note_import),
        ("core_idempotencyrecord", keep_answer),
        ("core_ratewindow", lambda mark, places: RateWindow.objects.create(key=mark, count=1, ends_at=timezone.now())),
        ("links", link_to_it),
        ("problems", refuse_it),
        pytest.param("server log", fail_in_the_database, marks=embedded),
        ("customers_customer", store_in_plain),
    ],
)
def test_a_planted_value_is_found(place: str, plant: Plant) -> None:
    marks = Marks()
    mark = marks.word("email")
    with watched() as places:
        plant(mark, places)
        assert places.leaks(marks) == {place: {mark}}


def test_a_value_in_a_tasks_arguments_is_found() -> None:
    marks = Marks()
    mark = marks.word("name")
    with watched() as places:
        working.fail.delay(whom=mark)
        assert places.leaks(marks) == {"queue": {mark}, "redis": {mark}}


def test_names_and_texts_may_stand_in_their_own_columns() -> None:
    marks = Marks()
    make_customer(name=marks.text("name"), email=marks.email(), phone=marks.phone(), address=marks.text("address"))
    with watched() as places:
        assert places.leaks(marks) == {}
