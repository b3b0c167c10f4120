"""The demo's connections, to partners that only pretend and run beside it."""

import secrets
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from agents.models import Agent
from integrations import connections
from integrations.enums import Provider
from integrations.gorgias.sandbox.credentials import EMAIL, KEY, SECRET
from integrations.models import Connection
from integrations.shopify.sandbox import credentials as shopify
from integrations.slack.sandbox import CHANNEL, TOKEN
from supportdesk.core.actor import Door, system
from supportdesk.demo.logins import DEMO_LOGINS

DEMO = system("demo", origin=Door.COMMAND)
WORKSPACE, ACCOUNT = "Demo", "demo"


def connect(*, now: datetime) -> None:
    """Makes them where the demo's data is, and there are none."""
    if not Agent.objects.get_queryset().filter(email=DEMO_LOGINS[0].email).exists():
        return
    _connect(Provider.SLACK, WORKSPACE, {"access_token": TOKEN, "channel": CHANNEL}, now=now)
    changes = {"email": EMAIL, "api_key": KEY, "webhook_secret": secrets.token_urlsafe(32)}
    _connect(Provider.GORGIAS, ACCOUNT, changes, now=now)
    shop = {"access_token": shopify.TOKEN, "webhook_secret": shopify.SECRET, "write_back": True}
    _connect(Provider.SHOPIFY, shopify.SHOP, shop, now=now)


def gorgias_calls(site: str) -> tuple[list[str], dict[str, str]]:
    """What the pretend Gorgias is started with to call the demo's connection at the site: arguments, environment."""
    known = Connection.objects.filter(provider=Provider.GORGIAS, account_key=ACCOUNT).first()
    if known is None or not known.webhook_secret:
        return [], {}
    url = f"{site}/api/integrations/{known.provider}/webhook/{known.public_id}"
    return ["--calls", url], {SECRET: known.webhook_secret}


def _connect(provider: Provider, account: str, changes: Mapping[str, Any], *, now: datetime) -> None:
    if not Connection.objects.filter(provider=provider).exists():
        made = connections.create(provider=provider, account_key=account, changes=changes, by=DEMO, now=now)
        connections.activate(connection_id=made.pk, by=DEMO, now=now)
