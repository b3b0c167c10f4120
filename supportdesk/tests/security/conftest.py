"""One world per module, in a transaction around those of its tests: what a test does to it is gone after the test."""

from collections.abc import Iterator

import pytest
from django.test import override_settings
from pytest_django.plugin import DjangoDbBlocker

from integrations.shopify.sandbox import Sandbox as Shopify
from quimbi.sandbox import Sandbox
from supportdesk.tests.security import world as worlds
from supportdesk.tests.security.world import World


@pytest.fixture(scope="module")
def world(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[World]:
    with (
        Sandbox() as quimbi,
        Shopify() as shopify,
        override_settings(QUIMBI_BASE_URL=quimbi.url, QUIMBI_API_KEY=quimbi.key, SHOPIFY_BASE_URL=shopify.url),
        django_db_blocker.unblock(),
        worlds.built() as world,
    ):
        shopify.add_product(world.values["product"])
        yield world
