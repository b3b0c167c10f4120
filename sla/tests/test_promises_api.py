"""The promises of a ticket, what is at risk, and what was broken: seen within the caller's rights."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.models import Agent
from agents.tests.builders import SYSTEM, actor_of, make_agent, make_department, make_key
from sla.clock import Metric
from sla.models import SLAAlert
from sla.services import breaches
from sla.tests.builders import HOUR, MINUTE, change_default, make_calendar, minutes, raise_due
from supportdesk.core.actor import Door, system
from supportdesk.core.models import Event
from supportdesk.tests.client import Api, counted_statements
from supportdesk.tests.races import race
from tickets.enums import Priority, Sender, Status
from tickets.models import Ticket
from tickets.services import lifecycle
from tickets.tests.builders import assign, make_ticket, say

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@pytest.fixture
def api() -> Api:
    return Api(make_agent(role="admin"))


def promises(api: Api, ticket: Ticket) -> dict[str, Any]:
    answer = api.get(f"/api/sla/tickets/{ticket.pk}")
    assert answer.status == 200
    body: dict[str, Any] = answer.body
    return body


# One ticket


def test_every_clock_is_told_in_numbers_and_in_a_sentence(api: Api) -> None:
    now = timezone.now().replace(microsecond=0)
    began = now - 3 * HOUR
    ticket = make_ticket(now=began)
    lifecycle.update_ticket(ticket_id=ticket.pk, changes={"status": "pending"}, by=SYSTEM, now=began + HOUR)
    body = promises(api, ticket)
    assert body["ticket_id"] == ticket.pk
    assert (body["policy"]["name"], body["policy"]["number"]) == ("Default", 1)
    assert (body["calendar"]["name"], body["calendar"]["timezone"]) == ("Round the clock", "UTC")
    first, resolution = sorted(body["clocks"], key=lambda clock: str(clock["metric"]))
    due = began + 8 * HOUR
    assert (first["state"], first["due_at"]) == ("running", due.isoformat().replace("+00:00", "Z"))
    assert first["elapsed_seconds"] in range(3 * 3600, 3 * 3600 + 60)
    assert first["elapsed_seconds"] + first["remaining_seconds"] in {8 * 3600, 8 * 3600 - 1}  # each rounded down
    assert first["why"] == f"Runs: 3 h of 8 h used, due {due:%Y-%m-%d %H:%M} UTC."
    assert (resolution["state"], resolution["due_at"], resolution["elapsed_seconds"]) == ("paused", None, 3600)
    assert resolution["pauses"] == [
        {"started_at": (began + HOUR).isoformat().replace("+00:00", "Z"), "ended_at": None},
    ]
    assert resolution["why"] == "Stands still while the ticket waits: 1 h of 48 h used."


def test_what_became_due_is_told_before_anybody_raised_it(api: Api) -> None:
    began = timezone.now() - 50 * MINUTE
    clock = promises(api, make_ticket(now=began, priority=Priority.URGENT))["clocks"][0]
    assert (clock["metric"], clock["state"]) == ("first_response", "breached")
    assert clock["breached_at"] == clock["due_at"]
    assert clock["remaining_seconds"] in range(-20 * 60 - 60, -20 * 60 + 1)
    assert clock["why"].startswith("Overdue since ")
    assert not SLAAlert.objects.exists()


def test_ends_and_causes_have_their_sentences(api: Api) -> None:
    agent = actor_of(make_agent())
    ticket = make_ticket(now=START, priority=Priority.LOW)
    lifecycle.update_ticket(ticket_id=ticket.pk, changes={"priority": "high"}, by=SYSTEM, now=START + HOUR)
    say(ticket, sender=Sender.AGENT, by=agent, now=START + 3 * HOUR)
    say(ticket, now=START + 4 * HOUR)
    lifecycle.update_ticket(ticket_id=ticket.pk, changes={"status": "resolved"}, by=SYSTEM, now=START + 5 * HOUR)
    lifecycle.update_ticket(ticket_id=ticket.pk, changes={"status": "open"}, by=SYSTEM, now=START + 6 * HOUR)
    lifecycle.update_ticket(ticket_id=ticket.pk, changes={"status": "resolved"}, by=SYSTEM, now=START + 7 * HOUR)
    said = {(clock["metric"], clock["cycle"]): clock["why"] for clock in promises(api, ticket)["clocks"]}
    retargeted = " The priority changed, and the time used before counts."
    assert said == {
        ("first_response", 1): f"Missed: due 2026-01-05 11:00 UTC, 3 h of 2 h used.{retargeted}",
        ("next_response", 1): "Ended with the ticket, without its aim: 1 h of 2 h used.",
        ("resolution", 1): f"Met: 5 h of 24 h used.{retargeted}",
        ("resolution", 2): "Met: 6 h of 24 h used. The ticket was reopened, and goes on with the time it had used.",
    }


def test_imported_and_foreign_tickets_have_no_promises_to_show() -> None:
    imported = make_ticket(now=START, by=system("import", origin=Door.IMPORT))
    foreign = make_ticket(department=make_department())
    agent = Api(make_agent(department=make_department()))
    for ticket in (imported, foreign):
        assert agent.get(f"/api/sla/tickets/{ticket.pk}").status == 404
    assert agent.get("/api/sla/tickets/987654").status == 404
    assert agent.get(f"/api/tickets/{imported.pk}").body["sla"] is None
    assert agent.get(f"/api/sla/tickets/{imported.pk}", page=1).fields == {"page": "unknown_parameter"}


def test_the_ticket_itself_shows_the_newest_clock_of_each_metric(api: Api) -> None:
    now = timezone.now()
    ticket = make_ticket(now=now - 3 * HOUR)
    say(ticket, sender=Sender.AGENT, by=actor_of(make_agent()), now=now - 2 * HOUR)
    say(ticket, now=now - HOUR)
    sla = api.get(f"/api/tickets/{ticket.pk}").body["sla"]
    assert sla["policy"]["name"] == "Default"
    assert {metric: sla[metric]["state"] for metric in Metric} == {
        "first_response": "met",
        "next_response": "running",
        "resolution": "running",
    }
    made = api.post("/api/tickets", {"customer_id": ticket.customer_id, "subject": "x", "description": "y"}).body
    assert (made["sla"]["first_response"]["state"], made["sla"]["next_response"]) == ("running", None)
    assert "sla" not in api.get(f"/api/tickets/{ticket.pk}", fields="ticket").body


def test_a_policy_that_measures_the_next_response_alone_shows_no_clock_yet(api: Api) -> None:
    change_default(timezone.now(), targets=minutes(next_response=30))
    ticket = make_ticket()
    sla = api.get(f"/api/tickets/{ticket.pk}").body["sla"]
    assert [sla[metric] for metric in Metric] == [None, None, None]
    assert promises(api, ticket)["clocks"] == []


def test_working_time_is_told_in_the_hours_of_the_calendar(api: Api) -> None:
    now = timezone.now()
    yesterday = (now - timedelta(days=1)).weekday()
    week = [[[0, 1440]] if day == yesterday else [] for day in range(7)]  # open on that day of the week only
    change_default(START, calendar=make_calendar(START, week=week, timezone="UTC"), targets=minutes(resolution=2_880))
    began = now - timedelta(days=1)
    (clock,) = promises(api, make_ticket(now=began))["clocks"]
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    assert clock["elapsed_seconds"] == int((midnight - began).total_seconds())


# What is at risk


def test_what_was_warned_of_and_is_not_due_is_at_risk_until_it_is(api: Api) -> None:
    now = timezone.now()
    soon = make_ticket(now=now - 26 * MINUTE, priority=Priority.URGENT)  # due in 4 minutes
    make_ticket(now=now - 40 * MINUTE, priority=Priority.URGENT)  # breached
    make_ticket(now=now, priority=Priority.URGENT)  # has time
    later = make_ticket(now=now - 100 * MINUTE, priority=Priority.HIGH)  # due in 20
    raise_due(now)
    rows = api.get("/api/sla/at-risk").body["results"]
    assert [(row["ticket"]["id"], row["metric"]) for row in rows] == [
        (soon.pk, "first_response"),
        (later.pk, "first_response"),
    ]
    lifecycle.update_ticket(ticket_id=later.pk, changes={"status": "resolved"}, by=SYSTEM, now=now)
    assert [row["ticket"]["id"] for row in api.get("/api/sla/at-risk").body["results"]] == [soon.pk]


def at_risk(now: datetime, **given: Any) -> Ticket:
    ticket = make_ticket(now=now - 26 * MINUTE, priority=Priority.URGENT, **given)
    raise_due(now)
    return ticket


def test_at_risk_is_filtered_and_paged(api: Api) -> None:
    now, here, agent = timezone.now(), make_department(), make_agent()
    first = at_risk(now, department=here)
    second = at_risk(now + timedelta(seconds=1))
    assign(second, agent, now=now)

    def found(**query: Any) -> list[int]:
        answer = api.get("/api/sla/at-risk", **query)
        assert answer.status == 200, answer.body
        return [row["ticket"]["id"] for row in answer.body["results"]]

    assert found() == [first.pk, second.pk]
    assert found(ordering="-due_at") == [second.pk, first.pk]
    assert (found(department=here.pk), found(assignee=agent.pk)) == ([first.pk], [second.pk])
    assert (found(metric="resolution"), found(priority="urgent,high"), found(priority="low")) == (
        [],
        [first.pk, second.pk],
        [],
    )
    page = api.get("/api/sla/at-risk", page_size=1, count="exact").body
    assert (page["count"], [row["ticket"]["id"] for row in page["results"]]) == (2, [first.pk])
    rest = api.client.get(page["next"], headers=api.headers).json()["results"]
    assert (rest[0]["ticket"]["id"], rest[0]["assignee_name"]) == (second.pk, agent.name)


@pytest.mark.parametrize(
    ("path", "query", "field", "code"),
    [
        ("at-risk", {"metric": "speed"}, "metric", "invalid_choice"),
        ("at-risk", {"assignee": "x"}, "assignee", "invalid_id"),
        ("at-risk", {"state": "running"}, "state", "unknown_parameter"),
        ("at-risk", {"ordering": "metric"}, "ordering", "invalid_choice"),
        ("at-risk", {"cursor": "x"}, "cursor", "invalid_cursor"),
        ("breaches", {"priority": "vip"}, "priority", "invalid_choice"),
        ("breaches", {"acknowledged": "maybe"}, "acknowledged", "invalid_choice"),
        ("breaches", {"since": "yesterday"}, "since", "invalid_time"),
        ("breaches", {"ticket": "0"}, "ticket", "invalid_id"),
        ("breaches", {"kind": "warning"}, "kind", "unknown_parameter"),
        ("breaches", {"page_size": "101"}, "page_size", "out_of_range"),
        ("breaches", {"fields": "reason,owner.email"}, "fields", "unknown"),
    ],
)
def test_parameters_that_nobody_knows_are_refused(
    api: Api, path: str, query: dict[str, str], field: str, code: str
) -> None:
    answer = api.get(f"/api/sla/{path}", **query)
    assert (answer.status, answer.fields) == (400, {field: code})


# Breaches


def broken(now: datetime, **given: Any) -> SLAAlert:
    """A breach of the first response, ten minutes old."""
    ticket = make_ticket(**{"now": now - 40 * MINUTE, "priority": Priority.URGENT, **given})
    raise_due(now)
    return SLAAlert.objects.breaches().get(ticket=ticket)


def test_a_breach_says_when_and_whose_it_was(api: Api) -> None:
    now, here = timezone.now(), make_department()
    agent = make_agent(name="Mina Osei", department=here)
    ticket = make_ticket(now=now - 40 * MINUTE, priority=Priority.URGENT, department=here, subject="Late")
    assign(ticket, agent, now=now - 30 * MINUTE)
    raise_due(now)
    (row,) = api.get("/api/sla/breaches").body["results"]
    assert row["ticket"] == {"id": ticket.pk, "subject": "Late", "status": "open", "priority": "urgent"}
    assert (row["metric"], row["cycle"], row["priority"]) == ("first_response", 1, "urgent")
    assert row["at"] == (now - 10 * MINUTE).isoformat().replace("+00:00", "Z")
    assert row["owner"] == {"id": agent.pk, "name": "Mina Osei"}
    assert row["department"] == {"id": here.pk, "name": here.name}
    assert (row["policy_name"], row["policy_number"], row["acknowledged_at"], row["reason"]) == ("Default", 1, None, "")


def test_breaches_are_filtered_newest_first(api: Api) -> None:
    now, here, agent = timezone.now(), make_department(), make_agent()
    old = broken(now - HOUR, department=here)
    new = broken(now)
    change_owner = make_ticket(now=now - 3 * HOUR, priority=Priority.HIGH)
    assign(change_owner, agent, now=now - 2 * HOUR)
    raise_due(now)
    high = SLAAlert.objects.breaches().get(ticket=change_owner)

    def found(**query: Any) -> list[int]:
        return [row["id"] for row in api.get("/api/sla/breaches", **query).body["results"]]

    assert found() == [new.pk, high.pk, old.pk]
    assert found(ordering="at") == [old.pk, high.pk, new.pk]
    assert (found(department=here.pk), found(owner=agent.pk), found(ticket=new.ticket_id)) == (
        [old.pk],
        [high.pk],
        [new.pk],
    )
    assert found(priority="urgent") == [new.pk, old.pk]
    assert found(since=high.at.isoformat()) == [new.pk, high.pk]
    assert (found(metric="first_response,resolution"), found(metric="resolution")) == ([new.pk, high.pk, old.pk], [])
    breaches.acknowledge(breach_id=new.pk, reason="x", by=actor_of(make_agent(role="admin")), now=now)
    assert (found(acknowledged="true"), found(acknowledged="false")) == ([new.pk], [high.pk, old.pk])
    assert found(acknowledged="true,false") == [new.pk, high.pk, old.pk]


def test_a_supervisor_acknowledges_a_breach_once_with_a_reason() -> None:
    breach = broken(timezone.now())
    supervisor = make_agent(role="supervisor", name="Sofia Lind")
    api, path = Api(supervisor), f"/api/sla/breaches/{breach.pk}/acknowledge"
    for given in ({}, {"reason": ""}, {"reason": "  "}, {"reason": "x" * 501}, {"reason": 5}):
        answer = api.post(path, given)
        assert (answer.status, list(answer.fields)) == (400, ["reason"])
    done = api.post(path, {"reason": "The carrier's site was down."})
    assert (done.status, done.body["reason"]) == (200, "The carrier's site was down.")
    assert done.body["acknowledged_by"] == {"id": supervisor.pk, "name": "Sofia Lind"}
    again = api.post(path, {"reason": "Another"})
    assert (again.status, again.body["code"]) == (409, "already_acknowledged")
    event = Event.objects.get(name="sla.breach_acknowledged")
    assert (event.subject_id, event.payload) == (breach.ticket_id, {"breach_id": breach.pk})


def test_a_warning_cannot_be_acknowledged(api: Api) -> None:
    broken(timezone.now())
    warning = SLAAlert.objects.get(kind="warning")
    assert api.post(f"/api/sla/breaches/{warning.pk}/acknowledge", {"reason": "x"}).status == 404


@pytest.mark.django_db(transaction=True)
def test_of_many_who_acknowledge_at_once_one_does() -> None:
    breach, by = broken(timezone.now()), actor_of(make_agent(role="admin"))

    def acknowledge(number: int) -> bool:
        try:
            breaches.acknowledge(breach_id=breach.pk, reason=f"reason {number}", by=by, now=timezone.now())
        except breaches.AlreadyAcknowledged:
            return False
        return True

    assert sum(race(acknowledge, rivals=8)) == 1
    assert Event.objects.filter(name="sla.breach_acknowledged").count() == 1


# Who sees what


def test_lists_hold_what_the_caller_may_see_and_no_more() -> None:
    now, here, there = timezone.now(), make_department(), make_department()
    mine, foreign, free = broken(now, department=here), broken(now, department=there), broken(now)
    for department in (here, there):
        at_risk(now, department=department)
    callers: dict[str, tuple[Agent | str, set[int], int]] = {
        "agent": (make_agent(department=here), {mine.pk, free.pk}, 1),
        "supervisor": (make_agent(role="supervisor", leads=[there]), {foreign.pk, free.pk}, 1),
        "admin": (make_agent(role="admin"), {mine.pk, foreign.pk, free.pk}, 2),
        "machine": (make_key("tickets:read"), {mine.pk, foreign.pk, free.pk}, 2),
    }
    for name, (caller, expected, risks) in callers.items():
        api = Api(caller)
        assert {row["id"] for row in api.get("/api/sla/breaches").body["results"]} == expected, name
        assert len(api.get("/api/sla/at-risk").body["results"]) == risks, name
    inside = Api(make_agent(role="supervisor", leads=[here]))
    assert inside.post(f"/api/sla/breaches/{foreign.pk}/acknowledge", {"reason": "x"}).status == 404
    assert inside.post(f"/api/sla/breaches/{mine.pk}/acknowledge", {"reason": "x"}).status == 200
    for role in ("agent", "senior"):
        assert Api(make_agent(role=role)).post(f"/api/sla/breaches/{free.pk}/acknowledge", {}).status == 403
    for path in ("breaches", "at-risk"):
        assert Api().get(f"/api/sla/{path}").status == 401
        assert Api(make_key("agents:read")).get(f"/api/sla/{path}").status == 403


# Statements


def test_lists_take_the_same_statements_for_one_and_three(api: Api) -> None:
    now, counts = timezone.now(), []
    for _ in range(2):
        ticket = at_risk(now)
        broken(now, department=make_department())
        for path in (
            "breaches",
            "at-risk",
            f"tickets/{ticket.pk}",
            "breaches?fields=id,owner",
            "at-risk?fields=ticket",
        ):
            with counted_statements() as taken:
                assert api.get(f"/api/sla/{path}").status == 200
            counts.append(len(taken))
    assert counts[:5] == counts[5:] == [2, 2, 5, 2, 2]  # token, page; token, ticket, promises, clocks, pauses


def test_a_status_is_no_filter_of_clocks_that_are_stopped(api: Api) -> None:
    now = timezone.now()
    ticket = at_risk(now)
    lifecycle.update_ticket(ticket_id=ticket.pk, changes={"status": Status.PENDING}, by=SYSTEM, now=now)
    assert [row["metric"] for row in api.get("/api/sla/at-risk").body["results"]] == ["first_response"]
