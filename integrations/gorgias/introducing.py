"""Who customers are, told to Gorgias: their name and e-mail address, once these were changed here.

Only customers whom an account told of. The account is asked first: what was changed there later stays, and is taken
over by the next look at it.
"""

from datetime import datetime

import structlog

from customers.models import Customer
from integrations import connections, links
from integrations.enums import Provider
from integrations.gorgias import client, mapping
from integrations.gorgias.failures import Failures
from integrations.gorgias.turns import OPERATIONS, Turn, count, turn_of
from integrations.models import ExternalLink

SENT = frozenset({"name", "email"})  # phone numbers are channels there, which only they can tell apart

log = structlog.get_logger("supportdesk.gorgias")


def introduce(*, customer_id: int, at: datetime, now: datetime) -> None:
    """Brings every account that knows the customer up to date. Raises Later."""
    customer = Customer.objects.filter(pk=customer_id, erased_at__isnull=True).first()
    if customer is None:
        return
    theirs = links.of_customer(customer_id).filter(connection__provider=Provider.GORGIAS)
    for link in theirs.select_related("connection").order_by("pk"):
        if news := _news(link, customer):
            turn = turn_of(link, at=at, now=now)
            with Failures(turn, None, f"who customer {customer_id} is"):
                _send(turn, link, news)


def _news(link: ExternalLink, customer: Customer) -> dict[str, str]:
    """What Gorgias was not told yet; what is empty here is not emptied there."""
    ours = {"name": customer.name, "email": customer.email or ""}
    return {name: value for name, value in ours.items() if value and not links.is_known(link, name, value)}


def _send(turn: Turn, link: ExternalLink, news: dict[str, str]) -> None:
    raw = client.customer(turn.known, turn.there, left=turn.left)
    told, changed_at = mapping.told_of(mapping.person(raw)), mapping.instant(raw.get("updated_datetime"))
    is_later = changed_at is not None and changed_at > turn.at
    stay = {name for name, value in told.items() if is_later and not links.is_known(link, name, value)}
    wanted = {name: value for name, value in news.items() if name not in stay}
    differing = {name: value for name, value in wanted.items() if told.get(name) != value}
    if differing:
        count(turn, None)
        client.change_customer(turn.known, turn.there, differing, left=turn.left)
        OPERATIONS.labels("sent").inc()
        connections.note_success(turn.known, now=turn.now)
    link.refresh_from_db()
    links.learn(link, wanted)
    link.save(update_fields=["remote"])
