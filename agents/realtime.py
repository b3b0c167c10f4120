"""Telling the processes that hold sockets whose feed to look at. The only place that sends through the channel layer.

Only a hint: what it is about stands in the database, and a process that missed one looks every few seconds.
"""

import time
from collections.abc import Sequence

import structlog
from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

GROUP = "feed"
NUDGE = "feed.nudge"
QUIET_SECONDS = 5.0  # without Redis, one hint in this time finds out about it, and the others cost nothing

log = structlog.get_logger("supportdesk.realtime")
_quiet_until = 0.0


def nudge(agent_ids: Sequence[int]) -> None:
    """Hints that something changed for these agents: an entry of their feed, or their login.

    Never raises, and takes at most 0.3 s when Redis does not answer. For synchronous code.
    """
    global _quiet_until
    layer = get_channel_layer()
    if layer is None or not agent_ids or time.monotonic() < _quiet_until:
        return
    try:
        async_to_sync(layer.group_send)(GROUP, {"type": NUDGE, "agents": list(agent_ids)})
    except (RedisError, OSError) as error:
        _quiet_until = time.monotonic() + QUIET_SECONDS
        log.warning("no nudge", error=type(error).__name__)
