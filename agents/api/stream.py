"""The same feed one way, as server-sent events: for clients that cannot open a WebSocket."""

import json
import uuid
from collections.abc import AsyncIterator
from typing import Any, ClassVar

from django.core.handlers.asgi import ASGIRequest
from django.db import close_old_connections
from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from agents import feed, passes
from agents.api import hub, protocol
from agents.api.authentication import Login
from agents.api.listening import Listener
from agents.api.protocol import Closing, Message
from agents.api.subscription import Subscription
from agents.enums import EVERY_ROLE
from agents.feed import Start
from agents.models import Agent
from agents.selectors import actor_for
from supportdesk.core.actor import Door
from supportdesk.core.api.fields import MAX_ID
from supportdesk.core.api.filters import refuse_unknown
from supportdesk.core.api.renderers import EventStreamRenderer
from supportdesk.core.api.schema import operation
from supportdesk.core.api.views import ApiViewSet
from supportdesk.core.errors import DomainError, InvalidInput, NotFound
from supportdesk.core.observability.middleware import current_request_id

HEADER = "X-Stream-Ticket"
POSITION_HEADER = "Last-Event-ID"
RETRY_MILLISECONDS = 3_000  # what a client waits before it comes again
STILL_THERE = ": still there\n\n"


class WrongProcess(DomainError):
    """Streams are served by the process that serves sockets, and this is another; see docs/operations.md."""

    status = 421
    code = "wrong_process"


class StreamTicketAuthentication(BaseAuthentication):
    """`X-Stream-Ticket: <ws-ticket>`, which is used up by that."""

    failures = (passes.BadPass,)

    def authenticate(self, request: Request) -> tuple[Agent, Login] | None:
        text = request.headers.get(HEADER)
        if text is None:
            return None
        opened = passes.redeem(text=text, origin=request.headers.get("Origin", ""), now=timezone.now())
        actor = actor_for(opened.agent, led=opened.led, origin=Door.API, request_id=current_request_id())
        return opened.agent, Login(session=opened.session, actor=actor)

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class StreamTicketScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI document describes the above."""

    target_class = StreamTicketAuthentication
    name = "streamTicket"

    def get_security_definition(self, auto_schema: object) -> dict[str, str]:
        return {"type": "apiKey", "in": "header", "name": HEADER}


class StreamViewSet(ApiViewSet):
    authentication_classes = (StreamTicketAuthentication,)
    allowed: ClassVar = {"follow": EVERY_ROLE}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Before the ticket is used up."""
        if self.action == "follow" and not isinstance(request._request, ASGIRequest):
            raise WrongProcess(
                "Event streams are served by the process that serves WebSockets. Send the request there."
            )
        super().initial(request, *args, **kwargs)

    @extend_schema(
        parameters=[
            OpenApiParameter(
                POSITION_HEADER,
                int,
                OpenApiParameter.HEADER,
                description="The last `id` that was seen: go on behind it.",
            )
        ]
    )
    @operation("Follow an agent's events", returns={(200, "text/event-stream"): str}, errors=[WrongProcess])
    def follow(self, request: Request, pk: int) -> StreamingHttpResponse:
        """The messages of the WebSocket as server-sent events: `id` is the `seq`, `event` the type, `data` the message.
        A comment comes when nothing else did for 15 seconds; an event `end` says why the stream ends.
        """
        refuse_unknown(request, ())
        login: Login = request.auth  # type: ignore[assignment]
        agent = login.session.agent
        if pk != agent.pk:
            raise NotFound
        start = feed.start(agent_id=agent.pk, last_seq=_position(request))
        listener = Listener(
            session_id=login.session.pk,
            agent_id=agent.pk,
            role=agent.role,
            token_version=agent.token_version,
            request_id=current_request_id() or uuid.uuid4().hex,
        )
        close_old_connections()  # the request lasts as long as the stream, and must not hold one
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingHttpResponse(_lines(listener, start), content_type="text/event-stream", headers=headers)

    def get_renderers(self) -> Any:
        return [*super().get_renderers(), EventStreamRenderer()]


async def _lines(listener: Listener, start: Start) -> AsyncIterator[str]:
    subscription, desk = Subscription(listener, start.position), hub.current()
    subscription.notify(protocol.ready(seq=start.position, tab=None, live=desk.live))
    if start.resync:
        subscription.notify(protocol.resync(seq=start.position, reason=start.resync))
    try:
        desk.join(subscription)
        yield f"retry: {RETRY_MILLISECONDS}\n\n"
        async for message in subscription.messages(idle=protocol.IDLE_SECONDS):
            yield STILL_THERE if message is None else _event(message)
    except Closing as closing:
        yield _event({"type": "end", "code": int(closing.code), "reason": closing.reason})
    finally:
        desk.leave(subscription)
        subscription.close()


def _event(message: Message) -> str:
    position = f"id: {message['seq']}\n" if "seq" in message else ""
    return f"{position}event: {message['type']}\ndata: {json.dumps(message)}\n\n"


def _position(request: Request) -> int | None:
    """Raises InvalidInput unless the header is missing or a position."""
    text = request.headers.get(POSITION_HEADER)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) <= 19 and int(text) <= MAX_ID):
        raise InvalidInput.on(POSITION_HEADER, f"Must be a whole number from 0 to {MAX_ID}.", "out_of_range")
    return int(text)
