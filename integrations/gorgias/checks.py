"""What is wrong with a connection to Gorgias."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from integrations import connections
from integrations.findings import Finding
from integrations.gorgias import client, polling
from integrations.gorgias.client import Down, Refused
from integrations.gorgias.names import TRIGGERS
from integrations.gorgias.registration import callers
from integrations.models import Connection, SyncCursor

SECONDS = 20.0
LATE = timedelta(minutes=30)  # six polls


def findings(known: Connection, *, now: datetime) -> Iterator[Finding]:
    """Asks for the account, and who calls us."""
    try:
        client.account(known, left=SECONDS)
        ours = callers(known)
    except Refused as refused:
        hint = ", so the user or the key is wrong" if refused.status == 401 else ""
        yield Finding(what="account", is_fine=False, detail=f"Gorgias says {refused.reason}{hint}")
        return
    except Down as down:
        yield Finding(what="account", is_fine=False, detail=f"Gorgias does not answer ({down.reason})")
        return
    connections.note_success(known, now=now)
    yield Finding(what="account", is_fine=True, detail="Gorgias knows us")
    missing = [trigger for trigger in TRIGGERS if trigger not in ours]
    off = [trigger for trigger, row in ours.items() if row.get("deactivated_datetime")]
    told = "; ".join(
        f"{word} {', '.join(triggers)}" for word, triggers in (("not called for", missing), ("off", off)) if triggers
    )
    yield Finding(what="calls to us", is_fine=not told, detail=told or f"all {len(TRIGGERS)} triggers")
    row = SyncCursor.objects.filter(connection=known, resource=polling.CHANGES.resource).first()
    last = row.last_full_at if row is not None else None
    is_late = last is None or now - last > LATE
    yield Finding(what="last look", is_fine=not is_late, detail=f"{last:%Y-%m-%d %H:%M} UTC" if last else "none so far")
