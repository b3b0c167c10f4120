"""How fast an account of Gorgias may be asked, and whether it may be asked at all: what all processes have in common.

Its limit is a bucket that drains evenly: 40 or 80 calls in 20 seconds, for us and for everybody who works there. From
four fifths of it on we wait until it has drained below that, so that people's own use is not starved.
"""

from functools import cache
from typing import Any

from django.conf import settings
from redis import Redis

from supportdesk.core.asking import Asking
from supportdesk.core.breaker import Breaker

SHARE = 0.8
WINDOW = 20.0  # seconds in which the whole bucket drains
CLOSED_FOR = 60.0  # seconds from one probe to the next

asking = Asking("gorgias")


@cache
def redis() -> Redis:
    return Redis.from_url(settings.REDIS_URL, socket_timeout=0.3, socket_connect_timeout=0.3, decode_responses=True)


def run(script: str, keys: list[str], *arguments: Any) -> Any:
    """What a script answers; None without Redis."""
    return asking.ask(lambda: redis().eval(script, len(keys), *keys, *arguments))


@cache
def breaker_of(connection_id: int) -> Breaker:
    return Breaker(f"gorgias-{connection_id}", label="gorgias", interval=lambda: CLOSED_FOR, run=run)


def rest_after(header: str | None) -> float:
    """Seconds to wait after an answer whose limit reads `79/80`; 0 when it says nothing that can be read."""
    used, _, limit = (header or "").partition("/")
    if not (used.isdecimal() and limit.isdecimal() and len(header or "") < 20 and int(limit)):
        return 0.0
    over = int(used) - SHARE * int(limit)
    return min((over + 1) * WINDOW / int(limit), WINDOW) if over >= 0 else 0.0
