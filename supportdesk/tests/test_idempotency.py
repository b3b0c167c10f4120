"""A POST that is sent again."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from agents.models import Agent
from agents.tests.builders import make_agent, make_department, make_key
from customers.models import Customer
from customers.tests.builders import make_customer
from supportdesk.core.api import idempotency
from supportdesk.core.models import Event, IdempotencyRecord
from supportdesk.tests.client import Answer, Api
from supportdesk.tests.races import race
from tickets.models import Message, Note, Ticket
from tickets.tests.builders import change, make_ticket

KEY = {"Idempotency-Key": "6f1c6c1e-0001"}


@pytest.fixture
def agent(db: None) -> Agent:
    return make_agent()


def open_ticket(api: Api, customer: Customer, subject: str = "Late", **headers: str) -> Answer:
    return api.post("/api/tickets", {"customer_id": customer.pk, "subject": subject, "description": "x"}, **headers)


def test_the_same_request_answers_the_same_and_does_nothing(agent: Agent) -> None:
    api, customer = Api(agent), make_customer()
    first, again = (open_ticket(api, customer, **KEY) for _ in range(2))
    assert (first.status, again.status) == (201, 201)
    assert again.body == first.body
    assert again.headers["ETag"] == first.headers["ETag"]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.headers["X-Request-ID"] != first.headers["X-Request-ID"]
    assert Ticket.objects.count() == 1
    assert Event.objects.filter(name="ticket.created").count() == 1


def test_members_in_another_order_are_the_same_body(agent: Agent) -> None:
    api = Api(agent)
    first = api.post("/api/customers", {"name": "Zoë", "language": "de"}, **KEY)
    again = api.send("POST", "/api/customers", b'{ "language": "de",  "name": "Zo\\u00eb" }', **KEY)
    assert (first.body["id"], Customer.objects.count()) == (again.body["id"], 1)


def test_another_body_is_a_422(agent: Agent) -> None:
    api, customer = Api(agent), make_customer()
    open_ticket(api, customer, **KEY)
    refused = open_ticket(api, customer, subject="Later", **KEY)
    assert (refused.status, refused.body["code"]) == (422, "idempotency_key_reused")
    assert Ticket.objects.count() == 1


def test_another_route_another_caller_and_another_key_are_other_requests(agent: Agent) -> None:
    customer = make_customer()
    machine = Api(make_key("tickets:write", "customers:read"))
    answers = [
        open_ticket(Api(agent), customer, **KEY),
        open_ticket(Api(make_agent()), customer, **KEY),
        open_ticket(machine, customer, **KEY),
        open_ticket(Api(agent), customer, **{"Idempotency-Key": "another"}),
    ]
    assert len({answer.body["ticket"]["id"] for answer in answers}) == 4
    for ticket in Ticket.objects.all()[:2]:
        assert Api(agent).post(f"/api/tickets/{ticket.pk}/messages", {"body": "Hi"}, **KEY).status == 201
    assert Message.objects.filter(body="Hi").count() == 2


def test_what_failed_may_be_tried_again(agent: Agent) -> None:
    api, ticket = Api(agent), make_ticket()
    change(ticket, status="closed")
    path = f"/api/tickets/{ticket.pk}/messages"
    assert [api.post(path, {"body": "Hi"}, **KEY).status for _ in range(2)] == [409, 409]
    assert api.post(path, {"body": ""}, **KEY).status == 400
    assert not IdempotencyRecord.objects.exists()
    assert api.post(path, {"body": "Hi", "sender": "customer"}, **KEY).status == 201


def test_an_answer_is_kept_for_a_day_as_ciphertext(agent: Agent) -> None:
    api = Api(agent)
    given = {"name": "Zoë Brandt", "email": "zoe@example.com"}
    first = api.post("/api/customers", given, **KEY)
    with connection.cursor() as cursor:
        cursor.execute("SELECT i::text FROM core_idempotencyrecord i")
        assert not any(word in str(cursor.fetchall()) for word in ("zoe", "Zo", "Brandt"))
    assert idempotency.prune(now=timezone.now()) == 0
    IdempotencyRecord.objects.update(created_at=timezone.now() - timedelta(hours=24, seconds=1))
    again = api.post("/api/customers", given, **KEY)
    assert (first.status, again.status, again.body["code"]) == (201, 409, "identity_taken")
    assert idempotency.prune(now=timezone.now()) == 1


@pytest.mark.django_db
def test_rights_are_asked_again_before_an_answer_is_repeated() -> None:
    here = make_department()
    agent = make_agent(department=here)
    ticket, api = make_ticket(department=here), Api(agent)
    path, body = f"/api/tickets/{ticket.pk}/notes", {"body": "Between us"}
    assert api.post(path, body, **KEY).status == 201
    change(ticket, department=make_department())
    assert api.post(path, body, **KEY).status == 404


@pytest.mark.parametrize("key", ["", " ", "a b", "x" * 256, "schlüssel"])
def test_a_key_is_visible_ascii(agent: Agent, key: str) -> None:
    answer = Api(agent).post("/api/customers", {"name": "Zoë"}, **{"Idempotency-Key": key})
    assert (answer.status, set(answer.fields)) == (400, {"Idempotency-Key"})
    assert not Customer.objects.exists()


def test_credentials_are_never_kept(agent: Agent) -> None:
    given = {"email": agent.email, "password": "a pass phrase for tests"}
    tokens = {Api().post("/api/auth/login", given, **KEY).body["refresh"] for _ in range(2)}
    assert len(tokens) == 2
    assert not IdempotencyRecord.objects.exists()


@pytest.mark.vuln
@pytest.mark.django_db
def test_an_api_key_is_shown_once_and_kept_nowhere() -> None:
    api = Api(make_agent(role="admin"))
    given = {"name": "Shop", "scopes": ["tickets:read"], "expires_at": (timezone.now() + timedelta(days=1)).isoformat()}
    first, again = (api.post("/api/api-keys", given, **KEY) for _ in range(2))
    assert again.body == first.body | {"key": None}
    assert first.body["key"] not in IdempotencyRecord.objects.get().answer
    assert Api(first.body["key"]).get("/api/tickets").status == 200


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("what", ["tickets", "customers", "messages", "notes"])
def test_rivals_with_one_key_have_one_effect(what: str) -> None:
    ticket, customer = make_ticket(), make_customer()
    routes: dict[str, tuple[str, dict[str, Any], Any]] = {
        "tickets": ("/api/tickets", {"customer_id": customer.pk, "subject": "s", "description": "rival"}, Ticket),
        "customers": ("/api/customers", {"name": "Rival"}, Customer),
        "messages": (f"/api/tickets/{ticket.pk}/messages", {"body": "rival"}, Message),
        "notes": (f"/api/tickets/{ticket.pk}/notes", {"body": "rival"}, Note),
    }
    path, body, model = routes[what]
    before, api = model.objects.count(), Api(make_agent())
    answers = race(lambda _: api.post(path, body, **KEY))
    statuses = Counter(answer.status for answer in answers)
    assert set(statuses) <= {201, 409}
    assert statuses[201] >= 1
    assert {answer.body["code"] for answer in answers if answer.status == 409} <= {"idempotency_in_progress"}
    assert (
        len({answer.body.get("id") or answer.body["ticket"]["id"] for answer in answers if answer.status == 201}) == 1
    )
    assert model.objects.count() == before + 1
