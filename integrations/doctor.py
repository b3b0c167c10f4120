"""What is wrong with connections, as an administrator needs to hear it. Each provider adds what only it can ask.

To add a provider's own checks: a function in its package, and a row in CHECKS.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

from django.conf import settings

from integrations import connections, selectors
from integrations.enums import ConnectionStatus, Provider
from integrations.findings import Finding
from integrations.gorgias import access as gorgias_access
from integrations.gorgias import checks as gorgias
from integrations.models import Connection, SyncCursor
from integrations.shopify import access as shopify_access
from integrations.shopify import checks as shopify
from integrations.slack import checks as slack
from supportdesk.core import http

LAG = timedelta(minutes=5)
UNSYNCED = timedelta(minutes=100)  # three runs of the clock, and some
SKEW = 120.0  # seconds
LOOK = 5.0  # seconds for the time that a partner tells
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
        found += [*check(known, now=now), *_more(known, now=now)]
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


def _more(known: Connection, *, now: datetime) -> Iterator[Finding]:
    match known.provider:
        case Provider.SHOPIFY:
            yield from _syncs(known, now=now)
            yield from _clock(shopify_access.base_url(known.account_key), now=now)
        case Provider.GORGIAS:
            yield from _grant(known, now=now)
            yield from _clock(gorgias_access.base_url(known.account_key), now=now)


def _syncs(known: Connection, *, now: datetime) -> Iterator[Finding]:
    """Of what was taken over as a whole once, whether the clock takes over what changes. See integrations.jobs."""
    for row in SyncCursor.objects.filter(connection=known, last_full_at__isnull=False).order_by("resource"):
        is_late = row.last_full_at is not None and now - row.last_full_at > UNSYNCED
        detail = f"{row.last_full_at:%Y-%m-%d %H:%M} UTC" + (f", {row.failed} refused" if row.failed else "")
        yield Finding(what=f"sync of {row.resource}", is_fine=not (is_late or row.failed), detail=detail)


def _grant(known: Connection, *, now: datetime) -> Iterator[Finding]:
    """What an account that was connected on the partner's page granted, and for how long."""
    if known.api_key or not known.access_token:
        return
    known = Connection.objects.get(pk=known.pk)  # with a token that may just have been renewed
    missing = sorted(set(settings.GORGIAS_SCOPES) - set(known.scopes))
    yield Finding(
        what="scopes", is_fine=not missing, detail=f"lacks {', '.join(missing)}" if missing else "as asked for"
    )
    if known.expires_at is not None:
        minutes = int((known.expires_at - now).total_seconds() / 60)
        said = f"good for {minutes} minutes" if minutes > 0 else f"expired {-minutes} minutes ago"
        yield Finding(what="token", is_fine=minutes > 0, detail=said)


def _clock(url: str, *, now: datetime) -> Iterator[Finding]:
    """How far ours is from theirs, as any answer says. That there is none is said by who asks for more."""
    try:
        answer = http.call("HEAD", f"{url}/", connect=LOOK, read=LOOK, left=LOOK, limit=http.CHUNK)
        skew = abs((now - parsedate_to_datetime(answer.headers.get("Date", ""))).total_seconds())
    except (http.Timeout, http.Unreachable, http.TooBig, http.Unsendable, ValueError, TypeError):
        return
    yield Finding(what="clock", is_fine=skew < SKEW, detail=f"{skew:.0f} s from theirs")
