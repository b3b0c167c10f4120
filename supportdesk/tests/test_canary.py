"""A thousand marked values go through the whole product, and none comes out where it should not."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import structlog
from django.apps import apps
from django.core.cache import cache
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection, transaction
from django.http import JsonResponse
from django.test import Client
from django.utils import timezone

from agents.tests.builders import SYSTEM, actor_of, make_agent
from customers.models import Customer
from customers.tests.builders import make_customer
from integrations import connections, oauth, tokens
from integrations.enums import Provider
from integrations.models import Connection
from integrations.providers import AUTHORIZATIONS
from integrations.shopify import access as shopify_access
from integrations.shopify import subscriptions
from integrations.shopify.sandbox.credentials import SCOPES, SHOP
from integrations.shopify.sandbox.exchange import Scripted
from integrations.shopify.sandbox.server import Sandbox as Shopify
from integrations.shopify.sandbox.server import callback
from integrations.tasks import refresh_one_token, refresh_tokens, register_webhooks, sync_shopify
from integrations.tests.builders import make_connection, make_slack
from quimbi.sandbox import Sandbox
from supportdesk.core.events import emit
from supportdesk.core.models import Event, IdempotencyRecord, ImportRecord, RateWindow
from supportdesk.core.observability.metrics import LIMITED
from supportdesk.tests import working
from supportdesk.tests.audit_trail.world import STREAMS, api_routes, embedded
from supportdesk.tests.canary.drive import Drive
from supportdesk.tests.canary.marks import Marks
from supportdesk.tests.canary.places import Places, watched
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


SECRETS = ("access_token", "refresh_token", "api_key", "webhook_secret", "webhook_secret_previous")


@pytest.mark.django_db(transaction=True, databases=["default", "tokens"])
def test_no_token_of_a_partner_is_found_anywhere(shopify: Shopify) -> None:
    """Not while it is granted, renewed, shown, refused, nor when something fails that nobody thought of."""
    marks, by, now = Marks(), actor_of(make_agent(role="admin")), timezone.now()

    def granted() -> Scripted:
        pair = {"access_token": marks.token(), "refresh_token": marks.token()}
        shopify.access.add(pair["access_token"])
        return Scripted(body={**pair, "scope": SCOPES, "expires_in": 3_600, "refresh_token_expires_in": 7_776_000})

    def expire() -> None:
        Connection.objects.filter(pk=known.pk).update(expires_at=now)

    with watched() as places:
        known = make_connection(account_key=SHOP, changes={}, active=False)
        ways: dict[str, Any] = {"ways": AUTHORIZATIONS, "session": "browser", "by": by, "now": now}
        asked = parse_qs(urlsplit(oauth.begin(connection_id=known.pk, **ways)).query)
        shopify.script("token", granted(), Scripted(503, marks.token()), granted())
        back = callback(asked["state"][0], code=marks.token())
        assert oauth.complete(provider=Provider.SHOPIFY, query=back, **ways).status == "active"
        expire()
        for task in (refresh_tokens, sync_shopify, register_webhooks):
            assert task() == 1
        subscriptions.register(known)
        assert len(shopify.of("token")) == 3
        with pytest.raises(CommandError):
            shopify.script("Customers", *[Scripted(500, marks.token())] * 9)
            call_command("import_shopify", "customers", stdout=StringIO())
        expire()
        shopify.script("token", *[Scripted(body={"access_token": [marks.token()]})] * 2)
        with reported():
            tokens.valid(Connection.objects.get(), shopify_access.refresh)
        shopify.access.clear()
        shopify.script("token", Scripted(400, {"error": "invalid_grant", "error_description": marks.token()}))
        refresh_one_token(known.pk)
        with reported():
            subscriptions.register(Connection.objects.get())
        assert "connection must be made again" in places.log.getvalue()
        assert "integrations.sync_one_shop" in places.texts()["queue"]
        assert places.leaks(marks) == {}


@contextmanager
def reported() -> Iterator[None]:
    """What fails is reported, as whatever nobody thought of."""
    try:
        yield
    except Exception:
        structlog.get_logger("supportdesk.test").exception("failed")
    else:
        raise AssertionError("nothing failed")


@pytest.mark.django_db
def test_no_secret_of_a_connection_is_on_any_page_of_the_admin_or_in_an_export() -> None:
    marks, admin, browser = Marks(), make_agent(role="admin"), Client()
    browser.force_login(admin)
    for provider in Provider:
        known = make_connection(provider) if provider != Provider.SLACK else make_slack()
        Connection.objects.filter(pk=known.pk).update(**{name: marks.token() for name in SECRETS})
        given = {"access_token" if provider == Provider.SLACK else "webhook_secret": marks.token()}
        connections.update(connection_id=known.pk, changes=given, by=actor_of(admin), now=timezone.now())
    seen = 0
    for model in apps.get_app_config("integrations").get_models():
        listing = f"/admin/integrations/{model._meta.model_name}/"
        pages = [listing]
        for pk in model._default_manager.values_list("pk", flat=True):
            pages += [f"{listing}{pk}/change/", f"{listing}{pk}/history/"]
        for page in pages:
            answer = browser.get(page)
            seen += answer.status_code == 200
            assert not marks.found_in(answer.content.decode()), page
    assert seen >= 3 * 2 + 1
    customer, told = make_customer(), StringIO()
    call_command("export_customer", str(customer.pk), stdout=told)
    assert not marks.found_in(told.getvalue())
    assert not marks.found_in("".join(str(event.payload) for event in Event.objects.all()))


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
