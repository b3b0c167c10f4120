"""Simulation: what was is found again exactly, and what would have been is what the clock says."""

import json
import random
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from agents.tests.builders import SYSTEM, actor_of, make_agent, make_department, make_key
from sla.models import Policy, Simulation, SLAAlert, SLAClock
from sla.services import policies, simulating
from sla.services.calendars import update_calendar
from sla.services.simulating import Draft, StillSimulating, Tally
from sla.tests.builders import (
    HOUR,
    MINUTE,
    OFFICE,
    change_default,
    make_calendar,
    make_policy,
    minutes,
    raise_due,
)
from supportdesk.core import delivery
from supportdesk.core.errors import Forbidden, InvalidInput, NotFound
from supportdesk.core.models import Event
from supportdesk.tests.client import Api, counted_statements
from tickets.enums import Priority, Sender, Status
from tickets.models import Ticket
from tickets.services import lifecycle
from tickets.status import TRANSITIONS
from tickets.tests.builders import make_ticket, say

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


def default() -> Policy:
    return Policy.objects.get(is_default=True)


def draft(policy: Policy | None = None, **over: Any) -> Draft:
    given = {"days": 30, "by": SYSTEM, "now": START + timedelta(days=20), **over}
    return simulating.draft(policy_id=(policy or default()).pk, **given)


def result(wanted: Draft) -> dict[int, Tally]:
    found: dict[int, Tally] = {}
    for _, so_far in simulating.run(wanted):
        found = so_far
    return found


def total(wanted: Draft) -> Tally:
    (tally,) = result(wanted).values()
    return tally


def live(seed: int, tickets: int, end: datetime) -> None:
    """A history as it comes, with answers, waits, raised priorities and reopenings, and what became due raised."""
    chance, agent = random.Random(seed), actor_of(make_agent())
    steps: list[tuple[datetime, int, str]] = []
    for number in range(tickets):
        at = START + timedelta(minutes=chance.randint(0, 10 * 24 * 60))
        steps.append((at, number, "create"))
        for _ in range(chance.randint(0, 6)):
            at += timedelta(minutes=chance.randint(1, 2_000))
            what = chance.choice(("answer", "write", "pending", "open", "resolved", "priority"))
            steps.append((at, number, what))
    by_number: dict[int, Ticket] = {}
    for at, number, what in sorted(steps):
        raise_due(at)
        if what == "create":
            by_number[number] = make_ticket(now=at, priority=chance.choice(Priority.values))
            continue
        ticket = Ticket.objects.get(pk=by_number[number].pk)
        if what == "answer":
            say(ticket, sender=Sender.AGENT, by=agent, now=at)
        elif what == "write":
            say(ticket, now=at)
        elif what == "priority" or Status(what) in TRANSITIONS[Status(ticket.status)]:
            new = {"priority": chance.choice(Priority.values)} if what == "priority" else {"status": what}
            lifecycle.update_ticket(ticket_id=ticket.pk, changes=new, by=SYSTEM, now=at)
    raise_due(end)


@pytest.mark.parametrize("seed", [1, 2])
def test_the_present_policy_gives_exactly_the_breaches_that_were_recorded(seed: int) -> None:
    change_default(
        START - HOUR,
        calendar=make_calendar(START, week=OFFICE),
        targets=minutes(first_response=90, next_response=120, resolution=600),
    )
    end = START + timedelta(days=20)
    live(seed, 30, end)
    wanted = draft(now=end)
    tally = total(wanted)
    assert tally.recorded == SLAAlert.objects.breaches().count() > 20
    assert (tally.gained, tally.lost, tally.simulated, tally.tickets) == (0, 0, tally.recorded, 30)
    ids = list(Ticket.objects.values_list("pk", flat=True))
    simulated = {
        (one.ticket_id, metric, cycle, at)
        for one in simulating.compare(wanted, ids)
        for (metric, cycle), at in one.simulated.items()
    }
    assert simulated == set(SLAAlert.objects.breaches().values_list("ticket", "metric", "cycle", "at"))


def answered(after: timedelta, *, now: datetime = START, **over: Any) -> Ticket:
    ticket = make_ticket(now=now, **over)
    raise_due(now + after)
    say(ticket, sender=Sender.AGENT, by=actor_of(make_agent(role="admin")), now=now + after)
    return ticket


def test_a_draft_gains_and_loses_what_its_words_say_and_changes_nothing() -> None:
    change_default(START, targets=minutes(first_response=60))
    here = make_department(name="Billing")
    answered(30 * MINUTE)
    kept, late = answered(50 * MINUTE, department=here), answered(80 * MINUTE)
    before = list(SLAClock.objects.order_by("pk").values())
    policies.update_policy(
        policy_id=default().pk, changes={"targets": minutes(first_response=40)}, by=SYSTEM, now=START
    )
    tighter = result(draft())
    assert {pk: (one.recorded, one.simulated, one.gained, one.lost) for pk, one in tighter.items()} == {
        0: (1, 1, 0, 0),
        here.pk: (0, 1, 1, 0),
    }
    at = (START + 40 * MINUTE).isoformat()
    assert tighter[here.pk].gained_examples == [[kept.pk, "first_response", at]]
    policies.update_policy(
        policy_id=default().pk, changes={"targets": minutes(first_response=90)}, by=SYSTEM, now=START
    )
    looser = result(draft())
    assert (looser[0].lost, looser[0].lost_examples[0][0]) == (1, late.pk)
    assert list(SLAClock.objects.order_by("pk").values()) == before


def test_a_version_that_was_retired_can_be_asked_again() -> None:
    change_default(START, targets=minutes(first_response=60))
    answered(80 * MINUTE)
    version = change_default(START + 5 * HOUR, targets=minutes(first_response=100))
    assert (draft().number, total(draft()).lost) == (version.number, 1)
    assert total(draft(number=version.number - 1)).lost == 0
    with pytest.raises(InvalidInput) as refused:
        draft(number=99)
    assert refused.value.errors[0].field == "number"


def test_other_hours_are_wound_as_a_calendar_would_be() -> None:
    change_default(START, targets=minutes(first_response=60), calendar=make_calendar(START, timezone="UTC"))
    evening = START.replace(hour=16, minute=30)
    answered(2 * HOUR, now=evening)  # due on Tuesday at half past nine
    assert total(draft()).recorded == 0
    always = {"timezone": "UTC", "week": [[[0, 1440]]] * 7}
    found = total(draft(calendar=always))
    assert (found.gained, found.gained_examples[0][2]) == (1, (evening + HOUR).isoformat())
    update_calendar(
        calendar_id=default().versions.get(state="active").calendar_id, changes=always, by=SYSTEM, now=START
    )
    assert total(draft()).gained == 1  # the present hours, which the ticket does not have


def test_conditions_move_tickets_in_and_out() -> None:
    change_default(START, targets=minutes(first_response=60))
    policy = make_policy(START, conditions={"tags": ["refund"]}, targets=minutes(first_response=30))
    mine, others = answered(45 * MINUTE, tags=["refund"]), answered(45 * MINUTE, tags=["other"])
    answered(45 * MINUTE)
    assert (total(draft(policy)).recorded, total(draft(policy)).gained, total(draft(policy)).lost) == (1, 0, 0)
    policies.update_policy(policy_id=policy.pk, changes={"conditions": {"tags": ["other"]}}, by=SYSTEM, now=START)
    moved = total(draft(policy))
    assert [one[0] for one in moved.gained_examples] == [others.pk]
    assert [one[0] for one in moved.lost_examples] == [mine.pk]  # the default takes it, and gives it an hour


def test_a_policy_that_is_not_active_yet_stands_at_its_place_in_the_list() -> None:
    change_default(START, targets=minutes(first_response=60))
    make_policy(START, conditions={"priorities": ["high"]}, targets=minutes(first_response=50), position=5)
    answered(45 * MINUTE, priority=Priority.HIGH)
    new: dict[str, Any] = {
        "conditions": {"priorities": ["high", "low"]},
        "targets": minutes(first_response=30),
        "active": False,
    }
    behind = make_policy(START, position=6, **new)
    assert total(draft(behind)).gained == 0
    before = make_policy(START, position=1, **new)
    assert total(draft(before)).gained == 1


def test_only_the_last_days_count_and_only_what_had_promises() -> None:
    change_default(START, targets=minutes(first_response=60))
    answered(80 * MINUTE)
    answered(80 * MINUTE, now=START + timedelta(days=9))
    now = START + timedelta(days=10)
    assert total(draft(days=5, now=now)).recorded == 1
    assert total(draft(days=30, now=now)).recorded == 2
    assert result(draft(days=1, now=now + timedelta(days=100))) == {}
    for days in (0, -1, 367):
        with pytest.raises(InvalidInput):
            draft(days=days)


def test_what_happened_after_it_began_is_not_looked_at() -> None:
    change_default(START, targets=minutes(first_response=60))
    answered(80 * MINUTE)
    assert total(draft(now=START + 59 * MINUTE)).recorded == 0
    assert (total(draft(now=START + 61 * MINUTE)).recorded, total(draft(now=START + 61 * MINUTE)).simulated) == (1, 1)


def test_hours_that_cannot_hold_the_words_are_refused() -> None:
    rarely = {"timezone": "UTC", "week": [[[0, 1]], *([[]] * 6)]}
    with pytest.raises(InvalidInput) as refused:
        draft(calendar=rarely)
    assert refused.value.errors[0].field == "calendar"
    with pytest.raises(InvalidInput) as refused:
        draft(calendar={"timezone": "UTC", "week": [[]] * 7})
    assert refused.value.errors[0].code == "never_open"


def test_agents_simulate_nothing() -> None:
    with pytest.raises(Forbidden):
        simulating.request(policy_id=default().pk, by=actor_of(make_agent()), now=START)
    with pytest.raises(NotFound):
        simulating.request(policy_id=987_654, by=SYSTEM, now=START)


# The job


def test_it_goes_on_over_deliveries_and_dies_without_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulating, "BATCH", 2)
    monkeypatch.setattr(simulating, "BATCHES", 2)
    now = timezone.now()
    change_default(now - 5 * HOUR, targets=minutes(first_response=60))
    for _ in range(11):
        make_ticket(now=now - 2 * HOUR)
    raise_due(now)
    job = simulating.request(policy_id=default().pk, by=SYSTEM, now=now)
    assert (job.total, job.tickets, job.state) == (11, 0, "pending")
    assert simulating.work(job.pk, by=SYSTEM, now=now) == 4
    job.refresh_from_db()
    assert (job.tickets, job.state, job.found["0"]["recorded"]) == (4, "running", 4)
    with pytest.raises(StillSimulating):
        simulating.request(policy_id=default().pk, by=SYSTEM, now=now)
    while delivery.run_due(limit=100):
        pass
    job.refresh_from_db()
    assert (job.tickets, job.state, job.found["0"]["recorded"]) == (11, "done", 11)
    assert job.finished_at is not None
    assert simulating.work(job.pk, by=SYSTEM, now=now) == 0
    assert simulating.work(987_654, by=SYSTEM, now=now) == 0
    begun = Event.objects.filter(name="sla_policy.simulation_begun").count()
    assert begun == 4  # asked for, and called on after every four


def test_an_edit_meanwhile_changes_nothing_of_it() -> None:
    change_default(START, targets=minutes(first_response=60))
    answered(50 * MINUTE)
    now = START + timedelta(days=1)
    job = simulating.request(policy_id=default().pk, by=SYSTEM, now=now)
    change_default(now, targets=minutes(first_response=10))
    simulating.work(job.pk, by=SYSTEM, now=now)
    job.refresh_from_db()
    assert (job.found["0"]["gained"], job.state) == (0, "done")


def test_a_batch_takes_the_same_statements_for_one_ticket_and_for_many() -> None:
    change_default(START, targets=minutes(first_response=60))
    counts, ids = [], []
    for number in (1, 5):
        ids += [answered(80 * MINUTE).pk for _ in range(number)]
        wanted = draft()
        simulating.compare(wanted, ids)
        with counted_statements() as taken:
            simulating.compare(wanted, ids)
        counts.append(len(taken))
    assert counts == [7, 7]


# The API


@pytest.fixture
def api() -> Api:
    return Api(make_agent(role="supervisor"))


def test_a_simulation_is_asked_for_and_read(api: Api) -> None:
    now = timezone.now()
    change_default(now - timedelta(days=2), targets=minutes(first_response=60))
    late = answered(80 * MINUTE, now=now - timedelta(days=1), subject="Late")
    policies.update_policy(policy_id=default().pk, changes={"targets": minutes(first_response=90)}, by=SYSTEM, now=now)
    asked = api.post(f"/api/sla/policies/{default().pk}/simulate", {"days": 7})
    assert (asked.status, asked.body["state"], asked.body["total"], asked.body["departments"]) == (
        202,
        "pending",
        1,
        [],
    )
    while delivery.run_due(limit=100):
        pass
    body = api.get(f"/api/sla/simulations/{asked.body['id']}").body
    (found,) = body["departments"]
    assert (body["state"], body["tickets"], body["number"]) == ("done", 1, default().versions.get(state="draft").number)
    assert (found["department"], found["recorded"], found["simulated"], found["lost"]) == (None, 1, 0, 1)
    (example,) = found["lost_examples"]
    assert (example["ticket_id"], example["subject"], example["metric"]) == (late.pk, "Late", "first_response")
    assert example["at"].endswith("Z")


def test_everybody_is_shown_what_is_of_tickets_that_they_see() -> None:
    now = timezone.now()
    change_default(now - timedelta(days=2), targets=minutes(first_response=60))
    here, there = make_department(name="Here"), make_department(name="There")
    for department in (here, there, None):
        answered(80 * MINUTE, now=now - timedelta(days=1), department=department)
    policies.update_policy(policy_id=default().pk, changes={"targets": minutes(first_response=90)}, by=SYSTEM, now=now)
    job = simulating.request(policy_id=default().pk, by=SYSTEM, now=now)
    simulating.work(job.pk, by=SYSTEM, now=now)

    def seen(caller: Any) -> list[str | None]:
        rows = Api(caller).get(f"/api/sla/simulations/{job.pk}").body["departments"]
        assert all(len(row["lost_examples"]) == 1 for row in rows)
        return [row["department"] and row["department"]["name"] for row in rows]

    assert seen(make_agent(role="admin")) == [None, "Here", "There"]
    assert seen(make_agent(department=here)) == [None, "Here"]
    assert seen(make_agent(role="supervisor", leads=[there])) == [None, "There"]
    assert seen(make_key("tickets:read")) == [None, "Here", "There"]
    moved = Ticket.objects.get(department=here)
    Ticket.objects.filter(pk=moved.pk).update(department=there)
    rows = Api(make_agent(department=here)).get(f"/api/sla/simulations/{job.pk}").body["departments"]
    assert [row["lost_examples"] for row in rows if row["department"]] == [[]]  # its subject is no longer theirs


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"days": 0}, "days"),
        ({"days": 367}, "days"),
        ({"days": "7"}, "days"),
        ({"number": 99}, "number"),
        ({"calendar": {"timezone": "Mars/Base", "week": {"monday": ["09:00-17:00"]}}}, "calendar.timezone"),
        ({"calendar": {"timezone": "UTC", "week": {}}}, "calendar.week"),
        ({"calendar": {"timezone": "UTC", "week": {"monday": ["17:00-09:00"]}}}, "calendar.week.monday[0]"),
        ({"calendar": {"timezone": "UTC", "week": {"monday": ["09:00-09:01"]}}}, "calendar"),
        ({"policy": 3}, "policy"),
    ],
)
def test_what_cannot_be_simulated_is_refused_by_name(api: Api, body: dict[str, Any], field: str) -> None:
    answer = api.post(f"/api/sla/policies/{default().pk}/simulate", body)
    assert (answer.status, list(answer.fields)) == (400, [field])
    assert not Simulation.objects.exists()


def test_one_simulation_of_a_policy_at_a_time(api: Api) -> None:
    path = f"/api/sla/policies/{default().pk}/simulate"
    assert api.post(path, {}).status == 202
    again = api.post(path, {})
    assert (again.status, again.body["code"]) == (409, "still_simulating")
    assert api.get("/api/sla/simulations/987654").status == 404


# The command


def said(*args: str) -> str:
    out = StringIO()
    call_command("sla_simulate", *args, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_the_command_tells_the_same(tmp_path: Path) -> None:
    now = timezone.now()
    change_default(now - timedelta(days=2), targets=minutes(first_response=60))
    late = answered(80 * MINUTE, now=now - timedelta(days=1), department=make_department(name="Billing"))
    policies.update_policy(policy_id=default().pk, changes={"targets": minutes(first_response=90)}, by=SYSTEM, now=now)
    lines = said("--days", "7").splitlines()
    assert lines[0].split() == ["Department", "Tickets", "Recorded", "Simulated", "Gained", "Lost"]
    assert lines[1].split() == ["Billing", "1", "1", "0", "0", "1"]
    assert f"lost: ticket {late.pk}, first response" in lines[2]
    found = json.loads(said("--days", "7", "--json"))["departments"]["Billing"]
    assert (found["lost"], found["lost_examples"][0][0]) == (1, late.pk)
    hours = tmp_path / "hours.json"
    hours.write_text(json.dumps({"timezone": "UTC", "week": {"monday": ["00:00-24:00"]}}))
    assert json.loads(said("--calendar", str(hours), "--json"))["departments"]["Billing"]["tickets"] == 1
    for bad in ("{", '{"timezone": "UTC"}'):
        hours.write_text(bad)
        with pytest.raises(CommandError):
            said("--calendar", str(hours))
    with pytest.raises(CommandError):
        said("--days", "0")
    assert not Simulation.objects.exists()
