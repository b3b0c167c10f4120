"""Rivals for a ticket, and for an agent's last place. A window names the statement before which one of them is held."""

from collections import Counter
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from django.utils import timezone

from agents.tests.builders import SYSTEM, actor_of, make_agent
from supportdesk.core import delivery
from supportdesk.core.models import Event
from supportdesk.tests.client import Api
from supportdesk.tests.races import RIVALS, race, refusal_of, through_window
from tickets import workload
from tickets.enums import Sender, Status
from tickets.matching import ONE
from tickets.models import Assignment, Ticket
from tickets.services import conversation, lifecycle, waiting
from tickets.tests.builders import assign, auto_assign, make_ticket, make_worker, set_agent, transfer

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]

# Where the first of the rivals is held.
TICKET_READ = 'FOR UPDATE OF "tickets_ticket"'  # before the ticket is locked: whatever was known until now is old
AGENT_CHOSEN = "FOR NO KEY UPDATE"  # the agent is chosen, and not locked yet
ALL_HELD = 'INSERT INTO "tickets_assignment"'  # ticket and agent are locked, and nothing is written
CLOSING = 'UPDATE "tickets_ticket"'  # the ticket is locked, and about to be written
MANY = RIVALS - 1

Act = Callable[[], Any]


def close(ticket: Ticket) -> Act:
    return lambda: lifecycle.update_ticket(
        ticket_id=ticket.pk, changes={"status": Status.CLOSED}, by=SYSTEM, now=timezone.now()
    )


def code_of(outcome: Any) -> str:
    return getattr(outcome, "code", "done")


def tally(outcomes: list[Any]) -> Counter[str]:
    return Counter(code_of(outcome) for outcome in outcomes)


def check_history(ticket: Ticket) -> list[int]:
    """Whose they were. At most one is open, and agrees with the ticket; each begins when the one before it ends."""
    entries = list(Assignment.objects.filter(ticket=ticket).order_by("pk"))
    ticket.refresh_from_db()
    still_open = [entry.agent_id for entry in entries if entry.ended_at is None]
    if ticket.status == Status.CLOSED or ticket.assignee_id is None:
        assert still_open == []
    else:
        assert still_open == [ticket.assignee_id]
    for before, after in pairwise(entries):
        assert before.ended_at == after.assigned_at
        assert after.previous_agent_id == before.agent_id
    told = Event.objects.filter(name="ticket.assigned", subject_id=ticket.pk).order_by("pk")
    assert [fact.payload["agent_id"] for fact in told] == [entry.agent_id for entry in entries]
    assert ticket.decisions.exclude(assignment=None).count() == len(entries)
    return [entry.agent_id for entry in entries]


# For one ticket


def test_assign_and_assign() -> None:
    ticket, winner, others = make_ticket(), make_agent(), [make_agent() for _ in range(MANY)]
    first, rest = through_window(
        lambda: assign(ticket, winner), [partial(assign, ticket, who) for who in others], at=ALL_HELD
    )
    assert (code_of(first), tally(rest)) == ("done", {"already_assigned": MANY})
    current = {"version": 2, "status": "open", "assignee": {"id": winner.pk, "name": winner.name}}
    assert all(refused.more == {"current": current} for refused in rest)
    assert check_history(ticket) == [winner.pk]


def test_assign_that_comes_late_and_assign() -> None:
    ticket, loser, winner = make_ticket(), make_agent(), make_agent()
    late, (early, *_) = through_window(lambda: assign(ticket, loser), [lambda: assign(ticket, winner)], at=TICKET_READ)
    assert (code_of(late), code_of(early)) == ("already_assigned", "done")
    assert late.more["current"]["assignee"]["id"] == winner.pk
    assert check_history(ticket) == [winner.pk]


def test_assign_and_the_transfer_that_follows_it() -> None:
    ticket, one, others = make_ticket(), make_agent(), [make_agent() for _ in range(MANY)]
    first, rest = through_window(
        lambda: assign(ticket, one), [partial(transfer, ticket, one, who) for who in others], at=ALL_HELD
    )
    assert (code_of(first), tally(rest)) == ("done", {"done": 1, "assignment_changed": MANY - 1})
    assert check_history(ticket)[0] == one.pk
    assert len(check_history(ticket)) == 2


def test_assign_and_close() -> None:
    ticket, agent = make_ticket(), make_agent()
    first, rest = through_window(lambda: assign(ticket, agent), [close(ticket)] * MANY, at=ALL_HELD)
    assert (code_of(first), tally(rest)) == ("done", {"done": MANY})  # closed already is no change
    assert check_history(ticket) == [agent.pk]
    assert Event.objects.filter(name="ticket.status_changed").count() == 1


def test_close_and_assign() -> None:
    ticket = make_ticket()
    rivals = [partial(assign, ticket, make_agent()) for _ in range(MANY)]
    first, rest = through_window(close(ticket), rivals, at=CLOSING)
    assert (code_of(first), tally(rest)) == ("done", {"not_assignable": MANY})
    assert all(refused.more["current"]["status"] == "closed" for refused in rest)
    assert check_history(ticket) == []


def test_transfer_and_transfer() -> None:
    ticket, owner, winner = make_ticket(), make_agent(), make_agent()
    others = [make_agent() for _ in range(MANY)]
    assign(ticket, owner)
    first, rest = through_window(
        lambda: transfer(ticket, owner, winner),
        [partial(transfer, ticket, owner, who) for who in others],
        at=ALL_HELD,
    )
    assert (code_of(first), tally(rest)) == ("done", {"assignment_changed": MANY})
    assert {refused.more["current"]["assignee"]["id"] for refused in rest} == {winner.pk}
    assert check_history(ticket) == [owner.pk, winner.pk]


def test_transfer_and_close() -> None:
    ticket, owner, other = make_ticket(), make_agent(), make_agent()
    assign(ticket, owner)
    first, rest = through_window(lambda: transfer(ticket, owner, other), [close(ticket)] * MANY, at=ALL_HELD)
    assert (code_of(first), tally(rest)) == ("done", {"done": MANY})
    assert check_history(ticket) == [owner.pk, other.pk]


def test_close_and_transfer() -> None:
    ticket, owner, other = make_ticket(), make_agent(), make_agent()
    assign(ticket, owner)
    rivals = [lambda: transfer(ticket, owner, other)] * MANY
    first, rest = through_window(close(ticket), rivals, at=CLOSING)
    assert (code_of(first), tally(rest)) == ("done", {"not_assignable": MANY})
    assert check_history(ticket) == [owner.pk]


def test_close_and_reply() -> None:
    ticket, agent = make_ticket(), make_agent()
    by = actor_of(agent)

    def reply() -> Any:
        return conversation.add_message(
            ticket_id=ticket.pk, body="On its way", sender=Sender.AGENT, by=by, now=timezone.now()
        )

    first, rest = through_window(close(ticket), [reply] * MANY, at=CLOSING)
    assert (code_of(first), tally(rest)) == ("done", {"ticket_closed": MANY})
    assert ticket.messages.count() == 1


def test_reply_and_close() -> None:
    ticket, agent = make_ticket(), make_agent()
    by = actor_of(agent)

    def reply() -> Any:
        return conversation.add_message(
            ticket_id=ticket.pk, body="On its way", sender=Sender.AGENT, by=by, now=timezone.now()
        )

    first, rest = through_window(reply, [close(ticket)] * MANY, at='INSERT INTO "tickets_message"')
    assert (code_of(first), tally(rest)) == ("done", {"done": MANY})
    ticket.refresh_from_db()
    assert (ticket.status, ticket.last_position) == ("closed", 2)


def test_auto_assign_and_auto_assign_of_one_ticket() -> None:
    ticket, agent = make_ticket(), make_worker()
    outcomes = race(lambda _: refusal_of(lambda: auto_assign(ticket)))
    assert tally(outcomes) == {"done": 1, "already_assigned": MANY}
    assert check_history(ticket) == [agent.pk]


def test_auto_assign_and_assign_of_one_ticket() -> None:
    ticket, chosen, other = make_ticket(), make_worker(), make_agent()
    first, rest = through_window(lambda: auto_assign(ticket), [lambda: assign(ticket, other)] * MANY, at=AGENT_CHOSEN)
    assert (code_of(first), tally(rest)) == ("done", {"already_assigned": MANY})
    assert check_history(ticket) == [chosen.pk]


# For an agent's last place


def test_auto_assigns_of_many_tickets_to_one_place() -> None:
    agent, tickets = make_worker(capacity=1), [make_ticket() for _ in range(RIVALS)]
    results = race(lambda number: auto_assign(tickets[number]))
    given = [result.ticket.pk for result in results if result.ticket.assignee_id is not None]
    assert len(given) == 1
    assert workload.load_of(agent.pk) == ONE
    assert sum(result.ticket.queued_at is not None for result in results) == MANY
    for ticket in tickets:
        check_history(ticket)


def test_auto_assigns_of_many_tickets_fill_every_place_and_tell_nobody_wrongly() -> None:
    team = [make_worker(capacity=4) for _ in range(4)]
    tickets = [make_ticket() for _ in range(RIVALS)]
    results = race(lambda number: auto_assign(tickets[number]))
    counted = Counter(result.ticket.assignee_id for result in results)
    assert [counted[who.pk] for who in team] == [4] * 4
    assert counted[None] == 16


def test_a_place_that_was_taken_by_hand_while_it_was_being_given() -> None:
    agent, next_one = make_worker(capacity=1), make_worker(capacity=1)
    ticket, by_hand = make_ticket(), [make_ticket() for _ in range(MANY)]
    first, rest = through_window(
        lambda: auto_assign(ticket), [partial(assign, one, agent) for one in by_hand], at=AGENT_CHOSEN
    )
    assert tally(rest) == {"done": MANY}
    assert first.ticket.assignee_id == next_one.pk
    assert first.decision.record["left_out"] == {str(agent.pk): "at_capacity"}
    over = sorted(result.decision.record["over_capacity"] for result in rest)
    assert over == [False, *[True] * (MANY - 1)]


def test_a_place_that_is_being_given_is_seen_by_who_assigns_by_hand() -> None:
    agent, ticket, by_hand = make_worker(capacity=1), make_ticket(), make_ticket()
    first, (second,) = through_window(lambda: auto_assign(ticket), [lambda: assign(by_hand, agent)], at=ALL_HELD)
    assert (first.ticket.assignee_id, second.ticket.assignee_id) == (agent.pk, agent.pk)
    assert (first.decision.record["over_capacity"], second.decision.record["over_capacity"]) == (False, True)


GONE = [
    ({"capacity": 0}, {"left_out": {"id": "at_capacity"}}),
    ({"availability": "offline"}, {"away": {"offline": ["id"]}}),
    ({"availability": "busy"}, {"away": {"busy": ["id"]}}),
    ({"is_active": False}, {"away": {"gone": ["id"]}}),
    ({"role": "supervisor"}, {"away": {"gone": ["id"]}}),
]


@pytest.mark.parametrize(("changes", "said"), GONE)
def test_an_agent_who_stops_while_being_chosen_is_not_given_the_ticket(
    changes: dict[str, Any], said: dict[str, Any]
) -> None:
    agent, next_one, ticket = make_worker(), make_worker(), make_ticket()
    first, rest = through_window(lambda: auto_assign(ticket), [lambda: set_agent(agent, **changes)], at=AGENT_CHOSEN)
    assert (first.ticket.assignee_id, tally(rest)) == (next_one.pk, {"done": 1})
    record = first.decision.record
    expected: dict[str, Any] = {"left_out": {}, "away": {}, **said}
    if expected["left_out"]:
        expected["left_out"] = {str(agent.pk): expected["left_out"]["id"]}
    expected["away"] = {reason: [agent.pk] for reason in expected["away"]}
    assert {name: record[name] for name in expected} == expected
    assert check_history(ticket) == [next_one.pk]


@pytest.mark.parametrize(("changes", "said"), GONE)
def test_nobody_is_left_when_the_only_one_stops_while_being_chosen(
    changes: dict[str, Any], said: dict[str, Any]
) -> None:
    agent, ticket = make_worker(), make_ticket()
    first, _ = through_window(lambda: auto_assign(ticket), [lambda: set_agent(agent, **changes)], at=AGENT_CHOSEN)
    assert (first.ticket.assignee_id, first.decision.outcome) == (None, "nobody")
    assert first.ticket.queued_at is not None
    assert check_history(ticket) == []


@pytest.mark.parametrize("changes", [changes for changes, _ in GONE])
def test_who_stops_a_moment_later_has_the_ticket(changes: dict[str, Any]) -> None:
    agent, ticket = make_worker(), make_ticket()
    first, (stopped,) = through_window(lambda: auto_assign(ticket), [lambda: set_agent(agent, **changes)], at=ALL_HELD)
    assert (first.ticket.assignee_id, code_of(stopped)) == (agent.pk, "done")
    assert check_history(ticket) == [agent.pk]


def test_who_is_deactivated_a_moment_later_loses_it_again_to_somebody_else() -> None:
    agent, ticket = make_worker(), make_ticket()
    through_window(lambda: auto_assign(ticket), [lambda: set_agent(agent, is_active=False)], at=ALL_HELD)
    other = make_worker()
    delivery.run_due(limit=100)
    ticket.refresh_from_db()
    assert ticket.assignee_id == other.pk


def test_who_is_deactivated_while_being_assigned_by_hand_is_not() -> None:
    agent, ticket = make_agent(), make_ticket()
    first, _ = through_window(
        lambda: assign(ticket, agent), [lambda: set_agent(agent, is_active=False)], at=AGENT_CHOSEN
    )
    assert code_of(first) == "not_assignable"
    assert check_history(ticket) == []


def test_a_capacity_below_the_present_load_takes_nothing_away_and_lets_nothing_in() -> None:
    agent, tickets = make_worker(capacity=3), [make_ticket() for _ in range(4)]
    for ticket in tickets[:3]:
        auto_assign(ticket)
    admin = make_agent(role="admin")
    api = Api(admin)
    assert api.patch(f"/api/agents/{agent.pk}", {"capacity": 1}).status == 200
    assert [row["id"] for row in api.get("/api/agents/available").body["results"]] == [admin.pk]
    assert auto_assign(tickets[3]).decision.record["left_out"] == {str(agent.pk): "at_capacity"}  # type: ignore[union-attr]
    assert workload.load_of(agent.pk) == 3 * ONE


# Those who give out what waits


def test_many_who_give_out_what_waits_give_each_ticket_once() -> None:
    tickets = [make_ticket() for _ in range(12)]
    for ticket in tickets:
        auto_assign(ticket)
    team = [make_worker(capacity=3) for _ in range(3)]
    given = race(lambda _: waiting.assign_waiting(by=SYSTEM, now=timezone.now()), rivals=8)
    assert sum(given) == 9
    assert [workload.load_of(agent.pk) for agent in team] == [3 * ONE] * 3
    for ticket in tickets:
        check_history(ticket)


def test_an_owner_who_comes_back_while_the_ticket_is_being_taken_from_them_keeps_it() -> None:
    owner, ticket = make_worker(), make_ticket()
    assign(ticket, owner)
    make_worker()
    set_agent(owner, availability="offline")

    def serve() -> None:
        waiting.serve_customer(ticket_id=ticket.pk, by=SYSTEM, now=timezone.now())

    through_window(serve, [lambda: set_agent(owner, availability="online")], at=TICKET_READ)
    assert check_history(ticket) == [owner.pk]


def test_a_slow_reader_does_not_put_back_who_was_available(monkeypatch: pytest.MonkeyPatch) -> None:
    agent = make_worker()
    workload._forget()
    read = workload._read_available

    def slowly() -> dict[int, int]:
        found = read()
        set_agent(agent, availability="offline")  # commits, and drops what is kept, before this reader keeps it
        return found

    monkeypatch.setattr(workload, "_read_available", slowly)
    assert workload.available() == {agent.pk: 0}
    monkeypatch.setattr(workload, "_read_available", read)
    assert workload.available() == {}
    set_agent(agent, availability="online")
    assert workload.available() == workload.available() == {agent.pk: 0}
    monkeypatch.setattr(workload, "_read_available", slowly)
    kept = workload.LOOKUPS.labels("kept")._value.get()
    assert workload.available() == {agent.pk: 0}  # nothing was read
    assert workload.LOOKUPS.labels("kept")._value.get() == kept + 1
