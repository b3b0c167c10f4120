"""Policies over the API: drafts, activation, order, the one default, and a clear answer to what cannot be."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from agents.models import Agent
from agents.tests.builders import SYSTEM, make_agent, make_department, make_key
from sla.clock import Metric
from sla.models import Calendar, Policy, PolicyVersion, SLAClock, TicketSLA
from sla.services import policies
from sla.services.policies import OneDefault
from sla.tests.builders import change_default, clock_of, make_calendar, make_policy, minutes
from supportdesk.core.models import Event
from supportdesk.tests.client import Api, counted_statements
from supportdesk.tests.races import race
from tickets.tests.builders import make_ticket

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
PATH = "/api/sla/policies"
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def body(**over: Any) -> dict[str, Any]:
    calendar = Calendar.objects.earliest("pk").pk
    return {"name": "VIP refunds", "targets": minutes(first_response=30), "calendar_id": calendar, **over}


@pytest.fixture
def supervisor() -> Agent:
    return make_agent(role="supervisor", name="Sofia Lind")


@pytest.fixture
def api(supervisor: Agent) -> Api:
    return Api(supervisor)


def default() -> Policy:
    return Policy.objects.get(is_default=True)


def test_a_new_desk_has_one_default_policy(api: Api) -> None:
    (row,) = api.get(PATH).body["results"]
    assert (row["name"], row["is_default"], row["active"], row["draft"]) == ("Default", True, True, None)
    version = row["active_version"]
    assert version["targets"] == {
        "urgent": {"first_response": 30, "next_response": 30, "resolution": 480},
        "high": {"first_response": 120, "next_response": 120, "resolution": 1_440},
        "normal": {"first_response": 480, "next_response": 480, "resolution": 2_880},
        "low": {"first_response": 1_440, "next_response": 1_440, "resolution": 10_080},
    }
    assert (version["warning_percent"], version["floor_minutes"]) == (80, 10)


def test_a_policy_begins_as_a_draft_and_holds_from_its_activation(api: Api, supervisor: Agent) -> None:
    conditions = {"categories": ["refund", "billing", "refund"], "tags": [" VIP "]}
    made = api.post(PATH, body(conditions=conditions, warning_percent=50))
    assert (made.status, made.headers["ETag"], made.body["active"], made.body["active_version"]) == (
        201,
        '"1"',
        False,
        None,
    )
    draft = made.body["draft"]
    assert (draft["number"], draft["state"], draft["warning_percent"]) == (1, "draft", 50)
    assert draft["conditions"]["categories"] == ["billing", "refund"]
    assert draft["conditions"]["tags"] == ["vip"]
    assert draft["created_by"] == {"id": supervisor.pk, "name": "Sofia Lind"}
    path = f"{PATH}/{made.body['id']}"
    assert TicketSLA.objects.get(ticket=make_ticket(tags=["vip"], category="refund")).policy_version.policy == default()
    active = api.post(f"{path}/activate", {"number": 1})
    assert (active.status, active.body["active"], active.body["draft"]) == (200, True, None)
    assert active.body["active_version"]["state"] == "active"
    promised = TicketSLA.objects.get(ticket=make_ticket(tags=["vip"], category="refund")).policy_version
    assert promised.policy_id == made.body["id"]
    names = Event.objects.filter(subject_type="sla_policy").order_by("pk").values_list("name", flat=True)
    assert list(names) == ["sla_policy.created", "sla_policy.activated"]


def test_an_edit_goes_to_the_draft_and_the_active_version_stays(api: Api) -> None:
    path = f"{PATH}/{default().pk}"
    edited = api.patch(path, {"floor_minutes": 5}, if_match='"1"').body
    assert (edited["active_version"]["floor_minutes"], edited["draft"]["floor_minutes"]) == (10, 5)
    again = api.patch(path, {"warning_percent": 90}).body["draft"]
    assert (again["number"], again["floor_minutes"], again["warning_percent"]) == (2, 5, 90)
    same = api.patch(path, {"warning_percent": 90, "name": "Default"}).body
    assert same["version"] == 3
    api.post(f"{path}/activate", {})
    versions = api.get(f"{path}/versions").body["results"]
    assert [(row["number"], row["state"], row["floor_minutes"]) for row in versions] == [
        (2, "active", 5),
        (1, "retired", 10),
    ]
    assert api.patch(path, {"floor_minutes": 1}, if_match='"1"').status == 412


def test_an_edit_that_says_what_holds_makes_no_draft(api: Api) -> None:
    policy = default()
    version = policy.versions.get()
    given = {"targets": version.targets, "warning_percent": 80, "conditions": {"tags": []}, "active": True}
    answer = api.patch(f"{PATH}/{policy.pk}", given).body
    assert (answer["draft"], answer["version"]) == (None, 1)


def test_what_there_is_nothing_of_cannot_be_activated(api: Api) -> None:
    assert api.post(f"{PATH}/{default().pk}/activate", {}).body["code"] == "nothing_to_activate"
    pk = api.post(PATH, body()).body["id"]
    answer = api.post(f"{PATH}/{pk}/activate", {"number": 2})
    assert (answer.status, answer.body["code"]) == (409, "nothing_to_activate")
    assert api.patch(f"{PATH}/{pk}", {"active": True}).body["code"] == "nothing_to_activate"


def test_a_policy_that_is_switched_off_is_asked_no_more(api: Api) -> None:
    policy = make_policy(timezone.now())
    assert TicketSLA.objects.get(ticket=make_ticket()).policy_version.policy == policy
    assert api.patch(f"{PATH}/{policy.pk}", {"active": False}).body["active"] is False
    assert TicketSLA.objects.get(ticket=make_ticket()).policy_version.policy == default()
    assert api.patch(f"{PATH}/{policy.pk}", {"active": True}).body["active"] is True


def test_the_order_is_what_their_positions_say(api: Api) -> None:
    first, second = (make_policy(timezone.now()) for _ in range(2))
    assert [row["id"] for row in api.get(PATH).body["results"]] == [default().pk, first.pk, second.pk]
    api.patch(f"{PATH}/{second.pk}", {"position": 0})
    assert TicketSLA.objects.get(ticket=make_ticket()).policy_version.policy == second
    assert [row["id"] for row in api.get(PATH).body["results"]] == [second.pk, default().pk, first.pk]


# The one default


def test_the_default_can_only_be_replaced(api: Api) -> None:
    old, new = default(), make_policy(timezone.now())
    for change in ({"is_default": False}, {"active": False}, {"conditions": {"tags": ["x"]}}):
        answer = api.patch(f"{PATH}/{old.pk}", change)
        assert (answer.status, answer.body["code"], list(answer.fields)) == (409, "one_default", list(change))
    draft = make_policy(timezone.now(), active=False)
    narrow = make_policy(timezone.now(), conditions={"tags": ["x"]})
    for policy in (draft, narrow):
        assert api.patch(f"{PATH}/{policy.pk}", {"is_default": True}).fields == {"is_default": "one_default"}
    assert api.patch(f"{PATH}/{new.pk}", {"is_default": True}).body["is_default"] is True
    assert list(Policy.objects.filter(is_default=True)) == [new]
    assert api.patch(f"{PATH}/{old.pk}", {"active": False}).status == 200


def test_the_database_refuses_two_defaults() -> None:
    policy = make_policy(timezone.now())
    with pytest.raises(IntegrityError, match="policy_one_default"), transaction.atomic():
        Policy.objects.filter(pk=policy.pk).update(is_default=True)


@pytest.mark.django_db(transaction=True)
def test_of_many_who_name_a_default_at_once_one_default_is_left() -> None:
    now = timezone.now()
    rivals = [make_policy(now) for _ in range(8)]

    def claim(number: int) -> bool:
        try:
            policies.update_policy(
                policy_id=rivals[number].pk, changes={"is_default": True}, by=SYSTEM, now=timezone.now()
            )
        except OneDefault:
            return False
        return True

    won = race(claim, rivals=8)
    assert Policy.objects.filter(is_default=True).count() == 1
    assert any(won)


# What cannot be promised


@pytest.mark.parametrize(
    ("targets", "errors"),
    [
        (minutes(first_response=0), {f"targets.{p}.first_response": "out_of_range" for p in minutes()}),
        (minutes(resolution=-5), {f"targets.{p}.resolution": "out_of_range" for p in minutes()}),
        (  # a century
            minutes(first_response=30) | {"low": {"first_response": 52_596_000}},
            {"targets.low.first_response": "out_of_range"},
        ),
        (
            minutes(first_response=30) | {"low": {"first_response": 2**70}},
            {"targets.low.first_response": "out_of_range"},
        ),
        (minutes(), {"targets": "required"}),
        (minutes(first_response=30) | {"low": {"resolution": 30}}, None),
        (minutes(first_response=30) | {"low": {"first_response": "30"}}, {"targets.low.first_response": "wrong_type"}),
        (minutes(first_response=30) | {"low": {"first_response": 1.5}}, {"targets.low.first_response": "wrong_type"}),
        (minutes(first_response=30) | {"vip": {}}, {"targets.vip": "unknown_field"}),
        ({"urgent": {"first_response": 5}}, {f"targets.{p}": "required" for p in ("high", "normal", "low")}),
    ],
)
def test_targets_that_mean_nothing_are_refused_by_name(api: Api, targets: Any, errors: dict[str, str] | None) -> None:
    answer = api.post(PATH, body(targets=targets))
    if errors is None:
        errors = {f"targets.{p}.resolution": "required" for p in ("urgent", "high", "normal")}
        errors["targets.low.first_response"] = "required"
    assert (answer.status, answer.fields) == (400, errors)
    assert Policy.objects.count() == 1


@pytest.mark.parametrize(
    ("over", "field", "code"),
    [
        ({"conditions": {"priorities": ["huge"]}}, "conditions.priorities[0]", "invalid_choice"),
        ({"conditions": {"channels": ["fax"]}}, "conditions.channels[0]", "invalid_choice"),
        ({"conditions": {"tiers": ["gold"]}}, "conditions.tiers[0]", "invalid_choice"),
        ({"conditions": {"department_ids": [987_654]}}, "conditions.department_ids[0]", "not_found"),
        ({"conditions": {"tags": ["x" * 51]}}, "conditions.tags[0]", "max_length"),
        ({"conditions": {"moon": ["full"]}}, "conditions.moon", "unknown_field"),
        ({"conditions": []}, "conditions", "invalid"),
        ({"warning_percent": 0}, "warning_percent", "out_of_range"),
        ({"warning_percent": 101}, "warning_percent", "out_of_range"),
        ({"floor_minutes": -1}, "floor_minutes", "out_of_range"),
        ({"floor_minutes": 1441}, "floor_minutes", "out_of_range"),
        ({"calendar_id": 987_654}, "calendar_id", "not_found"),
        ({"position": -1}, "position", "min_value"),
        ({"name": " "}, "name", "blank"),
        ({"name": "de\u0007fault"}, "name", "control_character"),
        ({"is_default": True}, "is_default", "unknown_field"),
        ({"pending_pauses_responses": 1}, "pending_pauses_responses", "wrong_type"),
    ],
)
def test_words_that_cannot_be_are_refused_by_name(api: Api, over: dict[str, Any], field: str, code: str) -> None:
    answer = api.post(PATH, body(**over))
    assert (answer.status, answer.fields) == (400, {field: code})
    if "is_default" not in over:
        assert api.patch(f"{PATH}/{default().pk}", over).fields == {field: code}


def test_a_calendar_that_opens_too_rarely_for_the_targets_is_refused(api: Api) -> None:
    rare = make_calendar(timezone.now(), week=[[[0, 1]]] + [[]] * 6)
    given = body(calendar_id=rare.pk, targets=minutes(resolution=600))
    assert api.post(PATH, given).fields == {"calendar_id": "too_few_hours"}
    assert api.post(PATH, body(calendar_id=rare.pk, targets=minutes(resolution=60), floor_minutes=0)).status == 201


def test_a_condition_that_names_a_tag_which_no_ticket_bears_is_told_and_never_met(api: Api) -> None:
    made = api.post(PATH, body(conditions={"tags": ["gone", "here"]}))
    assert made.body["unused_tags"] == ["gone", "here"]
    api.post(f"{PATH}/{made.body['id']}/activate", {})
    ticket = make_ticket(tags=["here"])
    assert TicketSLA.objects.get(ticket=ticket).policy_version.policy_id == made.body["id"]
    path = f"{PATH}/{made.body['id']}"
    assert api.get(path).body["unused_tags"] == ["gone"]
    api.patch(f"/api/tickets/{ticket.pk}", {"tags": []})  # the tag is gone from the last ticket that had it
    assert api.get(path).body["unused_tags"] == ["gone", "here"]
    assert TicketSLA.objects.get(ticket=make_ticket(tags=["other"])).policy_version.policy == default()
    assert TicketSLA.objects.get(ticket=ticket).policy_version.policy_id == made.body["id"]


def test_names_are_taken_once_in_any_case(api: Api) -> None:
    answer = api.post(PATH, body(name="DEFAULT"))
    assert (answer.status, answer.fields) == (409, {"name": "name_taken"})


# While clocks run


def run_clocks(number: int) -> None:
    """Tickets with promises and a running clock each, by the policy that is the default now."""
    ticket = make_ticket(now=START)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL session_replication_role = replica")
        cursor.execute(
            "INSERT INTO sla_ticketsla (ticket_id, policy_version_id, calendar_version_id, started_at) "
            "SELECT 1000000000 + n, s.policy_version_id, s.calendar_version_id, s.started_at "
            "FROM sla_ticketsla s, generate_series(1, %s) n WHERE s.ticket_id = %s",
            [number, ticket.pk],
        )
        cursor.execute(
            "INSERT INTO sla_slaclock (ticket_id, metric, cycle, started_at, state, target, counted, running_since, "
            "cause, due_at, warn_at, warning_raised, breach_raised, next_check_at) "
            "SELECT 1000000000 + n, c.metric, c.cycle, c.started_at, c.state, c.target, c.counted, c.running_since, "
            "c.cause, c.due_at, c.warn_at, false, false, c.next_check_at "
            "FROM sla_slaclock c, generate_series(1, %s) n WHERE c.ticket_id = %s AND c.metric = 'first_response'",
            [number, ticket.pk],
        )
        cursor.execute("SET LOCAL session_replication_role = origin")


def test_ten_thousand_running_clocks_do_not_feel_an_edit(api: Api) -> None:
    path = f"{PATH}/{default().pk}"

    def edit(floor: int) -> list[str]:
        with counted_statements() as taken:
            assert api.patch(path, {"floor_minutes": floor, "targets": minutes(first_response=floor)}).status == 200
            assert api.post(f"{path}/activate", {}).status == 200
        return taken

    few = edit(1)
    run_clocks(10_000)
    before = set(SLAClock.objects.values_list("ticket", "due_at", "target"))
    version = PolicyVersion.objects.get(state="active").pk
    many = edit(2)
    assert len(few) == len(many)
    assert not any("sla_slaclock" in statement or "sla_ticketsla" in statement for statement in many)
    assert set(SLAClock.objects.values_list("ticket", "due_at", "target")) == before
    assert set(TicketSLA.objects.values_list("policy_version", flat=True)) == {version}
    assert clock_of(make_ticket(now=START), Metric.FIRST_RESPONSE).target == timedelta(minutes=2)


# Who may


@pytest.mark.parametrize(("role", "writes"), [("agent", 403), ("senior", 403), ("supervisor", 201), ("admin", 201)])
def test_every_agent_reads_and_supervisors_write(role: str, writes: int) -> None:
    caller = Api(make_agent(role=role, department=make_department()))
    path = f"{PATH}/{default().pk}"
    change_default(timezone.now(), floor_minutes=11)
    policies.update_policy(policy_id=default().pk, changes={"floor_minutes": 12}, by=SYSTEM, now=timezone.now())
    assert caller.get(PATH).status == caller.get(path).status == caller.get(f"{path}/versions").status == 200
    allowed = 200 if writes == 201 else 403
    assert caller.post(PATH, body()).status == writes
    assert caller.patch(path, {"position": 5}).status == allowed
    assert caller.post(f"{path}/activate", {}).status == allowed
    assert caller.post(f"{path}/apply", {"preview": True}).status == (202 if writes == 201 else 403)


def test_a_machine_reads_with_the_right_scope_and_never_writes() -> None:
    machine, other = Api(make_key("tickets:read", "tickets:write")), Api(make_key("agents:read"))
    assert (machine.get(PATH).status, other.get(PATH).status, Api().get(PATH).status) == (200, 403, 401)
    assert machine.post(PATH, body()).status == 403


@pytest.mark.parametrize(
    ("method", "suffix"), [("get", ""), ("get", "/versions"), ("patch", ""), ("post", "/activate")]
)
def test_a_policy_that_is_not_there_is_a_404(api: Api, method: str, suffix: str) -> None:
    path = f"{PATH}/987654{suffix}"
    given: dict[str, Any] = {} if method == "get" else {"body": {}}
    assert getattr(api, method)(path, **given).status == 404


def test_lists_take_the_same_statements_for_one_and_three(api: Api) -> None:
    pk, counts = default().pk, []
    for number in range(2):
        for path in (PATH, f"{PATH}/{pk}", f"{PATH}/{pk}/versions"):
            with counted_statements() as taken:
                api.get(path)
            counts.append(len(taken))
        for other in range(2):
            make_policy(timezone.now(), by=SYSTEM)
            change_default(timezone.now(), floor_minutes=20 + number * 2 + other)
    assert counts[:3] == counts[3:]
    assert counts[0] <= 5
