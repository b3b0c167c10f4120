"""What all sockets and streams of a process share: one subscription to Redis, one look at the database every few
seconds, and the net under deliveries that no worker took.

Nudges only say whose feed to read. One that was lost, or a Redis that is gone or was emptied, costs the seconds until
the next look, and no event.
"""

import asyncio
import random
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from contextvars import Context
from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

import structlog
from channels.layers import get_channel_layer
from django.db import InterfaceError, OperationalError
from django.utils import timezone
from redis.exceptions import RedisError

from agents import presence, selectors
from agents.api import listening, protocol, sections
from agents.api.protocol import Closing, Code
from agents.api.subscription import Subscription
from agents.realtime import GROUP, NUDGE
from supportdesk.core import delivery

LOOK_EVERY = 3.0  # seconds
PROBE_EVERY = 3.0
PROBE_SECONDS = 5.0  # for a message of our own to come back
PROBE_AGAIN = 0.3
RETRY_EVERY = 1.0
LOST_AFTER = 2  # looks in a row that the database did not answer
UNTAKEN_AFTER = timedelta(seconds=2)
TAKEN_AT_ONCE = 200
MOST_OF_AGENT = presence.MOST_TABS
SILENT_AFTER = presence.TAB_SEEN_FOR.total_seconds()

log = structlog.get_logger("supportdesk.hub")
_HUBS: WeakKeyDictionary[asyncio.AbstractEventLoop, "Hub"] = WeakKeyDictionary()


def current() -> "Hub":
    """The hub of the running loop."""
    return _HUBS.setdefault(asyncio.get_running_loop(), Hub())


class Hub:
    """Works as long as somebody has joined."""

    def __init__(self) -> None:
        self.live = True
        self._of_agent: dict[int, set[Subscription]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._heard = asyncio.Event()
        self._listening = asyncio.Lock()
        self._failures = 0

    def __iter__(self) -> Iterator[Subscription]:
        return iter([one for those in self._of_agent.values() for one in those])

    def join(self, subscription: Subscription) -> None:
        """From now on it is told of changes. An older one of the same tab ends. Raises Closing."""
        theirs = self._of_agent.setdefault(subscription.listener.agent_id, set())
        for other in theirs:
            if other.tab is not None and other.tab == subscription.tab:
                other.end(Closing(Code.REPLACED, "Another socket speaks for this tab now."))
        if len([other for other in theirs if other.ending is None]) >= MOST_OF_AGENT:
            raise Closing(Code.TOO_MUCH, f"An agent may have {MOST_OF_AGENT} connections open at a time.")
        theirs.add(subscription)
        if not self._tasks:
            work = (
                _forever(self._listen, RETRY_EVERY),
                _forever(self._look, LOOK_EVERY),
                _forever(self._relay, LOOK_EVERY),
            )
            self._tasks = [asyncio.create_task(one, context=Context()) for one in work]  # of no connection

    def leave(self, subscription: Subscription) -> None:
        """The last one to leave ends the work."""
        agent_id = subscription.listener.agent_id
        self._of_agent.get(agent_id, set()).discard(subscription)
        if not self._of_agent.get(agent_id):
            self._of_agent.pop(agent_id, None)
        if not self._of_agent:
            for task in self._tasks:
                task.cancel()
            self._tasks = []

    async def _listen(self) -> None:
        """Follows the nudges of all processes until they cannot be followed. One at a time: whoever stops hangs up
        for the whole loop.
        """
        try:
            async with self._listening:
                await self._follow(get_channel_layer())
        except (RedisError, OSError) as error:
            if self.live:
                log.warning("no nudges", error=type(error).__name__)
            self._become(live=False)

    async def _follow(self, layer: Any) -> None:
        """Raises when a message to ourselves does not come back."""
        receiver: asyncio.Task[None] | None = None
        try:
            channel = await layer.new_channel()
            await layer.group_add(GROUP, channel)
            receiver = asyncio.create_task(self._receive(layer, channel))
            await self._probe(layer, channel)
            for subscription in self:  # nudged before we heard of it
                subscription.mark()
            while True:
                self._become(live=True)
                await asyncio.sleep(PROBE_EVERY)
                await self._probe(layer, channel)
        finally:
            if receiver is not None:
                receiver.cancel()
                await asyncio.gather(receiver, return_exceptions=True)
            hung_up = asyncio.wait_for(layer.flush(), PROBE_SECONDS)
            await asyncio.gather(hung_up, return_exceptions=True)

    async def _probe(self, layer: Any, channel: str) -> None:
        """Raises TimeoutError unless one of several messages to ourselves comes back; the first may be faster than the
        subscription.
        """
        self._heard.clear()
        async with asyncio.timeout(PROBE_SECONDS):
            while not self._heard.is_set():
                await layer.send(channel, {"type": "feed.probe"})
                _heed_cancelling()  # the time's, too
                with suppress(TimeoutError):
                    async with asyncio.timeout(PROBE_AGAIN):
                        await self._heard.wait()

    async def _receive(self, layer: Any, channel: str) -> None:
        while True:
            message = await layer.receive(channel)
            self._heard.set()
            if message["type"] == NUDGE:
                for agent_id in message["agents"]:
                    for subscription in self._of_agent.get(agent_id, ()):
                        subscription.mark()

    def _become(self, *, live: bool) -> None:
        if live == self.live:
            return
        self.live = live
        for subscription in self:
            subscription.notify(protocol.delivery(live=live))
        if live:
            log.info("nudges again")

    async def _look(self) -> None:
        """Ends connections whose login is not what it was, or whose client is gone, and finds what no nudge told."""
        watched = list(self)
        sessions = {subscription.listener.session_id for subscription in watched}
        try:
            standings = await sections.keeping(selectors.standings, sessions, now=timezone.now())
        except (OperationalError, InterfaceError) as error:
            self._failures += 1
            log.warning("database does not answer", error=type(error).__name__)
            if self._failures >= LOST_AFTER:
                for subscription in self:
                    subscription.end(Closing(Code.TRY_LATER, "The database does not answer. Come back later."))
            return
        self._failures = 0
        for subscription in watched:
            standing = standings.get(subscription.listener.session_id)
            refused = listening.verdict(subscription.listener, standing)
            if refused is not None:
                subscription.end(refused)
            elif subscription.tab is not None and subscription.silent_for() > SILENT_AFTER:
                subscription.end(Closing(Code.SILENT, "No heartbeat came for a minute."))
            elif standing is not None and standing.head != subscription.position:
                subscription.mark()

    async def _relay(self) -> None:
        """Runs what sockets wait for when no worker does."""
        ran = TAKEN_AT_ONCE
        while ran == TAKEN_AT_ONCE:
            try:
                ran = await sections.keeping(
                    delivery.run_due, limit=TAKEN_AT_ONCE, push_only=True, waited=UNTAKEN_AFTER
                )
            except (OperationalError, InterfaceError):
                return  # the look says so
            if ran:
                await self._look()


def _heed_cancelling() -> None:
    """Raises CancelledError where whoever sent to Redis kept it: redis-py sends inside asyncio.wait_for, which in
    Python 3.11 drops a cancellation that comes as it ends (CPython issue 86296).
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _forever(step: Callable[[], Coroutine[Any, Any, None]], seconds: float) -> None:
    """A step every few seconds, a tenth of it at random. Whatever goes wrong in one must not end the others."""
    while True:
        try:
            await step()
        except Exception:
            log.exception("hub failed", step=step.__name__)
        _heed_cancelling()
        await asyncio.sleep(seconds * random.uniform(0.9, 1.0))  # noqa: S311 - spreads processes, no secret
