"""What a person may ask for, over all apps."""

import json
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.db import connection

from agents.tests.builders import SYSTEM, actor_of, make_agent
from customers.models import Customer, ExternalIdentity
from customers.services import Identity
from customers.tests.builders import make_customer
from supportdesk.core.models import Event
from supportdesk.tests.client import Api
from tickets.models import Attachment, Ticket
from tickets.services import assignment, conversation, privacy
from tickets.tests.builders import make_ticket, say

pytestmark = pytest.mark.django_db
CANARY = "canary7f3a"

# Every model that hangs on a customer, directly or through a ticket: what becomes of it in an export and an erasure.
DECLARED = {
    "customers.Customer": "exported, erased",
    "customers.ExternalIdentity": "exported, erased",
    "customers.Order": "exported, erased",
    "tickets.Draft": "kept from the person (a text of Quimbi's that was never sent), erased",
    "tickets.Ticket": "exported, erased (subject, attributes, tags)",
    "tickets.Message": "exported, erased (body)",
    "tickets.Note": "kept from the person, erased (body)",
    "tickets.Attachment": "exported (what it is), erased with its file",
    "tickets.Assignment": "kept from the person (agents and times), erased (transfer_reason)",
    "tickets.AssignmentDecision": "kept: ids, numbers, codes and times only",
    "sla.TicketSLA": "kept: ids and instants only",
    "sla.SLAClock": "kept: ids and instants only",
    "sla.SLAPause": "kept: instants only",
    "sla.SLAAlert": "kept from the person, erased (reason)",
    "tickets.TicketText": "follows the texts it is made of",
    "tickets.Watch": "kept while the ticket is open in a tab: agents and times only",
}


@pytest.fixture
def person() -> dict[str, Any]:
    """A customer with something in every place that can hold personal data."""
    agent = make_agent()
    customer = make_customer(
        name=f"Zoë {CANARY}",
        email=f"{CANARY}@example.com",
        phone="+49 30 901820",
        address=f"{CANARY} street",
        attributes={"nick": CANARY},
        identities=[Identity(source="shopify", external_id=CANARY)],
    )
    given = {
        "subject": f"I am {CANARY}",
        "description": f"{CANARY} here",
        "attributes": {"x": CANARY},
        "tags": [CANARY],
    }
    ticket = make_ticket(customer=customer, **given)
    say(ticket, f"it is {CANARY} again")
    other, now = make_agent(), ticket.created_at
    assignment.assign(ticket_id=ticket.pk, agent_id=agent.pk, by=SYSTEM, now=now)
    assignment.transfer(
        ticket_id=ticket.pk,
        from_agent_id=agent.pk,
        agent_id=other.pk,
        reason=f"{CANARY} asked for her",
        by=SYSTEM,
        now=now,
    )
    conversation.add_note(ticket_id=ticket.pk, body=f"{CANARY} is odd", by=actor_of(agent), now=ticket.created_at)
    api = Api(make_agent(role="admin"))
    file = SimpleUploadedFile(f"{CANARY}.txt", CANARY.encode())
    made = api.client.post(f"/api/tickets/{ticket.pk}/attachments", {"file": file}, headers=api.headers)
    assert made.status_code == 201
    return {"customer": customer, "ticket": ticket, "api": api}


def hits() -> list[str]:
    """Tables in which the marked value can be read."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT count(*) FROM "{table}" t WHERE t::text ILIKE %s', [f"%{CANARY}%"])  # noqa: S608
            if cursor.fetchone() != (0,):
                found.append(table)
    return found


def test_an_export_holds_all_of_it(person: dict[str, Any]) -> None:
    answer = person["api"].get(f"/api/customers/{person['customer'].pk}/export")
    assert answer.status == 200
    body = answer.body
    assert (body["customer"]["email"], body["customer"]["address"]) == (f"{CANARY}@example.com", f"{CANARY} street")
    assert body["customer"]["identities"] == [{"source": "shopify", "external_id": CANARY}]
    (ticket,) = body["tickets"]
    assert [said["body"] for said in ticket["messages"]] == [f"{CANARY} here", f"it is {CANARY} again"]
    assert ticket["attachments"][0]["name"] == f"{CANARY}.txt"
    assert "is odd" not in str(body)
    assert Event.objects.filter(name="customer.read", payload__through="export").count() == 1
    output = StringIO()
    call_command("export_customer", str(person["customer"].pk), stdout=output)
    assert json.loads(output.getvalue()) == body


def test_after_an_erasure_nothing_says_who_it_was(
    person: dict[str, Any], django_capture_on_commit_callbacks: Any
) -> None:
    assert {"customers_customer", "tickets_ticket", "tickets_message", "tickets_note", "tickets_tickettext"} <= set(
        hits()
    )
    (stored,) = Attachment.objects.values_list("stored_as", flat=True)
    events = Event.objects.filter(subject_type="ticket").count()
    path = f"/api/customers/{person['customer'].pk}"
    with django_capture_on_commit_callbacks(execute=True):
        answer = person["api"].post(f"{path}/erase", {"confirm": "erase"})
    assert (answer.status, answer.body["name"], answer.body["email"]) == (200, "Erased customer", None)
    assert hits() == []
    assert not storages["attachments"].exists(stored)
    assert not ExternalIdentity.objects.exists()
    assert Event.objects.filter(subject_type="ticket").count() == events
    ticket = Ticket.objects.get(pk=person["ticket"].pk)
    assert (ticket.subject, ticket.last_position, ticket.status) == ("[erased]", 2, "open")
    assert person["api"].get("/api/customers", email=f"{CANARY}@example.com").body["results"] == []
    assert person["api"].get("/api/tickets", q=CANARY).body["results"] == []


def test_an_erased_customer_takes_nothing_new_and_erasing_again_changes_nothing(person: dict[str, Any]) -> None:
    api, path = person["api"], f"/api/customers/{person['customer'].pk}"
    versions = [api.post(f"{path}/erase", {"confirm": "erase"}).body["version"] for _ in range(2)]
    assert versions == [2, 2]
    assert Event.objects.filter(name="customer.erased").count() == 1
    assert api.patch(path, {"email": "again@example.com"}).body["code"] == "customer_erased"
    given = {"customer_id": person["customer"].pk, "subject": "x", "description": "x"}
    assert api.post("/api/tickets", given).body["code"] == "customer_erased"
    assert make_customer(email=f"{CANARY}@example.com").pk != person["customer"].pk


def test_an_erasure_is_whole_or_not_at_all(person: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(**_: Any) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(privacy, "erase_conversations", broken)
    assert person["api"].post(f"/api/customers/{person['customer'].pk}/erase", {"confirm": "erase"}).status == 500
    assert Customer.objects.get(pk=person["customer"].pk).email == f"{CANARY}@example.com"


@pytest.mark.parametrize("role", ["agent", "senior", "supervisor"])
def test_administrators_only(role: str) -> None:
    api, path = Api(make_agent(role=role)), f"/api/customers/{make_customer().pk}"
    assert api.get(f"{path}/export").status == 403
    assert api.post(f"{path}/erase", {"confirm": "erase"}).status == 403


@pytest.mark.parametrize("body", [{}, {"confirm": True}, {"confirm": "yes"}, {"confirm": "erase", "x": 1}])
def test_an_erasure_is_confirmed(body: dict[str, Any]) -> None:
    admin, customer = Api(make_agent(role="admin")), make_customer()
    assert admin.post(f"/api/customers/{customer.pk}/erase", body).status == 400
    assert Customer.objects.get(pk=customer.pk).erased_at is None
    assert admin.post("/api/customers/999999/erase", {"confirm": "erase"}).status == 404


def test_the_list_of_the_erased_is_applied_again_after_a_restore(
    person: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    other = make_customer()
    with pytest.raises(CommandError, match="--yes"):
        call_command("erase_customers", str(other.pk))
    call_command("erase_customers", str(other.pk), "--yes", stdout=StringIO())
    kept = StringIO()
    call_command("erase_customers", "--list", stdout=kept)
    assert kept.getvalue().split() == [str(other.pk)]
    monkeypatch.setattr("sys.stdin", StringIO(f"{kept.getvalue()}{person['customer'].pk}\n424242\n"))
    said = StringIO()
    call_command("erase_customers", "--from-input", stdout=said)
    assert said.getvalue().strip() == "Erased 1; 2 were erased before or are not there."
    assert Customer.objects.get(pk=person["customer"].pk).name == "Erased customer"


def test_every_model_on_a_customer_is_declared() -> None:
    reached, todo = set(), [Customer]
    while todo:
        model: Any = todo.pop()
        if model in reached:
            continue
        reached.add(model)
        todo += [relation.related_model for relation in model._meta.related_objects]
    assert {model._meta.label for model in reached} == set(DECLARED)
    assert apps.get_model("tickets", "Ticket") in reached
