"""One world per module, in a transaction around those of its tests: what a test does to it is gone after the test."""

from collections.abc import Iterator

import pytest
from pytest_django.plugin import DjangoDbBlocker

from supportdesk.tests.partners import partners
from supportdesk.tests.security import world as worlds
from supportdesk.tests.security.world import World


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with partners() as shopify, django_db_blocker.unblock(), worlds.built() as world:
        shopify.add_product(world.values["product"])
        yield world
