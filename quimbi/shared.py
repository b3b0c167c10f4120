"""What all processes that ask Quimbi have in common: one way to Redis, and one breaker for each kind of work."""

from functools import cache
from typing import Any

from django.conf import settings
from redis import Redis

from quimbi.dialects import WRITING, Function
from supportdesk.core.asking import Asking
from supportdesk.core.breaker import Breaker

asking = Asking("quimbi")


@cache
def redis() -> Redis:
    return Redis.from_url(settings.REDIS_URL, socket_timeout=0.3, socket_connect_timeout=0.3, decode_responses=True)


def run(script: str, keys: list[str], *arguments: Any) -> Any:
    """What a script answers; None without Redis."""
    return asking.ask(lambda: redis().eval(script, len(keys), *keys, *arguments))


def _breaker(name: str) -> Breaker:
    return Breaker(name, interval=lambda: settings.QUIMBI_BREAKER_SECONDS, run=run)


INSIGHTS, TEXTS = _breaker("quimbi-insights"), _breaker("quimbi-texts")
BREAKERS = (INSIGHTS, TEXTS)


def breaker_of(function: Function) -> Breaker:
    """Texts have their own: they take seconds, and may fail while insights are well."""
    return TEXTS if function in WRITING else INSIGHTS
