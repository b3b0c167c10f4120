"""Taking files in, and handing them out."""

import hashlib
import uuid
from datetime import datetime
from typing import IO, Any

from django.conf import settings
from django.core.files.base import File
from django.core.files.storage import storages
from django.db import transaction

from supportdesk.core.actor import Actor, ActorKind
from supportdesk.core.errors import Conflict, InvalidInput, NotFound
from supportdesk.core.events import emit
from tickets import files
from tickets.events import AttachmentAdded
from tickets.models import Attachment, Ticket
from tickets.services import lifecycle

STORAGE = "attachments"
MOST_PER_TICKET = 200


class TooManyAttachments(Conflict):
    """The ticket has as many files as one may have."""

    code = "too_many_attachments"


def attach(*, ticket_id: int, name: str, content: "File[Any]", by: Actor, now: datetime) -> Attachment:
    """Stores the file and notes it on the ticket; a message may take it up later.

    Size and type are looked at before a byte is stored. Raises NotFound, InvalidInput (field `file`: empty, too large),
    files.ProgramRefused, Archived, TooManyAttachments.
    """
    if not Ticket.objects.visible_to(by).filter(pk=ticket_id).exists():
        raise NotFound
    if not 0 < (content.size or 0) <= settings.MAX_UPLOAD_BYTES:
        detail = f"Must have 1 to {settings.MAX_UPLOAD_BYTES} bytes."
        raise InvalidInput.on("file", detail, "empty" if not content.size else "too_large")
    content_type = files.content_type(content.read(files.HEAD))
    digest = _digest(content)
    stored_as = storages[STORAGE].save(f"{now:%Y/%m}/{uuid.uuid4().hex}", content)
    try:
        with transaction.atomic():
            ticket = lifecycle.locked(ticket_id, by=by)
            lifecycle.refuse_archived(ticket)
            if ticket.attachments.count() >= MOST_PER_TICKET:
                raise TooManyAttachments(f"A ticket has at most {MOST_PER_TICKET} files.")
            attachment = Attachment.objects.create(
                ticket=ticket,
                uploaded_by_id=by.id if by.kind == ActorKind.PERSON else None,
                name=files.display_name(name),
                content_type=content_type,
                size=content.size,
                sha256=digest,
                stored_as=stored_as,
                created_at=now,
            )
            added = AttachmentAdded(subject_id=ticket.pk, attachment_id=attachment.pk, content_type=content_type)
            emit(added, by=by, at=now)
    except BaseException:
        storages[STORAGE].delete(stored_as)  # a file without its row would never be found again
        raise
    return attachment


def opened(*, ticket_id: int, attachment_id: int, by: Actor) -> tuple[Attachment, IO[bytes]]:
    """The file and what is known of it, with its ticket. Raises NotFound, also when the storage has lost it."""
    files = Attachment.objects.visible_to(by).select_related("ticket")
    attachment = files.filter(pk=attachment_id, ticket_id=ticket_id).first()
    if attachment is None:
        raise NotFound
    try:
        return attachment, storages[STORAGE].open(attachment.stored_as)
    except FileNotFoundError:
        raise NotFound from None


def _digest(content: "File[Any]") -> str:
    digest = hashlib.sha256()
    content.seek(0)
    for chunk in content.chunks():
        digest.update(chunk)
    content.seek(0)
    return digest.hexdigest()
