"""What every test may ask for."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache
from django.db import connection
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis

from agents import realtime
from integrations import breakers
from integrations.tests.sandboxed import shopify
from quimbi import shared
from quimbi.tests.sandboxed import quimbi
from sla.tests.builders import seed_default_policy
from supportdesk.core import kept, wakeup
from supportdesk.tests import emptying
from supportdesk.tests.client import Api
from supportdesk.tests.sockets import Desk, ThreadedServer, wait_for
from tickets import workload

# How fast the machine is, is no fault.
hypothesis.register_profile("desk", suppress_health_check=[HealthCheck.too_slow])
hypothesis.load_profile("desk")
emptying.install()

__all__ = ["quimbi", "shopify"]  # fixtures of apps


@pytest.fixture(autouse=True)
def _new_redis() -> None:
    """Empty, and what a test without it left is not held against it."""
    cache.clear()
    kept._owed.clear()
    for asking in (
        kept._redis,
        kept._telling,
        workload._redis,
        wakeup._redis,
        realtime._redis,
        shared.asking,
        breakers.asking,
    ):
        asking.quiet_until = 0.0


@pytest.fixture(autouse=True)
def _default_policy(request: pytest.FixtureRequest) -> None:
    """A test that may ask the database finds it as a new desk is, whatever a transactional test left."""
    if request.node.get_closest_marker("django_db") or {"db", "transactional_db"} & set(request.fixturenames):
        request.getfixturevalue("db")
        seed_default_policy()


@pytest.fixture
def api(db: None) -> type[Api]:
    """The API as an agent uses it: `api(agent).get("/api/tickets")`."""
    return Api


@pytest.fixture(scope="session")
def sockets_server() -> Iterator[ThreadedServer]:
    server = ThreadedServer()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def desk(transactional_db: None, sockets_server: ThreadedServer) -> Iterator[Desk]:
    """A place to open sockets at; they are closed at the end."""
    desk = Desk(sockets_server.port)
    yield desk
    desk.hang_up()
    wait_for(lambda: sockets_server.is_idle() and not _works())


def _works() -> bool:
    """Whether anybody else is at the database, which is emptied next."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database()"
            " AND pid <> pg_backend_pid() AND state <> 'idle')"
        )
        return bool(cursor.fetchone()[0])
