"""Assigning over HTTP, and the lists to do it by."""

from typing import Any

import pytest
from django.core.cache import cache
from redis.exceptions import ConnectionError as RedisConnectionError

from agents.models import Agent, Department
from agents.tests.builders import make_agent, make_department, make_key
from supportdesk.core.models import Event
from supportdesk.tests.client import Answer, Api, counted_statements
from tickets import workload
from tickets.models import Assignment, Ticket
from tickets.tests.builders import assign, auto_assign, change, make_ticket, make_worker, set_agent, transfer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


@pytest.fixture
def here() -> Department:
    return make_department()


@pytest.fixture
def me(here: Department) -> Agent:
    return make_worker(department=here)


@pytest.fixture
def api(me: Agent) -> Api:
    return Api(me)


def path(ticket: Ticket, action: str) -> str:
    return f"/api/tickets/{ticket.pk}/{action}"


def ids(answer: Answer) -> list[int]:
    assert answer.status == 200, answer.body
    return [row["id"] for row in answer.body["results"]]


# Assign


def test_assign_answers_the_ticket_and_the_decision(api: Api, me: Agent) -> None:
    ticket = make_ticket()
    answer = api.post(path(ticket, "assign"), {"agent_id": me.pk})
    assert (answer.status, answer.headers["ETag"]) == (200, '"2"')
    assert set(answer.body) == {"ticket", "customer", "assignment", "sla", "ai_insights", "decision"}
    assert answer.body["ticket"]["assignee"] == {"id": me.pk, "name": me.name}
    assert answer.body["assignment"]["agent"]["id"] == me.pk
    assert {name: answer.body["decision"][name] for name in ("outcome", "why", "over_capacity", "trigger")} == {
        "outcome": "manual",
        "why": "Given by hand.",
        "over_capacity": False,
        "trigger": "request",
    }
    again = api.post(path(ticket, "assign"), {"agent_id": me.pk})
    assert (again.status, again.body["decision"], again.body["ticket"]["version"]) == (200, None, 2)
    fact = Event.objects.get(name="ticket.assigned")
    assert (fact.actor_id, fact.origin) == (me.pk, "api")


def test_what_an_agent_has_no_room_for_is_said(api: Api, me: Agent) -> None:
    set_agent(me, capacity=0)
    answer = api.post(path(make_ticket(), "assign"), {"agent_id": me.pk})
    assert (answer.status, answer.body["decision"]["over_capacity"]) == (200, True)


@pytest.mark.parametrize(
    ("body", "field", "code"),
    [
        ({}, "agent_id", "required"),
        ({"agent_id": "7"}, "agent_id", "wrong_type"),
        ({"agent_id": 0}, "agent_id", "min_value"),
        ({"agent_id": 2**63}, "agent_id", "max_value"),
        ({"agent_id": None}, "agent_id", "null"),
        ({"agent_id": 987_654_321}, "agent_id", "not_found"),
        ({"agent_id": "foreign"}, "agent_id", "not_found"),
        ({"agent_id": "me", "force": True}, "force", "unknown_field"),
    ],
)
def test_bad_input_of_an_assignment(api: Api, me: Agent, body: dict[str, Any], field: str, code: str) -> None:
    known = {"me": me.pk, "foreign": make_worker(department=make_department()).pk}
    given = {name: known.get(value, value) for name, value in body.items()}
    ticket = make_ticket()
    answer = api.post(path(ticket, "assign"), given)
    assert (answer.status, answer.fields) == (400, {field: code})
    assert not Assignment.objects.exists()


def test_who_loses_is_told_who_has_the_ticket(api: Api, me: Agent, here: Department) -> None:
    owner, ticket = make_agent(department=here), make_ticket()
    assign(ticket, owner)
    state = {"version": 2, "status": "open", "assignee": {"id": owner.pk, "name": owner.name}}
    for action, body, code in (
        ("assign", {"agent_id": me.pk}, "already_assigned"),
        ("auto-assign", {}, "already_assigned"),
        ("transfer", {"from_agent_id": me.pk, "agent_id": owner.pk, "reason": "x"}, "assignment_changed"),
    ):
        answer = api.post(path(ticket, action), body)
        assert (answer.status, answer.body["code"]) == (409, code)
        assert (answer.body["status"], answer.body["current"]) == (409, state)


def test_inactive_closed_and_out_of_sight(api: Api, me: Agent, here: Department) -> None:
    ticket, closed = make_ticket(), make_ticket()
    gone = set_agent(make_agent(department=here), is_active=False)
    answer = api.post(path(ticket, "assign"), {"agent_id": gone.pk})
    assert (answer.status, answer.body["code"], answer.fields) == (
        409,
        "not_assignable",
        {"agent_id": "not_assignable"},
    )
    change(closed, status="closed")
    for action, body in (
        ("assign", {"agent_id": me.pk}),
        ("auto-assign", {}),
        ("transfer", {"from_agent_id": gone.pk, "agent_id": me.pk, "reason": "x"}),
    ):
        answer = api.post(path(closed, action), body)
        assert (answer.status, answer.body["code"], answer.body["current"]["status"]) == (
            409,
            "not_assignable",
            "closed",
        )
    foreign = make_ticket(department=make_department())
    for ticket_id in (foreign.pk, 987_654_321):
        assert api.post(f"/api/tickets/{ticket_id}/assign", {"agent_id": me.pk}).status == 404
        assert api.post(f"/api/tickets/{ticket_id}/auto-assign").status == 404
        assert api.get(f"/api/tickets/{ticket_id}/assignments").status == 404


def test_an_agent_of_another_department_takes_no_ticket_of_this_one(here: Department) -> None:
    admin, stranger = Api(make_agent(role="admin")), make_agent(department=make_department())
    answer = admin.post(path(make_ticket(department=here), "assign"), {"agent_id": stranger.pk})
    assert (answer.status, answer.body["code"]) == (409, "not_assignable")
    assert answer.body["errors"][0]["detail"] == "This agent does not see the ticket."


# Automatically


def test_auto_assign_says_whom_and_why_or_that_nobody_can(api: Api, me: Agent, here: Department) -> None:
    answer = api.post(path(make_ticket(department=here), "auto-assign"), {})
    assert answer.status == 200
    assert (answer.body["ticket"]["assignee"]["id"], answer.body["decision"]["outcome"]) == (me.pk, "auto")
    set_agent(me, availability="busy")
    answer = api.post(path(make_ticket(department=here), "auto-assign"))
    assert answer.status == 200
    assert (answer.body["ticket"]["assignee"], answer.body["assignment"]) == (None, None)
    assert answer.body["ticket"]["queued_at"] is not None
    assert (answer.body["decision"]["outcome"], answer.body["decision"]["why"]) == (
        "nobody",
        "Nobody could take it (1 busy).",
    )
    assert api.post(path(make_ticket(), "auto-assign"), {"agent_id": me.pk}).fields == {"agent_id": "unknown_field"}


def test_a_repeated_key_assigns_once(api: Api) -> None:
    ticket, key = make_ticket(), {"Idempotency-Key": "once"}
    first, again = (api.post(path(ticket, "auto-assign"), {}, **key) for _ in range(2))
    assert (first.status, again.status, again.body) == (200, 200, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert Assignment.objects.count() == 1


# Transfer


@pytest.mark.parametrize(
    ("over", "field", "code"),
    [
        ({"agent_id": None}, "agent_id", "null"),
        ({"agent_id": 987_654_321}, "agent_id", "not_found"),
        ({"from_agent_id": "1"}, "from_agent_id", "wrong_type"),
        ({"reason": ""}, "reason", "blank"),
        ({"reason": "   "}, "reason", "blank"),
        ({"reason": "x" * 501}, "reason", "max_length"),
        ({"reason": "line\nbreak"}, "reason", "control_character"),
        ({"reason": 7}, "reason", "wrong_type"),
        ({"why": "x"}, "why", "unknown_field"),
    ],
)
def test_bad_input_of_a_transfer(
    api: Api, me: Agent, here: Department, over: dict[str, Any], field: str, code: str
) -> None:
    ticket = make_ticket()
    assign(ticket, me)
    body = {"from_agent_id": me.pk, "agent_id": make_agent(department=here).pk, "reason": "x", **over}
    answer = api.post(path(ticket, "transfer"), body)
    assert (answer.status, answer.fields) == (400, {field: code})
    assert Assignment.objects.count() == 1


def test_each_member_of_a_transfer_is_needed_and_it_goes_to_another(api: Api, me: Agent) -> None:
    other, ticket = make_agent(), make_ticket()
    assert set(api.post(path(ticket, "transfer"), {}).fields) == {"from_agent_id", "agent_id", "reason"}
    answer = api.post(path(ticket, "transfer"), {"from_agent_id": me.pk, "agent_id": me.pk, "reason": "x"})
    assert (answer.status, answer.fields) == (400, {"agent_id": "same_agent"})
    body = {"from_agent_id": other.pk, "agent_id": me.pk, "reason": "x"}
    answer = api.post(path(ticket, "transfer"), body)
    assert (answer.status, answer.body["code"], answer.body["current"]["assignee"]) == (409, "not_assigned", None)


def test_the_history_of_a_transfer(api: Api, me: Agent, here: Department) -> None:
    other, ticket = make_agent(department=here), make_ticket()
    auto_assign(ticket)
    given = {"from_agent_id": me.pk, "agent_id": other.pk, "reason": " Knows the case "}
    answer = api.post(path(ticket, "transfer"), given)
    assert (answer.status, answer.body["decision"]["outcome"]) == (200, "transfer")
    first, second = api.get(path(ticket, "assignments")).body["results"]
    assert (first["agent"]["id"], first["reason"], first["assigned_by"]) == (me.pk, "auto", None)
    assert first["decision"]["why"] == "The only one who could take it (1 offline)."
    assert first["ended_at"] == second["assigned_at"]
    assert (second["agent"]["id"], second["previous_agent"]["id"]) == (other.pk, me.pk)
    assert (second["transfer_reason"], second["assigned_by"]["id"]) == ("Knows the case", me.pk)
    assert (second["ended_at"], second["decision"]["outcome"]) == (None, "transfer")
    trimmed = api.get(path(ticket, "assignments"), fields="agent.name,decision", ordering="-id").body["results"]
    assert trimmed[0] == {"agent": {"name": other.name}, "decision": second["decision"]}
    assert "Knows the case" not in str(list(Event.objects.values_list("payload", flat=True)))


def test_the_history_takes_the_same_statements_for_one_and_three(api: Api, me: Agent, here: Department) -> None:
    other, ticket = make_agent(department=here), make_ticket()
    assign(ticket, me)
    with counted_statements() as one:
        api.get(path(ticket, "assignments"))
    transfer(ticket, me, other)
    transfer(ticket, other, me)
    with counted_statements() as three:
        assert len(api.get(path(ticket, "assignments")).body["results"]) == 3
    assert len(one) == len(three) == 4  # token, sight, assignments, decisions


def test_a_change_by_hand_costs_the_same_in_a_small_team_and_in_a_large_one(api: Api, here: Department) -> None:
    counts = []
    for _ in range(2):
        owner, other = make_agent(department=here), make_agent(department=here)
        ticket = make_ticket(department=here)
        with counted_statements() as assigned:
            assert api.post(path(ticket, "assign"), {"agent_id": owner.pk}).status == 200
        given = {"from_agent_id": owner.pk, "agent_id": other.pk, "reason": "x"}
        with counted_statements() as transferred:
            assert api.post(path(ticket, "transfer"), given).status == 200
        counts.append((len(assigned), len(transferred)))
    assert counts == [(12, 13), (12, 13)]


# The lists


def test_unassigned_are_the_unfinished_that_nobody_has(api: Api, me: Agent, here: Department) -> None:
    late, urgent = make_ticket(department=here), make_ticket(priority="urgent", tags=["vip"])
    pending, resolved, closed, archived = (make_ticket() for _ in range(4))
    for ticket, status in ((pending, "pending"), (resolved, "resolved"), (closed, "closed")):
        change(ticket, status=status)
    Api(me).delete(f"/api/tickets/{archived.pk}")
    assign(make_ticket(), me)
    make_ticket(department=make_department())
    assert ids(api.get("/api/tickets/unassigned")) == [urgent.pk, late.pk, pending.pk]
    assert ids(api.get("/api/tickets/unassigned", tag="vip")) == [urgent.pk]
    assert ids(api.get("/api/tickets/unassigned", ordering="-created_at", page_size=1)) == [pending.pk]
    page = api.get("/api/tickets/unassigned", page_size=2, count="exact").body
    assert (page["count"], len(page["results"])) == (3, 2)
    following = api.client.get(page["next"], headers=api.headers).json()
    assert [row["id"] for row in following["results"]] == [pending.pk]
    assert api.get("/api/tickets/unassigned", assigned="no").status == 400


def test_a_queue_is_ones_own_or_of_an_agent_whose_record_one_reads(api: Api, me: Agent, here: Department) -> None:
    colleague, stranger = make_agent(department=here), make_agent(department=make_department())
    late, urgent, done = make_ticket(), make_ticket(priority="urgent"), make_ticket()
    for ticket in (late, urgent, done):
        assign(ticket, colleague)
    change(done, status="resolved")
    assert ids(api.get(f"/api/agents/{colleague.pk}/queue")) == [urgent.pk, late.pk]
    assert ids(api.get(f"/api/agents/{me.pk}/queue")) == []
    for agent_id in (stranger.pk, 987_654_321):
        assert api.get(f"/api/agents/{agent_id}/queue").status == 404
    change(late, department=make_department())  # out of sight of all but who has it
    assert ids(api.get(f"/api/agents/{colleague.pk}/queue")) == [urgent.pk]
    assert ids(Api(colleague).get(f"/api/agents/{colleague.pk}/queue")) == [urgent.pk, late.pk]
    assert ids(Api(make_agent(role="admin")).get(f"/api/agents/{stranger.pk}/queue")) == []


@pytest.mark.django_db(transaction=True)
def test_available_are_those_online_with_room_within_ones_rights(api: Api, me: Agent, here: Department) -> None:
    full, away = make_worker(department=here, capacity=1), make_agent(department=here)
    stranger = make_worker(department=make_department())
    assign(make_ticket(), full)
    tickets = [make_ticket() for _ in range(2)]
    for ticket in tickets:
        assign(ticket, me)
    change(tickets[0], status="pending")
    answer = api.get("/api/agents/available")
    assert answer.body["results"] == [
        {
            "id": me.pk,
            "name": me.name,
            "department": {"id": here.pk, "name": here.name},
            "specializations": [],
            "capacity": 10,
            "load": 1.25,
            "free": 8,
        }
    ]
    admin = make_agent(role="admin")
    everybody = Api(admin)  # who logs in is there
    assert ids(everybody.get("/api/agents/available")) == [me.pk, stranger.pk, admin.pk]
    assert ids(everybody.get("/api/agents/available", page_size=1)) == [me.pk]
    assert everybody.get("/api/agents/available", fields="id,free").body["results"][0] == {"id": me.pk, "free": 8}
    change(tickets[1], status="resolved")
    set_agent(away, availability="online")
    assert [(row["id"], row["load"]) for row in api.get("/api/agents/available").body["results"]] == [
        (me.pk, 0.25),
        (away.pk, 0),
    ]


def test_lists_take_the_same_statements_for_one_and_three(api: Api, me: Agent, here: Department) -> None:
    counts = []
    for number in (1, 2):
        for _ in range(number):
            assign(make_ticket(), me)
            make_ticket()
            make_worker(department=here)
        found = []
        for route in ("/api/agents/available", f"/api/agents/{me.pk}/queue", "/api/tickets/unassigned"):
            workload._forget()
            with counted_statements() as statements:
                assert len(api.get(route).body["results"]) >= number
            found.append(len(statements))
        counts.append(found)
    assert counts == [[5, 3, 2], [5, 3, 2]]


# Machines


def test_a_machine_needs_the_scope_of_what_it_does(here: Department) -> None:
    agent = make_worker(department=here)
    writer, reader = Api(make_key("tickets:write")), Api(make_key("tickets:read"))
    both, agents = Api(make_key("tickets:write", "agents:read")), Api(make_key("agents:read"))
    ticket = make_ticket()
    body = {"agent_id": agent.pk}
    assert reader.post(path(ticket, "assign"), body).status == 403
    assert agents.post(path(ticket, "auto-assign")).status == 403
    answer = writer.post(path(ticket, "assign"), body)  # it reads no agents, so it can name none
    assert (answer.status, answer.fields) == (400, {"agent_id": "not_found"})
    assert both.post(path(ticket, "assign"), body).status == 200
    assert Assignment.objects.get().assigned_by is None
    assert writer.post(path(make_ticket(), "auto-assign")).status == 200
    assert reader.get("/api/tickets/unassigned").status == 200
    assert agents.get("/api/tickets/unassigned").status == 403
    assert ids(agents.get("/api/agents/available")) == [agent.pk]
    assert reader.get("/api/agents/available").status == 403
    assert reader.get(f"/api/agents/{agent.pk}/queue").status == 404
    assert len(ids(both.get(f"/api/agents/{agent.pk}/queue"))) == 2


# Without Redis


@pytest.mark.django_db(transaction=True)
def test_available_agents_are_read_when_redis_does_not_answer(
    api: Api, me: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def refuse(*_: Any, **__: Any) -> None:
        asked.append(1)
        raise RedisConnectionError

    for name in ("get", "set", "get_or_set"):
        monkeypatch.setattr(cache, name, refuse, raising=False)
    monkeypatch.setattr(workload._redis, "quiet_until", 0.0)
    assert ids(api.get("/api/agents/available")) == [me.pk]
    change(make_ticket(), status="closed")
    set_agent(me, availability="busy")
    assert ids(api.get("/api/agents/available")) == []
    assert len(asked) == 1  # after a failure it is left alone for a while
