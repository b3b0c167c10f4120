"""Agents over HTTP: who sees what of whom, and who may change it."""

from typing import Any

import pytest

from agents.models import Agent
from agents.tests.builders import make_agent, make_department
from supportdesk.core.models import Event
from supportdesk.tests.client import Api, counted_statements

pytestmark = pytest.mark.django_db
CARD = {"id", "name", "availability"}
NEW = {"email": "new@example.com", "name": "New", "password": "a long pass phrase"}


def test_an_agent_reads_colleagues_of_the_department_whole_and_of_others_the_card() -> None:
    here, there = make_department(), make_department()
    me, colleague = make_agent(department=here), make_agent(department=here)
    stranger = make_agent(department=there)
    rows = {row["id"]: row for row in Api(me).get("/api/agents").body["results"]}
    assert rows[me.pk]["email"] == me.email
    assert rows[colleague.pk]["role"] == "agent"
    assert set(rows[stranger.pk]) == CARD
    assert set(Api(me).get(f"/api/agents/{stranger.pk}").body) == CARD


def test_a_supervisor_reads_the_departments_they_lead_and_an_admin_everybody() -> None:
    led, other = make_department(), make_department()
    inside, outside = make_agent(department=led), make_agent(department=other)
    supervisor, admin = make_agent(role="supervisor", leads=[led]), make_agent(role="admin")
    assert "email" in Api(supervisor).get(f"/api/agents/{inside.pk}").body
    assert "email" not in Api(supervisor).get(f"/api/agents/{outside.pk}").body
    assert "email" in Api(admin).get(f"/api/agents/{outside.pk}").body
    assert "email" in Api(make_agent(role="supervisor")).get(f"/api/agents/{outside.pk}").body


def test_an_inactive_stranger_is_missing() -> None:
    stranger = make_agent(department=make_department())
    Agent.objects.get_queryset().filter(pk=stranger.pk).update(is_active=False)
    me = make_agent(department=make_department())
    assert Api(me).get(f"/api/agents/{stranger.pk}").status == 404
    assert Api(make_agent(role="admin")).get(f"/api/agents/{stranger.pk}").status == 200


def test_filters_on_hidden_fields_do_not_tell_of_others() -> None:
    here, there = make_department(), make_department()
    me, stranger = make_agent(department=here), make_agent(department=there, role="senior")
    api = Api(me)
    assert api.get("/api/agents", role="senior").body["results"] == []
    assert api.get("/api/agents", department=there.pk).body["results"] == []
    assert [row["id"] for row in api.get("/api/agents", q=stranger.name).body["results"]] == [stranger.pk]


def test_only_administrators_create_agents() -> None:
    for role in ("agent", "senior", "supervisor"):
        answer = Api(make_agent(role=role)).post("/api/agents", NEW)
        assert (answer.status, answer.body["code"]) == (403, "forbidden")
    assert Api().post("/api/agents", NEW).status == 401
    made = Api(make_agent(role="admin")).post("/api/agents", NEW | {"languages": ["DE"], "capacity": 3})
    assert made.status == 201
    assert (made.body["role"], made.body["languages"], made.body["capacity"]) == ("agent", ["de"], 3)
    assert "password" not in made.body
    assert Event.objects.filter(name="agent.created", subject_id=made.body["id"], origin="api").exists()


@pytest.mark.parametrize(
    ("change", "fields"),
    [
        ({"email": "x"}, {"email": "invalid"}),
        ({"email": None}, {"email": "null"}),
        ({"name": 3}, {"name": "wrong_type"}),
        ({"name": ""}, {"name": "blank"}),
        ({"name": "a\nb"}, {"name": "control_character"}),
        ({"password": "short"}, {"password": "weak_password"}),
        ({"password": "password1234"}, {"password": "weak_password"}),
        ({"role": "king"}, {"role": "invalid_choice"}),
        ({"role": ["admin"]}, {"role": "invalid_choice"}),
        ({"capacity": "5"}, {"capacity": "wrong_type"}),
        ({"capacity": True}, {"capacity": "wrong_type"}),
        ({"capacity": -1}, {"capacity": "min_value"}),
        ({"capacity": 501}, {"capacity": "max_value"}),
        ({"department_id": 999_999}, {"department_id": "not_found"}),
        ({"department_id": "1"}, {"department_id": "wrong_type"}),
        ({"department_id": 2**63}, {"department_id": "max_value"}),
        ({"leads": [999_999]}, {"leads[0]": "not_found"}),
        ({"leads": 3}, {"leads": "not_a_list"}),
        ({"languages": ["english"]}, {"languages[0]": "invalid_language"}),
        ({"is_staff": True}, {"is_staff": "unknown_field"}),
        ({"token_version": 1, "id": 4}, {"token_version": "unknown_field", "id": "unknown_field"}),
    ],
)
def test_bad_input_is_a_400_that_names_the_field(change: dict[str, Any], fields: dict[str, str]) -> None:
    before = Agent.objects.get_queryset().count()
    answer = Api(make_agent(role="admin")).post("/api/agents", NEW | change)
    assert (answer.status, answer.fields) == (400, fields)
    assert Agent.objects.get_queryset().count() == before + 1


def test_an_address_is_taken_in_any_case() -> None:
    make_agent(email="mina@example.com")
    answer = Api(make_agent(role="admin")).post("/api/agents", NEW | {"email": "MINA@example.com"})
    assert (answer.status, answer.body["code"], answer.fields) == (409, "email_taken", {"email": "email_taken"})


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"availability": "busy"}, 200),
        ({"name": "Another"}, 200),
        ({"password": "another long pass phrase"}, 200),
        ({"capacity": 3}, 400),
        ({"role": "admin"}, 400),
        ({"is_active": False}, 400),
        ({"email": "x@example.com"}, 400),
        ({"leads": []}, 400),
    ],
)
def test_agents_change_their_own_small_things_only(change: dict[str, Any], status: int) -> None:
    me = make_agent(department=make_department())
    answer = Api(me).patch(f"/api/agents/{me.pk}", change)
    assert answer.status == status
    if status == 400:
        assert set(answer.fields.values()) == {"forbidden_field"}
        me.refresh_from_db()
        assert (me.role, me.is_active, me.capacity) == ("agent", True, 10)


def test_supervisors_change_work_of_their_agents_and_nothing_else() -> None:
    led = make_department()
    supervisor = make_agent(role="supervisor", leads=[led])
    inside, peer = make_agent(department=led), make_agent(department=led, role="supervisor")
    outside = make_agent(department=make_department())
    api = Api(supervisor)
    assert api.patch(f"/api/agents/{inside.pk}", {"capacity": 4, "availability": "online"}).status == 200
    assert api.patch(f"/api/agents/{inside.pk}", {"role": "admin"}).status == 400
    assert api.patch(f"/api/agents/{inside.pk}", {"password": "another long pass phrase"}).status == 400
    assert api.patch(f"/api/agents/{peer.pk}", {"capacity": 4}).status == 400
    assert api.patch(f"/api/agents/{outside.pk}", {"capacity": 4}).status == 404


def test_a_colleague_is_not_theirs_to_change() -> None:
    here = make_department()
    me, colleague = make_agent(department=here), make_agent(department=here)
    assert Api(me).patch(f"/api/agents/{colleague.pk}", {"availability": "offline"}).status == 400


def test_availability_is_a_fact_and_a_repeated_value_is_none() -> None:
    me = make_agent()
    api = Api(me)
    first = api.patch(f"/api/agents/{me.pk}", {"availability": "online"})
    again = api.patch(f"/api/agents/{me.pk}", {"availability": "online"})
    assert (first.body["version"], again.body["version"]) == (2, 2)
    facts = Event.objects.filter(name="agent.availability_changed")
    assert [fact.payload for fact in facts] == [{"before": "offline", "after": "online"}]


def test_a_stale_version_is_refused() -> None:
    me = make_agent()
    api = Api(me)
    seen = api.get(f"/api/agents/{me.pk}").headers["ETag"]
    assert api.patch(f"/api/agents/{me.pk}", {"availability": "busy"}, if_match=seen).status == 200
    assert api.patch(f"/api/agents/{me.pk}", {"availability": "online"}, if_match=seen).status == 412
    bad = api.patch(f"/api/agents/{me.pk}", {"availability": "busy"}, if_match="one")
    assert (bad.status, bad.fields) == (400, {"If-Match": "invalid_version"})


def test_the_list_takes_the_same_statements_for_one_and_three_agents() -> None:
    admin = make_agent(role="admin", department=make_department())
    api = Api(admin)
    with counted_statements() as one:
        api.get("/api/agents")
    for _ in range(3):
        make_agent(department=make_department())
    with counted_statements() as four:
        assert len(api.get("/api/agents").body["results"]) == 4
    assert len(one) == len(four) == 4  # token, agents, what they lead, what they can
