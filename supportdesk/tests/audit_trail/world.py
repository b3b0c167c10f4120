"""What is looked at and changed, the routes that lead there, and what was recorded of it."""

import os
from datetime import timedelta
from typing import Any, NamedTuple, cast

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client

from agents.models import Agent, ApiKey
from agents.tests.builders import PASSWORD, actor_of, make_agent, make_key
from customers.models import Customer
from customers.tests.builders import make_customer
from integrations.shopify.sandbox.credentials import TOKEN
from integrations.shopify.sandbox.server import Sandbox as Shopify
from integrations.tests.builders import make_connection
from sla.models import Calendar, SLAAlert
from sla.services import applying, policies, simulating
from sla.tests.builders import make_policy, raise_due
from supportdesk.core.actor import Actor
from supportdesk.core.models import Event
from supportdesk.tests.client import Api
from supportdesk.urls import urlpatterns
from tickets.models import Attachment, SavedView, Ticket
from tickets.services import assignment, attachments, conversation, saved_views, topic_alerts
from tickets.tests.builders import make_ticket, say

MARK = "canary2d84"
SECRET = f"{MARK}-3f9e1c7a5b2d8046e1f7a9"
embedded = pytest.mark.skipif("SUPPORTDESK_TEST_DATABASE_URL" in os.environ, reason="needs the embedded server's roles")


class World(NamedTuple):
    """One customer with one of everything, and an administrator who looks at it."""

    me: Agent
    api: Api
    browser: Client
    customer: Customer
    ticket: Ticket
    file: Attachment
    view: SavedView
    key_id: int
    refresh: str
    colleague: Agent
    held: Ticket  # which the administrator has
    ids: dict[str, int]  # of what promises are made of


def build(shopify: Shopify) -> World:
    shopify.add_product(7)
    make_connection(changes={"webhook_secret": SECRET, "access_token": TOKEN})
    me = make_agent(role="admin", email="admin@example.com")
    customer = make_customer(name=f"Zoë {MARK}", email=f"{MARK}@example.com", attributes={"nick": MARK})
    ticket = make_ticket(customer=customer, subject=f"about {MARK}", description=f"{MARK} asks")
    say(ticket, f"{MARK} asks again")
    by, now = actor_of(me), ticket.created_at
    conversation.add_note(ticket_id=ticket.pk, body=f"{MARK} is odd", by=by, now=now)
    file = attachments.attach(
        ticket_id=ticket.pk, name=f"{MARK}.txt", content=SimpleUploadedFile("x", MARK.encode()), by=by, now=now
    )
    view = saved_views.create_view(name="mine", query={"q": MARK}, by=by, now=now)
    make_key("tickets:read")
    (key_id,) = ApiKey.objects.values_list("pk", flat=True)
    tokens = Api().post("/api/auth/login", {"email": me.email, "password": PASSWORD}).body
    held = make_ticket(customer=customer, subject=f"again {MARK}")
    assignment.assign(ticket_id=held.pk, agent_id=me.pk, by=by, now=now)
    ids = promised(ticket, by)
    return World(me, Api(), Client(), customer, ticket, file, view, key_id, tokens["refresh"], make_agent(), held, ids)


def promised(ticket: Ticket, by: Actor) -> dict[str, int]:
    """A policy with a draft, one that is being applied, and a promise that was broken."""
    now = ticket.created_at
    policy, applied = make_policy(now), make_policy(now)
    policies.update_policy(policy_id=policy.pk, changes={"warning_percent": 50}, by=by, now=now)
    job = applying.request(policy_id=applied.pk, preview=True, by=by, now=now)
    simulation = simulating.request(policy_id=applied.pk, by=by, now=now)
    raise_due(now + timedelta(days=90))
    breach = SLAAlert.objects.filter(ticket=ticket).breaches().earliest("pk")
    calendar = Calendar.objects.earliest("pk")
    ids = {"policy": policy.pk, "calendar": calendar.pk, "job": job.pk, "breach": breach.pk}
    ends_at = now + timedelta(hours=1)
    alert = topic_alerts.begin(tag="outage", minutes=5, ends_at=ends_at, by=by, now=now)
    return ids | {"simulation": simulation.pk, "alert": alert.pk}


# Sends ids and names of what happened, each entry within today's rights; and only where sockets are served.
STREAMS = frozenset({"api/agents/<id:pk>/stream"})


def api_routes(*methods: str) -> set[tuple[str, str]]:
    """Method and route of every action of the API."""
    found, patterns = set(), cast("list[Any]", urlpatterns)
    for pattern in patterns:
        actions = getattr(getattr(pattern, "callback", None), "actions", None) or {}
        found |= {(method.upper(), str(pattern.pattern)) for method in actions if method.upper() in methods}
    return found


def newest() -> int:
    return Event.objects.order_by("-pk").values_list("pk", flat=True).first() or 0


def facts(after: int) -> list[Event]:
    return list(Event.objects.filter(pk__gt=after).order_by("pk"))


def fingerprints() -> dict[str, str]:
    """A hash of each table's rows."""
    found = {}
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            rows = f"SELECT md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), '')) FROM \"{table}\" t"  # noqa: S608
            cursor.execute(rows)
            found[table] = cursor.fetchone()[0]
    return found


def changed(before: dict[str, str]) -> list[str]:
    return sorted(table for table, rows in fingerprints().items() if rows != before[table])
