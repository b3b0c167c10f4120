"""What the shop of a pretend Shopify holds, and whom it tells of it."""

import base64
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from integrations.shopify.sandbox.deliveries import Delivery, delivery, webhook_order
from integrations.shopify.sandbox.nodes import customer, instant, number_of, order, product, text_of

_SINCE = re.compile(r"updated_at:>='([^']+)'")


class Shop:
    """Its customers, orders, products and subscriptions; `told` hears of every delivery."""

    def __init__(self) -> None:
        self.lock = Lock()
        self.customers: dict[str, dict[str, Any]] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.products: dict[str, dict[str, Any]] = {}
        self.subscriptions: dict[str, dict[str, str]] = {}
        self.deliveries: list[Delivery] = []
        self.told: Callable[[Delivery], None] = self.deliveries.append

    def add_customer(self, number: int, **over: Any) -> dict[str, Any]:
        self.customers[str(number)] = node = customer(number, **over)
        return node

    def add_order(self, number: int, **over: Any) -> dict[str, Any]:
        self.orders[str(number)] = node = order(number, **over)
        return node

    def add_product(self, number: int, **over: Any) -> dict[str, Any]:
        self.products[str(number)] = node = product(number, **over)
        return node

    def buy(self) -> None:
        """The customer who bought longest ago buys again."""
        with self.lock:
            number = max(map(int, self.orders), default=6_000_000_000_000) + 1
            owner = list(self.customers.values())[number % len(self.customers)]
            at = text_of(datetime.now(UTC))
            times = dict.fromkeys(("createdAt", "processedAt", "updatedAt"), at)
            node = self.add_order(number, customer_id=int(owner["legacyResourceId"]), **times)
            self.tell("orders/create", webhook_order(node, owner))

    def tell(self, topic: str, body: Mapping[str, Any]) -> None:
        """Every subscription to the topic hears of it."""
        wanted = topic.upper().replace("/", "_").replace(".", "_")
        for one in list(self._subscribed()):
            if one["topic"] == wanted:
                self.told(delivery(one["uri"], topic, body))

    def _subscribed(self) -> Iterable[dict[str, str]]:
        return self.subscriptions.values()

    def _found(self, name: str, query: str) -> list[dict[str, Any]]:
        since = _SINCE.search(query)
        first = instant(since[1]) if since else datetime.min.replace(tzinfo=UTC)
        nodes = [node for node in getattr(self, name).values() if instant(node["updatedAt"]) >= first]
        return sorted(nodes, key=lambda node: (instant(node["updatedAt"]), int(number_of(node["id"]))))

    def _page(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        found = self._found(name, str(given.get("query") or ""))
        after = str(given.get("after") or "")
        if after:
            at, number = base64.b64decode(after).decode().split("|")
            place = (instant(at), int(number))
            found = [one for one in found if (instant(one["updatedAt"]), int(number_of(one["id"]))) > place]
        nodes = [self._whole(one) for one in found[: int(given["first"])]]
        end = f"{nodes[-1]['updatedAt']}|{number_of(nodes[-1]['id'])}" if nodes else ""
        info = {"hasNextPage": len(found) > len(nodes), "endCursor": base64.b64encode(end.encode()).decode() or None}
        return {"nodes": nodes, "pageInfo": info}

    def _whole(self, node: dict[str, Any]) -> dict[str, Any]:
        """An order with its customer."""
        told = node.get("customer")
        if not told:
            return node
        number = number_of(told["id"])
        return {**node, "customer": self.customers.get(number) or customer(int(number))}
