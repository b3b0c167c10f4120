"""The agents' WebSocket: a door like any other, that stays open."""

import asyncio
import json
import uuid
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

import structlog
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from agents import feed, passes, presence
from agents.api import hub, listening, protocol, sections
from agents.api.listening import Listener
from agents.api.protocol import Closing, Code, Frame, Message
from agents.api.subscription import END_SECONDS, Subscription
from agents.feed import Start
from agents.models import Tab
from agents.selectors import actor_for
from supportdesk.core.actor import Door
from supportdesk.core.api.exceptions import as_domain_error
from supportdesk.core.api.origins import origins_of
from supportdesk.core.errors import Forbidden, InvalidInput
from tickets.services import watching

SLOW_SECONDS = 30.0  # for one message to leave
RENEWED_EVERY = 5.0  # seconds; heartbeats that come faster cost nothing

log = structlog.get_logger("supportdesk.socket")


@dataclass(frozen=True, kw_only=True)
class _Entrance:
    """What a pass opened."""

    listener: Listener
    tab: Tab
    start: Start


class FeedConsumer(AsyncWebsocketConsumer):
    """Tells one agent what is on their feed. See docs/api.md for the protocol.

    Two tasks of its own: Channels' loop takes in what the client says, and a pump sends what the subscription has. It
    has no channel layer: the hub of the process is reached instead.
    """

    channel_layer_alias = "none"

    def __init__(self) -> None:
        super().__init__()
        self.id = uuid.uuid4()
        self.closing: Closing | None = None
        self.subscription: Subscription | None = None
        self.entrance: _Entrance | None = None
        self.pump: asyncio.Task[None] | None = None
        self.impatience: asyncio.Task[None] | None = None
        self.turns, self.turns_at = float(protocol.MESSAGES_PER_SECOND), 0.0
        self.renewed_at = 0.0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.main = asyncio.current_task()
        with structlog.contextvars.bound_contextvars(request_id=self.id.hex):
            try:
                await super().__call__(scope, receive, send)
            except asyncio.CancelledError:
                if self.main is None or self._why() is None:
                    raise
                self.main.uncancel()  # by ourselves, because the client does not read
            finally:
                await self._clean_up()

    async def connect(self) -> None:
        await self.accept()
        if self.scope["query_string"]:
            detail = "Nothing may stand in the address after the path: it would end up in logs."
            return await self._finish(Closing(Code.BAD_MESSAGE, detail))
        self.impatience = asyncio.create_task(self._expect_hello())
        return None

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        if self.closing is not None:
            return
        try:
            self._take_turn()
            await self._obey(protocol.parsed(_text(text_data)))
        except Closing as closing:
            await self._finish(closing)
        except Exception as raised:
            await self._refuse(raised)

    def _take_turn(self) -> None:
        """Twenty messages a second, and as many at once. Raises Closing."""
        now, most = asyncio.get_running_loop().time(), protocol.MESSAGES_PER_SECOND
        self.turns = min(most, self.turns + (now - self.turns_at) * most)
        self.turns_at = now
        if self.turns < 1:
            raise Closing(Code.TOO_MUCH, f"More than {most} messages in a second.")
        self.turns -= 1

    async def _obey(self, frame: Frame) -> None:
        if self.subscription is None:
            if frame.type != "hello":
                raise Closing(Code.NOT_AUTHENTICATED, "The first message must be hello.")
            return await self._greet(frame.data)
        self.subscription.heard()
        match frame.type:
            case "hello":
                raise InvalidInput.on("type", "Hello is said once.", "repeated")
            case "heartbeat":
                await self._renew()
            case "watch":
                await sections.serving(self._watch, frame.data["ticket_id"])
            case "unwatch":
                await sections.serving(watching.unwatch, ticket_id=frame.data["ticket_id"], tab=self._entered.tab)
        return None

    async def _greet(self, hello: Message) -> None:
        if self.impatience is not None:
            self.impatience.cancel()
        self.entrance = await sections.serving(self._enter, hello)
        start, tab = self.entrance.start, self.entrance.tab
        self.subscription = Subscription(self.entrance.listener, start.position, tab=tab.key)
        desk = hub.current()
        self.subscription.notify(protocol.ready(seq=start.position, tab=tab.key, live=desk.live))
        if start.resync:
            self.subscription.notify(protocol.resync(seq=start.position, reason=start.resync))
        desk.join(self.subscription)
        self.pump = asyncio.create_task(self._pump(self.subscription))
        log.info("socket opened", agent=self.entrance.listener.agent_id)

    def _enter(self, hello: Message) -> _Entrance:
        """Raises BadPass, Forbidden (another's id in the path), TooManyTabs."""
        now, origins = timezone.now(), origins_of(self.scope)
        opened = passes.redeem(text=hello["ticket"], origin=origins[0] if origins else "", now=now)
        agent = opened.agent
        if agent.pk != self.scope["url_route"]["kwargs"]["pk"]:
            raise Forbidden("The address names another agent than the ws-ticket.")
        by = actor_for(agent, led=opened.led, origin=Door.API, request_id=self.id.hex)
        key = hello.get("tab") or uuid.uuid4()
        tab = presence.tab_opened(session_id=opened.session.pk, key=key, connection=self.id, by=by, now=now)
        listener = Listener(
            session_id=opened.session.pk,
            agent_id=agent.pk,
            role=agent.role,
            token_version=agent.token_version,
            request_id=self.id.hex,
        )
        return _Entrance(
            listener=listener, tab=tab, start=feed.start(agent_id=agent.pk, last_seq=hello.get("last_seq"))
        )

    async def _renew(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self.renewed_at >= RENEWED_EVERY:
            self.renewed_at = now
            await sections.serving(self._see)

    def _see(self) -> None:
        """Raises Closing when the login or the tab is not ours any more."""
        now = timezone.now()
        by = listening.acting(self._entered.listener, now)
        if not presence.tab_seen(tab_id=self._entered.tab.pk, connection=self.id, by=by, now=now):
            raise Closing(Code.REPLACED, "Another socket speaks for this tab now, or it was not heard of for too long.")

    def _watch(self, ticket_id: int) -> None:
        by = listening.acting(self._entered.listener, timezone.now())
        watching.watch(ticket_id=ticket_id, tab=self._entered.tab, by=by)

    @property
    def _entered(self) -> _Entrance:
        return cast(_Entrance, self.entrance)  # nothing is obeyed before hello

    async def _pump(self, subscription: Subscription) -> None:
        try:
            async for message in subscription.messages(idle=protocol.IDLE_SECONDS):
                async with asyncio.timeout(SLOW_SECONDS):
                    await self.send(text_data=json.dumps(message or protocol.HEARTBEAT))
        except Closing as closing:
            await self._finish(closing)
        except TimeoutError:
            subscription.end(Closing(Code.SILENT, "Nothing was read for too long."))
        except OSError:
            return  # the client is gone, and Channels' loop is told so
        except Exception:
            log.exception("socket failed")
            await self._finish(Closing(Code.BUG, "Something went wrong on our side."))

    async def _expect_hello(self) -> None:
        await asyncio.sleep(protocol.HELLO_SECONDS)
        await self._finish(Closing(Code.NOT_AUTHENTICATED, "Hello did not come in time."))

    async def _refuse(self, raised: Exception) -> None:
        """Says what was wrong with a message, and closes unless it is one that another try may mend."""
        problem = as_domain_error(raised)
        if problem is None:
            log.exception("socket failed", exc_info=raised)
            return await self._finish(Closing(Code.BUG, "Something went wrong on our side."))
        with suppress(TimeoutError, OSError):
            async with asyncio.timeout(END_SECONDS):
                await self.send(text_data=json.dumps(protocol.error(problem)))
        code = protocol.code_for(problem)
        if code is not None:
            await self._finish(Closing(code, problem.detail))
        return None

    async def _finish(self, closing: Closing) -> None:
        """Closes, once. A client that does not read that is left without it."""
        if self.closing is not None:
            return
        self.closing = closing
        try:
            async with asyncio.timeout(END_SECONDS):
                await self.close(code=int(closing.code), reason=closing.reason)
        except TimeoutError:
            if self.main is not None:
                self.main.cancel()
        except OSError:
            return

    def _why(self) -> Closing | None:
        return self.closing or (self.subscription.ending if self.subscription else None)

    async def _clean_up(self) -> None:
        tasks = [task for task in (self.pump, self.impatience) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self.subscription is not None:
            hub.current().leave(self.subscription)
            self.subscription.close()
        if self.entrance is not None:
            why = self._why()
            log.info("socket closed", agent=self.entrance.listener.agent_id, code=int(why.code) if why else None)
            with suppress(OperationalError, InterfaceError):  # then it counts as open for a minute
                await sections.serving(presence.tab_left, tab_id=self.entrance.tab.pk, connection=self.id)


def _text(text: str | None) -> str:
    """Raises Closing unless it is a text frame of at most 64 KiB; the server has the same limit."""
    if text is None:
        raise Closing(Code.BAD_MESSAGE, "Messages are text frames.")
    if len(text) > protocol.MAX_FRAME_BYTES or len(text.encode()) > protocol.MAX_FRAME_BYTES:
        raise Closing(Code.TOO_LARGE, f"A message has at most {protocol.MAX_FRAME_BYTES} bytes.")
    return text
