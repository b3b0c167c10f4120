"""The demo's connections, to partners that only pretend and run beside it."""

from datetime import datetime

from agents.models import Agent
from integrations import connections
from integrations.enums import Provider
from integrations.models import Connection
from integrations.slack.sandbox import CHANNEL, TOKEN
from supportdesk.core.actor import Door, system
from supportdesk.demo.logins import DEMO_LOGINS

DEMO = system("demo", origin=Door.COMMAND)
WORKSPACE = "Demo"


def connect(*, now: datetime) -> None:
    """Makes them where the demo's data is, and there are none."""
    in_demo = Agent.objects.get_queryset().filter(email=DEMO_LOGINS[0].email).exists()
    if not in_demo or Connection.objects.filter(provider=Provider.SLACK).exists():
        return
    changes = {"access_token": TOKEN, "channel": CHANNEL}
    made = connections.create(provider=Provider.SLACK, account_key=WORKSPACE, changes=changes, by=DEMO, now=now)
    connections.activate(connection_id=made.pk, by=DEMO, now=now)
