"""What a person may ask for: everything that is kept of them, and that it be gone.

Each app answers for its own: this one for the customer, the others for what they hang on one (they react to
CustomerErased, and tickets.services.privacy puts the parts of an export side by side).
"""

from datetime import datetime
from typing import Any

from django.db import transaction

from agents.enums import Role
from customers import audit
from customers.enums import Tier
from customers.events import CustomerErased
from customers.models import Customer, Order
from supportdesk.core.actor import Actor, ActorKind
from supportdesk.core.errors import Forbidden, NotFound
from supportdesk.core.events import emit

ERASED_NAME = "Erased customer"


def export(*, customer_id: int, by: Actor, now: datetime) -> dict[str, Any]:
    """What this app keeps of the customer, as plain JSON types. Leaves an audit row.

    Raises Forbidden (administrators only), NotFound.
    """
    _refuse_others(by)
    customer = Customer.objects.visible_to(by).prefetch_related("identities", "orders").filter(pk=customer_id).first()
    if customer is None:
        raise NotFound
    audit.record_read(customer_id=customer_id, through="export", by=by, now=now)
    return {
        "id": customer.pk,
        "name": customer.name,
        "email": customer.email,
        "phone": customer.phone,
        "address": customer.address,
        "timezone": customer.timezone,
        "language": customer.language,
        "tier": customer.tier,
        "attributes": customer.attributes,
        "identities": [{"source": one.source, "external_id": one.external_id} for one in customer.identities.all()],
        "orders": [_order(order) for order in customer.orders.all()],
        "created_at": customer.created_at.isoformat(),
        "updated_at": customer.updated_at.isoformat(),
    }


def erase(*, customer_id: int, by: Actor, now: datetime) -> Customer:
    """Removes everything personal, in one transaction over all apps; again changes nothing. The row, its tickets and
    what happened to them stay, without saying who it was.

    Raises Forbidden (administrators only), NotFound.
    """
    _refuse_others(by)
    with transaction.atomic():
        customer = Customer.objects.visible_to(by).select_for_update(of=("self",)).filter(pk=customer_id).first()
        if customer is None:
            raise NotFound
        if customer.erased_at is None:
            emit(CustomerErased(subject_id=customer.pk), by=by, at=now)  # first: others look for who this was
            customer.identities.all().delete()
            customer.orders.all().delete()
            customer.name, customer.attributes = ERASED_NAME, {}
            customer.email = customer.email_index = customer.phone = customer.phone_index = customer.address = None
            customer.timezone = customer.language = ""
            customer.tier = Tier.STANDARD
            customer.erased_at = now
            customer.touch(now)
            customer.save()
    return customer


def _order(order: Order) -> dict[str, Any]:
    return {
        "source": order.source,
        "external_id": order.external_id,
        "account": order.account,
        "number": order.number,
        "payment": order.payment,
        "fulfilment": order.fulfilment,
        "total": str(order.total),
        "currency": order.currency,
        "items": order.items,
        "parcels": order.parcels,
        "ordered_at": order.ordered_at.isoformat(),
        "cancelled_at": order.cancelled_at and order.cancelled_at.isoformat(),
    }


def _refuse_others(by: Actor) -> None:
    if by.kind != ActorKind.SYSTEM and by.role != Role.ADMIN:
        raise Forbidden("Only administrators export and erase customers.")
