"""Messages with their files, and notes, as the API speaks of them."""

from typing import Any

from rest_framework import serializers

from quimbi.api.serializers import SentimentInsight
from supportdesk.core.api import fields
from tickets.api.serializers import MAX_POSITION, ExternallyKnown, PersonName
from tickets.enums import Channel, Sender
from tickets.models import Attachment, Message, Note
from tickets.models.conversation import MAX_BODY

MAX_MENTIONS = 20
MAX_ATTACHMENTS = 10


class MessageCreate(ExternallyKnown):
    body = fields.Text(max_length=MAX_BODY, multiline=True, trim_whitespace=False)
    sender = fields.Choice(
        choices=[(Sender.AGENT.value, "Agent"), (Sender.CUSTOMER.value, "Customer")],
        default=Sender.AGENT.value,
        help_text="`agent`: the caller's public reply. `customer`: what the customer said, on the phone for instance.",
    )
    channel = fields.Choice(choices=Channel.choices, required=False, help_text="The ticket's own unless given.")
    last_seen_position = fields.Integer(
        min_value=0,
        max_value=MAX_POSITION,
        required=False,
        help_text="The newest message its author saw. If there is a newer one: 409, with the newer ones in `messages`.",
    )
    force = fields.Boolean(required=False, help_text="Send even if there is a newer one.")
    attachments = serializers.ListField(
        child=fields.Id(),
        max_length=MAX_ATTACHMENTS,
        required=False,
        help_text="Files of this ticket that the caller uploaded and no message has yet.",
    )


class NoteCreate(fields.StrictSerializer):
    body = fields.Text(max_length=MAX_BODY, multiline=True, trim_whitespace=False)
    mentions = serializers.ListField(
        child=fields.Id(), max_length=MAX_MENTIONS, required=False, help_text="Ids of agents who can see the ticket."
    )


class AttachmentName(serializers.Serializer[Attachment]):
    id = serializers.IntegerField()
    name = serializers.CharField()
    content_type = serializers.CharField(help_text="By content, never by name.")
    size = serializers.IntegerField(help_text="Bytes.")


class MessageOut(serializers.Serializer[Message]):
    id = serializers.IntegerField()
    ticket_id = serializers.IntegerField()
    position = serializers.IntegerField(help_text="Counts from 1 within the ticket.")
    sender = serializers.ChoiceField(choices=Sender.choices)
    agent = PersonName(allow_null=True)
    system_name = serializers.CharField(help_text="Who speaks, when the sender is the system.")
    body = serializers.CharField()
    channel = serializers.ChoiceField(choices=Channel.choices)
    automated = serializers.BooleanField()
    attachments = AttachmentName(many=True)
    source = serializers.CharField()  # type: ignore[assignment]
    external_id = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()


class SentimentPart(SentimentInsight):
    """Of the row, from the context's `sentiments`; null for what no customer wrote."""

    def get_attribute(self, instance: Any) -> Any:
        return self.context["sentiments"].get(instance.pk)


class HeardMessage(MessageOut):
    sentiment = SentimentPart(
        allow_null=True,
        help_text="How Quimbi says the customer felt, where its dialect says such things and was asked by now; null "
        "for what no customer wrote.",
    )


class MessagePosted(MessageOut):
    follow_up = serializers.BooleanField(
        help_text="True when the ticket was closed and the message opened a new one, named by `ticket_id`."
    )


class NoteOut(serializers.Serializer[Note]):
    id = serializers.IntegerField()
    ticket_id = serializers.IntegerField()
    author = PersonName(allow_null=True)
    system_name = serializers.CharField(help_text="Who remarks it, when no agent does.")
    body = serializers.CharField()
    mentions = PersonName(many=True)
    created_at = serializers.DateTimeField()
