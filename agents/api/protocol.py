"""What is said over an agent's socket, and the codes it is closed with; docs/api.md tells it to authors of clients."""

import re
import uuid
from dataclasses import dataclass
from datetime import UTC
from enum import IntEnum
from typing import Any, cast

from rest_framework import serializers

from agents.enums import FeedKind
from agents.models import FeedEntry
from supportdesk.core.api import fields
from supportdesk.core.api.parsers import strict_object
from supportdesk.core.errors import DomainError, InvalidInput

Message = dict[str, Any]

HELLO_SECONDS = 5.0
IDLE_SECONDS = 15.0  # after which the server says that it is still there
MAX_FRAME_BYTES = 64 * 1024
MESSAGES_PER_SECOND = 20
HEARTBEAT: Message = {"type": "heartbeat"}
_REASON_LENGTH = 120  # a close frame holds 123 bytes of text


class Code(IntEnum):
    """Why a socket was closed. The last two digits are those of the HTTP status that means the same."""

    TOO_LARGE = 1009
    BUG = 1011
    TRY_LATER = 1013
    BAD_MESSAGE = 4400
    NOT_AUTHENTICATED = 4401
    FORBIDDEN = 4403
    SILENT = 4408
    REPLACED = 4409
    TOO_MUCH = 4429


class Closing(Exception):
    """The connection is to end: a code, and a sentence for people."""

    def __init__(self, code: Code, reason: str) -> None:
        super().__init__(reason)
        self.code, self.reason = code, reason[:_REASON_LENGTH]


@dataclass(frozen=True, kw_only=True)
class Frame:
    """A message of a client, in the shape that its type has."""

    type: str
    data: dict[str, Any]


class _Uuid(fields.Text):
    def to_internal_value(self, data: Any) -> Any:
        text = super().to_internal_value(data)
        if not re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text):
            raise serializers.ValidationError("Must be a UUID.", code="invalid_uuid")
        return uuid.UUID(text)


class _Plain(fields.StrictSerializer):
    type = fields.Text()


class _Hello(_Plain):
    ticket = fields.Text(max_length=200)
    last_seq = fields.Integer(min_value=0, max_value=fields.MAX_ID, required=False)
    tab = _Uuid(required=False)


class _OnTicket(_Plain):
    ticket_id = fields.Id()


_SHAPES: dict[str, type[_Plain]] = {"hello": _Hello, "heartbeat": _Plain, "watch": _OnTicket, "unwatch": _OnTicket}


def parsed(text: str) -> Frame:
    """Raises ParseError, ValidationError and InvalidInput, each saying what is wrong where."""
    data = strict_object(text)
    name = data.get("type")
    if not isinstance(name, str) or name not in _SHAPES:
        raise InvalidInput.on("type", f"Must be one of: {', '.join(_SHAPES)}.", "invalid_choice")
    serializer = _SHAPES[name](data=data)
    serializer.is_valid(raise_exception=True)
    return Frame(type=name, data=cast("dict[str, Any]", serializer.validated_data))


def ready(*, seq: int, tab: uuid.UUID | None, live: bool) -> Message:
    """What is behind `seq` follows."""
    hello = {"type": "ready", "seq": seq, **delivery(live=live, named=False)}
    return hello if tab is None else {**hello, "tab": str(tab)}


def delivery(*, live: bool, named: bool = True) -> Message:
    """Whether events come at once, or with a delay of seconds because Redis is away."""
    state = {"delivery": "live" if live else "delayed"}
    return {"type": "delivery", **state} if named else state


def resync(*, seq: int, reason: str) -> Message:
    """Something was missed that is not kept: read everything again, then go on from `seq`."""
    return {"type": "resync", "seq": seq, "reason": reason}


def error(problem: DomainError) -> Message:
    """What was wrong with a message of the client."""
    faults = [{"field": fault.field, "code": fault.code, "detail": fault.detail} for fault in problem.errors]
    return {"type": "error", "code": problem.code, "detail": problem.detail, "errors": faults}


def event(entry: FeedEntry) -> Message:
    """An entry of the feed."""
    subject = "agent_id" if entry.kind == FeedKind.AGENT_STATUS else "ticket_id"
    return {
        "type": entry.kind,
        "seq": entry.seq,
        "at": f"{entry.at.astimezone(UTC).replace(tzinfo=None).isoformat()}Z",
        subject: entry.subject_id,
        "version": entry.version,
        "changed": entry.changed,
        **entry.details,
    }


def code_for(problem: DomainError) -> Code | None:
    """The code a refused message closes the socket with; None when the socket stays open."""
    return {
        400: Code.BAD_MESSAGE,
        401: Code.NOT_AUTHENTICATED,
        403: Code.FORBIDDEN,
        413: Code.TOO_LARGE,
        429: Code.TOO_MUCH,
        503: Code.TRY_LATER,
    }.get(problem.status)
