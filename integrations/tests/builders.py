"""Connections and deliveries for tests, made as partners and administrators make them."""

import base64
import hmac
import json
import uuid
from dataclasses import replace
from datetime import timedelta
from itertools import count
from typing import Any

from django.test import Client
from django.utils import timezone

from agents.tests.builders import SYSTEM
from integrations import connections, receipts
from integrations.contract import Inbox, Job, Processor
from integrations.enums import Provider
from integrations.gorgias.sandbox.answers import register
from integrations.gorgias.sandbox.credentials import EMAIL, KEY
from integrations.gorgias.sandbox.server import Sandbox as Gorgias
from integrations.models import Connection, ExternalLink
from integrations.providers import INBOXES
from integrations.shopify import webhooks as shopify
from integrations.slack.sandbox import CHANNEL, TOKEN
from supportdesk.core import delivery
from supportdesk.core.models import Delivery
from tickets.models import Ticket

SECRET = "c5b1f0a94e7d4c0f8a3e6b2d9f7a1c3e"
SHOP = "cove-and-kettle-test.myshopify.com"
CHANGES: dict[Provider, dict[str, str]] = {
    Provider.SHOPIFY: {"webhook_secret": SECRET},
    Provider.GORGIAS: {"webhook_secret": SECRET, "email": EMAIL, "api_key": KEY},
}
_numbers = count(1)


def make_connection(provider: Provider = Provider.SHOPIFY, *, active: bool = True, **over: Any) -> Connection:
    number = next(_numbers)
    accounts = {Provider.SHOPIFY: f"shop-{number}.myshopify.com", Provider.GORGIAS: f"desk-{number}"}
    given: dict[str, Any] = {"account_key": accounts.get(provider, f"Workspace {number}"), "by": SYSTEM}
    given |= {
        "now": timezone.now(),
        "changes": CHANGES.get(provider, {}),
        **over,
    }
    known = connections.create(provider=provider, **given)
    return connections.activate(connection_id=known.pk, by=SYSTEM, now=timezone.now()) if active else known


def path_of(known: Connection) -> str:
    return f"/api/integrations/{known.provider}/webhook/{known.public_id}"


def encoded(body: Any) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def signature(raw: bytes, secret: str = SECRET) -> str:
    return base64.b64encode(hmac.digest(secret.encode(), raw, "sha256")).decode()


def shopify_headers(
    raw: bytes, topic: str = "customers/update", *, secret: str = SECRET, **over: str
) -> dict[str, str]:
    return {
        "X-Shopify-Topic": topic,
        "X-Shopify-Hmac-Sha256": signature(raw, secret),
        "X-Shopify-Webhook-Id": str(uuid.uuid4()),
        **over,
    }


def send(path: str, raw: bytes, headers: dict[str, str], *, client: Client | None = None) -> Any:
    client = client or Client(raise_request_exception=False)
    return client.generic("POST", path, raw, content_type="application/json", headers=headers)


def send_shopify(known: Connection, body: Any, topic: str = "customers/update", **over: str) -> Any:
    raw = body if isinstance(body, bytes) else encoded(body)
    return send(path_of(known), raw, shopify_headers(raw, topic, **over))


def send_gorgias(known: Connection, raw: bytes | str, token: str = SECRET) -> Any:
    raw = raw.encode() if isinstance(raw, str) else raw
    return send(path_of(known), raw, {"X-Webhook-Token": token})


class Work:
    """Processors that note what they were given, and fail when told to."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.fetched: list[Job] = []
        self.error: Exception | None = None

    def apply(self, job: Job, found: Any) -> None:
        if self.error is not None:
            raise self.error
        self.jobs.append(job)

    def fetch(self, job: Job) -> str:
        self.fetched.append(job)
        return "found"

    @property
    def ids(self) -> list[Any]:
        return [job.body.get("id") for job in self.jobs]


def registered(work: Work) -> dict[Provider, Inbox]:
    """The providers' own doors, with the work behind some topics."""
    plain = Processor(apply=work.apply)
    merging = Processor(apply=work.apply, fetch=work.fetch, merges=True)
    privacy = dict.fromkeys(shopify.PRIVACY, plain)
    shop = {"customers/update": plain, "orders/create": plain, **privacy}
    return {
        Provider.SHOPIFY: replace(INBOXES[Provider.SHOPIFY], processors=shop),
        Provider.GORGIAS: replace(
            INBOXES[Provider.GORGIAS], processors={"ticket-updated": merging, "ticket-message-created": merging}
        ),
    }


def make_slack(**over: Any) -> Connection:
    """A connection to the sandbox, as a bot unless `changes` says otherwise."""
    return make_connection(Provider.SLACK, **{"changes": {"access_token": TOKEN, "channel": CHANNEL}, **over})


class GorgiasDesk:
    """A Gorgias and a connection to it, whose integrations call us."""

    def __init__(self, sandbox: Gorgias) -> None:
        self.there = sandbox
        self.known = make_connection(Provider.GORGIAS)
        register(sandbox, path_of(self.known), SECRET)

    def arrive(self) -> int:
        """What it calls us for is delivered and worked off; how many deliveries there were."""
        calls, self.there.calls = self.there.calls, []
        for path, headers, body in calls:
            assert send(path, body, headers).status_code == 202
        while receipts.work_off(limit=1_000):
            pass
        return len(calls)

    def leave(self) -> None:
        """What waits to be sent there is, whenever it is due."""
        for _ in range(10):
            Delivery.objects.filter(state="pending").update(due_at=timezone.now() - timedelta(seconds=1))
            if not delivery.run_due(limit=1_000):
                return

    def ticket(self, pk: int) -> Ticket:
        """Ours."""
        link = ExternalLink.objects.get(connection=self.known, object_type="ticket", external_id=str(pk))
        return Ticket.objects.get(pk=link.local_id)
