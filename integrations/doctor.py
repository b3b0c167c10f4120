"""What is wrong with connections, as an administrator needs to hear it. Each provider adds what only it can ask.

To add a provider's own checks: a function in its package, and a row in CHECKS.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from integrations import connections, selectors
from integrations.enums import ConnectionStatus, Provider
from integrations.findings import Finding
from integrations.gorgias import checks as gorgias
from integrations.models import Connection
from integrations.shopify import checks as shopify
from integrations.slack import checks as slack

LAG = timedelta(minutes=5)
CHECKS: Mapping[Provider, Callable[..., Iterator[Finding]]] = {
    Provider.GORGIAS: gorgias.findings,
    Provider.SHOPIFY: shopify.findings,
    Provider.SLACK: slack.findings,
}


def examine(known: Connection, *, now: datetime) -> list[Finding]:
    """Everything that was looked at, good or not. Asks the partner, where that can be done without a trace."""
    found = [_state(known), _equipment(known, now=now), *_inbox(known, now=now)]
    check = CHECKS.get(Provider(known.provider))
    if check is not None and known.status != ConnectionStatus.UNINSTALLED:
        found += check(known, now=now)
    return found


def _state(known: Connection) -> Finding:
    reason = f", after {known.last_error}" if known.last_error else ""
    return Finding(
        what="state", is_fine=known.status == ConnectionStatus.ACTIVE, detail=f"{known.get_status_display()}{reason}"
    )


def _equipment(known: Connection, *, now: datetime) -> Finding:
    missing = connections.missing_of(known, now=now)
    return Finding(what="equipment", is_fine=not missing, detail=missing or "has what it needs")


def _inbox(known: Connection, *, now: datetime) -> Iterator[Finding]:
    if known.provider == Provider.SLACK:
        refused = selectors.refused_notices(known, since=now - timedelta(days=1))
        yield Finding(what="messages", is_fine=not refused, detail=f"{refused} refused or unsure in the last day")
        return
    backlog = selectors.backlog_of(known, now=now)
    yield Finding(
        what="oldest receipt", is_fine=backlog.lag < LAG, detail=f"due for {int(backlog.lag.total_seconds())} s"
    )
    yield Finding(what="dead receipts", is_fine=not backlog.dead, detail=f"{backlog.dead} given up")
    last = backlog.last_received_at
    yield Finding(what="last delivery", is_fine=True, detail=f"{last:%Y-%m-%d %H:%M} UTC" if last else "none so far")
