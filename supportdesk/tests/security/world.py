"""A small desk with two departments, everybody who may knock at its doors, and one of everything they may ask for."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction
from django.test import Client
from django.utils import timezone
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule

from agents import keys, services, sessions, structure
from agents.enums import Scope
from agents.models import Agent, ApiKey, LoginSession
from agents.tests.builders import PASSWORD, SYSTEM, actor_of, make_agent, make_department, make_key
from customers.tests.builders import make_customer
from integrations.enums import Provider
from integrations.models import Connection, DataSubjectRequest, SyncCursor, WebhookReceipt
from integrations.shopify.sandbox.credentials import TOKEN
from integrations.tests.builders import SECRET, make_connection, send_shopify
from quimbi.models import Call
from sla.models import Calendar, SLAAlert
from sla.services import applying, policies, simulating
from sla.tests.builders import make_policy, raise_due, seed_default_policy
from supportdesk.core.models import Delivery, Event
from tickets.enums import Sender
from tickets.services import assignment, attachments, conversation, saved_views, topic_alerts
from tickets.tests.builders import make_ticket

NETWORK = "192.0.2.1"
MACHINES = {
    "tr": [Scope.TICKETS_READ],
    "tw": [Scope.TICKETS_WRITE],
    "nr": [Scope.NOTES_READ],
    "cr": [Scope.CUSTOMERS_READ],
    "cw": [Scope.CUSTOMERS_WRITE],
    "ar": [Scope.AGENTS_READ],
    "all": list(Scope),
}


@dataclass(frozen=True, kw_only=True)
class Caller:
    """What somebody shows: headers, which only the API reads, and a session cookie, which only the admin reads."""

    headers: dict[str, str] = field(default_factory=dict, hash=False)
    session: str = ""

    def client(self) -> Client:
        client = Client(raise_request_exception=False)
        if self.session:
            client.cookies[settings.SESSION_COOKIE_NAME] = self.session
        return client


@dataclass(frozen=True, kw_only=True)
class World:
    """`values` is what a path or a body may name; `callers` holds one credential or more for each kind of caller."""

    people: dict[str, Agent]
    values: dict[str, Any]
    callers: dict[str, list[Caller]]


@contextmanager
def built() -> Iterator[World]:
    """The world, gone again at the end."""
    with transaction.atomic():
        seed_default_policy()  # before it, a transactional test may have emptied the tables
        yield _world()
        transaction.set_rollback(True)


def _world() -> World:
    people = _people()
    return World(people=people, values=_values(people), callers=_callers(people))


def _people() -> dict[str, Agent]:
    here, there = make_department(name="Here"), make_department(name="There")
    return {
        "agent": make_agent(name="Inside", department=here),
        "other": make_agent(name="Outside", department=there),
        "senior": make_agent(name="Senior", department=here, role="senior"),
        "boss": make_agent(name="Leads here", role="supervisor", leads=[here]),
        "rival": make_agent(name="Leads there", role="supervisor", leads=[there]),
        "admin": make_agent(name="Admin", role="admin"),
    }


def _values(people: dict[str, Agent]) -> dict[str, Any]:
    agent, now = people["agent"], timezone.now()
    by, here = actor_of(agent), agent.department
    customer = make_customer(name="Zoë Brandt", email="zoe@example.com", phone="+49 30 901820")
    ticket = make_ticket(subject="Charged twice", customer=customer, department=here)
    assignment.assign(ticket_id=ticket.pk, agent_id=agent.pk, by=SYSTEM, now=now)
    conversation.add_message(ticket_id=ticket.pk, body="Sorry", sender=Sender.AGENT, by=by, now=now)
    conversation.add_note(ticket_id=ticket.pk, body="Be kind", by=by, now=now)
    file = ContentFile(b"one file", name="receipt.txt")
    attachment = attachments.attach(ticket_id=ticket.pk, name="receipt.txt", content=file, by=by, now=now)
    view = saved_views.create_view(name="Mine", query={"status": "open"}, by=by, now=now)
    skill = structure.create_specialization(slug="refunds", name="Refunds", categories=[], by=SYSTEM, now=now)
    make_key("tickets:read")
    key = ApiKey.objects.latest("pk")
    tokens = sessions.log_in(email=agent.email, password=PASSWORD, network=NETWORK, now=now)
    interval = IntervalSchedule.objects.create(every=1, period="days")
    policy = make_policy(now)
    sla = policies.update_policy(policy_id=policy.pk, changes={"warning_percent": 50}, by=SYSTEM, now=now)
    job = applying.request(policy_id=policy.pk, preview=False, by=SYSTEM, now=now)
    simulation = simulating.request(policy_id=policy.pk, by=SYSTEM, now=now)
    simulating.work(simulation.pk, by=SYSTEM, now=now)
    raise_due(now + timedelta(days=3))
    ends_at = now + timedelta(hours=1)
    alert = topic_alerts.begin(tag="outage", minutes=5, ends_at=ends_at, department=here, by=SYSTEM, now=now)
    named = {
        "agent": agent.pk,
        "application": job.pk,
        "simulation": simulation.pk,
        "slaalert": SLAAlert.objects.filter(kind="breach").earliest("pk").pk,
        "breach": SLAAlert.objects.filter(kind="breach").earliest("pk").pk,
        "calendar": Calendar.objects.earliest("pk").pk,
        "call": Call.objects.create(
            function="analyze", dialect="ml", outcome="ok", tries=1, milliseconds=9, called_at=now
        ).pk,
        "policy": sla.pk,
        "colleague": people["senior"].pk,
        "apikey": key.pk,
        "attachment": attachment.pk,
        "customer": customer.pk,
        "delivery": _given_up(ticket.pk),
        "department": agent.department_id,
        "specialization": skill.pk,
        "ticket": ticket.pk,
        "topicalert": alert.pk,
        "connection": (connection := make_connection(changes={"webhook_secret": SECRET, "access_token": TOKEN})).pk,
        "synccursor": SyncCursor.objects.create(connection=connection, resource="customers").pk,
        "datasubjectrequest": DataSubjectRequest.objects.create(
            connection=connection, source="shopify:x", kind="export", subject="7", received_at=now, due_at=now
        ).pk,
        "product": 7,  # in the sandbox
        "public_id": connection.public_id,
        "provider": "shopify",
        "api/integrations/gorgias/webhook": make_connection(Provider.GORGIAS).public_id,
        "webhookreceipt": _given_up_receipt(connection),
        "topic-alert": alert.pk,
        "view": view.pk,
        "clockedschedule": ClockedSchedule.objects.create(clocked_time=now).pk,
        "crontabschedule": CrontabSchedule.objects.create(minute="7").pk,
        "intervalschedule": interval.pk,
        "periodictask": PeriodicTask.objects.create(name="job", task="none", interval=interval).pk,
        "solarschedule": SolarSchedule.objects.create(event="sunset", latitude=1, longitude=1).pk,
        "app_label": "tickets",
        "content_type_id": 1,
        "url": "nowhere",
    }
    return named | {
        "agent_email": agent.email,
        "boss_email": people["boss"].email,
        "password": PASSWORD,
        "refresh": tokens.refresh,
        "tomorrow": (now + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "tomorrow_typed": (now + timedelta(days=1)).strftime("%Y-%m-%d %H:%M:%S"),
        "soon": (now + timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }


def _given_up(ticket_id: int) -> int:
    """A delivery that can be tried again."""
    event = Event.objects.filter(subject_type="ticket", subject_id=ticket_id).earliest("pk")
    given = {"subject_type": "ticket", "subject_id": ticket_id, "due_at": timezone.now(), "state": "dead"}
    return Delivery.objects.create(event=event, reaction="tickets.gone", **given).pk


def _given_up_receipt(connection: Connection) -> int:
    """A delivery of a partner that can be worked off again."""
    send_shopify(connection, {"id": 7})
    return WebhookReceipt.objects.latest("pk").pk


def _callers(people: dict[str, Agent]) -> dict[str, list[Caller]]:
    return {
        "anon": [Caller()],
        "off": _refused(),
        **{name: [_logged_in(agent)] for name, agent in people.items()},
        **{name: [Caller(headers={"X-API-Key": make_key(*scopes)})] for name, scopes in MACHINES.items()},
    }


def _refused() -> list[Caller]:
    """Credentials that were good once: whatever their holder was, they are worth as little as none."""
    now = timezone.now()
    deactivated, changed, gone = (make_agent(role="admin") for _ in range(3))
    dead = [_logged_in(agent) for agent in (deactivated, changed, gone)]
    for agent, change in ((deactivated, {"is_active": False}), (changed, {"password": "another long pass phrase"})):
        services.update_agent(agent_id=agent.pk, changes=change, by=SYSTEM, now=now)
    sessions.log_out(session=LoginSession.objects.get(agent=gone), by=actor_of(gone), now=now)
    expired, revoked = make_key(*Scope), make_key(*Scope)
    first, second = ApiKey.objects.order_by("-pk")[:2]
    keys.revoke(key_id=first.pk, by=SYSTEM, now=now)
    ApiKey.objects.filter(pk=second.pk).update(expires_at=now - timedelta(seconds=1))
    dead[2] = Caller(headers=dead[2].headers)  # a logout at the API leaves the admin's session
    return [*dead, *(Caller(headers={"X-API-Key": text}) for text in (expired, revoked, "sdk_00000000_none"))]


def _logged_in(agent: Agent) -> Caller:
    tokens = sessions.log_in(email=agent.email, password=PASSWORD, network=NETWORK, now=timezone.now())
    client = Client()
    client.force_login(agent)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    return Caller(headers={"Authorization": f"Bearer {tokens.access}"}, session=session)
