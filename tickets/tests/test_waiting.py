"""What follows by itself: new tickets, tickets that wait, and agents who are not there. Run as a worker runs it."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents.models import Agent
from agents.tests.builders import SYSTEM, make_agent, make_department
from supportdesk.core import delivery
from supportdesk.core.actor import Door
from supportdesk.core.models import Delivery, Event
from supportdesk.tests.client import counted_statements
from tickets import tasks
from tickets.models import Ticket
from tickets.services import waiting
from tickets.tests.builders import (
    assign,
    auto_assign,
    change,
    make_ticket,
    make_worker,
    say,
    set_agent,
    transfer,
)
from tickets.tests.test_assignment import facts, outcomes, skill

pytestmark = [pytest.mark.slow, pytest.mark.django_db]


def work_off(*, grace: bool = False) -> None:
    """Everything that follows; with `grace`, as if that had passed too."""
    if grace:
        Delivery.objects.pending().update(due_at=timezone.now() - timedelta(seconds=1))
    delivery.run_due(limit=1_000)
    assert not Delivery.objects.exclude(last_error="").exists()


def owner_of(ticket: Ticket) -> int | None:
    return Ticket.objects.get(pk=ticket.pk).assignee_id


def has_queued(ticket: Ticket) -> bool:
    return Ticket.objects.get(pk=ticket.pk).queued_at is not None


# New tickets


def test_a_new_ticket_is_assigned_and_by_whom_is_told() -> None:
    agent, ticket = make_worker(), make_ticket()
    work_off()
    assert owner_of(ticket) == agent.pk
    fact = Event.objects.get(name="ticket.assigned")
    assert (fact.actor_kind, fact.actor_name, fact.origin) == ("system", "tickets.auto_assign", "task")
    assert ticket.decisions.get().record["trigger"] == "created"


def test_a_new_ticket_that_somebody_took_is_left_to_them() -> None:
    make_worker()
    mine, ticket, done = make_agent(), make_ticket(), make_ticket()
    assign(ticket, mine)
    change(done, status="resolved")
    work_off()
    assert (owner_of(ticket), owner_of(done)) == (mine.pk, None)


def test_imported_tickets_start_nothing() -> None:
    make_worker()
    ticket = make_ticket(by=SYSTEM.through(Door.IMPORT))
    work_off(grace=True)
    assert (owner_of(ticket), has_queued(ticket)) == (None, False)


# What waits


def test_what_waits_goes_to_the_next_who_comes_online_in_the_order_of_work() -> None:
    agent = make_agent(capacity=2)
    low, normal, urgent = (make_ticket(priority=priority) for priority in ("low", "normal", "urgent"))
    work_off()
    assert all(has_queued(ticket) for ticket in (low, normal, urgent))
    assert outcomes(low) == ["nobody"]
    set_agent(agent, availability="online")
    work_off()
    assert [owner_of(ticket) for ticket in (urgent, normal, low)] == [agent.pk, agent.pk, None]
    assert outcomes(urgent) == ["nobody", "auto"]
    assert urgent.decisions.latest("pk").record["trigger"] == "room"


@pytest.fixture
def full() -> tuple[Agent, Ticket, Ticket]:
    """An agent with one ticket and room for no more, and a ticket that waits."""
    agent = make_worker(capacity=1)
    taken = make_ticket()
    work_off()
    waits = make_ticket()
    work_off()
    assert (owner_of(taken), owner_of(waits), has_queued(waits)) == (agent.pk, None, True)
    return agent, taken, waits


@pytest.mark.parametrize("status", ["resolved", "closed"])
def test_what_is_done_makes_room(full: tuple[Agent, Ticket, Ticket], status: str) -> None:
    agent, taken, waits = full
    change(taken, status=status)
    work_off()
    assert owner_of(waits) == agent.pk


def test_a_ticket_that_waits_for_its_customer_counts_a_quarter(full: tuple[Agent, Ticket, Ticket]) -> None:
    agent, taken, waits = full
    change(taken, status="pending")
    work_off()
    assert owner_of(waits) is None
    set_agent(agent, capacity=2)
    work_off()
    assert owner_of(waits) == agent.pk


def test_a_transfer_makes_room(full: tuple[Agent, Ticket, Ticket]) -> None:
    agent, taken, waits = full
    transfer(taken, agent, make_agent())
    work_off()
    assert owner_of(waits) == agent.pk


def test_an_agent_of_another_role_may_take_what_waits() -> None:
    make_worker(capacity=0)
    supervisor, ticket = make_worker(role="supervisor"), make_ticket()
    work_off()
    assert owner_of(ticket) is None
    set_agent(supervisor, role="senior")
    work_off()
    assert owner_of(ticket) == supervisor.pk


def test_a_skill_that_an_agent_learns_gets_what_waits_for_it() -> None:
    refunds, agent = skill("refund"), make_worker()
    ticket = make_ticket(category="refund")
    work_off()
    assert owner_of(ticket) is None
    set_agent(agent, specializations=[refunds])
    work_off()
    assert owner_of(ticket) == agent.pk


def test_what_only_others_could_take_does_not_hold_up_the_rest() -> None:
    skill("refund")
    here, there = make_department(), make_department()
    first = make_ticket(priority="urgent", category="refund")
    second = make_ticket(priority="high", department=there)
    third = make_ticket(department=here)
    work_off()
    agent = make_worker(department=here)
    work_off()
    assert [owner_of(ticket) for ticket in (first, second, third)] == [None, None, agent.pk]
    assert [outcomes(ticket) for ticket in (first, second)] == [["nobody"], ["nobody"]]


def test_the_job_gives_out_what_ran_out_of_patience_for_its_skill() -> None:
    skill("refund")
    agent, ticket = make_worker(), make_ticket(category="refund")
    work_off()
    assert tasks.assign_waiting() == 0
    Ticket.objects.filter(pk=ticket.pk).update(queued_at=timezone.now() - timedelta(minutes=16))
    assert tasks.assign_waiting() == 1
    assert owner_of(ticket) == agent.pk


def test_a_queue_that_nobody_can_take_costs_four_statements_and_writes_nothing() -> None:
    now = timezone.now()
    skill("refund")
    make_worker()
    counts = []
    for number in (1, 4):
        for _ in range(number):
            make_ticket(category="refund")
        work_off()
        events = Event.objects.count()
        with counted_statements() as statements:
            assert waiting.assign_waiting(by=SYSTEM, now=now) == 0
        counts.append(len(statements))
        assert Event.objects.count() == events
    assert counts == [4, 4]  # is there anything; who is online; who needs what; the queue
    Ticket.objects.update(queued_at=None)
    with counted_statements() as statements:
        assert waiting.assign_waiting(by=SYSTEM, now=now) == 0
    assert len(statements) == 1


def test_one_call_gives_out_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "GIVEN_AT_ONCE", 2)
    tickets = [make_ticket() for _ in range(3)]
    for ticket in tickets:
        auto_assign(ticket)
    make_worker()
    assert waiting.assign_waiting(by=SYSTEM, now=timezone.now()) == 2
    assert [has_queued(ticket) for ticket in tickets] == [False, False, True]


# Agents who are not there


@pytest.fixture
def answered() -> tuple[Agent, Agent, Ticket]:
    """An owner who went offline, a colleague, and the owner's ticket on which the customer just wrote."""
    owner, ticket = make_worker(), make_ticket()
    work_off(grace=True)
    colleague = make_worker()
    set_agent(owner, availability="offline")
    change(ticket, status="pending")
    say(ticket)
    return owner, colleague, ticket


def test_a_customer_who_writes_is_not_left_with_somebody_who_is_offline(
    answered: tuple[Agent, Agent, Ticket],
) -> None:
    owner, colleague, ticket = answered
    work_off()
    assert owner_of(ticket) == owner.pk  # there is a grace
    work_off(grace=True)
    assert owner_of(ticket) == colleague.pk
    assert facts(ticket, "ticket.unassigned") == [("ticket.unassigned", {"agent_id": owner.pk, "reason": "owner_away"})]
    assert outcomes(ticket)[-2:] == ["released", "auto"]
    assert ticket.decisions.latest("pk").record["need"]["preferred"] == owner.pk


@pytest.mark.parametrize("meanwhile", ["came back", "busy", "answered", "resolved"])
def test_an_owner_keeps_the_ticket_when_all_is_well_after_the_grace(
    answered: tuple[Agent, Agent, Ticket], meanwhile: str
) -> None:
    owner, _, ticket = answered
    match meanwhile:
        case "came back":
            set_agent(owner, availability="online")
        case "busy":
            set_agent(owner, availability="busy")
        case "answered":
            Ticket.objects.filter(pk=ticket.pk).update(waiting_since=None)
        case "resolved":
            change(ticket, status="resolved")
    work_off(grace=True)
    assert owner_of(ticket) == owner.pk
    assert facts(ticket, "ticket.unassigned") == []


def test_nobody_else_there_it_waits_and_its_owner_is_preferred(answered: tuple[Agent, Agent, Ticket]) -> None:
    owner, colleague, ticket = answered
    set_agent(colleague, availability="offline")
    work_off(grace=True)
    assert (owner_of(ticket), has_queued(ticket)) == (None, True)
    assert outcomes(ticket)[-2:] == ["released", "nobody"]
    for agent in (colleague, owner):
        Agent.objects.get_queryset().filter(pk=agent.pk).update(availability="online")
    waiting.assign_waiting(by=SYSTEM, now=timezone.now())
    assert owner_of(ticket) == owner.pk


def test_what_was_done_and_is_open_again_is_not_left_with_somebody_who_is_offline() -> None:
    owner, ticket = make_worker(), make_ticket()
    work_off(grace=True)
    colleague = make_worker()
    change(ticket, status="resolved")
    set_agent(owner, availability="offline")
    work_off(grace=True)
    change(ticket, status="open")
    work_off(grace=True)
    assert owner_of(ticket) == colleague.pk


def test_what_is_open_again_and_nobodys_is_assigned() -> None:
    ticket = make_ticket()
    change(ticket, status="resolved")
    work_off(grace=True)
    agent = make_worker()
    say(ticket)
    work_off(grace=True)
    assert owner_of(ticket) == agent.pk


def test_deactivation_gives_all_unfinished_tickets_to_others() -> None:
    owner = make_worker()
    tickets, done = [make_ticket() for _ in range(3)], make_ticket()
    work_off()
    change(done, status="resolved")
    work_off(grace=True)
    colleague = make_worker(capacity=2)
    set_agent(owner, is_active=False)
    work_off()
    assert [owner_of(ticket) for ticket in tickets] == [colleague.pk, colleague.pk, None]
    assert (has_queued(tickets[2]), owner_of(done)) == (True, owner.pk)
    assert facts(tickets[2], "ticket.unassigned")[0][1]["reason"] == "owner_gone"


def test_many_tickets_of_an_inactive_agent_are_taken_in_batches_and_the_job_does_the_rest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "GIVEN_AT_ONCE", 2)
    owner = make_agent(capacity=0)
    tickets = [make_ticket() for _ in range(3)]
    for ticket in tickets:
        assign(ticket, owner)
    set_agent(owner, is_active=False)
    work_off()
    assert Ticket.objects.filter(assignee=owner).count() == 1
    assert tasks.assign_waiting() == 1
    assert Ticket.objects.filter(assignee=owner).count() == 0


def test_a_ticket_that_moves_out_of_its_owners_sight_goes_to_who_sees_it() -> None:
    here, there = make_department(), make_department()
    owner, other = make_worker(department=here), make_worker(department=there)
    ticket, kept = make_ticket(department=here), make_ticket(department=here)
    work_off()
    change(ticket, department=there, category="billing")
    change(kept, department=None)
    work_off()
    assert (owner_of(ticket), owner_of(kept)) == (other.pk, owner.pk)
    assert facts(ticket, "ticket.unassigned")[0][1] == {"agent_id": owner.pk, "reason": "moved"}


def test_a_ticket_that_waits_is_tried_anew_when_it_moves() -> None:
    here, there = make_department(), make_department()
    ticket, agent = make_ticket(department=here), make_worker(department=there)
    work_off()
    assert has_queued(ticket)
    change(ticket, department=there)
    work_off()
    assert owner_of(ticket) == agent.pk


# Twice, or too late


@pytest.mark.parametrize(
    "reaction",
    ["auto_assign", "assign_waiting", "meet_available", "meet_changed", "serve_customer", "fill_room_left"],
)
def test_what_is_run_twice_has_its_effect_once(answered: tuple[Agent, Agent, Ticket], reaction: str) -> None:
    _, colleague, ticket = answered
    set_agent(colleague, capacity=5)
    work_off(grace=True)

    def state() -> list[Any]:
        return [
            list(Ticket.objects.order_by("pk").values()),
            list(Event.objects.order_by("pk").values_list("pk", flat=True)),
            outcomes(ticket),
        ]

    before = state()
    assert Delivery.objects.filter(reaction=f"tickets.{reaction}").update(state="pending", finished_at=None)
    work_off(grace=True)
    assert state() == before
    assert owner_of(ticket) == colleague.pk


def test_an_agent_who_came_online_meanwhile_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    tickets = [make_ticket(), make_ticket()]
    for ticket in tickets:
        auto_assign(ticket)
    slow = make_worker(capacity=5)
    assign(make_ticket(), slow)
    within_reach = waiting._Team.within_reach

    def then(team: Any, queued: Any) -> Any:
        make_worker(capacity=1)  # is less busy, and was not there when the team was read
        return within_reach(team, queued)

    monkeypatch.setattr(waiting._Team, "within_reach", then)
    assert waiting.assign_waiting(by=SYSTEM, now=timezone.now()) == 2
    assert owner_of(tickets[1]) == slow.pk
