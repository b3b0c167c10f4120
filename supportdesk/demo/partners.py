"""The demo's connections, to partners that only pretend and run beside it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agents.models import Agent
from integrations import connections
from integrations.enums import Provider
from integrations.models import Connection
from integrations.shopify import sandbox as shopify
from integrations.slack.sandbox import CHANNEL, TOKEN
from supportdesk.core.actor import Door, system
from supportdesk.demo.logins import DEMO_LOGINS

DEMO = system("demo", origin=Door.COMMAND)
WORKSPACE = "Demo"


def connect(*, now: datetime) -> None:
    """Makes them where the demo's data is, and there are none."""
    if not Agent.objects.get_queryset().filter(email=DEMO_LOGINS[0].email).exists():
        return
    _connect(Provider.SLACK, WORKSPACE, {"access_token": TOKEN, "channel": CHANNEL}, now=now)
    changes = {"access_token": shopify.TOKEN, "webhook_secret": shopify.SECRET, "write_back": True}
    _connect(Provider.SHOPIFY, shopify.SHOP, changes, now=now)


def _connect(provider: Provider, account: str, changes: Mapping[str, Any], *, now: datetime) -> None:
    if not Connection.objects.filter(provider=provider).exists():
        made = connections.create(provider=provider, account_key=account, changes=changes, by=DEMO, now=now)
        connections.activate(connection_id=made.pk, by=DEMO, now=now)
