"""Writes that know what their author saw."""

from collections import Counter
from typing import Any

import pytest
from django.test import Client

from agents.models import Agent
from agents.tests.builders import make_agent, make_department
from customers.tests.builders import make_customer
from supportdesk.core.models import Event
from supportdesk.tests.client import Api, counted_statements
from supportdesk.tests.races import race
from tickets.enums import Sender
from tickets.models import Message, Ticket
from tickets.tests.builders import change, make_ticket, say

pytestmark = pytest.mark.slow


@pytest.fixture
def agent(db: None) -> Agent:
    return make_agent()


# If-Match


def test_a_stale_change_is_told_what_differs(agent: Agent) -> None:
    ticket, api = make_ticket(tags=["a"]), Api(agent)
    change(ticket, status="pending", subject="Another subject")
    wanted = {"status": "on_hold", "priority": "normal", "subject": "Mine"}
    answer = api.patch(f"/api/tickets/{ticket.pk}", wanted, if_match='"1"')
    assert (answer.status, answer.body["code"], answer.body["version"]) == (412, "stale_version", 2)
    assert {error["field"]: error["detail"] for error in answer.body["errors"]} == {
        "status": "Is pending now.",
        "subject": "Is Another subject now.",
    }
    assert Ticket.objects.get(pk=ticket.pk).status == "pending"


@pytest.mark.django_db
def test_a_stale_change_of_a_customer_and_of_an_agent_is_told_what_differs() -> None:
    admin, customer, other = Api(make_agent(role="admin")), make_customer(name="Zoë"), make_agent()
    admin.patch(f"/api/customers/{customer.pk}", {"name": "Zoé"})
    answer = admin.patch(f"/api/customers/{customer.pk}", {"name": "Zoe"}, if_match='"1"')
    assert (answer.status, answer.body["errors"][0]["detail"]) == (412, "Is Zoé now.")
    admin.patch(f"/api/agents/{other.pk}", {"capacity": 3})
    wanted = {"capacity": 5, "password": "another pass phrase", "specializations": []}
    answer = admin.patch(f"/api/agents/{other.pk}", wanted, if_match='"1"')
    assert (answer.status, answer.fields) == (412, {"capacity": "differs"})


@pytest.mark.django_db(transaction=True)
def test_of_rivals_who_saw_the_same_version_one_wins() -> None:
    ticket, api = make_ticket(), Api(make_agent())
    answers = race(lambda n: api.patch(f"/api/tickets/{ticket.pk}", {"subject": f"Rival {n}"}, if_match='"1"'))
    assert Counter(answer.status for answer in answers) == {200: 1, 412: 31}
    ticket.refresh_from_db()
    assert ticket.version == 2
    assert [answer.body["ticket"]["subject"] for answer in answers if answer.status == 200] == [ticket.subject]
    assert Event.objects.filter(name="ticket.updated").count() == 1


# The blind-reply guard


def test_a_reply_to_what_is_no_longer_the_last_word_is_shown_what_is(agent: Agent) -> None:
    ticket, api = make_ticket(), Api(agent)
    say(ticket, "Forget it, it came!")
    path = f"/api/tickets/{ticket.pk}/messages"
    refused = api.post(path, {"body": "We search for it", "last_seen_position": 1})
    assert (refused.status, refused.body["code"]) == (409, "newer_messages")
    assert [(m["position"], m["body"]) for m in refused.body["messages"]] == [(2, "Forget it, it came!")]
    assert Message.objects.count() == 2
    assert api.post(path, {"body": "Glad to hear", "last_seen_position": 2}).status == 201
    assert api.post(path, {"body": "Once more", "last_seen_position": 1, "force": True}).status == 201


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"last_seen_position": 2}, "last_seen_position"),
        ({"last_seen_position": -1}, "last_seen_position"),
        ({"last_seen_position": "1"}, "last_seen_position"),
        ({"last_seen_position": 2**40}, "last_seen_position"),
        ({"last_seen_position": 1, "force": "yes"}, "force"),
    ],
)
def test_what_was_seen_must_be_there(agent: Agent, over: dict[str, Any], field: str) -> None:
    answer = Api(agent).post(f"/api/tickets/{make_ticket().pk}/messages", {"body": "x", **over})
    assert (answer.status, set(answer.fields)) == (400, {field})


@pytest.mark.django_db(transaction=True)
def test_of_rivals_who_saw_the_same_message_one_replies() -> None:
    ticket, api = make_ticket(), Api(make_agent())
    given = {"body": "On its way", "last_seen_position": 1}
    answers = race(lambda _: api.post(f"/api/tickets/{ticket.pk}/messages", given))
    assert Counter(answer.status for answer in answers) == {201: 1, 409: 31}
    assert list(ticket.messages.values_list("position", flat=True)) == [1, 2]


@pytest.mark.django_db
def test_the_admin_shows_what_came_in_between_and_lets_send_then() -> None:
    ticket, client = make_ticket(), Client()
    client.force_login(make_agent(role="supervisor"))
    url = f"/admin/tickets/ticket/{ticket.pk}/change/"
    assert 'name="reply-last_seen_position" value="1"' in client.get(url).content.decode()
    say(ticket, "Forget it, it came!")
    given = {"do": "reply", "reply-body": "We search for it", "reply-last_seen_position": "1"}
    page = client.post(url, given).content.decode()
    assert "Forget it, it came!" in page
    assert "1 newer on this ticket" in page
    assert 'name="reply-last_seen_position" value="2"' in page
    assert client.post(url, given | {"reply-last_seen_position": "2"}).status_code == 302
    assert ticket.messages.filter(sender=Sender.AGENT).count() == 1


# Bulk


def bulk(api: Api, tickets: list[Any], **changes: Any) -> Any:
    items = [item if isinstance(item, dict) else {"id": item.pk} for item in tickets]
    return api.post("/api/tickets/bulk", {"tickets": items, "changes": changes})


@pytest.mark.django_db
def test_many_tickets_change_each_for_itself() -> None:
    here = make_department()
    api = Api(make_agent(department=here))
    good, stale, closed, foreign = (make_ticket(department=here) for _ in range(4))
    change(closed, status="closed")
    change(foreign, department=make_department())
    asked = [{"id": foreign.pk}, {"id": stale.pk, "version": 7}, {"id": good.pk, "version": 1}, {"id": closed.pk}]
    answer = bulk(api, [*asked, {"id": 999_999_999}], status="pending")
    assert answer.status == 200
    found = [
        (row["id"], row["status"], row["version"], row["problem"] and row["problem"]["code"])
        for row in answer.body["results"]
    ]
    assert found == [
        (foreign.pk, 404, None, "not_found"),
        (stale.pk, 412, None, "stale_version"),
        (good.pk, 200, 2, None),
        (closed.pk, 409, None, "illegal_transition"),
        (999_999_999, 404, None, "not_found"),
    ]
    statuses = dict(Ticket.objects.values_list("pk", "status"))
    assert (statuses[good.pk], statuses[stale.pk], statuses[closed.pk]) == ("pending", "open", "closed")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "tickets"),
        ({"tickets": [], "changes": {"status": "open"}}, "tickets"),
        ({"tickets": [{"id": 1}, {"id": 1}], "changes": {"status": "open"}}, "tickets"),
        ({"tickets": [{"id": n + 1} for n in range(101)], "changes": {"status": "open"}}, "tickets"),
        ({"tickets": [{"id": 1}], "changes": {}}, "changes"),
        ({"tickets": [{"id": 1}], "changes": {"assignee_id": 1}}, "changes.assignee_id"),
        ({"tickets": [{"id": 1, "x": 1}], "changes": {"status": "open"}}, "tickets[0].x"),
        ({"tickets": {"id": 1}, "changes": {"status": "open"}}, "tickets"),
        ({"tickets": [1], "changes": {"status": "open"}}, "tickets[0]"),
    ],
)
def test_a_bulk_request_is_checked_before_anything_changes(agent: Agent, body: Any, field: str) -> None:
    answer = Api(agent).post("/api/tickets/bulk", body)
    assert answer.status == 400, answer.body
    assert field in answer.fields, answer.body


def test_statements_of_a_bulk_change_grow_with_the_tickets_alone(agent: Agent) -> None:
    api = Api(agent)
    few, many = [make_ticket() for _ in range(2)], [make_ticket() for _ in range(10)]
    with counted_statements() as for_two:
        bulk(api, few, priority="high")
    with counted_statements() as for_ten:
        bulk(api, many, priority="high")
    # token; each: lock, fact with what follows, clocks (2), update
    assert (len(for_two), len(for_ten)) == (1 + 2 * 5, 1 + 10 * 5)


@pytest.mark.django_db(transaction=True)
def test_rivals_in_bulk_leave_whole_tickets_and_no_deadlock() -> None:
    tickets, api = [make_ticket() for _ in range(5)], Api(make_agent())

    def rival(number: int) -> Any:
        asked = tickets if number % 2 else tickets[::-1]
        key = {"Idempotency-Key": f"rival-{number}"}
        items = [{"id": ticket.pk, "version": 1} for ticket in asked]
        return api.post("/api/tickets/bulk", {"tickets": items, "changes": {"subject": f"Rival {number}"}}, **key)

    answers = race(rival)
    assert {answer.status for answer in answers} == {200}
    results = Counter(row["status"] for answer in answers for row in answer.body["results"])
    assert results == {200: 5, 412: 31 * 5}
    assert set(Ticket.objects.values_list("version", flat=True)) == {2}
