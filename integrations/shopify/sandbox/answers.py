"""What a pretend Shopify answers to its API, and the effect that it has."""

import math
import re
import secrets
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from integrations.shopify.sandbox.credentials import CLIENT_ID, SCOPES, SECRET, SHOP, TOKEN
from integrations.shopify.sandbox.deliveries import webhook_customer
from integrations.shopify.sandbox.exchange import Asked, Scripted
from integrations.shopify.sandbox.nodes import number_of, text_of
from integrations.shopify.sandbox.shop import Shop
from integrations.shopify.selection import NoField, picked, selected

VERSIONS = ("2026-01", "2026-04", "2026-07", "2026-10")
MOST_POINTS, RESTORED = 2_000.0, 100.0
LIVES, REFRESH_LIVES = 3_600, 7_776_000  # seconds
_NODES = {"Customers": "customers", "Orders": "orders", "Products": "products"}
_COUNTS = {"CustomersCount": "customers", "OrdersCount": "orders", "ProductsCount": "products"}
_REFRESH_FIELDS = {"client_id", "client_secret", "grant_type", "refresh_token"}
_CODE_FIELDS = {"client_id", "client_secret", "code", "expiring"}
_END = {"hasNextPage": False, "endCursor": None}
_DONE: dict[str, Any] = {"userErrors": []}


class Answers(Shop):
    """The shop behind its API: what it was asked, and what it will answer."""

    def __init__(self, *, grace: bool = True) -> None:
        super().__init__()
        self.grace = grace
        self.served = ""  # whatever is asked for, if it is named
        self.asked: list[Asked] = []
        self.scripted: dict[str, list[Scripted]] = {}
        self.codes: dict[str, str] = {"code-of-the-merchant": SCOPES}
        self.access = {TOKEN}
        self.refresh, self.previous, self.issued = "", "", 0
        self.scopes = SCOPES
        self.points, self.points_at, self.most, self.restored = MOST_POINTS, time.monotonic(), MOST_POINTS, RESTORED

    def script(self, operation: str, *answers: Scripted) -> None:
        self.scripted.setdefault(operation, []).extend(answers)

    def of(self, operation: str) -> list[Asked]:
        return [one for one in self.asked if one.operation == operation]

    # Tokens.

    def pair(self) -> tuple[str, str]:
        """An access token and its refresh token, as a merchant's permission gives them."""
        self._rotate()
        return sorted(self.access - {TOKEN})[-1], self.refresh

    def expire(self) -> None:
        """No access token that was given is good any more; refresh tokens are."""
        self.access = {TOKEN}

    def _rotate(self) -> dict[str, Any]:
        self.issued += 1
        self.previous, self.refresh = self.refresh, f"shprt_{self.issued:04}_{secrets.token_hex(8)}"
        token = f"shpat_{self.issued:04}_{secrets.token_hex(8)}"
        self.access.add(token)
        return {
            "access_token": token,
            "scope": self.scopes,
            "expires_in": LIVES,
            "refresh_token": self.refresh,
            "refresh_token_expires_in": REFRESH_LIVES,
        }

    def token(self, given: Mapping[str, Any]) -> Scripted:
        if given.get("client_id") != CLIENT_ID or given.get("client_secret") != SECRET:
            return Scripted(401, {"error": "invalid_client"})
        if given.get("grant_type") == "refresh_token" and set(given) == _REFRESH_FIELDS:
            good = {self.refresh, self.previous if self.grace else ""} - {""}
            if given["refresh_token"] not in good:
                return Scripted(400, {"error": "invalid_grant"})
            kept = self.previous if given["refresh_token"] == self.previous else self.refresh
            answer = self._rotate()
            self.previous = kept  # until the new one is used
            return Scripted(body=answer)
        if set(given) == _CODE_FIELDS and given["expiring"] == "1" and self.codes.pop(given["code"], None):
            return Scripted(body=self._rotate())
        return Scripted(400, {"error": "invalid_request"})

    # Answers.

    def answer(self, operation: str, given: Mapping[str, Any], good: Callable[[], Scripted]) -> Scripted:
        """What is answered, and the effect that it has."""
        with self.lock:
            waiting = self.scripted.get(operation) or []
            found = waiting.pop(0) if waiting else None
            done = good() if found is None or found.stores else None
            answer = found or done or Scripted()
            self.asked.append(Asked(time.time(), operation, given, 0 if answer.drop else answer.status))
            return answer

    def graphql(self, named: re.Match[str], query: str, variables: Mapping[str, Any], version: str) -> Scripted:
        kind, operation = named[1], named[2]
        cost = 10.0 if kind == "mutation" else 2.0 + math.ceil(int(variables.get("first", 10)) / 10)
        now = time.monotonic()
        self.points = min(self.most, self.points + (now - self.points_at) * self.restored)
        self.points_at = now
        if self.points < cost:
            throttled = {"errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}]}
            return self._said(throttled, cost, None, version)
        self.points -= cost
        body = self._done(operation, variables)
        try:
            body = body if "errors" in body else {"data": picked(body, selected(query), variables)}
        except NoField as refused:
            body = {"errors": [{"message": str(refused), "extensions": {"code": "undefinedField"}}]}
        return self._said(body, cost, cost, version)

    def _said(self, body: dict[str, Any], requested: float, actual: float | None, version: str) -> Scripted:
        status = {"maximumAvailable": self.most, "currentlyAvailable": self.points, "restoreRate": self.restored}
        cost = {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": status}
        headers = {"X-Shopify-API-Version": self.served or (version if version in VERSIONS else VERSIONS[0])}
        return Scripted(body={**body, "extensions": {"cost": cost}}, headers=headers)

    def _done(self, operation: str, given: Mapping[str, Any]) -> dict[str, Any]:
        if operation in _NODES:
            return {_NODES[operation]: self._page(_NODES[operation], given)}
        if operation in _COUNTS:
            name = _COUNTS[operation]
            found = len(self._found(name, str(given.get("query") or "")))
            return {f"{name}Count": {"count": found, "precision": "EXACT"}}
        match operation:
            case "Product":
                return {"product": self.products.get(number_of(given["id"]))}
            case "OrderLines":
                return {"order": self.orders.get(number_of(given["id"]))}
            case "Customer":
                return {"customer": self.customers.get(number_of(given["id"]))}
            case "Installation":
                scopes = [{"handle": scope} for scope in self.scopes.split(",")]
                return {"currentAppInstallation": {"accessScopes": scopes}, "shop": {"myshopifyDomain": SHOP}}
            case "Subscriptions":
                nodes = [{"id": key, **value} for key, value in self.subscriptions.items()]
                return {"webhookSubscriptions": {"nodes": nodes, "pageInfo": _END}}
            case "Subscribe":
                key = f"gid://shopify/WebhookSubscription/{len(self.subscriptions) + 1}"
                if any(one["topic"] == given["topic"] and one["uri"] == given["uri"] for one in self._subscribed()):
                    refused = _refused("uri", "has already been taken")
                    return {"webhookSubscriptionCreate": {"webhookSubscription": None, **refused}}
                self.subscriptions[key] = {"topic": given["topic"], "uri": given["uri"]}
                return {"webhookSubscriptionCreate": {"webhookSubscription": {"id": key}, "userErrors": []}}
            case "Unsubscribe":
                gone = self.subscriptions.pop(given["id"], None)
                return {"webhookSubscriptionDelete": _refused("id", "does not exist") if gone is None else _DONE}
            case "UpdateCustomer" | "AddTags" | "RemoveTags":
                return self._changed(operation, given)
        return {"errors": [{"message": f"unknown operation {operation}", "extensions": {"code": "undefinedField"}}]}

    def _changed(self, operation: str, given: Mapping[str, Any]) -> dict[str, Any]:
        name = {"UpdateCustomer": "customerUpdate", "AddTags": "tagsAdd", "RemoveTags": "tagsRemove"}[operation]
        number = number_of(given["input"]["id"] if operation == "UpdateCustomer" else given["id"])
        node = self.customers.get(number)
        if node is None:
            return {name: {"customer": None, **_refused("id", "Customer does not exist")}}
        if operation == "UpdateCustomer":
            node |= {key: value for key, value in given["input"].items() if key != "id"}
        elif operation == "AddTags":
            node["tags"] = sorted({*node["tags"], *given["tags"]})
        else:
            node["tags"] = sorted(set(node["tags"]) - set(given["tags"]))
        node["updatedAt"] = text_of(datetime.now(UTC))
        if operation == "UpdateCustomer":
            self.tell("customers/update", webhook_customer(node))
        else:
            topic = "customer.tags_added" if operation == "AddTags" else "customer.tags_removed"
            self.tell(topic, {"customerId": node["id"], "tags": given["tags"], "occurredAt": node["updatedAt"]})
        return {name: {"customer": node, **_DONE}}


def _refused(name: str, message: str) -> dict[str, Any]:
    return {"userErrors": [{"field": [name], "message": message}]}
