"""What is done about each topic of Shopify's webhooks."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog

from customers.enums import IdentitySource
from customers.models import ExternalIdentity
from customers.orders import forget_order
from customers.selectors import known_by_email, known_by_phone
from integrations import connections, links, privacy
from integrations.contract import Ignored, Job, Processor
from integrations.enums import PrivacyRequest, Provider
from integrations.models import Connection, DataSubjectRequest
from integrations.reading import Unreadable, external_id
from integrations.shopify import mapping, products, taking

log = structlog.get_logger("supportdesk.shopify")
NO_CONNECTION = "of a shop that is not connected"


def _shop(job: Job) -> Connection:
    """Raises Ignored."""
    if job.connection is None:
        raise Ignored(NO_CONNECTION)
    return job.connection


def _customer(job: Job, _: Any) -> None:
    told = mapping.customer_of_webhook(job.body)
    taking.take_customer(_shop(job), told, received_at=job.received_at, by=job.by, now=job.now)


def _tags(added: bool) -> Callable[[Job, Any], None]:
    def change(job: Job, _: Any) -> None:
        tags = set(mapping.tags_of(job.body.get("tags")))
        taking.change_tags(
            _shop(job),
            external_id(job.body.get("customerId")),
            added=tags if added else set(),
            removed=set() if added else tags,
            at=_occurred(job),
            by=job.by,
            now=job.now,
        )

    return change


def _summary(job: Job, _: Any) -> None:
    money = job.body.get("amountSpent")
    spent = money if isinstance(money, Mapping) else {}
    amount, orders = mapping.amount_of(spent.get("amount")), mapping.count_of(job.body.get("numberOfOrders"))
    found = {
        mapping.SPENT: None if amount is None else str(amount),
        mapping.CURRENCY: mapping.currency_of(spent.get("currencyCode")),
        mapping.ORDERS: None if orders is None else str(orders),
    }
    totals = {name: value for name, value in found.items() if value is not None}
    number = external_id(job.body.get("customerId"))
    taking.take_totals(_shop(job), number, totals, at=_occurred(job), by=job.by, now=job.now)


def _customer_deleted(job: Job, _: Any) -> None:
    taking.lose_customer(_shop(job), external_id(job.body.get("id")))


def _customers_merged(job: Job, _: Any) -> None:
    kept = external_id(job.body.get("admin_graphql_api_customer_kept_id"))
    gone = external_id(job.body.get("admin_graphql_api_customer_deleted_id"))
    status = job.body.get("status")
    if isinstance(status, str) and status.lower() in {"failed", "in_progress", "requested"}:
        raise Ignored("they are not merged")
    taking.join_customers(_shop(job), kept, gone, by=job.by, now=job.now)


def _order(job: Job, _: Any) -> None:
    body = job.body
    if body.get("test") is True:
        raise Ignored(taking.TEST)
    told = mapping.order_of_webhook(body, received_at=job.received_at)
    customer, email = body.get("customer"), body.get("email")
    taking.take_order(
        _shop(job),
        told,
        mapping.customer_of_webhook(customer) if isinstance(customer, Mapping) else None,
        email=mapping.email_of(email) or mapping.email_of(body.get("contact_email")),
        by=job.by,
        now=job.now,
    )


def _order_deleted(job: Job, _: Any) -> None:
    known, number = _shop(job), external_id(job.body.get("id"))
    links.lose(known, "order", number)
    forget_order(source=IdentitySource.SHOPIFY.value, external_id=number, by=job.by, now=job.now)


def _product(job: Job, _: Any) -> None:
    products.forget(_shop(job), external_id(job.body.get("id")))


def _uninstalled(job: Job, _: Any) -> None:
    known = _shop(job)
    if known.connected_at is not None and job.triggered_at is not None and job.triggered_at < known.connected_at:
        raise Ignored(privacy.CAME_BACK)
    connections.uninstall(connection_id=known.pk, by=job.by, now=job.now)


def _scopes(job: Job, _: Any) -> None:
    now_granted = job.body.get("current")
    if not isinstance(now_granted, list) or not all(isinstance(one, str) for one in now_granted):
        raise Unreadable("no scopes")
    connections.note_scopes(_shop(job), now_granted[:100], now=job.now)


def _data_request(job: Job, _: Any) -> None:
    number, request = _subject(job), job.body.get("data_request")
    key = mapping.number_of(request.get("id")) if isinstance(request, Mapping) else None
    found = privacy.note(
        job,
        source=_source(job),
        kind=PrivacyRequest.EXPORT,
        subject=number,
        request_key=key or f"receipt:{job.receipt_id}",
    )
    if found.completed_at is not None or _is_about_nobody(found):
        return
    customer_id = _customer_id(job, number)
    if customer_id is None:
        privacy.finish(found, {"customer": None, "known": False}, now=job.now)
    else:  # until an administrator has given the shop's owner what the admin has them download
        found.evidence = {"customer": customer_id, "known": True}
        found.save(update_fields=["evidence"])


def _redact(job: Job, _: Any) -> None:
    number = _subject(job)
    found = privacy.note(
        job,
        source=_source(job),
        kind=PrivacyRequest.ERASE,
        subject=number,
        request_key=f"receipt:{job.receipt_id}",
    )
    if _is_about_nobody(found):
        return
    orders = job.body.get("orders_to_redact")
    for one in orders if isinstance(orders, list) else []:
        if (order := mapping.number_of(one)) is not None:
            forget_order(source=IdentitySource.SHOPIFY.value, external_id=order, by=job.by, now=job.now)
            if job.connection is not None:
                links.lose(job.connection, "order", order)
    email, phone = _addresses(job)
    privacy.erase_person(found, _customer_id(job, number), email=email, phone=phone, by=job.by, now=job.now)


def _redact_shop(job: Job, _: Any) -> None:
    known = job.connection
    found = privacy.note(
        job,
        source=_source(job),
        kind=PrivacyRequest.ERASE_ACCOUNT,
        subject=known.account_key if known else str(job.body.get("shop_domain", ""))[:128],
        request_key=f"receipt:{job.receipt_id}",
    )
    asked_at = job.triggered_at or job.received_at
    if known is None:
        privacy.finish(found, {"known": False}, now=job.now)
    elif known.connected_at is not None and known.connected_at > asked_at:
        privacy.finish(found, {"known": True, "erased": 0, "reason": privacy.CAME_BACK}, now=job.now)
    else:
        connections.uninstall(connection_id=known.pk, by=job.by, now=job.now)  # the rest is the clock's: see tasks


def _subject(job: Job) -> str:
    """Empty where the body does not say, which an administrator has to find out."""
    customer = job.body.get("customer")
    return (mapping.number_of(customer.get("id")) or "") if isinstance(customer, Mapping) else ""


def _is_about_nobody(request: DataSubjectRequest) -> bool:
    """It stays open then, and is told of until somebody has looked at it."""
    if not request.subject:
        log.error("a request about privacy does not say about whom", request=request.pk)
    return not request.subject


def _customer_id(job: Job, number: str) -> int | None:
    """By the shop's id; else, of a guest, by e-mail address or by a phone number that one customer has."""
    mine = ExternalIdentity.objects.filter(source=IdentitySource.SHOPIFY, external_id=number)
    if (found := mine.values_list("customer_id", flat=True).first()) is not None or job.connection is None:
        return found
    email, phone = _addresses(job)
    guest = (known_by_email(email) if email else None) or (known_by_phone(phone, email=email) if phone else None)
    return guest.pk if guest is not None and not _is_another(job.connection, guest.pk) else None


def _is_another(known: Connection, customer_id: int) -> bool:
    """Whether the shop knows them under an id of their own."""
    ids = ExternalIdentity.objects.filter(source=IdentitySource.SHOPIFY, customer_id=customer_id)
    told = links.of_customer(customer_id)
    past = told.filter(connection=known, local_type=links.GONE) | told.exclude(connection=known)
    return ids.exclude(external_id__in=past.values("external_id")).exists()


def _addresses(job: Job) -> tuple[str | None, str | None]:
    """The e-mail address and phone number of whom a request is about."""
    customer = job.body.get("customer")
    told = customer if isinstance(customer, Mapping) else {}
    return mapping.email_of(told.get("email")), mapping.phone_of(told.get("phone"))


def _source(job: Job) -> str:
    return f"{Provider.SHOPIFY}:{job.connection.account_key if job.connection else job.body.get('shop_domain', '')}"[
        :120
    ]


def _occurred(job: Job) -> datetime:
    return mapping.instant(job.body.get("occurredAt")) or job.triggered_at or job.received_at


_TOLD = Processor(apply=_customer)
_BOUGHT = Processor(apply=_order)

# Of bulk_operations/finish nothing is done: no import of ours is one.
PROCESSORS: Mapping[str, Processor] = {
    **dict.fromkeys(("customers/create", "customers/update", "customers/enable", "customers/disable"), _TOLD),
    "customer.tags_added": Processor(apply=_tags(added=True)),
    "customer.tags_removed": Processor(apply=_tags(added=False)),
    "customers/purchasing_summary": Processor(apply=_summary),
    "customers/delete": Processor(apply=_customer_deleted),
    "customers/merge": Processor(apply=_customers_merged),
    **dict.fromkeys(
        ("orders/create", "orders/updated", "orders/cancelled", "orders/paid", "orders/fulfilled"), _BOUGHT
    ),
    "orders/delete": Processor(apply=_order_deleted),
    "products/update": Processor(apply=_product),
    "app/uninstalled": Processor(apply=_uninstalled),
    "app/scopes_update": Processor(apply=_scopes),
    "customers/data_request": Processor(apply=_data_request),
    "customers/redact": Processor(apply=_redact),
    "shop/redact": Processor(apply=_redact_shop),
}
