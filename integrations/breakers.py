"""Whether a partner's account may be called: one breaker for each connection, which all processes share."""

from functools import cache

from integrations.models import Connection
from supportdesk.core.asking import Asking
from supportdesk.core.breaker import Breaker

CLOSED_FOR = 60.0  # seconds from one probe to the next

asking = Asking("partners")


def breaker_of(known: Connection) -> Breaker:
    return _breaker(known.provider, known.pk)


@cache
def _breaker(provider: str, connection_id: int) -> Breaker:
    return Breaker(f"{provider}-{connection_id}", label=provider, interval=lambda: CLOSED_FOR, run=asking.run)
