"""How much is asked of Quimbi: calls by the minute and the hour, and requests that wait for a text, over all processes.

Counted exactly: each call has its instant, and none of the last minute or hour is forgotten. Without Redis each process
has its share of what is allowed, as if all of them were as busy.
"""

import threading
import time
import uuid
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings

from quimbi import shared
from quimbi.types import Purpose

MINUTE, HOUR = 60, 3_600
# KEYS[1] the instants; ARGV: the call's token, then pairs of a window in ms and what is allowed in it.
# Answers 0, or the milliseconds until there is room.
_TAKE = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - 3600000)
for i = 2, #ARGV, 2 do
    local window, allowed = tonumber(ARGV[i]), tonumber(ARGV[i + 1])
    local used = redis.call('ZCOUNT', KEYS[1], '(' .. (now - window), '+inf')
    if used >= allowed then
        if allowed < 1 then return window end
        local leaves = redis.call(
            'ZRANGEBYSCORE', KEYS[1], '(' .. (now - window), '+inf', 'WITHSCORES', 'LIMIT', used - allowed, 1)
        return math.max(1, leaves[2] + window - now)
    end
end
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('PEXPIRE', KEYS[1], 3600000)
return 0
"""
# KEYS[1] the seats; ARGV: a token, how many there are, ms after which one is free whatever became of its holder.
_SIT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
_USED = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
return {redis.call('ZCOUNT', KEYS[1], '(' .. (now - 60000), '+inf'),
        redis.call('ZCOUNT', KEYS[1], '(' .. (now - 3600000), '+inf')}
"""
_CALLS, _SEATS = "quimbi:calls", "quimbi:writing"

_alone: deque[float] = deque()  # instants of this process' own calls while Redis is away
_writing = 0
_lock = threading.Lock()


def take(purpose: Purpose) -> float:
    """Counts one call more; 0 when it is within the budget, else the seconds until there is room.

    Prefetching has none once its share is used, by whomever: the rest is for people.
    """
    share = settings.QUIMBI_PREFETCH_SHARE if purpose == Purpose.PREFETCH else 1.0
    allowed = {window: int(most * share) for window, most in _allowed().items()}
    pairs = [number for window, most in allowed.items() for number in (window * 1000, most)]
    wait = shared.run(_TAKE, [_CALLS], uuid.uuid4().hex, *pairs)
    return int(wait) / 1000 if wait is not None else _take_alone(allowed)


def left() -> dict[int, int] | None:
    """Calls that are left in the minute and in the hour, by the window's seconds; None without Redis."""
    used = shared.run(_USED, [_CALLS])
    if used is None:
        return None
    return {window: max(0, most - int(n)) for (window, most), n in zip(_allowed().items(), used, strict=True)}


@contextmanager
def seat(*, seconds: float) -> Iterator[bool]:
    """Whether one more request may wait for a text, for as long as the block lasts and at most so many seconds."""
    global _writing
    most, token = settings.QUIMBI_WRITING_AT_ONCE, uuid.uuid4().hex
    seated = shared.run(_SIT, [_SEATS], token, most, int(seconds * 1000))
    if seated is not None:
        try:
            yield bool(seated)
        finally:
            shared.asking.ask(lambda: shared.redis().zrem(_SEATS, token))
        return
    with _lock:
        free = _writing < max(1, most // _processes())
        _writing += free
    try:
        yield free
    finally:
        with _lock:
            _writing -= free


def _allowed() -> dict[int, int]:
    return {MINUTE: settings.QUIMBI_CALLS_PER_MINUTE, HOUR: settings.QUIMBI_CALLS_PER_HOUR}


def _take_alone(allowed: dict[int, int]) -> float:
    now = time.monotonic()
    with _lock:
        while _alone and _alone[0] <= now - HOUR:
            _alone.popleft()
        for window, most in allowed.items():
            mine = most // _processes()
            recent = [at for at in _alone if at > now - window]
            if len(recent) >= mine:
                return recent[len(recent) - mine] + window - now if mine else float(window)
        _alone.append(now)
    return 0.0


def _processes() -> int:
    """Of those that may ask: all of a deployment's, so that their shares never add up to more than there is."""
    return sum(number for name, (number, _) in settings.CONNECTIONS.items() if name != "alone")
