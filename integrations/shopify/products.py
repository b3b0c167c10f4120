"""A product as its shop tells it now, for an agent who has it in front of them; kept for a short while."""

from collections.abc import Mapping
from typing import Any

from django.core.cache import cache

from integrations.models import Connection
from integrations.shopify import client, mapping, queries
from supportdesk.core.asking import Asking

KEPT_SECONDS, WAIT_SECONDS, TRIES = 300, 6.0, 2
_redis = Asking("products")


def read(known: Connection, number: str) -> Mapping[str, Any] | None:
    """The product; None when the shop has none of this id. Raises Unavailable, Rejected, NeedsReauth."""
    kept = _redis.ask(lambda: cache.get(_key(known, number)))
    if kept is not None:
        return kept  # type: ignore[no-any-return]
    asked = {"id": mapping.gid("Product", number)}
    said = client.ask(known, queries.PRODUCT, asked, seconds=WAIT_SECONDS, tries=TRIES, notes=False)  # for a GET
    node = said.data.get("product")
    if not isinstance(node, Mapping):
        return None
    found = mapping.product_of_node(node) | {"shop": known.account_key}
    _redis.ask(lambda: cache.set(_key(known, number), found, KEPT_SECONDS))
    return found


def forget(known: Connection, number: str) -> None:
    """It changed."""
    _redis.ask(lambda: cache.delete(_key(known, number)))


def _key(known: Connection, number: str) -> str:
    return f"shopify:{known.pk}:product:{number}"
