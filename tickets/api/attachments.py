"""Files on tickets: taken in as multipart forms, handed out through the rights on the ticket, never shown inline."""

from typing import Any, ClassVar

from django.http import FileResponse
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from customers.audit import record_read
from supportdesk.core.api import fields
from supportdesk.core.api.filters import refuse_unknown
from supportdesk.core.api.pagination import Ordering
from supportdesk.core.api.renderers import FileRenderer
from supportdesk.core.api.schema import operation
from supportdesk.core.errors import InvalidInput
from tickets import files, selectors
from tickets.api import examples
from tickets.api.conversation import AttachmentName
from tickets.api.serializers import PersonName
from tickets.api.views import READERS, WRITERS, OnTicketViewSet
from tickets.models import Attachment
from tickets.services import attachments, lifecycle


class AttachmentOut(AttachmentName):
    ticket_id = serializers.IntegerField()
    message_id = serializers.IntegerField(allow_null=True, help_text="Null until a message takes it up.")
    uploaded_by = PersonName(allow_null=True, help_text="Null when a machine did.")
    sha256 = serializers.CharField()
    created_at = serializers.DateTimeField()


class Upload(fields.StrictSerializer):
    file = serializers.FileField(max_length=1_000, allow_empty_file=True)


class AttachmentViewSet(OnTicketViewSet):
    allowed: ClassVar = {"list": READERS, "create": WRITERS, "download": READERS}
    orderings: ClassVar = {"id": Ordering("pk"), "-id": Ordering("pk", descending=True)}
    queryset = Attachment.objects.none()
    parser_classes = (MultiPartParser,)
    through = "attachments"

    @operation("List a ticket's files", returns=AttachmentOut(many=True), example=examples.ATTACHMENT)
    def list(self, request: Request, pk: int) -> Response:
        return self.page_of_ticket(selectors.attachments(ticket_id=pk, actor=self.actor), AttachmentOut, pk)

    @operation(
        "Add a file",
        takes={"multipart/form-data": Upload},
        returns=AttachmentOut,
        example=examples.ATTACHMENT,
        status=201,
        errors=[lifecycle.Archived, attachments.TooManyAttachments, files.ProgramRefused],
    )
    def create(self, request: Request, pk: int) -> Response:
        """One file of at most 10 MiB, as the part `file`. Name it in a message's `attachments` to send it."""
        if any(len(request.FILES.getlist(name)) > 1 for name in request.FILES):
            raise InvalidInput.on("file", "Must be one file.", "repeated")
        upload = self.read(Upload)["file"]
        attachment = attachments.attach(ticket_id=pk, name=upload.name, content=upload, by=self.actor, now=self.now)
        return Response(AttachmentOut(attachment).data, status=201)

    @operation("Download a file", returns={(200, content_type): bytes for content_type in files.TYPES})
    def download(self, request: Request, pk: int, attachment: int) -> FileResponse:
        """Always as a download, with the type that its content has and in a sandbox without rights."""
        refuse_unknown(request, ())
        found, content = attachments.opened(ticket_id=pk, attachment_id=attachment, by=self.actor)
        whose = found.ticket.customer_id
        record_read(customer_id=whose, through="file", by=self.actor, now=self.now, ticket_id=pk)
        headers = {
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, no-store",
        }
        return FileResponse(
            content, as_attachment=True, filename=found.name, content_type=found.content_type, headers=headers
        )

    def get_renderers(self) -> Any:
        return [*super().get_renderers(), *([FileRenderer()] if self.action == "download" else [])]
