"""Giving tickets to agents: what it does, what it keeps, what it costs."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from agents import structure
from agents.models import Agent, Specialization
from agents.tests.builders import SYSTEM, actor_of, make_agent, make_department
from customers.tests.builders import make_customer
from supportdesk.core.errors import InvalidInput, NotFound
from supportdesk.core.models import Event
from supportdesk.tests.client import counted_statements
from supportdesk.tests.plans import plan
from tickets import decisions, workload
from tickets.enums import DecisionOutcome
from tickets.models import Assignment, AssignmentDecision, Ticket
from tickets.ordering import DONE_FROM
from tickets.services.assignment import AlreadyAssigned, AssignmentChanged, NotAssignable, NotAssigned
from tickets.tests.builders import (
    assign,
    auto_assign,
    change,
    fill_desk,
    make_ticket,
    make_worker,
    say,
    set_agent,
    transfer,
)

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


def facts(ticket: Ticket, *names: str) -> list[tuple[str, dict[str, Any]]]:
    kept = Event.objects.filter(subject_type="ticket", subject_id=ticket.pk, name__in=names).order_by("pk")
    return list(kept.values_list("name", "payload"))


def outcomes(ticket: Ticket) -> list[str]:
    return list(ticket.decisions.order_by("pk").values_list("outcome", flat=True))


def skill(*categories: str) -> Specialization:
    slug = "-".join(categories)
    return structure.create_specialization(slug=slug, name=slug, categories=categories, by=SYSTEM, now=timezone.now())


# By hand


def test_assigning_by_hand_keeps_who_when_and_how_much_they_had_to_do() -> None:
    boss, agent, ticket = make_agent(role="admin"), make_worker(capacity=1), make_ticket()
    assign(make_ticket(), agent)
    result = assign(ticket, agent, by=actor_of(boss))
    assert (result.ticket.assignee_id, result.ticket.version) == (agent.pk, 2)
    entry = Assignment.objects.get(ticket=ticket)
    assert (entry.agent, entry.assigned_by, entry.reason, entry.previous_agent) == (agent, boss, "manual", None)
    assert result.decision is not None
    assert (result.decision.outcome, result.decision.assignment_id) == (DecisionOutcome.MANUAL, entry.pk)
    record = result.decision.record
    assert (record["candidates"][0]["load"], record["over_capacity"], record["trigger"]) == (100, True, "request")
    payload = {"agent_id": agent.pk, "previous_agent_id": None, "reason": "manual"}
    assert facts(ticket, "ticket.assigned") == [("ticket.assigned", payload)]


def test_the_last_place_is_within_the_capacity() -> None:
    agent = make_agent(capacity=1)
    result = assign(make_ticket(), agent)
    assert result.decision is not None
    assert (result.decision.record["over_capacity"], result.decision.record["availability"]) == (False, "offline")


def test_the_same_agent_again_changes_nothing() -> None:
    agent, ticket = make_agent(), make_ticket()
    assign(ticket, agent)
    again = assign(ticket, agent)
    assert (again.decision, again.ticket.version) == (None, 2)
    assert (len(facts(ticket, "ticket.assigned")), outcomes(ticket)) == (1, ["manual"])


def test_who_has_a_ticket_keeps_it_when_somebody_else_is_assigned() -> None:
    agent, ticket = make_agent(), make_ticket()
    assign(ticket, agent)
    with pytest.raises(AlreadyAssigned) as refused:
        assign(ticket, make_agent())
    current = {"version": 2, "status": "open", "assignee": {"id": agent.pk, "name": agent.name}}
    assert refused.value.more == {"current": current}
    with pytest.raises(AlreadyAssigned):
        auto_assign(ticket)


def test_an_agent_who_could_not_see_the_ticket_does_not_get_it() -> None:
    here, there = make_department(), make_department()
    ticket = make_ticket(department=here)
    for agent in (make_agent(department=there), make_agent(), make_agent(role="supervisor", leads=[there])):
        with pytest.raises(NotAssignable, match="does not see"):
            assign(ticket, agent)
    with pytest.raises(NotAssignable, match="not active"):
        assign(ticket, set_agent(make_agent(department=here), is_active=False))
    for agent in (make_agent(role="supervisor", leads=[here]), make_agent(role="admin")):
        assert assign(make_ticket(department=here), agent).ticket.assignee_id == agent.pk


def test_an_agent_whom_the_actor_does_not_see_looks_missing() -> None:
    here = make_department()
    by, ticket = actor_of(make_agent(department=here)), make_ticket()
    for agent_id in (make_agent(department=make_department()).pk, 987_654_321):
        with pytest.raises(InvalidInput) as refused:
            assign(ticket, Agent(pk=agent_id), by=by)
        assert [(error.field, error.code) for error in refused.value.errors] == [("agent_id", "not_found")]
    with pytest.raises(NotFound):
        assign(make_ticket(department=make_department()), make_agent(department=here), by=by)


def test_a_closed_ticket_takes_no_agent_and_a_resolved_one_by_hand_only() -> None:
    agent, closed, resolved = make_worker(), make_ticket(), make_ticket()
    change(closed, status="closed")
    change(resolved, status="resolved")
    with pytest.raises(NotAssignable):
        assign(closed, agent)
    for done in (closed, resolved):
        with pytest.raises(NotAssignable):
            auto_assign(done)
    assert assign(resolved, agent).ticket.assignee_id == agent.pk


# Transfer


def test_a_transfer_keeps_from_to_reason_by_whom_and_when() -> None:
    boss, one, other, ticket = make_agent(role="admin"), make_agent(), make_agent(), make_ticket()
    assign(ticket, one)
    now = timezone.now() + timedelta(minutes=5)
    result = transfer(ticket, one, other, reason="Speaks Danish", by=actor_of(boss), now=now)
    assert (result.ticket.assignee_id, result.ticket.version) == (other.pk, 3)
    first, second = Assignment.objects.filter(ticket=ticket).order_by("pk")
    assert (first.agent, first.ended_at) == (one, now)
    assert (second.agent, second.previous_agent, second.transfer_reason) == (other, one, "Speaks Danish")
    assert (second.reason, second.assigned_by, second.assigned_at, second.ended_at) == ("transfer", boss, now, None)
    payload = {"agent_id": other.pk, "previous_agent_id": one.pk, "reason": "transfer"}
    assert facts(ticket, "ticket.assigned")[-1] == ("ticket.assigned", payload)
    assert result.decision is not None
    assert (result.decision.outcome, result.decision.record["previous"]) == (DecisionOutcome.TRANSFER, one.pk)


def test_what_cannot_be_transferred() -> None:
    one, other, third, ticket = make_agent(), make_agent(), make_agent(), make_ticket()
    with pytest.raises(InvalidInput) as same:
        transfer(ticket, one, one)
    assert [(error.field, error.code) for error in same.value.errors] == [("agent_id", "same_agent")]
    with pytest.raises(NotAssigned) as nobodys:
        transfer(ticket, one, other)
    assert nobodys.value.more["current"]["assignee"] is None
    assign(ticket, third)
    with pytest.raises(AssignmentChanged) as changed:
        transfer(ticket, one, other)
    assert changed.value.more["current"]["assignee"] == {"id": third.pk, "name": third.name}
    with pytest.raises(NotAssignable):
        transfer(ticket, third, set_agent(other, is_active=False))
    change(ticket, status="closed")
    with pytest.raises(NotAssignable):
        transfer(ticket, third, one)
    assert outcomes(ticket) == ["manual"]


# Automatically


def test_the_best_of_those_who_see_the_ticket_gets_it_with_the_reasons_kept() -> None:
    here = make_department()
    busy_one, free_one = make_worker(department=here), make_worker(department=here)
    assign(make_ticket(), busy_one)
    away, full = make_agent(department=here), make_worker(department=here, capacity=0)
    make_worker(department=make_department())  # does not see it
    for role in ("supervisor", "admin"):  # are given tickets by hand only
        make_worker(role=role, department=here)
    ticket = make_ticket(department=here)
    result = auto_assign(ticket)
    assert result.ticket.assignee_id == free_one.pk
    assert result.decision is not None
    record = result.decision.record
    assert [entry["id"] for entry in record["ranked"]] == [free_one.pk, busy_one.pk]
    assert (record["left_out"], record["away"]) == ({str(full.pk): "at_capacity"}, {"offline": [away.pk]})
    assert record["tie_break"] == "load"
    assert decisions.replayed(record).chosen == free_one.pk
    entry = Assignment.objects.get(ticket=ticket)
    assert (entry.reason, entry.assigned_by, entry.decision) == ("auto", None, result.decision)


def test_what_the_ticket_asks_for_is_read_from_it_and_its_customer() -> None:
    refunds = skill("refund")
    skill("billing")
    agents = [make_worker(), make_worker(role="senior"), make_worker(specializations=[refunds], languages=["de"])]
    vip = make_ticket(customer=make_customer(tier="vip"), priority="urgent", category="refund", language="de")
    result = auto_assign(vip)
    assert result.decision is not None
    assert result.decision.record["need"] == {
        "category": "refund",
        "language": "de",
        "vip": True,
        "urgent": True,
        "skills": [refunds.pk],
        "skill_is_must": True,
        "preferred": None,
    }
    assert result.ticket.assignee_id == agents[2].pk
    assert auto_assign(make_ticket(customer=make_customer(tier="vip"))).ticket.assignee_id == agents[1].pk


def test_nobody_free_is_a_decision_too_and_the_ticket_waits() -> None:
    make_worker(capacity=0)
    ticket, now = make_ticket(), timezone.now()
    result = auto_assign(ticket, now=now)
    assert (result.ticket.assignee_id, result.ticket.queued_at, result.ticket.version) == (None, now, 2)
    assert outcomes(ticket) == ["nobody"]
    assert facts(ticket, "ticket.queued", "ticket.assigned") == [("ticket.queued", {})]


def test_the_same_nobody_is_not_written_again_and_another_one_is() -> None:
    agent, ticket = make_worker(capacity=0), make_ticket()
    first = auto_assign(ticket)
    again = auto_assign(ticket)
    assert again.decision == first.decision
    set_agent(agent, availability="busy")
    assert auto_assign(ticket).decision != first.decision
    assert outcomes(ticket) == ["nobody", "nobody"]
    assert len(facts(ticket, "ticket.queued")) == 1
    assert Ticket.objects.get(pk=ticket.pk).version == 2


def test_a_skill_is_a_must_for_fifteen_minutes_of_waiting() -> None:
    skill("refund")
    agent, ticket, now = make_worker(), make_ticket(category="refund"), timezone.now()
    assert auto_assign(ticket, now=now).ticket.assignee_id is None
    assert auto_assign(ticket, now=now + timedelta(minutes=14, seconds=59)).ticket.assignee_id is None
    result = auto_assign(ticket, now=now + timedelta(minutes=15))
    assert (result.ticket.assignee_id, result.ticket.queued_at) == (agent.pk, None)
    assert result.decision is not None
    assert result.decision.record["need"]["skill_is_must"] is False


def test_a_follow_up_goes_to_who_had_the_ticket_before() -> None:
    make_worker()
    owner, closed = make_worker(), make_ticket()
    assign(make_ticket(), owner)
    assign(closed, owner)
    change(closed, status="closed")
    follow_up = say(closed).ticket
    assert follow_up.follow_up_of_id == closed.pk
    assert auto_assign(follow_up).ticket.assignee_id == owner.pk


def test_done_ends_the_wait_for_an_agent() -> None:
    for status in ("resolved", "closed"):
        ticket = make_ticket()
        auto_assign(ticket)
        assert change(ticket, status=status).queued_at is None


@pytest.mark.parametrize(
    "broken", [{"queued_at": timezone.now()}, {"queued_at": timezone.now(), "assignee_id": None, "status": "closed"}]
)
def test_the_database_knows_that_what_waits_has_nobody_and_is_not_done(broken: dict[str, Any]) -> None:
    ticket = make_ticket()
    assign(ticket, make_agent())
    if "status" in broken:
        broken = broken | {"resolved_at": timezone.now(), "rank_at": DONE_FROM}
    with pytest.raises(IntegrityError, match="ticket_queued_has_nobody"), transaction.atomic():
        Ticket.objects.filter(pk=ticket.pk).update(**broken)


def test_the_database_refuses_a_second_open_assignment_and_a_decision_that_is_neither() -> None:
    ticket, agent = make_ticket(), make_agent()
    assign(ticket, agent)
    now = timezone.now()
    with pytest.raises(IntegrityError, match="assignment_one_open_per_ticket"), transaction.atomic():
        Assignment.objects.create(ticket=ticket, agent=agent, reason="auto", assigned_at=now)
    for outcome, entry in (("nobody", ticket.assignments.get()), ("auto", None), ("else", None)):
        with pytest.raises(IntegrityError, match="decision_"), transaction.atomic():
            AssignmentDecision.objects.create(
                ticket=ticket, assignment=entry, outcome=outcome, record={}, decided_at=now
            )


# Cost


def test_an_automatic_assignment_costs_the_same_in_a_team_of_two_and_of_twelve() -> None:
    here = make_department()
    skills = [skill("billing"), skill("refund")]
    counts = []
    for team in (2, 10):
        for _ in range(team):
            worker = make_worker(department=here, specializations=skills)
            assign(make_ticket(department=here), worker)
            change(make_ticket(department=here), status="resolved")
        ticket = make_ticket(department=here, category="billing")
        with counted_statements() as statements:
            assert auto_assign(ticket).ticket.assignee_id is not None
        counts.append(len(statements))
    # one at a time; the ticket, who had it before, its skills; who is online, who is not; the agent's row, the agent;
    # the assignment, the ticket, the fact with what is to follow, the decision
    assert counts == [12, 12]


def test_the_load_is_counted_off_the_index_of_unfinished_work() -> None:
    agent = make_agent()
    fill_desk()
    found = plan(workload.with_load(Agent.objects.get_queryset().filter(pk=agent.pk)))
    assert "ticket_load" in found
    assert "Filter" not in found.split("ticket_load")[1]
