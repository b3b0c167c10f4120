"""The dashboard: what is counted, whose it is, how old it may be, and what it costs."""

import os
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection
from django.utils import timezone

from agents.models import Agent
from agents.tests.builders import SYSTEM, actor_of, make_agent, make_department, make_key
from sla import performance
from sla.models import SLAClock
from sla.performance import Figures, Period
from sla.tests.builders import HOUR, MINUTE, change_default, minutes, raise_due
from supportdesk.tests.client import Answer, Api, counted_statements
from tickets.enums import Channel, Priority, Sender
from tickets.models import Ticket
from tickets.services import lifecycle
from tickets.tests.builders import assign, make_ticket, say, transfer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
PATH = "/api/sla/dashboard"
SCALE = int(os.environ.get("SUPPORTDESK_TEST_CLOCKS", "20000"))
MONDAY = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
WEEK = {"since": "2026-01-05", "until": "2026-01-11"}


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    cache.clear()


def answered(after: timedelta, *, now: datetime = MONDAY, agent: Agent | None = None, **over: Any) -> Ticket:
    """A ticket with its first response; whatever became due until then was raised."""
    agent = agent or make_agent()
    ticket = make_ticket(now=now, **over)
    assign(ticket, agent, now=now)
    raise_due(now + after)
    say(ticket, sender=Sender.AGENT, by=actor_of(agent), now=now + after)
    return ticket


def shown(api: Api, **query: Any) -> Any:
    answer = api.get(PATH, **{**WEEK, **query})
    assert answer.status == 200, answer.body
    return answer.body


def test_what_was_kept_and_broken_is_counted_by_everything_it_is_of() -> None:
    change_default(MONDAY, targets=minutes(first_response=60))
    here = make_department(name="Billing")
    mina, noor = make_agent(name="Mina", department=here), make_agent(name="Noor", department=here)
    answered(10 * MINUTE, agent=mina, department=here, priority=Priority.HIGH)
    answered(20 * MINUTE, agent=mina, now=MONDAY + timedelta(days=1))
    answered(90 * MINUTE, agent=noor, channel=Channel.CHAT, now=MONDAY + timedelta(days=1))
    make_ticket(now=MONDAY)  # runs until it is overdue
    raise_due(MONDAY + timedelta(days=2))
    body = shown(Api(make_agent(role="admin")))
    total = body["total"]
    assert (total["kept"], total["breaches"], total["attainment"]) == (2, 2, 0.5)
    assert (total["first_response_attainment"], total["resolution_attainment"]) == (0.5, None)
    assert total["first_response_median_seconds"] == 20 * 60  # of 10, 20 and 90 minutes: the fourth has none yet
    assert total["first_response_p90_seconds"] == 76 * 60

    def counts(name: str, of: Any) -> list[tuple[Any, int, int]]:
        return [(of(row), row["kept"], row["breaches"]) for row in body[f"by_{name}"]]

    def name_of(what: str) -> Any:
        return lambda row: row[what] and row[what]["name"]

    assert counts("priority", lambda row: row["priority"]) == [("high", 1, 0), ("normal", 1, 2)]
    assert counts("channel", lambda row: row["channel"]) == [("chat", 0, 1), ("email", 2, 1)]
    assert counts("department", name_of("department")) == [("Billing", 1, 0), (None, 1, 2)]
    assert counts("agent", name_of("agent")) == [("Mina", 2, 0), ("Noor", 0, 1), (None, 0, 1)]
    assert counts("day", lambda row: row["day"]) == [("2026-01-05", 1, 1), ("2026-01-06", 1, 1)]


def test_a_breach_stays_with_who_had_the_ticket_then() -> None:
    change_default(MONDAY, targets=minutes(first_response=60))
    before, after = make_agent(name="Before"), make_agent(name="After")
    ticket = make_ticket(now=MONDAY, priority=Priority.HIGH)
    assign(ticket, before, now=MONDAY)
    raise_due(MONDAY + 2 * HOUR)
    transfer(ticket, before, after, now=MONDAY + 3 * HOUR)
    lifecycle.update_ticket(ticket_id=ticket.pk, changes={"priority": "low"}, by=SYSTEM, now=MONDAY + 4 * HOUR)
    body = shown(Api(make_agent(role="admin")))
    assert [(row["agent"]["name"], row["breaches"]) for row in body["by_agent"]] == [("Before", 1)]
    assert [row["priority"] for row in body["by_priority"]] == ["high"]


def test_each_metric_has_its_own_share_and_what_was_given_up_counts_nowhere() -> None:
    change_default(MONDAY, targets=minutes(first_response=60, next_response=60, resolution=120))
    ticket = answered(30 * MINUTE)
    say(ticket, now=MONDAY + HOUR)
    raise_due(MONDAY + 4 * HOUR)
    lifecycle.update_ticket(ticket_id=ticket.pk, changes={"status": "resolved"}, by=SYSTEM, now=MONDAY + 4 * HOUR)
    given_up = make_ticket(now=MONDAY)
    lifecycle.update_ticket(ticket_id=given_up.pk, changes={"status": "resolved"}, by=SYSTEM, now=MONDAY + HOUR / 2)
    total = shown(Api(make_agent(role="admin")))["total"]
    shares = [total[f"{metric}_attainment"] for metric in ("first_response", "next_response", "resolution")]
    assert shares == [1.0, 0.0, 0.5]
    assert (total["kept"], total["breaches"]) == (2, 2)


def test_a_period_holds_both_its_days_and_no_other() -> None:
    change_default(MONDAY, targets=minutes(first_response=60))
    midnight = MONDAY.replace(hour=0)
    for at in (midnight - timedelta(seconds=1), midnight, midnight + timedelta(days=7, seconds=-1)):
        answered(MINUTE, now=at - MINUTE)
    answered(MINUTE, now=midnight + timedelta(days=7) - MINUTE)
    api = Api(make_agent(role="admin"))
    assert shown(api)["total"]["kept"] == 2
    assert [row["day"] for row in shown(api)["by_day"]] == ["2026-01-05", "2026-01-11"]
    assert shown(api, since="2026-01-04")["total"]["kept"] == 3


def test_without_parameters_it_is_of_the_last_thirty_days() -> None:
    api, today = Api(make_agent(role="admin")), timezone.now().date()
    body = api.get(PATH).body
    assert (body["since"], body["until"]) == ((today - timedelta(days=29)).isoformat(), today.isoformat())
    assert (body["total"]["kept"], body["total"]["attainment"], body["by_agent"]) == (0, None, [])
    assert body["load"]["total"] == {"overdue": 0, "within_1_hour": 0, "within_4_hours": 0, "within_24_hours": 0}


def test_the_load_ahead_is_what_runs_by_when_it_ends() -> None:
    here, now = make_department(name="Billing"), timezone.now()
    change_default(now - 3 * HOUR, targets=minutes(first_response=120))
    for age in (3 * HOUR, 130 * MINUTE, 110 * MINUTE, 90 * MINUTE):
        make_ticket(now=now - age, department=here)
    make_ticket(now=now)
    paused = make_ticket(now=now)
    raise_due(now - 2 * HOUR / 3)  # one of the two overdue ones is noticed, the other not yet
    change_default(now, targets=minutes(resolution=60))
    waits = make_ticket(now=now)
    lifecycle.update_ticket(ticket_id=waits.pk, changes={"status": "pending"}, by=SYSTEM, now=now)
    lifecycle.update_ticket(ticket_id=paused.pk, changes={"status": "resolved"}, by=SYSTEM, now=now)
    load = Api(make_agent(role="admin")).get(PATH).body["load"]
    assert load["total"] == {"overdue": 2, "within_1_hour": 2, "within_4_hours": 3, "within_24_hours": 3}
    assert [(row["department"] and row["department"]["name"], row["overdue"]) for row in load["by_department"]] == [
        ("Billing", 2),
        (None, 0),
    ]


# Bad parameters


@pytest.mark.parametrize(
    ("query", "field", "code"),
    [
        ({"since": "yesterday"}, "since", "invalid_date"),
        ({"since": "2026-02-29"}, "since", "invalid_date"),
        ({"since": "2026-01-05T09:00:00Z"}, "since", "invalid_date"),
        ({"since": "0001-01-01"}, "since", "out_of_range"),
        ({"until": "2199-01-01"}, "until", "out_of_range"),
        ({"since": "2026-01-06", "until": "2026-01-05"}, "since", "out_of_range"),
        ({"since": "2024-01-01", "until": "2025-01-01"}, "since", "out_of_range"),
        ({"until": ""}, "until", "empty_parameter"),
        ({"period": "week"}, "period", "unknown_parameter"),
        ({"fields": "total"}, "fields", "unknown_parameter"),
    ],
)
def test_a_period_that_cannot_be_is_refused_by_name(query: dict[str, str], field: str, code: str) -> None:
    answer = Api(make_agent()).get(PATH, **query)
    assert (answer.status, answer.fields) == (400, {field: code})


def test_a_leap_year_is_a_period() -> None:
    answer = Api(make_agent()).get(PATH, since="2024-01-01", until="2024-12-31")
    assert (answer.status, answer.body["until"]) == (200, "2024-12-31")


# Rights


def test_everybody_is_shown_the_figures_of_what_they_see() -> None:
    change_default(MONDAY, targets=minutes(first_response=60))
    here, there = make_department(), make_department()
    inside, outside = make_agent(name="Inside", department=here), make_agent(name="Outside", department=there)
    answered(MINUTE, agent=inside, department=here)
    answered(2 * MINUTE, agent=outside, department=there)
    answered(3 * MINUTE, agent=outside)

    def seen(caller: Agent | str) -> tuple[int, list[str | None]]:
        body = shown(Api(caller))
        return body["total"]["kept"], [row["agent"] and row["agent"]["name"] for row in body["by_agent"]]

    assert seen(make_agent(role="admin")) == (3, ["Inside", "Outside"])
    assert seen(make_agent(department=here)) == (2, ["Inside"])  # the other one's record is not theirs to read
    assert seen(make_agent(department=there)) == (2, ["Outside"])
    assert seen(make_agent(role="supervisor", leads=[here])) == (2, ["Inside"])
    assert seen(make_key("tickets:read")) == (3, [])
    assert seen(make_key("tickets:read", "agents:read")) == (3, ["Inside", "Outside"])
    assert seen(inside) == (2, ["Inside"])  # after all those before: nobody is shown what was kept for another


def test_a_ticket_assigned_across_departments_counts_for_its_agent_alone() -> None:
    change_default(MONDAY, targets=minutes(first_response=60))
    here, there = make_department(), make_department()
    guest, colleague = make_agent(department=here), make_agent(department=here)
    ticket = answered(MINUTE, agent=make_agent(department=there), department=there)
    Ticket.objects.filter(pk=ticket.pk).update(assignee=guest)  # as when the ticket moved away from its agent
    assert (shown(Api(guest))["total"]["kept"], shown(Api(colleague))["total"]["kept"]) == (1, 0)


# Age and cost


def test_what_is_shown_is_a_minute_old_at_most_and_says_from_when() -> None:
    change_default(MONDAY, targets=minutes(first_response=60))
    api = Api(make_agent(role="admin"))
    first = shown(api)
    answered(MINUTE)
    assert shown(api) == first
    assert first["max_age_seconds"] == 60
    assert shown(api, since="2026-01-04")["total"]["kept"] == 1
    cache.clear()
    later = shown(api)
    assert later["total"]["kept"] == 1
    assert later["as_of"] > first["as_of"]


def test_it_takes_the_same_statements_for_one_ticket_and_for_many() -> None:
    here, counts = make_department(), []
    api, agent = Api(make_agent(role="supervisor", leads=[here])), make_agent(department=here)
    for number in (1, 4):
        for _ in range(number):
            answered(MINUTE, agent=agent, department=here)
        cache.clear()
        with counted_statements() as taken:
            shown(api)
        counts.append(len(taken))
        with counted_statements() as taken:
            shown(api)
        counts.append(len(taken))
    assert counts == [5, 1, 5, 1]  # token, figures, load, departments, agents; token


def generate_decided_clocks(number: int, *, days: int) -> None:
    """As many met promises on each of the days before Monday, all of one ticket."""
    ticket = make_ticket(now=MONDAY)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO sla_slaclock (ticket_id, metric, cycle, started_at, state, target, counted, cause, stopped_at,
                warning_raised, breach_raised)
            SELECT %s, 'next_response', n, at, 'met', '1 hour', n %% 60 * '1 minute'::interval, 'created', at,
                false, false
            FROM generate_series(1, %s) n, LATERAL (SELECT %s - n %% %s * '1 day'::interval AS at) days
            """,
            [ticket.pk, number, MONDAY, days],
        )
        cursor.execute("ANALYZE sla_slaclock")


def test_the_cost_is_that_of_the_period_and_not_of_the_history() -> None:
    generate_decided_clocks(SCALE, days=200)
    actor, monday = actor_of(make_agent(role="admin")), MONDAY.date()
    with counted_statements() as taken:
        found = performance.figures(actor, Period(since=monday, until=monday))[None][None]
    assert found.kept == SCALE // 200
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {taken[0]}")
        plan = cursor.fetchone()[0][0]["Plan"]
    touched = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    print(f"{SCALE:,} decided promises, {found.kept} of them in the day: {touched} buffers")
    began = time.perf_counter()
    month = performance.figures(actor, Period(since=monday - timedelta(days=29), until=monday))[None][None]
    print(f"{month.kept:,} in a month: {time.perf_counter() - began:.2f} s")
    assert touched <= 3 * found.kept + 50


def test_the_figures_are_those_that_a_loop_over_the_rows_would_give() -> None:
    change_default(MONDAY, targets=minutes(first_response=60, resolution=240))
    for number in range(12):
        ticket = answered(timedelta(minutes=10 + 13 * number), now=MONDAY + number * HOUR)
        if number % 3:
            end = MONDAY + number * HOUR + timedelta(minutes=200 + 20 * number)
            raise_due(end)
            lifecycle.update_ticket(ticket_id=ticket.pk, changes={"status": "resolved"}, by=SYSTEM, now=end)
    during = Period(since=date(2026, 1, 5), until=date(2026, 1, 6))
    found = performance.figures(actor_of(make_agent(role="admin")), during)[None][None]
    decided = [
        clock
        for clock in SLAClock.objects.all()
        if (at := clock.breached_at or (clock.stopped_at if clock.state == "met" else None))
        and during.starts_at <= at < during.ends_at
    ]
    assert len(decided) > 15
    assert found.kept == sum(clock.breached_at is None for clock in decided)
    assert found.broken == len(decided) - found.kept
    assert found.resolution_broken == sum(c.metric == "resolution" and c.breached_at is not None for c in decided) > 0
    spans = sorted(c.counted.total_seconds() for c in decided if c.metric == "first_response" and c.stopped_at)
    assert len(spans) == 12
    assert found.first_response_median == (spans[5] + spans[6]) / 2
    assert Figures().attainment is None


def test_without_redis_it_is_read_each_time(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    change_default(MONDAY, targets=minutes(first_response=60))
    answered(MINUTE)
    settings.CACHES = {"default": settings.CACHES["default"] | {"LOCATION": "redis://127.0.0.1:1/0"}}
    answer: Answer = Api(make_agent(role="admin")).get(PATH, **WEEK)
    assert (answer.status, answer.body["total"]["kept"]) == (200, 1)
