"""What all processes that ask Quimbi have in common: one way to Redis, and one breaker for each kind of work."""

from django.conf import settings

from quimbi.dialects import WRITING, Function
from supportdesk.core.asking import Asking, redis
from supportdesk.core.breaker import Breaker

__all__ = ["redis"]  # beside what is defined here

asking = Asking("quimbi")
run = asking.run


def _breaker(name: str) -> Breaker:
    return Breaker(name, interval=lambda: settings.QUIMBI_BREAKER_SECONDS, run=run)


INSIGHTS, TEXTS = _breaker("quimbi-insights"), _breaker("quimbi-texts")
BREAKERS = (INSIGHTS, TEXTS)


def breaker_of(function: Function) -> Breaker:
    """Texts have their own: they take seconds, and may fail while insights are well."""
    return TEXTS if function in WRITING else INSIGHTS
