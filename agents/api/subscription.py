"""One connection's place in the feed: what a socket and a stream have in common.

It holds at most one batch of entries, and reads the next when those are sent; so a slow reader costs no memory and
keeps nobody waiting.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator

import structlog
from django.db import InterfaceError, OperationalError
from django.utils import timezone

from agents.api import listening, sections
from agents.api.listening import Batch, Listener
from agents.api.protocol import Closing, Message

FRESH_SECONDS = 1.0  # how long what was read may lie before rights are asked again
END_SECONDS = 2.0  # for saying why it ends, to somebody who may not read

log = structlog.get_logger("supportdesk.feed")


class Subscription:
    """Made by the task that serves the connection. `position` is that of the last entry the reader was told of."""

    def __init__(self, listener: Listener, position: int, *, tab: uuid.UUID | None = None) -> None:
        self.listener, self.position, self.tab = listener, position, tab
        self.ending: Closing | None = None
        self._loop = asyncio.get_running_loop()
        self._owner = asyncio.current_task()
        self._timer: asyncio.TimerHandle | None = None
        self._changed = asyncio.Event()
        self._notices: list[Message] = []
        self.heard_at = self._loop.time()
        self.mark()

    def mark(self) -> None:
        """There may be something new."""
        self._changed.set()

    def notify(self, message: Message) -> None:
        """Says something that is no entry of the feed."""
        self._notices.append(message)
        self.mark()

    def end(self, closing: Closing) -> None:
        """Stops telling at once, has the reader told why, and cancels the task that serves it if that takes long."""
        if self.ending is None:
            self.ending = closing
            self.mark()
            if self._owner is not None:
                self._timer = self._loop.call_later(END_SECONDS, self._owner.cancel)

    def heard(self) -> None:
        """The reader gave a sign of life."""
        self.heard_at = self._loop.time()

    def silent_for(self) -> float:
        """Seconds."""
        return self._loop.time() - self.heard_at

    def close(self) -> None:
        """Nobody serves it any more."""
        if self._timer is not None:
            self._timer.cancel()

    async def messages(self, *, idle: float) -> AsyncIterator[Message | None]:
        """Each message in turn, for ever; None when there was none for `idle` seconds. The next one is taken up when
        the one before it was sent. Raises Closing when it ends.
        """
        while True:
            if not await self._wait(idle):
                yield None
                continue
            while self._notices:
                yield self._notices.pop(0)
            read_at = self._loop.time()
            batch = await self._read()
            for message in batch.messages:
                if self.ending is not None:
                    raise self.ending
                yield message
                self.position = message["seq"]
                if self._loop.time() - read_at > FRESH_SECONDS:
                    self.mark()
                    break
            else:
                self.position = batch.position
                if batch.more:
                    self.mark()

    async def _wait(self, seconds: float) -> bool:
        """Whether something changed within the time."""
        try:
            async with asyncio.timeout(seconds):
                await self._changed.wait()
        except TimeoutError:
            return False
        self._changed.clear()
        return True

    async def _read(self) -> Batch:
        if self.ending is not None:
            raise self.ending
        try:
            return await sections.serving(listening.read, self.listener, self.position, timezone.now())
        except (OperationalError, InterfaceError) as error:
            log.warning("feed not read", error=type(error).__name__)  # the hub has it read again, or ends it
            return Batch(messages=[], position=self.position, more=False)
