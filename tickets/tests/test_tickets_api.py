"""Tickets over HTTP: opening, listing, changing, archiving."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.tests.builders import SYSTEM, actor_of, make_agent, make_department
from customers.tests.builders import make_customer
from supportdesk.core.models import Event
from supportdesk.tests.client import Answer, Api, counted_statements
from tickets.enums import Priority, Sender, Status
from tickets.models import Message, Ticket
from tickets.services import assignment, topic_alerts
from tickets.tests.builders import change, make_ticket, say

pytestmark = pytest.mark.django_db
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def me() -> Api:
    return Api(make_agent(department=make_department()))


def ids(answer: Answer) -> list[int]:
    return [row["id"] for row in answer.body["results"]]


def body(**over: Any) -> dict[str, Any]:
    given = {"subject": "Charged twice", "description": "Two payments.\n\nPlease check.", **over}
    if "customer_id" not in given:
        given["customer_id"] = make_customer().pk
    return given


# Opening


def test_open_a_ticket_with_every_field(me: Api) -> None:
    department = make_department()
    given = body(
        priority="high",
        channel="phone",
        category="billing",
        tags=[" Refund ", "refund", "VIP"],
        attributes={"order": "1043", "total": 12.5, "gift": None},
        language="pt-BR",
        department_id=department.pk,
        source="shop",
        external_id="A-1",
    )
    answer = me.post("/api/tickets", given)
    assert answer.status == 201
    assert answer.headers["ETag"] == '"1"'
    assert set(answer.body) == {"ticket", "customer", "assignment", "sla", "ai_insights"}
    ticket = answer.body["ticket"]
    expected = {
        **{name: given[name] for name in ("subject", "description", "priority", "channel", "category", "attributes")},
        "tags": ["refund", "vip"],
        "language": "pt-br",
        "department": {"id": department.pk, "name": department.name},
        "source": "shop",
        "external_id": "A-1",
        "status": "open",
        "assignee": None,
        "message_count": 1,
        "version": 1,
    }
    assert {name: ticket[name] for name in expected} == expected
    assert ticket["waiting_since"] == ticket["created_at"]
    assert ticket["created_at"].endswith("Z")
    assert answer.body["customer"]["id"] == given["customer_id"]
    unasked = {"value": None, "source": "none", "as_of": None, "reason": "not_configured"}
    assert answer.body["assignment"] is None
    assert answer.body["ai_insights"] == {"dna": unasked, "churn_risk": unasked}
    assert answer.body["sla"]["first_response"]["state"] == "running"


def test_opening_leaves_two_facts_and_the_first_message(me: Api) -> None:
    ticket_id = me.post("/api/tickets", body()).body["ticket"]["id"]
    message = Message.objects.get()
    assert (message.position, message.sender, message.body) == (1, "customer", "Two payments.\n\nPlease check.")
    facts = list(Event.objects.filter(subject_type="ticket").order_by("id"))
    assert [fact.name for fact in facts] == ["ticket.created", "ticket.message_added"]
    assert {fact.subject_id for fact in facts} == {ticket_id}
    assert facts[1].payload["public_reply"] is False


@pytest.mark.parametrize(
    ("change_", "fields"),
    [
        ({"customer_id": 999_999}, {"customer_id": "not_found"}),
        ({"customer_id": "1"}, {"customer_id": "wrong_type"}),
        ({"customer_id": 1.5}, {"customer_id": "wrong_type"}),
        ({"customer_id": None}, {"customer_id": "null"}),
        ({"customer_id": 0}, {"customer_id": "min_value"}),
        ({"customer_id": 2**70}, {"customer_id": "max_value"}),
        ({"subject": ""}, {"subject": "blank"}),
        ({"subject": "x" * 301}, {"subject": "max_length"}),
        ({"subject": "a\nb"}, {"subject": "control_character"}),
        ({"subject": ["a"]}, {"subject": "wrong_type"}),
        ({"description": ""}, {"description": "blank"}),
        ({"description": "x" * 65_537}, {"description": "max_length"}),
        ({"priority": "Urgent"}, {"priority": "invalid_choice"}),
        ({"priority": {}}, {"priority": "invalid_choice"}),
        ({"channel": "fax"}, {"channel": "invalid_choice"}),
        ({"category": ""}, {"category": "invalid_choice"}),
        ({"tags": "a,b"}, {"tags": "not_a_list"}),
        ({"tags": ["x" * 51]}, {"tags[0]": "max_length"}),
        ({"tags": [["a"]]}, {"tags[0]": "wrong_type"}),
        ({"tags": [str(n) for n in range(31)]}, {"tags": "max_length"}),
        ({"attributes": "x"}, {"attributes": "wrong_type"}),
        ({"attributes": {"": 1}}, {"attributes.": "invalid_name"}),
        ({"language": "🇩🇪"}, {"language": "invalid_language"}),
        ({"department_id": 999_999}, {"department_id": "not_found"}),
        ({"external_id": "A-1"}, {"source": "required"}),
        ({"source": "shop"}, {"external_id": "required"}),
        ({"source": "Shop!", "external_id": "1"}, {"source": "invalid_source"}),
        ({"status": "closed"}, {"status": "unknown_field"}),
        ({"rank_at": "2020-01-01T00:00:00Z", "id": 1}, {"rank_at": "unknown_field", "id": "unknown_field"}),
    ],
)
def test_bad_input_is_a_400_that_names_the_field(me: Api, change_: dict[str, Any], fields: dict[str, str]) -> None:
    answer = me.post("/api/tickets", body(**change_))
    assert (answer.status, answer.fields) == (400, fields)
    assert not Ticket.objects.exists()
    assert not Event.objects.filter(subject_type="ticket").exists()


def test_the_customer_of_another_department_is_no_customer(me: Api) -> None:
    foreign = make_ticket(department=make_department()).customer
    answer = me.post("/api/tickets", body(customer_id=foreign.pk))
    assert (answer.status, answer.fields) == (400, {"customer_id": "not_found"})


def test_an_external_id_opens_one_ticket_per_source(me: Api) -> None:
    given = body(source="shop", external_id="A-1")
    assert me.post("/api/tickets", given).status == 201
    again = me.post("/api/tickets", given)
    assert (again.status, again.fields) == (409, {"external_id": "external_id_taken"})
    assert me.post("/api/tickets", given | {"source": "other"}).status == 201
    assert Message.objects.count() == 2


@pytest.mark.parametrize(
    "text", ["👩🏽‍🚒 help", "مرحبا بالعالم", "a\u202eb", "naïve ﬁ", "<script>alert(1)</script>", "'; --"]
)
def test_any_text_comes_back_as_it_went_in(me: Api, text: str) -> None:
    made = me.post("/api/tickets", body(subject=text, description=text)).body["ticket"]
    assert (made["subject"], made["description"]) == (text, text)
    assert me.get(f"/api/tickets/{made['id']}").body["ticket"]["description"] == text


# Listing


def test_the_default_order_is_the_order_of_work(me: Api) -> None:
    now = timezone.now()
    closed = make_ticket(now=now - timedelta(days=9))
    change(closed, status=Status.CLOSED)
    normal, urgent = make_ticket(now=now - timedelta(hours=5)), make_ticket(now=now, priority=Priority.URGENT)
    answered = make_ticket(now=now - timedelta(days=5))
    say(answered, sender=Sender.AGENT, by=_by())
    pending = make_ticket(now=now - timedelta(days=30))
    change(pending, status=Status.PENDING)
    owed = answered  # a solution, since days
    assert ids(me.get("/api/tickets")) == [owed.pk, urgent.pk, normal.pk, pending.pk, closed.pk]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status": "pending"}, "b"),
        ({"status": "open,closed"}, "acd"),
        ({"priority": "urgent"}, "a"),
        ({"channel": "chat"}, "b"),
        ({"category": "refund"}, "c"),
        ({"tag": "VIP"}, "ab"),
        ({"tag": "vip,late"}, "b"),
        ({"assignee": "none"}, "bcd"),
        ({"assignee": "me"}, "a"),
        ({"source": "shop"}, "c"),
        ({"source": "shop", "external_id": "7"}, "c"),
        ({"external_id": "7"}, "c"),
        ({"created_since": "2021-01-01"}, "bcd"),
        ({"created_since": "2021-01-01T00:00:00+02:00"}, "bcd"),
        ({"updated_since": "2999-01-01T00:00:00Z"}, ""),
        ({"archived": "true"}, "e"),
        ({"archived": "true,false"}, "abcde"),
        ({"status": "open", "priority": "urgent", "tag": "vip"}, "a"),
    ],
)
def test_filters(query: dict[str, str], expected: str) -> None:
    agent = make_agent()
    tickets = {
        "a": make_ticket(priority=Priority.URGENT, tags=["vip"], now=LONG_AGO),
        "b": make_ticket(channel="chat", tags=["vip", "late"]),
        "c": make_ticket(category="refund", source="shop", external_id="7"),
        "d": make_ticket(),
        "e": make_ticket(),
    }
    change(tickets["b"], status=Status.PENDING)
    change(tickets["d"], status=Status.CLOSED)
    assignment.assign(ticket_id=tickets["a"].pk, agent_id=agent.pk, by=SYSTEM, now=timezone.now())
    api = Api(agent)
    assert api.delete(f"/api/tickets/{tickets['e'].pk}").status == 204
    assert set(ids(api.get("/api/tickets", **query))) == {tickets[letter].pk for letter in expected}


def test_filters_by_customer_department_and_assignee(me: Api) -> None:
    department = make_department()
    agent = make_agent(department=department)
    wanted, _ = make_ticket(department=department), make_ticket()
    assignment.assign(ticket_id=wanted.pk, agent_id=agent.pk, by=SYSTEM, now=timezone.now())
    api = Api(agent)
    for query in ({"customer": wanted.customer_id}, {"department": department.pk}, {"assignee": agent.pk}):
        assert ids(api.get("/api/tickets", **query)) == [wanted.pk]


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ({"status": "lost"}, {"status": "invalid_choice"}),
        ({"status": "open,,"}, {"status": "invalid_choice"}),
        ({"customer": "x"}, {"customer": "invalid_id"}),
        ({"customer": "-1"}, {"customer": "invalid_id"}),
        ({"customer": str(2**64)}, {"customer": "invalid_id"}),
        ({"customer": "\u0663"}, {"customer": "invalid_id"}),
        ({"assignee": "you"}, {"assignee": "invalid_id"}),
        ({"created_since": "yesterday"}, {"created_since": "invalid_time"}),
        ({"created_since": "0001-01-01T00:00:00+23:00"}, {"created_since": "invalid_time"}),
        ({"created_since": "9999-12-31T23:59:59-23:00"}, {"created_since": "invalid_time"}),
        ({"tag": "x" * 201}, {"tag": "max_length"}),
        ({"archived": "maybe"}, {"archived": "invalid_choice"}),
        ({"page_size": "0"}, {"page_size": "out_of_range"}),
        ({"page_size": "101"}, {"page_size": "out_of_range"}),
        ({"page_size": "10000"}, {"page_size": "out_of_range"}),
        ({"page_size": "-5"}, {"page_size": "out_of_range"}),
        ({"page_size": "ten"}, {"page_size": "out_of_range"}),
        ({"page_size": "\u0665"}, {"page_size": "out_of_range"}),
        ({"page_size": ""}, {"page_size": "empty_parameter"}),
        ({"ordering": "subject"}, {"ordering": "invalid_choice"}),
        ({"count": "yes"}, {"count": "invalid_choice"}),
        ({"cursor": "x"}, {"cursor": "invalid_cursor"}),
        ({"cursor": ""}, {"cursor": "empty_parameter"}),
        ({"page": "2"}, {"page": "unknown_parameter"}),
        ({"customer__email_index": "a"}, {"customer__email_index": "unknown_parameter"}),
        ({"status": ["open", "closed"]}, {"status": "repeated_parameter"}),
        ({"tag": "a\0b"}, {"tag": "invalid"}),
        ({"status": ""}, {"status": "empty_parameter"}),
        ({"q": " "}, {"q": "empty_parameter"}),
        ({"format": "json"}, {"format": "unknown_parameter"}),
    ],
)
def test_bad_parameters_are_a_400_that_names_them(me: Api, query: dict[str, Any], fields: dict[str, str]) -> None:
    answer = me.get("/api/tickets", **query)
    assert (answer.status, answer.fields) == (400, fields)


# Reading and changing


def test_the_detail_has_five_parts(me: Api) -> None:
    agent = make_agent()
    ticket = make_ticket()
    assignment.assign(ticket_id=ticket.pk, agent_id=agent.pk, by=SYSTEM, now=timezone.now())
    found = me.get(f"/api/tickets/{ticket.pk}").body
    assert list(found) == ["ticket", "customer", "assignment", "sla", "ai_insights"]
    assert found["ticket"]["assignee"] == {"id": agent.pk, "name": agent.name}
    assert found["assignment"]["agent"] == {"id": agent.pk, "name": agent.name}
    assert found["assignment"]["reason"] == "manual"
    assert found["sla"]["policy"]["name"] == "Default"
    assert list(found["ai_insights"]) == ["dna", "churn_risk"]


def test_a_change_is_one_version_and_its_facts(me: Api) -> None:
    ticket = make_ticket()
    answer = me.patch(
        f"/api/tickets/{ticket.pk}", {"status": "pending", "priority": "low", "subject": "New", "tags": ["b", "a"]}
    )
    assert answer.status == 200
    assert answer.headers["ETag"] == '"2"'
    found = answer.body["ticket"]
    assert (found["status"], found["priority"], found["subject"], found["tags"]) == (
        "pending",
        "low",
        "New",
        ["a", "b"],
    )
    facts = list(Event.objects.filter(subject_type="ticket", subject_id=ticket.pk).order_by("id"))[2:]
    assert [(fact.name, fact.payload) for fact in facts] == [
        ("ticket.status_changed", {"before": "open", "after": "pending"}),
        ("ticket.priority_changed", {"before": "normal", "after": "low"}),
        ("ticket.updated", {"fields": ["subject", "tags"]}),
    ]


def test_a_change_to_the_same_values_is_none(me: Api) -> None:
    ticket = make_ticket(tags=["a"])
    answer = me.patch(f"/api/tickets/{ticket.pk}", {"status": "open", "tags": [" A "], "subject": ticket.subject})
    assert answer.body["ticket"]["version"] == 1
    assert Event.objects.filter(subject_type="ticket").count() == 2


def test_an_illegal_transition_is_a_conflict_and_changes_nothing(me: Api) -> None:
    ticket = change(make_ticket(), status=Status.CLOSED)
    answer = me.patch(f"/api/tickets/{ticket.pk}", {"status": "open", "subject": "Other"})
    assert (answer.status, answer.body["code"], answer.fields) == (
        409,
        "illegal_transition",
        {"status": "illegal_transition"},
    )
    assert Ticket.objects.get().subject == "A question"


def test_resolving_and_reopening_move_the_times(me: Api) -> None:
    ticket = make_ticket()
    resolved = me.patch(f"/api/tickets/{ticket.pk}", {"status": "resolved"}).body["ticket"]
    assert (resolved["resolved_at"] is None, resolved["waiting_since"]) == (False, None)
    reopened = me.patch(f"/api/tickets/{ticket.pk}", {"status": "open"}).body["ticket"]
    assert reopened["resolved_at"] is None


def test_if_match_protects_from_a_lost_update(me: Api) -> None:
    ticket = make_ticket()
    path = f"/api/tickets/{ticket.pk}"
    assert me.patch(path, {"subject": "First"}, if_match='"1"').status == 200
    stale = me.patch(path, {"subject": "Second"}, if_match='W/"1"')
    assert (stale.status, stale.body["code"]) == (412, "stale_version")
    assert me.delete(path, if_match='"1"').status == 412
    assert Ticket.objects.get().subject == "First"


def test_archiving_closes_frees_the_agent_once_and_leaves_every_default_list(me: Api) -> None:
    agent, ticket = make_agent(), make_ticket()
    assignment.assign(ticket_id=ticket.pk, agent_id=agent.pk, by=SYSTEM, now=timezone.now())
    path = f"/api/tickets/{ticket.pk}"
    assert me.delete(path).status == 204
    assert me.delete(path).status == 204
    found = me.get(path).body
    assert (found["ticket"]["status"], found["assignment"]) == ("closed", None)
    assert found["ticket"]["archived_at"]
    assert ids(me.get("/api/tickets")) == []
    assert Event.objects.filter(name="ticket.archived").count() == 1
    refused = me.patch(path, {"subject": "New"})
    assert (refused.status, refused.body["code"]) == (409, "archived")


def test_moving_a_ticket_to_another_department_answers_and_then_hides_it(me: Api) -> None:
    ticket, other = make_ticket(), make_department()
    moved = me.patch(f"/api/tickets/{ticket.pk}", {"department_id": other.pk})
    assert (moved.status, moved.body["ticket"]["department"]["id"]) == (200, other.pk)
    assert me.get(f"/api/tickets/{ticket.pk}").status == 404


# Statements


def test_statements_are_few_and_the_same_for_one_and_three(me: Api) -> None:
    ticket = make_ticket()
    with counted_statements() as one:
        me.get("/api/tickets")
    with counted_statements() as detail:
        me.get(f"/api/tickets/{ticket.pk}")
    for _ in range(2):
        say(make_ticket())
        say(ticket)
    with counted_statements() as three:
        assert len(me.get("/api/tickets").body["results"]) == 3
    with counted_statements() as longer_detail:
        me.get(f"/api/tickets/{ticket.pk}")
    assert len(one) == len(three) == 2  # the token, the page
    assert len(detail) == len(longer_detail) == 4  # the token, the ticket, audit, promises


def test_the_promises_of_a_new_ticket_are_answered_as_they_are_read(me: Api) -> None:
    made = me.post("/api/tickets", body(priority="high")).body
    read = me.get(f"/api/tickets/{made['ticket']['id']}").body
    assert made["ticket"] == read["ticket"]
    told, found = made["sla"], read["sla"]
    assert told["policy"] == found["policy"]
    for metric in ("first_response", "resolution"):
        left = told[metric].pop("remaining_seconds") - found[metric].pop("remaining_seconds")
        assert left in range(60)  # meanwhile
    assert told == found


def test_statements_of_writes(me: Api) -> None:
    given, sorted_in = body(), body(department_id=make_department().pk)
    make_ticket()  # fills what a process keeps of policies and calendars
    with counted_statements() as created:
        made = me.post("/api/tickets", given).body["ticket"]
    # token, customer, ticket, message, facts with what follows, policies, clocks, ticket with its rank
    assert len(created) == 8
    with counted_statements() as created:
        me.post("/api/tickets", sorted_in)
    assert len(created) == 9  # the department
    with counted_statements() as said:
        me.post(f"/api/tickets/{made['id']}/messages", {"body": "Hello"})
    # token, ticket, message, facts with what follows, clocks read, clocks written, ticket with its rank
    assert len(said) == 7
    with counted_statements() as heard:
        me.post(f"/api/tickets/{made['id']}/messages", {"body": "Thank you", "sender": "customer"})
    assert len(heard) == 7
    with counted_statements() as heard:
        me.post(f"/api/tickets/{made['id']}/messages", {"body": "Thank you", "sender": "customer"})
    assert len(heard) == 6  # they wait already: no clock moves
    topic_alerts.begin(
        phrase="never written", minutes=30, ends_at=timezone.now() + timedelta(hours=1), by=SYSTEM, now=timezone.now()
    )
    with counted_statements() as heard:
        me.post(f"/api/tickets/{made['id']}/messages", {"body": "Thank you", "sender": "customer"})
    assert len(heard) == 7  # topic alerts too, where one runs whose phrase is looked for in what customers write
    with counted_statements() as created:
        made = me.post("/api/tickets", {**given, "description": "As never written before"}).body["ticket"]
    assert len(created) == 9
    assert Ticket.objects.get(pk=made["id"]).lift_minutes == 30


def _by() -> Any:
    return actor_of(make_agent(department=make_department()))
