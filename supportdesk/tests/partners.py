"""A Quimbi and a Shopify that the desk asks, for the tests of a whole module."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.test import override_settings

from integrations.shopify.sandbox.credentials import CLIENT_ID, SECRET
from integrations.shopify.sandbox.server import Sandbox as Shopify
from quimbi.sandbox import Sandbox as Quimbi


@contextmanager
def partners() -> Iterator[Shopify]:
    """As the fixtures `quimbi` and `shopify` of one test."""
    with (
        Quimbi() as quimbi,
        Shopify() as shopify,
        override_settings(
            QUIMBI_BASE_URL=quimbi.url,
            QUIMBI_API_KEY=quimbi.key,
            SHOPIFY_BASE_URL=shopify.url,
            SHOPIFY_CLIENT_ID=CLIENT_ID,
            SHOPIFY_CLIENT_SECRETS=[SECRET],
        ),
    ):
        yield shopify
