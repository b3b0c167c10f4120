"""What is imported of a shop: customers, orders, products, in the order in which they were changed."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from customers.orders import MOST_ITEMS
from integrations import links
from integrations.contract import Ignored
from integrations.models import Connection
from integrations.reading import Unreadable, external_id
from integrations.shopify import client, mapping, queries, taking
from integrations.syncing import Asked, DeadCursor, Page, Source
from supportdesk.core.actor import Actor
from supportdesk.core.http import Rejected

SECONDS = 120.0  # for one request, waiting for points included
MOST = 250  # records of a page
COUNT_SECONDS = 10.0  # for how many there are, which is good to know and no more
WINDOW = 20_000  # records: behind 25,000 in one list Shopify may lead no further
Whole = Callable[[Connection, Any, float], Any]  # a record as it is listed, in full; with the seconds of a request
SIXTY_DAYS = "read_all_orders"  # the scope without which orders of the last sixty days are all that is shown


def query_of(since: datetime | None) -> str | None:
    return f"updated_at:>='{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}'" if since else None


def scope_of(resource: str) -> str:
    return f"read_{resource}"


def may_read(known: Connection, resource: str) -> bool:
    """As far as we were told; what may be written may be read."""
    return not known.scopes or bool({scope_of(resource), f"write_{resource}"} & set(known.scopes))


def _pages(text: str, name: str, whole: Whole) -> Callable[[Connection, Asked], Page]:
    def page(known: Connection, asked: Asked) -> Page:
        given: dict[str, Any] = {"first": min(asked.size, MOST), "query": query_of(asked.since)}
        given |= {"after": asked.after} if asked.after else {}
        try:
            found = client.ask(known, text, given, seconds=asked.seconds or SECONDS).data.get(name)
        except Rejected as refused:
            if asked.after and refused.reason == "refused":
                raise DeadCursor from None
            raise
        nodes, info = (found.get("nodes"), found.get("pageInfo")) if isinstance(found, Mapping) else (None, None)
        if not isinstance(nodes, list) or not isinstance(info, Mapping):
            raise Rejected("bad_answer")
        after = info.get("endCursor") if info.get("hasNextPage") is True else ""
        records = [whole(known, node, asked.seconds or SECONDS) for node in nodes]
        return Page(records=records, after=after if isinstance(after, str) else "")

    return page


def _as_it_is(known: Connection, node: Any, seconds: float) -> Any:
    return node


def _with_its_lines(known: Connection, order: Any, seconds: float) -> Any:
    """An order comes with its first lines, and is asked for the rest, as many as are kept."""
    lines = order.get("lineItems") if isinstance(order, Mapping) else None
    info, nodes = (lines.get("pageInfo"), lines.get("nodes")) if isinstance(lines, Mapping) else (None, None)
    if not isinstance(info, Mapping) or info.get("hasNextPage") is not True or not isinstance(nodes, list):
        return order
    given = {"id": order.get("id"), "first": max(1, MOST_ITEMS - len(nodes)), "after": info.get("endCursor")}
    found = client.ask(known, queries.ORDER_LINES, given, seconds=seconds).data.get("order")
    rest = found.get("lineItems") if isinstance(found, Mapping) else None
    more = rest.get("nodes") if isinstance(rest, Mapping) else None
    if not isinstance(more, list):
        raise Rejected("bad_answer")
    return {**order, "lineItems": {"nodes": [*nodes, *more]}}


def _count(text: str, name: str) -> Callable[[Connection, datetime | None], tuple[int, bool]]:
    def count(known: Connection, since: datetime | None) -> tuple[int, bool]:
        found = client.ask(known, text, {"query": query_of(since)}, seconds=COUNT_SECONDS).data.get(name)
        told = found if isinstance(found, Mapping) else {}
        return mapping.count_of(told.get("count")) or 0, told.get("precision") == "EXACT"

    return count


def key(node: Any) -> tuple[str, datetime]:
    """Raises Unreadable."""
    told = node if isinstance(node, Mapping) else {}
    at = mapping.instant(told.get("updatedAt"))
    if at is None:
        raise Unreadable("no date")
    return external_id(told.get("id")), at


def write_customer(known: Connection, node: Any, by: Actor, now: datetime) -> bool:
    key(node)
    try:
        return taking.take_customer(known, mapping.customer_of_node(node), received_at=now, by=by, now=now)
    except Ignored:
        return False


def write_order(known: Connection, node: Any, by: Actor, now: datetime) -> bool:
    key(node)
    told, theirs = mapping.order_of_node(node, received_at=now), node.get("customer")
    if node.get("test") is True:
        return False
    customer = mapping.customer_of_node(theirs) if isinstance(theirs, Mapping) else None
    try:
        return taking.take_order(known, told, customer, email=mapping.email_of(node.get("email")), by=by, now=now)
    except Ignored:
        return False


def write_product(known: Connection, node: Any, by: Actor, now: datetime) -> bool:
    """What it is called and of which kind, which webhooks of orders do not tell."""
    number, at = key(node)
    link = links.link_to(known, taking.PRODUCT, number, local_type=taking.PRODUCT, local_id=0)
    if link.remote_updated_at is not None and at <= link.remote_updated_at:
        return False
    names = ("title", "handle", "status", "vendor", "productType")
    link.remote = {name: value[:200] for name in names if isinstance(value := node.get(name), str)}
    link.remote_updated_at = at
    link.save(update_fields=["remote", "remote_updated_at"])
    return True


def _source(
    name: str, texts: tuple[str, str], write: Callable[..., bool], *, size: int, whole: Whole = _as_it_is
) -> Source:
    text, count = texts
    return Source(
        resource=name,
        page=_pages(text, name, whole),
        key=key,
        write=write,
        count=_count(count, f"{name}Count"),
        whole=True,  # a shop has one bucket of points
        window=WINDOW,
        size=size,
    )


# Sizes by what a page costs: an order brings its lines and its customer.
SOURCES: Mapping[str, Source] = {
    "customers": _source("customers", (queries.CUSTOMERS, queries.CUSTOMERS_COUNT), write_customer, size=100),
    "orders": _source("orders", (queries.ORDERS, queries.ORDERS_COUNT), write_order, size=25, whole=_with_its_lines),
    "products": _source("products", (queries.PRODUCTS, queries.PRODUCTS_COUNT), write_product, size=25),
}
