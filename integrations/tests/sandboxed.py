"""A Shopify for tests: loopback HTTP, with the settings pointed at it."""

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.shopify.sandbox.credentials import CLIENT_ID, SECRET
from integrations.shopify.sandbox.server import Sandbox


@pytest.fixture
def shopify(settings: Any) -> Iterator[Sandbox]:
    """A Shopify that the desk is to talk to, as the app that is known there."""
    settings.SHOPIFY_CLIENT_ID, settings.SHOPIFY_CLIENT_SECRETS = CLIENT_ID, [SECRET]
    with Sandbox() as sandbox:
        settings.SHOPIFY_BASE_URL = sandbox.url
        yield sandbox
