"""What has Gorgias call us: HTTP integrations there, one for each trigger, whose template sends ids and nothing else.

Gorgias switches one off by itself after many failures in a row, so they are looked at daily and switched on again.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import structlog
from django.conf import settings
from django.utils import timezone

from integrations import connections
from integrations.gorgias import client
from integrations.gorgias.client import Down, Refused
from integrations.gorgias.names import TOKEN_HEADER, TRIGGERS
from integrations.models import Connection
from integrations.reading import Unreadable, external_id
from supportdesk.core.actor import Actor, Door, system

SECONDS = 15.0  # for one request, with what the limit makes it wait
FORM = {"ticket_id": "{{ticket.id}}", "message_id": "{{message.id}}", "updated": "{{ticket.updated_datetime}}"}

BY = system("integrations.gorgias", origin=Door.GORGIAS)

log = structlog.get_logger("supportdesk.gorgias")


@dataclass(kw_only=True)
class Registered:
    """By trigger: what was made, switched on again, given another secret; what is missing still; what was well."""

    made: list[str] = field(default_factory=list)
    revived: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    fine: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        parts = {"made": self.made, "switched on again": self.revived, "given the new secret": self.renewed}
        parts |= {"missing": self.missing, "as they should be": self.fine}
        return "; ".join(f"{len(triggers)} {what}" for what, triggers in parts.items() if triggers) or "nothing"


def register(known: Connection, *, by: Actor, now: datetime, make: bool = True) -> Registered:
    """Has each trigger call us with the secret that is good now. `make`: also those that do not call us at all.

    Again changes nothing. Raises Down, Refused.
    """
    outcome, ours = Registered(), callers(known)
    for trigger in TRIGGERS:
        found = ours.get(trigger)
        if found is not None:
            _mend(known, trigger, found, outcome)
        elif make:
            client.register(known, _wanted(known, trigger), left=SECONDS)
            outcome.made.append(trigger)
        else:
            outcome.missing.append(trigger)
    if outcome.made or outcome.revived or outcome.renewed or outcome.missing:
        log.warning("calls of gorgias were not as they should be", connection=known.pk, by=by.name, found=str(outcome))
    connections.note_success(known, now=now)
    return outcome


def register_missing(known: Connection) -> list[str]:
    """As `register`; the triggers of which something was not as it should be. Raises Down, Refused."""
    found = register(known, by=BY, now=timezone.now())
    return [*found.made, *found.revived, *found.renewed]


def look(known: Connection, *, by: Actor, now: datetime) -> Registered | None:
    """The daily look: mends what is there, and tells what is not. None when Gorgias did not let us look."""
    try:
        outcome = register(known, by=by, now=now, make=False)
    except Refused as refused:
        connections.note_error(known, refused.reason, now=now)
        log.error("gorgias refuses", connection=known.pk, reason=refused.reason)
    except Down as down:
        log.warning("gorgias does not answer", connection=known.pk, reason=down.reason)
    else:
        if outcome.missing:
            log.error("gorgias does not call us", connection=known.pk, triggers=outcome.missing)
        return outcome
    return None


def address(known: Connection) -> str:
    """Where we are called."""
    return f"{settings.PUBLIC_URL}api/integrations/{known.provider}/webhook/{known.public_id}"


def callers(known: Connection) -> dict[str, Mapping[str, Any]]:
    """By trigger, the integration there that calls us, one that is switched on before one that is not.

    Raises Down, Refused.
    """
    found: dict[str, Mapping[str, Any]] = {}
    for row in client.every(known, "integrations", left=SECONDS, type="http"):
        http = row.get("http")
        if not isinstance(http, Mapping) or http.get("url") != address(known):
            continue
        triggers = http.get("triggers")
        for trigger in TRIGGERS:
            calls = isinstance(triggers, Mapping) and triggers.get(trigger)
            if calls and (trigger not in found or found[trigger].get("deactivated_datetime")):
                found[trigger] = row
    return found


def _mend(known: Connection, trigger: str, row: Mapping[str, Any], outcome: Registered) -> None:
    try:
        number = external_id(row.get("id"))
    except Unreadable:
        outcome.missing.append(trigger)
        return
    headers = row["http"].get("headers")
    token = headers.get(TOKEN_HEADER) if isinstance(headers, Mapping) else None
    changes: dict[str, Any] = {}
    if row.get("deactivated_datetime"):
        changes["deactivated_datetime"] = None
        outcome.revived.append(trigger)
    if isinstance(token, str) and token != known.webhook_secret and "*" not in token:
        changes["http"] = {**row["http"], **_wanted(known, trigger)["http"], "triggers": row["http"]["triggers"]}
        changes["http"]["form"] = row["http"].get("form")
        outcome.renewed.append(trigger)
    if changes:
        client.change_integration(known, number, changes, left=SECONDS)
    else:
        outcome.fine.append(trigger)


def _wanted(known: Connection, trigger: str) -> dict[str, Any]:
    http: dict[str, Any] = {
        "url": address(known),
        "method": "POST",
        "request_content_type": "application/json",
        "response_content_type": "application/json",
        "headers": {TOKEN_HEADER: known.webhook_secret},
        "form": {"event": trigger, **FORM},
        "triggers": {trigger: True},
    }
    if settings.GORGIAS_HMAC_HEADER:
        http["hmac_secret"] = known.webhook_secret
    return {"name": f"Support Desk: {trigger}", "type": "http", "http": http}
