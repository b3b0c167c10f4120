"""What every test may ask for."""

import pytest
from django.core.cache import cache

from supportdesk.tests.client import Api


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    cache.clear()


@pytest.fixture
def api(db: None) -> type[Api]:
    """The API as an agent uses it: `api(agent).get("/api/tickets")`."""
    return Api
