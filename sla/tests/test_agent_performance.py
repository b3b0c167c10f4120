"""An agent's performance: each number by its definition, and who is shown it."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.utils import timezone

from agents import services
from agents.enums import Availability
from agents.models import Agent
from agents.tests.builders import SYSTEM, actor_of, make_agent, make_department, make_key
from sla import performance
from sla.tests.builders import HOUR, MINUTE, change_default, minutes, raise_due
from supportdesk.core.models import Event
from supportdesk.tests.client import Api, counted_statements
from supportdesk.tests.plans import explained, look_at
from tickets.enums import AssignmentReason, Sender
from tickets.models import Assignment, Ticket
from tickets.services import lifecycle
from tickets.tests.builders import assign, fill_desk, make_ticket, say, transfer

pytestmark = pytest.mark.django_db


def shown(agent: Agent, by: Api | None = None) -> dict[str, Any]:
    answer = (by or Api(make_agent(role="admin"))).get(f"/api/agents/{agent.pk}")
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.body["performance"]
    return found


def worked(agent: Agent, *, at: datetime, answer: timedelta, solution: timedelta | None = None, **over: Any) -> Ticket:
    """A ticket of the agent, answered and resolved so long after it came."""
    ticket = make_ticket(now=at, **over)
    assign(ticket, agent, now=at)
    say(ticket, sender=Sender.AGENT, by=actor_of(agent), now=at + answer)
    if solution:
        raise_due(at + solution)
        change = {"status": "resolved"}
        lifecycle.update_ticket(ticket_id=ticket.pk, changes=change, by=actor_of(agent), now=at + solution)
    return ticket


def test_each_number_is_what_its_definition_says() -> None:
    now = timezone.now()
    start = now - timedelta(days=3)
    change_default(start - timedelta(days=60), targets=minutes(first_response=60, resolution=300))
    agent, other = make_agent(now=start - timedelta(days=80)), make_agent()
    worked(agent, at=start, answer=10 * MINUTE, solution=2 * HOUR)
    late = worked(agent, at=start, answer=20 * MINUTE, solution=6 * HOUR)
    worked(agent, at=start - timedelta(days=40), answer=MINUTE, solution=HOUR)  # before these days
    worked(other, at=start, answer=MINUTE, solution=HOUR)
    runs = worked(agent, at=start, answer=30 * MINUTE)
    raise_due(start + 6 * HOUR)
    given = worked(agent, at=start, answer=40 * MINUTE)
    transfer(given, agent, other, now=start + HOUR)
    transfer(given, other, agent, now=start + HOUR)
    transfer(given, agent, other, now=start + HOUR)
    Ticket.objects.filter(pk=late.pk).update(satisfaction_rating=4)
    found = shown(agent)
    assert (found["handled"], found["open"]) == (2, 1)
    assert (found["transferred_away"], found["transferred_to"]) == (2, 1)
    assert (found["rating"], found["rated"]) == (4.0, 1)
    # kept: three first responses and a resolution; broken: the resolutions of `late` and `runs`. `given` is another's.
    assert (found["kept"], found["breaches"], found["attainment"]) == (4, 2, 0.6667)
    assert found["first_response_median_seconds"] == 20 * 60
    assert found["resolution_median_seconds"] == 4 * 3600  # of two and six hours; the third has not ended
    assert (found["since"], found["until"]) == ((now.date() - timedelta(days=29)).isoformat(), now.date().isoformat())
    assert Ticket.objects.get(pk=runs.pk).assignee_id == agent.pk


def test_it_is_computed_as_the_dashboard_is() -> None:
    now = timezone.now()
    start = now - timedelta(days=5)
    change_default(start, targets=minutes(first_response=25, resolution=300))
    agents = [make_agent(), make_agent()]
    for number in range(8):
        worked(agents[number % 2], at=start + number * HOUR, answer=(5 + 6 * number) * MINUTE, solution=3 * HOUR)
    raise_due(now)
    during = performance.period(since=None, until=None, now=now)
    by_agent = performance.figures(actor_of(make_agent(role="admin")), during)["agent_id"]
    assert set(by_agent) == {agent.pk for agent in agents}
    for agent in agents:
        assert performance.figures_of_agent(agent.pk, during) == by_agent[agent.pk]
        assert by_agent[agent.pk].broken > 0


def test_a_breach_while_it_was_theirs_stays_theirs() -> None:
    start = timezone.now() - timedelta(days=2)
    change_default(start, targets=minutes(first_response=60))
    agent, other = make_agent(), make_agent()
    ticket = make_ticket(now=start)
    assign(ticket, agent, now=start)
    raise_due(start + 2 * HOUR)
    transfer(ticket, agent, other, now=start + 3 * HOUR)
    assert (shown(agent)["breaches"], shown(other)["breaches"]) == (1, 0)


def _stretch(number: int, *, at: datetime) -> Assignment:
    return Assignment(
        ticket_id=number,
        agent_id=number % 50,
        previous_agent_id=number % 49,
        reason=AssignmentReason.TRANSFER,
        assigned_at=at - timedelta(hours=number),
        ended_at=at,
    )


def test_it_is_read_off_indices_that_begin_with_the_agent() -> None:
    agent, now = make_agent(), timezone.now()
    with counted_statements() as taken:
        performance.of_agent(agent.pk, now=now)
    fill_desk()
    look_at([_stretch(number, at=now) for number in range(2_000)])
    look_at([Event(at=now, subject_type="agent", subject_id=number % 50) for number in range(2_000)])
    plans = [explained(statement) for statement in taken]
    handled, _figures, open_ones, online, away, to = plans
    assert "ticket_handled" in handled
    assert not any("Seq Scan" in plan for plan in plans)
    assert "ticket_work" in open_ones or "ticket_load" in open_ones  # both begin with the agent
    assert "event_timeline" in online
    assert "assignment_previous_time" in away
    assert "assignment_agent_time" in to


# Online


def set_availability(agent: Agent, *steps: tuple[datetime, Availability]) -> None:
    for at, availability in steps:
        services.update_agent(agent_id=agent.pk, changes={"availability": availability}, by=SYSTEM, now=at)


def test_time_online_is_what_was_not_offline() -> None:
    now = timezone.now()
    day = now - timedelta(days=2)
    agent = make_agent(now=now - timedelta(days=90))
    set_availability(
        agent,
        (now - timedelta(days=60), Availability.ONLINE),  # before these days, and over since the next line
        (now - timedelta(days=50), Availability.OFFLINE),
        (day, Availability.ONLINE),
        (day + 2 * HOUR, Availability.BUSY),
        (day + 3 * HOUR, Availability.OFFLINE),
        (now - HOUR, Availability.BUSY),
    )
    worked(agent, at=day, answer=MINUTE, solution=HOUR)
    worked(agent, at=day, answer=MINUTE, solution=HOUR)
    found = shown(agent)
    assert found["hours_online"] == pytest.approx(4.0, abs=0.02)
    assert found["handled_per_hour"] == pytest.approx(0.5, abs=0.01)


def test_who_was_online_before_and_still_is_was_all_the_time() -> None:
    now = timezone.now()
    always = make_agent(now=now - timedelta(days=90))
    set_availability(always, (now - timedelta(days=60), Availability.ONLINE))
    begins = performance.period(since=None, until=None, now=now).starts_at
    assert shown(always)["hours_online"] == pytest.approx((now - begins).total_seconds() / 3600, abs=0.02)
    new = make_agent(now=now - 30 * MINUTE)
    set_availability(new, (now - 30 * MINUTE, Availability.ONLINE))
    found = shown(new)
    assert found["hours_online"] == pytest.approx(0.5, abs=0.02)
    assert found["handled_per_hour"] is None


def test_nothing_is_no_number() -> None:
    agent = make_agent()
    found = shown(agent)
    counts = {name: found[name] for name in ("handled", "open", "hours_online", "kept", "breaches", "rated")}
    assert set(counts.values()) == {0}
    spans = ("handled_per_hour", "attainment", "rating", "first_response_median_seconds", "resolution_median_seconds")
    assert [found[name] for name in spans] == [None] * 5


# Who sees it


def test_performance_is_part_of_the_record_and_not_of_the_card() -> None:
    here, there = make_department(), make_department()
    me, colleague, stranger = (make_agent(department=where) for where in (here, here, there))
    mine = Api(me)
    assert mine.get(f"/api/agents/{me.pk}").body["performance"]["handled"] == 0
    assert "performance" in mine.get(f"/api/agents/{colleague.pk}").body
    assert set(mine.get(f"/api/agents/{stranger.pk}").body) == {"id", "name", "availability"}
    leads = Api(make_agent(role="supervisor", leads=[there]))
    assert "performance" in leads.get(f"/api/agents/{stranger.pk}").body
    assert "performance" not in leads.get(f"/api/agents/{me.pk}").body
    assert "performance" in Api(make_key("agents:read")).get(f"/api/agents/{stranger.pk}").body
    assert mine.get(f"/api/agents/{stranger.pk}", fields="name,performance").body == {"name": stranger.name}
    assert all("performance" not in row for row in mine.get("/api/agents").body["results"])


def test_only_who_wants_it_pays_for_it() -> None:
    agent = make_agent()
    api = Api(make_agent(role="admin"))
    counts = []
    for query in ({}, {"fields": "id,name"}, {"fields": "performance"}):
        with counted_statements() as taken:
            answer = api.get(f"/api/agents/{agent.pk}", **query)
        counts.append(len(taken))
        assert answer.status == 200
    assert counts == [10, 2, 8]  # token, agent, leads, skills, six of the performance; token, agent; token, agent, six
    assert set(api.get(f"/api/agents/{agent.pk}", fields="performance").body) == {"performance"}
    assert api.get("/api/agents", fields="performance").status == 400
