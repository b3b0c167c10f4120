"""Telling the processes that hold sockets whose feed to look at. The only place that sends through the channel layer.

Only a hint: what it is about stands in the database, and a process that missed one looks every few seconds.
"""

from collections.abc import Sequence

from asgiref.sync import async_to_sync
from channels.layers import get_channel_layer
from redis.exceptions import RedisError

from supportdesk.core.asking import Asking

GROUP = "feed"
NUDGE = "feed.nudge"

_redis = Asking("nudge", RedisError, OSError)


def nudge(agent_ids: Sequence[int]) -> None:
    """Hints that something changed for these agents: an entry of their feed, or their login.

    Never raises, and takes at most 0.3 s when Redis does not answer. For synchronous code.
    """
    layer = get_channel_layer()
    if layer is not None and agent_ids:
        message = {"type": NUDGE, "agents": list(agent_ids)}
        _redis.ask(lambda: async_to_sync(layer.group_send)(GROUP, message))
