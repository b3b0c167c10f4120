"""What tickets keep of a customer, and how it goes."""

from datetime import datetime
from typing import Any

from django.core.files.storage import storages
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Greatest

from customers import privacy as customers
from supportdesk.core.actor import Actor
from tickets import lists
from tickets.models import Assignment, Attachment, Draft, Message, Note, Ticket
from tickets.services.attachments import STORAGE

ERASED = "[erased]"


def export(*, customer_id: int, by: Actor, now: datetime) -> dict[str, Any]:
    """Everything that is kept of the customer, as plain JSON types: the one answer of every door that exports. Leaves
    an audit row, and is kept nowhere.

    Raises Forbidden (administrators only), NotFound.
    """
    customer = customers.export(customer_id=customer_id, by=by, now=now)
    return {"customer": customer, "tickets": conversations_of(customer_id)}


def conversations_of(customer_id: int) -> list[dict[str, Any]]:
    """Every ticket of the customer with what was said on it, oldest first. Agents' notes are not part of it."""
    tickets = Ticket.objects.filter(customer_id=customer_id).order_by("created_at", "pk")
    return [
        {
            "id": ticket.pk,
            "subject": ticket.subject,
            "status": ticket.status,
            "channel": ticket.channel,
            "category": ticket.category,
            "tags": ticket.tags,
            "attributes": ticket.attributes,
            "language": ticket.language,
            "satisfaction_rating": ticket.satisfaction_rating,
            "created_at": ticket.created_at.isoformat(),
            "messages": [
                {"sender": said.sender, "body": said.body, "created_at": said.created_at.isoformat()}
                for said in ticket.messages.all()
            ],
            "attachments": [
                {"id": file.pk, "name": file.name, "content_type": file.content_type, "sha256": file.sha256}
                for file in ticket.attachments.all()
            ],
        }
        for ticket in tickets.prefetch_related("messages", "attachments")
    ]


def erase_conversations(*, customer_id: int, now: datetime) -> None:
    """Removes every text and file from the customer's tickets, in the caller's transaction; files go after its commit.

    Times, states, positions and ids stay: history and statistics remain whole.
    """
    theirs = Ticket.objects.filter(customer_id=customer_id)
    list(theirs.select_for_update().order_by("pk").values_list("pk", flat=True))  # nobody writes on one meanwhile
    Message.objects.filter(ticket__in=theirs).update(body=ERASED)
    Note.objects.filter(ticket__in=theirs).update(body=ERASED)
    Assignment.objects.filter(ticket__in=theirs).exclude(transfer_reason="").update(transfer_reason=ERASED)
    Draft.objects.filter(ticket__in=theirs).delete()
    files = Attachment.objects.filter(ticket__in=theirs)
    stored = list(files.values_list("stored_as", flat=True))
    files.delete()
    theirs.update(
        subject=ERASED, attributes={}, tags=[], version=F("version") + 1, updated_at=Greatest(now, "created_at")
    )
    lists.forget_all()
    transaction.on_commit(lambda: _delete_files(stored))


def _delete_files(stored: list[str]) -> None:
    for name in stored:
        storages[STORAGE].delete(name)
