"""A Shopify of our own on this machine, as strict as theirs: for tests, drills and the demo.

`python -m integrations.shopify.sandbox --port 8032` has one shop with customers, orders and products, which it shows at
`/`. It knows the operations that we send, by their names, and refuses any other; it answers the fields that are
selected and no more; tokens rotate, queries cost points, and every subscription is delivered to, signed, when something
changes. It serves the version that is asked for, or instead of one that it does not know the oldest that it does. Other
answers can be scripted, and every request is noted with the instant at which it came.
"""

import argparse
import base64
import hmac
import http.client
import json
import math
import re
import secrets
import time
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import SHUT_RDWR
from threading import Lock, Thread
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

from integrations.shopify.selection import NoField, picked, selected

SHOP = "sandbox-shop.myshopify.com"
CLIENT_ID = "the-app-of-the-sandbox"
SECRET = "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"  # noqa: S105 - signs nothing but this
TOKEN = "shpat_sandbox_of_nobody"  # noqa: S105 - opens nothing but this
SCOPES = "read_customers,write_customers,read_orders,read_all_orders,read_products"
VERSION = "2026-10"
VERSIONS = ("2026-01", "2026-04", "2026-07", "2026-10")
MOST_BYTES = 1_000_000
MOST_POINTS, RESTORED = 2_000.0, 100.0
LIVES, REFRESH_LIVES = 3_600, 7_776_000  # seconds
MOST_FIRST = 250
DEPRECATED = re.compile(r"(?<![$\w])(addresses|orderNumber|callbackUrl)\b")  # and what no customer here has
_ENDPOINT = re.compile(r"/admin/api/(20\d\d-(?:01|04|07|10))/graphql\.json")
_OPERATION = re.compile(r"\s*(query|mutation)\s+(\w+)\s*(?:\(([^)]*)\))?")
_VARIABLE = re.compile(r"\$(\w+)\s*:\s*([\w\[\]!]+)")
_SINCE = re.compile(r"updated_at:>='([^']+)'")
_NODES = {"Customers": "customers", "Orders": "orders", "Products": "products"}
_COUNTS = {"CustomersCount": "customers", "OrdersCount": "orders", "ProductsCount": "products"}


@dataclass(frozen=True)
class Asked:
    """One request: when, which operation (or `token`), with what, and what it was answered."""

    at: float
    operation: str
    given: Mapping[str, Any]
    answered: int


@dataclass(frozen=True)
class Scripted:
    """What the next request to an operation is answered with. `drop` closes the line once it was read instead;
    `stores`: what was asked is done all the same.
    """

    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    stores: bool = False


@dataclass(frozen=True)
class Delivery:
    """What a subscription is told, as it is signed."""

    uri: str
    headers: Mapping[str, str]
    raw: bytes


class Sandbox:
    """Its state: what it was asked, what the shop holds, and what it will answer."""

    def __init__(self, port: int = 0, *, grace: bool = True) -> None:
        self.lock = Lock()
        self.grace = grace
        self.served = ""  # whatever is asked for, if it is named
        self.asked: list[Asked] = []
        self.scripted: dict[str, list[Scripted]] = {}
        self.codes: dict[str, str] = {"code-of-the-merchant": SCOPES}
        self.access = {TOKEN}
        self.refresh, self.previous, self.issued = "", "", 0
        self.scopes = SCOPES
        self.customers: dict[str, dict[str, Any]] = {}
        self.orders: dict[str, dict[str, Any]] = {}
        self.products: dict[str, dict[str, Any]] = {}
        self.subscriptions: dict[str, dict[str, str]] = {}
        self.deliveries: list[Delivery] = []
        self.points, self.points_at, self.most, self.restored = MOST_POINTS, time.monotonic(), MOST_POINTS, RESTORED
        self.told: Callable[[Delivery], None] = self.deliveries.append
        self.server = _Server(("127.0.0.1", port), type("Handler", (_Handler,), {"sandbox": self}))
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def script(self, operation: str, *answers: Scripted) -> None:
        self.scripted.setdefault(operation, []).extend(answers)

    def of(self, operation: str) -> list[Asked]:
        return [one for one in self.asked if one.operation == operation]

    # What the shop holds.

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
            at = _text(datetime.now(UTC))
            times = dict.fromkeys(("createdAt", "processedAt", "updatedAt"), at)
            node = self.add_order(number, customer_id=int(owner["legacyResourceId"]), **times)
            self.tell("orders/create", webhook_order(node, owner))

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
                return {"product": self.products.get(_number(given["id"]))}
            case "OrderLines":
                return {"order": self.orders.get(_number(given["id"]))}
            case "Customer":
                return {"customer": self.customers.get(_number(given["id"]))}
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

    def _subscribed(self) -> Iterable[dict[str, str]]:
        return self.subscriptions.values()

    def _found(self, name: str, query: str) -> list[dict[str, Any]]:
        since = _SINCE.search(query)
        first = _instant(since[1]) if since else datetime.min.replace(tzinfo=UTC)
        nodes = [node for node in getattr(self, name).values() if _instant(node["updatedAt"]) >= first]
        return sorted(nodes, key=lambda node: (_instant(node["updatedAt"]), int(_number(node["id"]))))

    def _page(self, name: str, given: Mapping[str, Any]) -> dict[str, Any]:
        found = self._found(name, str(given.get("query") or ""))
        after = str(given.get("after") or "")
        if after:
            at, number = base64.b64decode(after).decode().split("|")
            place = (_instant(at), int(number))
            found = [one for one in found if (_instant(one["updatedAt"]), int(_number(one["id"]))) > place]
        nodes = [self._whole(one) for one in found[: int(given["first"])]]
        end = f"{nodes[-1]['updatedAt']}|{_number(nodes[-1]['id'])}" if nodes else ""
        info = {"hasNextPage": len(found) > len(nodes), "endCursor": base64.b64encode(end.encode()).decode() or None}
        return {"nodes": nodes, "pageInfo": info}

    def _whole(self, node: dict[str, Any]) -> dict[str, Any]:
        """An order with its customer."""
        told = node.get("customer")
        if not told:
            return node
        number = _number(told["id"])
        return {**node, "customer": self.customers.get(number) or customer(int(number))}

    def _changed(self, operation: str, given: Mapping[str, Any]) -> dict[str, Any]:
        name = {"UpdateCustomer": "customerUpdate", "AddTags": "tagsAdd", "RemoveTags": "tagsRemove"}[operation]
        number = _number(given["input"]["id"] if operation == "UpdateCustomer" else given["id"])
        node = self.customers.get(number)
        if node is None:
            return {name: {"customer": None, **_refused("id", "Customer does not exist")}}
        if operation == "UpdateCustomer":
            node |= {key: value for key, value in given["input"].items() if key != "id"}
        elif operation == "AddTags":
            node["tags"] = sorted({*node["tags"], *given["tags"]})
        else:
            node["tags"] = sorted(set(node["tags"]) - set(given["tags"]))
        node["updatedAt"] = _text(datetime.now(UTC))
        if operation == "UpdateCustomer":
            self.tell("customers/update", webhook_customer(node))
        else:
            topic = "customer.tags_added" if operation == "AddTags" else "customer.tags_removed"
            self.tell(topic, {"customerId": node["id"], "tags": given["tags"], "occurredAt": node["updatedAt"]})
        return {name: {"customer": node, **_DONE}}

    # Webhooks.

    def tell(self, topic: str, body: Mapping[str, Any]) -> None:
        """Every subscription to the topic hears of it."""
        wanted = topic.upper().replace("/", "_").replace(".", "_")
        for one in list(self._subscribed()):
            if one["topic"] == wanted:
                self.told(delivery(one["uri"], topic, body))


_REFRESH_FIELDS = {"client_id", "client_secret", "grant_type", "refresh_token"}
_CODE_FIELDS = {"client_id", "client_secret", "code", "expiring"}
_END = {"hasNextPage": False, "endCursor": None}
_DONE: dict[str, Any] = {"userErrors": []}


def delivery(uri: str, topic: str, body: Mapping[str, Any], *, secret: str = SECRET) -> Delivery:
    raw = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    headers = {
        "Content-Type": "application/json",
        "X-Shopify-Topic": topic,
        "X-Shopify-Shop-Domain": SHOP,
        "X-Shopify-API-Version": VERSION,
        "X-Shopify-Webhook-Id": str(uuid.uuid4()),
        "X-Shopify-Triggered-At": _text(datetime.now(UTC)),
        "X-Shopify-Hmac-Sha256": base64.b64encode(hmac.digest(secret.encode(), raw, "sha256")).decode(),
    }
    return Delivery(uri, headers, raw)


def callback(state: str, *, code: str = "code-of-the-merchant", shop: str = SHOP, secret: str = SECRET) -> str:
    """The query with which a merchant's browser comes back."""
    given = {"code": code, "host": "c2FuZGJveA", "shop": shop, "state": state, "timestamp": str(int(time.time()))}
    text = "&".join(f"{name}={value}" for name, value in sorted(given.items()))
    return urlencode({**given, "hmac": hmac.digest(secret.encode(), text.encode(), "sha256").hex()})


def customer(number: int, **over: Any) -> dict[str, Any]:
    """As GraphQL tells one."""
    at = _text(datetime(2026, 9, 1, tzinfo=UTC) + timedelta(minutes=number % 100_000))
    return {
        "id": f"gid://shopify/Customer/{number}",
        "legacyResourceId": str(number),
        "firstName": "Robin",
        "lastName": f"Example {number}",
        "displayName": f"Robin Example {number}",
        "defaultEmailAddress": {"emailAddress": f"robin.{number}@example.com"},
        "defaultPhoneNumber": None,
        "defaultAddress": None,
        "amountSpent": {"amount": "0.0", "currencyCode": "EUR"},
        "numberOfOrders": "0",
        "state": "DISABLED",
        "locale": "en",
        "note": None,
        "verifiedEmail": True,
        "tags": [],
        "createdAt": at,
        "updatedAt": at,
        **over,
    }


def order(number: int, *, customer_id: int | None = None, **over: Any) -> dict[str, Any]:
    at = _text(datetime(2026, 9, 2, tzinfo=UTC) + timedelta(minutes=number % 100_000))
    money = {"shopMoney": {"amount": "40.0", "currencyCode": "EUR"}}
    item = {
        "name": "Pot of tea",
        "quantity": 2,
        "currentQuantity": 2,
        "product": {"id": "gid://shopify/Product/1", "productType": "Tea"},
        "originalUnitPriceSet": {"shopMoney": {"amount": "20.0", "currencyCode": "EUR"}},
    }
    return {
        "id": f"gid://shopify/Order/{number}",
        "legacyResourceId": str(number),
        "name": f"#{number % 100_000}",
        "email": None,
        "createdAt": at,
        "processedAt": at,
        "updatedAt": at,
        "cancelledAt": None,
        "displayFinancialStatus": "PAID",
        "displayFulfillmentStatus": "UNFULFILLED",
        "currentTotalPriceSet": money,
        "totalPriceSet": money,
        "customer": None if customer_id is None else {"id": f"gid://shopify/Customer/{customer_id}"},
        "lineItems": {"nodes": [item]},
        "fulfillments": [],
        "test": False,
        **over,
    }


def product(number: int, **over: Any) -> dict[str, Any]:
    variant = {"id": f"gid://shopify/ProductVariant/{number}", "sku": "TEA", "title": None, "price": "20.00"}
    at = _text(datetime(2026, 9, 1, tzinfo=UTC) + timedelta(minutes=number % 100_000))
    return {
        "id": f"gid://shopify/Product/{number}",
        "legacyResourceId": str(number),
        "title": f"Pot of tea {number}",
        "handle": f"pot-of-tea-{number}",
        "status": "ACTIVE",
        "vendor": "Cove & Kettle",
        "productType": "Tea",
        "tags": ["tea"],
        "updatedAt": at,
        "featuredMedia": None,
        "variants": {"nodes": [variant]},
        **over,
    }


def webhook_customer(node: Mapping[str, Any]) -> dict[str, Any]:
    """As a webhook tells one: without tags and totals, since 2025-01."""
    email, phone = node["defaultEmailAddress"], node["defaultPhoneNumber"]
    return {
        "id": int(node["legacyResourceId"]),
        "admin_graphql_api_id": node["id"],
        "created_at": node["createdAt"],
        "updated_at": node["updatedAt"],
        "first_name": node["firstName"],
        "last_name": node["lastName"],
        "email": email and email["emailAddress"],
        "phone": phone and phone["phoneNumber"],
        "state": node["state"].lower(),
        "note": node["note"],
        "verified_email": node["verifiedEmail"],
        "addresses": [],
        "currency": node["amountSpent"]["currencyCode"],
    }


def webhook_order(node: Mapping[str, Any], owner: Mapping[str, Any]) -> dict[str, Any]:
    """As a webhook tells one."""
    money = node["currentTotalPriceSet"]["shopMoney"]
    lines = [
        {
            "name": item["name"],
            "quantity": item["quantity"],
            "current_quantity": item["currentQuantity"],
            "product_id": int(_number(item["product"]["id"])),
            "price": item["originalUnitPriceSet"]["shopMoney"]["amount"],
        }
        for item in node["lineItems"]["nodes"]
    ]
    return {
        "id": int(node["legacyResourceId"]),
        "admin_graphql_api_id": node["id"],
        "name": node["name"],
        "created_at": node["createdAt"],
        "processed_at": node["processedAt"],
        "updated_at": node["updatedAt"],
        "financial_status": node["displayFinancialStatus"].lower(),
        "fulfillment_status": None,
        "currency": money["currencyCode"],
        "current_total_price": money["amount"],
        "line_items": lines,
        "fulfillments": [],
        "test": False,
        "customer": webhook_customer(owner),
        "email": owner["defaultEmailAddress"]["emailAddress"],
    }


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_: Any) -> None:
        """Whoever asked is gone."""


class _Handler(BaseHTTPRequestHandler):
    sandbox: Sandbox
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_POST(self) -> None:
        raw = self.rfile.read(min(int(self.headers.get("Content-Length", 0)), MOST_BYTES))
        try:
            given = json.loads(raw)
        except ValueError:
            given = None
        path = urlsplit(self.path).path
        if path == "/buy" and self.sandbox.customers:
            self.sandbox.buy()
            self._send(Scripted(303, "", {"Location": "/"}))
        elif not isinstance(given, dict):
            self._send(Scripted(400, {"errors": "not JSON"}))
        elif path == "/admin/oauth/access_token":
            self._answer(self.sandbox.answer("token", given, lambda: self.sandbox.token(given)))
        elif endpoint := _ENDPOINT.fullmatch(path):
            self._graphql(given, endpoint[1])
        else:
            self._send(Scripted(404, {"errors": "Not Found"}))

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path == "/admin/oauth/authorize":
            asked = dict(parse_qsl(parts.query))
            code = secrets.token_hex(16)
            self.sandbox.codes[code] = asked.get("scope", "")
            to = f"{asked.get('redirect_uri', '')}?{callback(asked.get('state', ''), code=code)}"
            self._send(Scripted(302, "", {"Location": to}))
        else:
            self._send(Scripted(body=_page(self.sandbox), headers={"Content-Type": "text/html; charset=utf-8"}))

    def _graphql(self, given: dict[str, Any], version: str) -> None:
        box = self.sandbox
        query, variables = given.get("query"), given.get("variables", {})
        named = _OPERATION.match(query) if isinstance(query, str) else None
        if self.headers.get("X-Shopify-Access-Token") not in box.access:
            refused = {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
            operation = named[2] if named else ""
            self._answer(box.answer("unauthorized", {"operation": operation}, lambda: Scripted(401, refused)))
        elif named is None or (problem := _problem(named, str(query), variables)):
            self._send(Scripted(body={"errors": [{"message": problem if named else "no operation"}]}))
        else:
            self._answer(box.answer(named[2], variables, lambda: box.graphql(named, str(query), variables, version)))

    def _answer(self, answer: Scripted) -> None:
        if answer.drop:
            self.close_connection = True
            self.connection.shutdown(SHUT_RDWR)
        else:
            self._send(answer)

    def _send(self, answer: Scripted) -> None:
        is_text = isinstance(answer.body, str)
        body = (answer.body if is_text else json.dumps(answer.body)).encode()
        self.send_response(answer.status)
        kind = "text/html" if is_text else "application/json"
        for name, value in {"Content-Type": kind, **answer.headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """What was asked is noted in the sandbox."""


def _problem(named: re.Match[str], query: str, variables: Any) -> str:
    """What is wrong with a request; empty when nothing is."""
    if not isinstance(variables, dict):
        return "variables must be an object"
    declared = dict(_VARIABLE.findall(named[3] or ""))
    if unknown := set(variables) - set(declared):
        return f"Variables {sorted(unknown)} are not declared"
    if missing := {name for name, kind in declared.items() if kind.endswith("!")} - set(variables):
        return f"Variables {sorted(missing)} were not provided"
    if int(variables.get("first") or 1) > MOST_FIRST:
        return "first must be at most 250"
    if found := DEPRECATED.search(query):
        return f"Field {found[1]} is deprecated"
    return "" if query.count("{") == query.count("}") else "unbalanced"


def _refused(name: str, message: str) -> dict[str, Any]:
    return {"userErrors": [{"field": [name], "message": message}]}


def _number(gid: str) -> str:
    return gid.rpartition("/")[2]


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


_STYLE = "<style>body{font:15px sans-serif;margin:2em}td,th{text-align:left;padding:.2em 1em}</style>"


def _page(sandbox: Sandbox) -> str:
    rows = [
        f"<tr><td>{escape(str(one['displayName']))}<td>{escape(', '.join(one['tags']))}<td>{escape(one['note'] or '')}"
        for one in list(sandbox.customers.values())[:100]
    ]
    head = f"<!doctype html><meta charset=utf-8><meta http-equiv=refresh content=5><title>Shopify</title>{_STYLE}"
    counts = f"{len(sandbox.customers)} customers, {len(sandbox.orders)} orders, {len(sandbox.subscriptions)} webhooks"
    table = f"<table><tr><th>Customer<th>Tags<th>Note{''.join(rows)}</table>"
    buy = "<form method=post action=/buy><button>Somebody buys something</button></form>"
    return f"{head}<h1>{SHOP}</h1><p>A pretend Shopify: {counts}. What the desk writes appears here.</p>{buy}{table}"


def post(one: Delivery) -> None:
    """To whoever subscribed, if they are there."""
    parts = urlsplit(one.uri)
    if parts.hostname not in {"127.0.0.1", "localhost"}:
        return
    line = http.client.HTTPConnection(parts.hostname, parts.port or 80, timeout=5)
    try:
        line.request("POST", parts.path, one.raw, dict(one.headers))
        line.getresponse().read()
    except (OSError, http.client.HTTPException):
        return
    finally:
        line.close()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m integrations.shopify.sandbox")
    parser.add_argument("--port", type=int, default=0)
    sandbox = Sandbox(parser.parse_args(arguments).port)
    sandbox.told = lambda one: Thread(target=post, args=(one,), daemon=True).start()
    for number in range(1, 31):
        sandbox.add_product(number)
        sandbox.add_customer(7_000_000_000_000 + number)
        sandbox.add_order(6_000_000_000_000 + number, customer_id=7_000_000_000_000 + number)
    print(f"A pretend Shopify: {sandbox.url}/", flush=True)
    sandbox.server.serve_forever()


if __name__ == "__main__":
    main()
