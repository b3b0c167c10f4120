"""Customers and orders of a shop, taken over from wherever they are told: webhooks, imports, an order's own customer.

Of two tellings the newer one counts, and the same one again changes nothing. A field changes here only when it changed
there, so what agents correct is not undone by a telling about something else; and what they changed after the shop did
stays. An attribute is a field of its own, and tags are merged one by one. What is here is read and written under one
lock of the customer. Nobody is merged on a guess: an address joins only when the shop verified it, a number only when
it is of one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog

from customers.enums import IdentitySource
from customers.events import CustomerUpdated
from customers.models import Customer, ExternalIdentity, Order
from customers.orders import OrderItem, OrderTold, record_order
from customers.selectors import known_by_email, known_by_phone
from customers.services import Identity, IdentityTaken, create_customer, identify_customer, update_customer
from integrations import links
from integrations.contract import Ignored
from integrations.links import CUSTOMER
from integrations.models import Connection, ExternalLink
from integrations.shopify import mapping, tags
from integrations.shopify.mapping import CustomerTold
from integrations.shopify.tags import Merged
from supportdesk.core.actor import Actor, ActorKind
from supportdesk.core.crypto import blind_index
from supportdesk.core.models import Event

ERASED, LOST = "the person was erased", "it is deleted there"
OLDER, NOBODY, TEST = "older than what is known", "of nobody who is known", "a test order"
PRODUCT = "product"
PLAIN = ("name", "email", "phone", "address", "language")
# How new what we know is, on the link: of a telling of everything, of the newest change, of a summary, of each tag.
TOTALS_AT, DELTA_AT, SPENT_AT, TAGS_AT = "totals_at", "delta_at", "spent_at", "tags_at"
MOST_CLOCKS = 500  # tags, the last that changed

log = structlog.get_logger("supportdesk.shopify")


def take_customer(known: Connection, told: CustomerTold, *, received_at: datetime, by: Actor, now: datetime) -> bool:
    """Whether anything here changed. Raises Ignored, for who was erased or is deleted there."""
    _refuse_gone(known, told.external_id)
    customer, is_new = _customer_of(known, told, by=by, now=now)
    link = _link(known, told.external_id, customer)
    at = told.told_at or received_at
    is_newer = link.remote_updated_at is None or at > link.remote_updated_at
    may_count = _may_count(link, at)
    values = _plain(told) | _noted(told) if is_newer else {}
    values |= _totals(told) if may_count else {}
    here = customer.attributes.get(mapping.TAGS)
    tagged = tags.told_all(link, here, told.tags) if may_count and told.tags is not None else None
    if not values and tagged is None:
        return False
    changed = is_new or _apply(customer, link, values, tagged, at=at, by=by, now=now)
    _learn(link, values, tagged)
    if may_count and (tagged is not None or _totals(told)):
        link.remote = {**link.remote, TOTALS_AT: at.isoformat()}
    if is_newer:
        link.remote_updated_at = at
    link.save(update_fields=["remote", "remote_updated_at"])
    return changed


def take_order(
    known: Connection,
    told: OrderTold,
    customer: CustomerTold | None,
    *,
    email: str | None,
    by: Actor,
    now: datetime,
) -> bool:
    """Whether anything here changed. A customer whom nobody knows is made; a guest is only who has the address already.

    Raises Ignored.
    """
    if links.is_lost(known, "order", told.external_id):
        raise Ignored(LOST)
    owner = _owner(known, customer, email, by=by, now=now)
    same = Order.objects.filter(source=told.source, external_id=told.external_id)
    before = same.values_list("told_at", "customer_id").first()
    told = replace(told, account=known.account_key, items=_with_categories(known, told.items))
    record_order(customer_id=owner, told=told, by=by, now=now)
    return same.values_list("told_at", "customer_id").first() != before


def _with_categories(known: Connection, items: Sequence[OrderItem] | None) -> Sequence[OrderItem] | None:
    """Webhooks do not tell of which kind a product is; where products were imported, we know."""
    wanted = {item.product_id for item in items or () if item.category is None and item.product_id}
    if not items or not wanted:
        return items
    there = ExternalLink.objects.filter(connection=known, object_type=PRODUCT, external_id__in=wanted)
    kinds = {link.external_id: link.remote.get("productType") or None for link in there}
    return [replace(item, category=item.category or kinds.get(item.product_id or "")) for item in items]


def change_tags(
    known: Connection, number: str, *, added: set[str], removed: set[str], at: datetime, by: Actor, now: datetime
) -> None:
    """Raises Ignored."""
    customer, link = _known(known, number)
    clocks = dict(link.remote.get(TAGS_AT, {}))
    keys = {tag: blind_index(tag, context=TAGS_AT) for tag in added | removed}
    news = {tag for tag, key in keys.items() if _is_later(at, clocks.get(key), link.remote.get(TOTALS_AT))}
    if not news:
        raise Ignored(OLDER)
    tagged = tags.told_change(
        link,
        customer.attributes.get(mapping.TAGS),
        added=added & news,
        removed=removed & news,
        changed_here=mapping.TAGS in _changed_here(customer, since=at),
    )
    clocks = dict([*clocks.items(), *((keys[tag], at.isoformat()) for tag in sorted(news))][-MOST_CLOCKS:])
    _count_delta(customer, link, {}, tagged, clocks={TAGS_AT: clocks}, at=at, by=by, now=now)


def take_totals(
    known: Connection, number: str, totals: Mapping[str, str], *, at: datetime, by: Actor, now: datetime
) -> None:
    """What somebody spent, as the shop counts it. Raises Ignored."""
    customer, link = _known(known, number)
    if not _is_later(at, link.remote.get(SPENT_AT), link.remote.get(TOTALS_AT)):
        raise Ignored(OLDER)
    _count_delta(customer, link, totals, None, clocks={SPENT_AT: at.isoformat()}, at=at, by=by, now=now)


def lose_customer(known: Connection, number: str) -> None:
    """The shop has them no more; what we talked about stays, until it asks us to erase that."""
    links.lose(known, CUSTOMER, number)


def join_customers(known: Connection, kept: str, gone: str, *, by: Actor, now: datetime) -> None:
    """The shop made one customer of two. Ours stay two where there are two: nobody's tickets move by themselves.

    Raises Ignored.
    """
    _refuse_gone(known, kept)
    theirs = {one.external_id: one.customer_id for one in _identities(kept, gone)}
    if not theirs:
        raise Ignored(NOBODY)
    if kept not in theirs:
        identity = Identity(source=IdentitySource.SHOPIFY, external_id=kept)
        identify_customer(customer_id=theirs[gone], identity=identity, by=by, now=now)
        was = links.link_to(known, CUSTOMER, gone, local_type=CUSTOMER, local_id=theirs[gone])
        link = links.link_to(known, CUSTOMER, kept, local_type=CUSTOMER, local_id=theirs[gone])
        link.remote = was.remote
        link.save(update_fields=["remote"])
    elif theirs.get(gone, theirs[kept]) != theirs[kept]:
        log.warning("shopify merged customers who are two here", kept=theirs[kept], other=theirs[gone])
    links.lose(known, CUSTOMER, gone)


def _refuse_gone(known: Connection, number: str) -> None:
    if links.is_buried(known, number):
        raise Ignored(ERASED)
    if links.is_lost(known, CUSTOMER, number):
        raise Ignored(LOST)


def _customer_of(known: Connection, told: CustomerTold, *, by: Actor, now: datetime) -> tuple[Customer, bool]:
    """Locked until the caller's transaction ends; and whether they are new. Raises Ignored."""
    identity = Identity(source=IdentitySource.SHOPIFY, external_id=told.external_id)
    found = _found(told)
    if found is None:
        links.one_at_a_time(known, told.external_id)
        found = _found(told)
        _refuse_gone(known, told.external_id)  # they may have been erased since we asked
    if found is None:
        return _made(told, identity, by=by, now=now), True
    held = _locked(found)
    identify_customer(customer_id=held.pk, identity=identity, by=by, now=now)
    return held, False


def _found(told: CustomerTold) -> Customer | None:
    return _identified(told.external_id) or _with_address(told) or _with_number(told)


def _made(told: CustomerTold, identity: Identity, *, by: Actor, now: datetime) -> Customer:
    values: dict[str, Any] = {name: getattr(told, name) for name in ("email", "phone", "address")}
    values |= {"name": told.name or _unnamed(told), "language": told.language or "", "identities": [identity]}
    tagged = {} if told.tags is None else {mapping.TAGS: tags.joined(told.tags)}
    attributes = _stored({**_noted(told), **_totals(told), **tagged})
    try:
        return create_customer(**values, attributes=attributes, by=by, now=now)
    except IdentityTaken as taken:
        if "email" not in {error.field for error in taken.errors}:
            raise
    log.warning("a customer of shopify has an address that is another's here", shopify=told.external_id)
    return create_customer(**{**values, "email": None}, attributes=attributes, by=by, now=now)


def _identities(*numbers: str) -> Any:
    return ExternalIdentity.objects.filter(source=IdentitySource.SHOPIFY, external_id__in=numbers)


def _identified(number: str) -> Customer | None:
    found = _identities(number).select_related("customer").first()
    return found.customer if found else None


def _with_address(told: CustomerTold) -> Customer | None:
    if not (told.email and told.is_verified):
        return None
    return known_by_email(told.email)


def _with_number(told: CustomerTold) -> Customer | None:
    return known_by_phone(told.phone, email=told.email) if told.phone else None


def _unnamed(told: CustomerTold) -> str:
    return f"Shopify customer {told.external_id}"


def _locked(customer: Customer) -> Customer:
    """As it is now, and stays until the caller's transaction ends. Raises Ignored."""
    held = Customer.objects.select_for_update(of=("self",)).get(pk=customer.pk)
    if held.erased_at is not None:
        raise Ignored(ERASED)
    return held


def _link(known: Connection, number: str, customer: Customer) -> ExternalLink:
    return links.link_to(known, CUSTOMER, number, local_type=CUSTOMER, local_id=customer.pk)


def _known(known: Connection, number: str) -> tuple[Customer, ExternalLink]:
    _refuse_gone(known, number)
    customer = _identified(number)
    if customer is None:
        raise Ignored(NOBODY)
    return _locked(customer), _link(known, number, customer)


def _plain(told: CustomerTold) -> dict[str, str]:
    return {name: value for name in PLAIN if (value := getattr(told, name)) is not None}


def _noted(told: CustomerTold) -> dict[str, str]:
    found = {mapping.NOTE: told.note, mapping.STATE: told.state}
    return {name: value for name, value in found.items() if value is not None}


def _totals(told: CustomerTold) -> dict[str, str]:
    """What webhooks do not tell, but for tags."""
    found = {
        mapping.SPENT: None if told.spent is None else str(told.spent),
        mapping.CURRENCY: told.currency,
        mapping.ORDERS: None if told.orders is None else str(told.orders),
    }
    return {name: value for name, value in found.items() if value is not None}


def _stored(values: Mapping[str, str]) -> dict[str, Any]:
    """As attributes; what is empty is not there."""
    found = {name: int(value) if name == mapping.ORDERS else value for name, value in values.items()}
    return {name: value for name, value in found.items() if value != ""}


def _may_count(link: ExternalLink, at: datetime) -> bool:
    delta = link.remote.get(DELTA_AT)
    return _is_later(at, link.remote.get(TOTALS_AT)) and (delta is None or at >= datetime.fromisoformat(delta))


def _is_later(at: datetime, *held: str | None) -> bool:
    return all(one is None or at > datetime.fromisoformat(one) for one in held)


def _count_delta(
    customer: Customer,
    link: ExternalLink,
    values: Mapping[str, str],
    tagged: Merged | None,
    *,
    clocks: Mapping[str, Any],
    at: datetime,
    by: Actor,
    now: datetime,
) -> None:
    _apply(customer, link, values, tagged, at=at, by=by, now=now)
    _learn(link, values, tagged)
    before = link.remote.get(DELTA_AT)
    newest = at if before is None else max(at, datetime.fromisoformat(before))
    link.remote = {**link.remote, **clocks, DELTA_AT: newest.isoformat()}
    link.save(update_fields=["remote"])


def _learn(link: ExternalLink, values: Mapping[str, str], tagged: Merged | None) -> None:
    """What the shop holds now; the caller saves."""
    links.learn(link, values)
    if tagged is not None:
        link.remote = {**link.remote, tags.KNOWN: tagged.known}


def _apply(
    customer: Customer,
    link: ExternalLink,
    values: Mapping[str, str],
    tagged: Merged | None,
    *,
    at: datetime,
    by: Actor,
    now: datetime,
) -> bool:
    """Sets what is news, and not older than what an agent did to the same field. The customer is locked."""
    news = links.news(link, values, now=now)
    if not link.remote:  # the first word of somebody whom we know better
        news = {name for name in news if not getattr(customer, name, "")}
    news -= _changed_here(customer, since=at)
    noted = {name: values[name] for name in news - set(PLAIN)}
    noted |= {} if tagged is None else {mapping.TAGS: tagged.text}
    changes: dict[str, Any] = {name: values[name] for name in news & set(PLAIN)}
    if noted:
        kept = {name: value for name, value in customer.attributes.items() if name not in noted}
        changes["attributes"] = kept | _stored(noted)
    if not changes:
        return False
    before = customer.version
    try:
        after = update_customer(customer_id=customer.pk, changes=changes, by=by, now=now)
    except IdentityTaken:
        log.warning("a customer of shopify has an address that is another's here", shopify=link.external_id)
        changes.pop("email")
        after = update_customer(customer_id=customer.pk, changes=changes, by=by, now=now)
    return after.version != before


def _changed_here(customer: Customer, *, since: datetime) -> set[str]:
    """Names of fields, and of attributes, that people changed since then."""
    done = Event.objects.filter(subject_type=CustomerUpdated.subject_type, subject_id=customer.pk, at__gt=since)
    told = done.filter(name=CustomerUpdated.name, actor_kind=ActorKind.PERSON).values_list("payload", flat=True)
    return {name.removeprefix("attributes.") for payload in told for name in payload["fields"]}


def _owner(known: Connection, customer: CustomerTold | None, email: str | None, *, by: Actor, now: datetime) -> int:
    """Whose order it is. What an order tells of its customer is undated, and makes one but changes none."""
    if customer is None:
        found = known_by_email(email) if email else None
        if found is None:
            raise Ignored(NOBODY)
        return found.pk
    _refuse_gone(known, customer.external_id)
    there = _identified(customer.external_id)
    if there is None:
        there, is_new = _customer_of(known, replace(customer, note=None), by=by, now=now)
        link = _link(known, customer.external_id, there)
        if is_new:
            has = (
                None
                if customer.tags is None
                else tags.told_all(link, there.attributes.get(mapping.TAGS), customer.tags)
            )
            _learn(link, _plain(customer), has)
            link.save(update_fields=["remote"])
    return there.pk
