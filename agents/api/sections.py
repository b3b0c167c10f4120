"""Database work of sockets and streams: short sections on a few threads, so that a thousand idle sockets hold no
connection and a thousand busy ones hold a handful.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from channels.db import database_sync_to_async

Given = ParamSpec("Given")
Result = TypeVar("Result")

_SERVING = ThreadPoolExecutor(3, thread_name_prefix="feed")
_KEEPING = ThreadPoolExecutor(2, thread_name_prefix="feed-keeper")  # never behind what sockets wait for


async def serving(work: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
    """Work for one connection."""
    result: Result = await database_sync_to_async(work, thread_sensitive=False, executor=_SERVING)(*args, **kwargs)
    return result


async def keeping(work: Callable[Given, Result], *args: Given.args, **kwargs: Given.kwargs) -> Result:
    """Work for all of them."""
    result: Result = await database_sync_to_async(work, thread_sensitive=False, executor=_KEEPING)(*args, **kwargs)
    return result
