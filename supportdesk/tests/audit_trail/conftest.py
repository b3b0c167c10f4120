"""One world per module, fresh logins for each test, and the product without the right to record."""

from collections.abc import Iterator

import pytest
from django.db import connection, transaction
from django.test import Client
from pytest_django.plugin import DjangoDbBlocker

from agents import structure
from agents.tests.builders import SYSTEM
from integrations.models import DataSubjectRequest
from integrations.tests.builders import make_connection, send_shopify
from sla.tests.builders import seed_default_policy
from supportdesk.management.commands import migrate
from supportdesk.tests.audit_trail.world import World, build
from supportdesk.tests.client import Api
from supportdesk.tests.partners import partners

ROLE = "supportdesk_app"


@pytest.fixture
def world(built: World, db: None) -> World:
    """With logins of the test's own, whatever one before did with its."""
    browser = Client(raise_request_exception=False)
    browser.force_login(built.me)
    return built._replace(browser=browser, api=Api(built.me))


@pytest.fixture(scope="module")
def built(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    """One per module, in a transaction around those of the tests: what a test does to it is gone after the test."""
    with partners() as shopify, django_db_blocker.unblock(), transaction.atomic():
        seed_default_policy()
        world = build(shopify)
        connection.run_on_commit.clear()  # else the first test to commit would do it, and the next find it begun
        yield world
        transaction.set_rollback(True)


@pytest.fixture
def team(world: World) -> World:
    structure.create_department(name="Old", by=SYSTEM, now=world.ticket.created_at)
    structure.create_specialization(slug="old", name="Old", categories=[], by=SYSTEM, now=world.ticket.created_at)
    send_shopify(make_connection(), {"id": 7}, "bulk_operations/finish")  # of which nothing is to be done
    now = world.ticket.created_at
    DataSubjectRequest.objects.create(source="shopify:x", kind="export", subject="7", received_at=now, due_at=now)
    return world


@pytest.fixture
def unrecorded(team: World) -> Iterator[World]:
    """The product as its own database role, which may no longer add to what happened. Undone with the test."""
    migrate._grant(ROLE)
    with connection.cursor() as cursor:
        cursor.execute(f"REVOKE INSERT ON core_event FROM {ROLE}")
        cursor.execute(f"SET LOCAL ROLE {ROLE}")
    yield team
    with connection.cursor() as cursor:
        cursor.execute("RESET ROLE")
