"""What every test may ask for."""

from collections.abc import Iterator

import pytest
from django.core.cache import cache

from supportdesk.tests.client import Api
from supportdesk.tests.sockets import Desk, ThreadedServer, wait_for


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()


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
    wait_for(sockets_server.is_idle)
