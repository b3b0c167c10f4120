"""Changing customers."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from agents.enums import Role
from customers.enums import IdentitySource, Tier
from customers.events import CustomerCreated, CustomerIdentified, CustomerUpdated
from customers.identity import email_index, email_indexes, normalised_email, normalised_phone, phone_index
from customers.models import Customer, ExternalIdentity
from supportdesk.core.actor import Actor, ActorKind
from supportdesk.core.changes import check_version, differing
from supportdesk.core.errors import Conflict, FieldError, InvalidInput, NotFound
from supportdesk.core.events import emit
from supportdesk.core.models import ImportRecord

IMPORTED = "customer"  # what imports call the rows of customers

# What a partner calls it. Any other name of an attribute is somebody's own words, and is told to nobody.
_PARTNERS_OWN = re.compile(rf"(?:{'|'.join(IdentitySource.values)})_[a-z_]{{1,40}}")


class Erased(Conflict):
    """The customer's data was erased for good; nothing is added to it any more."""

    code = "customer_erased"


class IdentityTaken(Conflict):
    """Another customer has it. Does not say which, or whether the caller could see them."""

    code = "identity_taken"


@dataclass(frozen=True, kw_only=True)
class Identity:
    source: str
    external_id: str


def create_customer(
    *,
    name: str,
    by: Actor,
    now: datetime,
    email: str | None = None,
    phone: str | None = None,
    address: str | None = None,
    timezone: str = "",
    language: str = "",
    tier: Tier | None = None,
    attributes: Mapping[str, Any] | None = None,
    identities: Iterable[Identity] = (),
) -> Customer:
    """A new customer. Raises InvalidInput (not an address, not a number, a tier that is not the actor's to set) and
    IdentityTaken.
    """
    if tier is not None:
        _refuse_tier(by)
    customer = draft_customer(
        name=name,
        email=email,
        phone=phone,
        address=address,
        timezone=timezone,
        language=language,
        attributes=attributes,
        now=now,
    )
    customer.tier = tier or Tier.STANDARD
    with transaction.atomic():
        _save(customer, None)
        _add_identities(customer, identities)
        emit(CustomerCreated(subject_id=customer.pk), by=by, at=now)
    return customer


def create_customers(drafts: Sequence[Customer], *, by: Actor, now: datetime) -> list[Customer]:
    """Many at once, from `draft_customer`, in a constant number of statements.

    Raises IntegrityError when another customer has one of the addresses; nothing is written then.
    """
    with transaction.atomic():
        customers = Customer.objects.bulk_create(drafts)
        emit(*(CustomerCreated(subject_id=customer.pk) for customer in customers), by=by, at=now)
    return customers


def draft_customer(
    *,
    name: str,
    now: datetime,
    email: str | None = None,
    phone: str | None = None,
    address: str | None = None,
    timezone: str = "",
    language: str = "",
    attributes: Mapping[str, Any] | None = None,
) -> Customer:
    """A customer that is not saved yet. Raises InvalidInput (not an address, not a number)."""
    customer = Customer(
        name=name,
        address=address,
        timezone=timezone,
        language=language,
        attributes=dict(attributes or {}),
        created_at=now,
        updated_at=now,
    )
    set_email(customer, email)
    set_phone(customer, phone)
    return customer


def update_customer(
    *, customer_id: int, changes: Mapping[str, Any], by: Actor, now: datetime, expected_version: int | None = None
) -> Customer:
    """Applies `changes` (field name to new value). What equals the present value is no change.

    Raises NotFound, InvalidInput, IdentityTaken, StaleVersion, Erased.
    """
    with transaction.atomic():
        customer = Customer.objects.visible_to(by).select_for_update(of=("self",)).filter(pk=customer_id).first()
        if customer is None:
            raise NotFound
        check_version(customer, expected_version, changes)
        if "tier" in changes:
            _refuse_tier(by)
        changes = {**changes, **_spelled(changes)}
        changed = differing(customer, changes)
        if not changed:
            return customer
        refuse_erased(customer)
        parts = _parts(customer.attributes, changes["attributes"]) if "attributes" in changed else set()
        for name in changed - {"email", "phone"}:
            setattr(customer, name, changes[name])
        if "email" in changed:
            set_email(customer, changes["email"])
        if "phone" in changed:
            set_phone(customer, changes["phone"])
        customer.touch(now)
        indexes = {f"{name}_index" for name in changed & {"email", "phone"}}
        _save(customer, [*changed, *indexes, "version", "updated_at"])
        emit(CustomerUpdated(subject_id=customer.pk, fields=sorted(changed | parts)), by=by, at=now)
    return customer


def identify_customer(*, customer_id: int, identity: Identity, by: Actor, now: datetime) -> ExternalIdentity:
    """Notes that the customer is known elsewhere; noting it again changes nothing.

    Raises NotFound, Erased, IdentityTaken.
    """
    with transaction.atomic():
        customer = Customer.objects.visible_to(by).select_for_update(of=("self",), no_key=True).filter(pk=customer_id)
        found = customer.first()
        if found is None:
            raise NotFound
        refuse_erased(found)
        known = found.identities.filter(source=identity.source, external_id=identity.external_id).first()
        if known is not None:
            return known
        _add_identities(found, [identity])
        emit(CustomerIdentified(subject_id=customer_id, source=identity.source), by=by, at=now)
        return found.identities.get(source=identity.source, external_id=identity.external_id)


def reindex(*, after: int, limit: int = 500) -> int | None:
    """Brings the keyed hashes of the next `limit` customers behind id `after` under the newest key, and with them what
    an import calls those for whom it had no id.

    Returns the id to go on from, None at the end. A customer that is changed meanwhile is left to that change.
    """
    batch = list(Customer.objects.filter(pk__gt=after).order_by("pk")[:limit])
    for customer, email, phone in _under_older_keys(batch):
        unchanged = Customer.objects.filter(pk=customer.pk, version=customer.version)
        unchanged.update(email_index=email, phone_index=phone)
        if email:
            imported = ImportRecord.objects.filter(kind=IMPORTED, external_id=customer.email_index)
            imported.update(external_id=email)
    return batch[-1].pk if batch else None


def count_under_older_keys() -> int:
    """How many customers `reindex` has not been at yet. Looks at every one."""
    return sum(1 for _ in _under_older_keys(Customer.objects.iterator()))


def _under_older_keys(customers: Iterable[Customer]) -> Iterator[tuple[Customer, str | None, str | None]]:
    """Those whose hashes are not of the newest key, with what they are under it."""
    for customer in customers:
        email = email_index(normalised_email(customer.email)) if customer.email else None
        phone = phone_index(customer.phone) if customer.phone else None
        if (email, phone) != (customer.email_index, customer.phone_index):
            yield customer, email, phone


def refuse_erased(customer: Customer) -> None:
    """Raises Erased."""
    if customer.erased_at is not None:
        raise Erased("This customer's data was erased. Open a new customer for a new concern.")


def _refuse_tier(by: Actor) -> None:
    if by.kind != ActorKind.SYSTEM and by.role not in {Role.SUPERVISOR, Role.ADMIN}:
        raise InvalidInput.on("tier", "You may not change this field.", "forbidden_field")


def _parts(before: Mapping[str, Any], after: Mapping[str, Any]) -> set[str]:
    """Which of the attributes that partners have words for are not what they were."""
    names = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    return {f"attributes.{name}" for name in names if _PARTNERS_OWN.fullmatch(name)}


def _spelled(changes: Mapping[str, Any]) -> dict[str, str | None]:
    """Phone and e-mail as they are stored, so that another spelling of the same number is no change."""
    spelled: dict[str, str | None] = {}
    if "phone" in changes:
        phone = changes["phone"]
        spelled["phone"] = normalised_phone(phone, region=settings.PHONE_REGION) if phone else None
    if "email" in changes:
        spelled["email"] = (changes["email"] or "").strip() or None
    return spelled


def set_email(customer: Customer, email: str | None) -> None:
    """Sets address and index together on the instance. Raises InvalidInput."""
    customer.email = email.strip() if email else None
    customer.email_index = email_index(normalised_email(email)) if email else None


def set_phone(customer: Customer, phone: str | None) -> None:
    """Sets number, in E.164, and index together on the instance. Raises InvalidInput."""
    customer.phone = normalised_phone(phone, region=settings.PHONE_REGION) if phone else None
    customer.phone_index = phone_index(customer.phone) if customer.phone else None


def _save(customer: Customer, update_fields: list[str] | None) -> None:
    older = email_indexes(normalised_email(customer.email))[1:] if customer.email else []
    if older and Customer.objects.filter(email_index__in=older).exclude(pk=customer.pk).exists():
        raise _taken("email", "This e-mail address cannot be used.")  # by a row that `rotate_keys` has yet to reach
    try:
        with transaction.atomic():
            customer.save(update_fields=update_fields)
    except IntegrityError as error:
        if "email_index" not in str(error):
            raise
        raise _taken("email", "This e-mail address cannot be used.") from None


def _add_identities(customer: Customer, identities: Iterable[Identity]) -> None:
    rows = [ExternalIdentity(customer=customer, source=i.source, external_id=i.external_id) for i in identities]
    if not rows:
        return
    try:
        with transaction.atomic():
            ExternalIdentity.objects.bulk_create(rows)
    except IntegrityError as error:
        if "identity_unique" not in str(error):
            raise
        raise _taken("identities", "One of these external ids cannot be used.") from None


def _taken(field: str, detail: str) -> IdentityTaken:
    return IdentityTaken(detail, errors=[FieldError(field, IdentityTaken.code, detail)])
