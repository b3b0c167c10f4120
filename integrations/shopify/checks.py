"""What is wrong with a connection to a shop."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings

from integrations import connections
from integrations.findings import Finding
from integrations.models import Connection
from integrations.shopify import client, queries, subscriptions, versions
from supportdesk.core.http import GatewayError

SOON = timedelta(days=14)
SECONDS, TRIES = 15.0, 2


def findings(known: Connection, *, now: datetime) -> Iterator[Finding]:
    """Asks what our app may do, and what the shop tells us of."""
    if not known.access_token:
        yield Finding(what="token", is_fine=True, detail="there is none: webhooks are taken in, nothing is asked")
        return
    try:
        said = client.ask(known, queries.INSTALLATION, {}, seconds=SECONDS, tries=TRIES)
    except GatewayError as error:
        yield Finding(what="token", is_fine=False, detail=f"Shopify: {error.reason}")
        return
    yield Finding(what="token", is_fine=True, detail=_token(known, now=now))
    if known.refresh_expires_at is not None and known.refresh_expires_at < now + SOON:
        yield Finding(what="renewal", is_fine=False, detail=f"ends on {known.refresh_expires_at:%Y-%m-%d}")
    scopes = _scopes(said.data)
    connections.note_scopes(known, scopes, now=now)
    missing = sorted(set(settings.SHOPIFY_SCOPES) - set(scopes) - {_read(scope) for scope in scopes})
    lacks = f"lacks {', '.join(missing)}" if missing else "as asked for"
    yield Finding(what="scopes", is_fine=not missing, detail=lacks)
    yield from _version(known, now=now)
    yield _subscriptions(known)


def _token(known: Connection, *, now: datetime) -> str:
    expires = Connection.objects.only("expires_at").get(pk=known.pk).expires_at
    return "Shopify knows it" if expires is None else f"good for {int((expires - now).total_seconds() / 60)} minutes"


def _version(known: Connection, *, now: datetime) -> Iterator[Finding]:
    asked = settings.SHOPIFY_API_VERSION
    detail = f"{known.api_version or 'none told'} is served, {asked} asked for"
    yield Finding(what="version", is_fine=known.api_version == asked, detail=detail)
    for problem in versions.problems(asked, today=now.date()):
        yield Finding(what="version", is_fine=False, detail=str(problem.msg))


def _subscriptions(known: Connection) -> Finding:
    try:
        found = subscriptions.look(known)
    except GatewayError as error:
        return Finding(what="webhooks", is_fine=False, detail=f"Shopify: {error.reason}")
    elsewhere = f", {found.elsewhere} lead elsewhere" if found.elsewhere else ""
    detail = f"{len(found.here)} lead here{elsewhere}"
    if found.missing:
        detail += f"; missing: {', '.join(found.missing)}"
    return Finding(what="webhooks", is_fine=not found.missing, detail=detail)


def _scopes(data: Mapping[str, Any]) -> list[str]:
    installation = data.get("currentAppInstallation")
    found = installation.get("accessScopes") if isinstance(installation, Mapping) else None
    rows = found if isinstance(found, list) else []
    return sorted(str(one["handle"])[:64] for one in rows if isinstance(one, Mapping) and one.get("handle"))


def _read(scope: str) -> str:
    """What may be written may be read."""
    return scope.replace("write_", "read_", 1)
