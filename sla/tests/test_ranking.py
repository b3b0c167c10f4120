"""The order of work as it is written: by whatever changes what it depends on, the same at every door, and explained."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.models import Agent
from agents.tests.builders import SYSTEM, actor_of, make_agent, make_department
from customers.enums import Tier
from customers.models import Customer
from customers.privacy import erase
from customers.services import update_customer
from customers.tests.builders import make_customer
from sla.services import applying, selfcheck
from sla.tests.builders import HOUR, MINUTE, change_default, make_policy, minutes, raise_due
from supportdesk.core import delivery
from supportdesk.core.errors import InvalidInput
from supportdesk.tests.client import Api, counted_statements
from supportdesk.tests.races import race
from tickets import weights
from tickets.apps import TicketsConfig
from tickets.enums import Priority, Sender, Status
from tickets.explaining import explain
from tickets.models import Ticket
from tickets.ordering import ZERO, Part, rank
from tickets.services import lifecycle, ranking, waiting
from tickets.tests.builders import assign, auto_assign, make_ticket, make_worker, say

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
START = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
WEIGHTS = {
    "version": 8,
    "patience": {"urgent": 20, "high": 60, "normal": 300, "low": 900},
    "vip": 200,
    "alert": 30,
    "most": 240,
}


def stored(ticket: Ticket) -> Ticket:
    return Ticket.objects.get(pk=ticket.pk)


def is_sound(ticket: Ticket) -> bool:
    """Whether the stored rank is that of what is stored."""
    now = stored(ticket)
    return now.rank_at == now.rank().at and now.rank_version == weights.current().version


def update(ticket: Ticket, at: datetime, **changes: Any) -> Ticket:
    return lifecycle.update_ticket(ticket_id=ticket.pk, changes=changes, by=SYSTEM, now=at)


def answer(ticket: Ticket, at: datetime) -> None:
    say(ticket, sender=Sender.AGENT, by=actor_of(make_agent(role="admin")), now=at)


# What writes it


def test_each_change_writes_the_end_of_the_next_promise() -> None:
    change_default(START, targets=minutes(first_response=60, next_response=120, resolution=600))
    ticket = make_ticket(now=START)
    assert (ticket.promised_at, ticket.rank_at) == (START + HOUR, START + HOUR)
    assert stored(ticket).rank_at == START + HOUR
    answer(ticket, START + HOUR / 2)
    assert stored(ticket).rank_at == START + 10 * HOUR  # nobody waits: the resolution is what is owed
    say(ticket, now=START + HOUR)
    assert stored(ticket).rank_at == START + 3 * HOUR
    update(ticket, START + 2 * HOUR, status="pending")
    assert stored(ticket).promised_at == START + 3 * HOUR  # the next response runs on, the resolution stands still
    assert Part.PARKED in stored(ticket).rank().parts  # and all the same it is the customer's turn
    answer(ticket, START + 2 * HOUR)
    assert stored(ticket).promised_at is None
    assert Part.PARKED in stored(ticket).rank().parts
    update(ticket, START + 3 * HOUR, status="open")
    assert stored(ticket).rank_at == START + 11 * HOUR  # the hour of waiting for the customer does not count
    update(ticket, START + 4 * HOUR, status="resolved")
    assert (stored(ticket).promised_at, Part.DONE in stored(ticket).rank().parts) == (None, True)
    assert is_sound(ticket)


def test_an_overdue_promise_keeps_its_place_and_raising_it_writes_no_ticket() -> None:
    change_default(START, targets=minutes(first_response=60))
    ticket = make_ticket(now=START)
    before = stored(ticket)
    with counted_statements() as taken:
        raise_due(START + 2 * HOUR)
    assert not [one for one in taken if one.startswith('UPDATE "tickets_ticket"')]
    assert stored(ticket).rank_at == before.rank_at == START + HOUR
    say(ticket, now=START + 3 * HOUR)
    assert stored(ticket).rank_at == START + HOUR


def test_recomputation_touches_neither_version_nor_time() -> None:
    change_default(START, targets=minutes(first_response=60))
    ticket = make_ticket(now=START)
    before = stored(ticket)
    policy = change_default(START + MINUTE, targets=minutes(first_response=30)).policy
    job = applying.request(policy_id=policy.pk, preview=False, by=SYSTEM, now=START + MINUTE)
    applying.work(job.pk, by=SYSTEM, now=START + MINUTE)
    after = stored(ticket)
    assert (before.rank_at, after.rank_at) == (START + HOUR, START + HOUR / 2)
    assert (after.version, after.updated_at) == (before.version, before.updated_at)


def test_a_vip_is_ranked_as_one_from_the_change_on_and_no_longer_than_that() -> None:
    customer, other = make_customer(), make_customer(tier=Tier.VIP)
    ticket, done, born = (make_ticket(now=START, customer=one) for one in (customer, customer, other))
    update(done, START, status="resolved")
    plain = stored(ticket).rank_at
    assert stored(born).rank_at == plain - HOUR
    for tier, expected in ((Tier.VIP, plain - HOUR), (Tier.STANDARD, plain)):
        update_customer(customer_id=customer.pk, changes={"tier": tier}, by=SYSTEM, now=timezone.now())
        delivery.run_due(limit=1_000)
        assert stored(ticket).rank_at == expected
        assert stored(done).vip == (tier == Tier.VIP)
        assert is_sound(done)
    erase(customer_id=other.pk, by=actor_of(make_agent(role="admin")), now=timezone.now())
    delivery.run_due(limit=1_000)
    assert stored(born).rank_at == plain
    update_customer(customer_id=customer.pk, changes={"language": "fr"}, by=SYSTEM, now=timezone.now())
    with counted_statements() as taken:
        assert ranking.follow_tier(customer_id=customer.pk) == 0
    assert len(taken) == 2


def test_the_selfcheck_knows_a_rank_that_was_not_told() -> None:
    ticket = make_ticket(now=START)
    assert selfcheck.check(now=START).drift == []
    Ticket.objects.filter(pk=ticket.pk).update(promised_at=START)
    assert selfcheck.check(now=START).drift == [ticket.pk]


ACTIONS = ("answer", "write", "pending", "open", "on_hold", "resolved", "urgent", "high", "normal", "low")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from(ACTIONS), st.integers(1, 600)), max_size=8), st.booleans())
def test_whatever_happens_the_stored_rank_is_that_of_the_facts(steps: list[tuple[str, int]], vip: bool) -> None:
    ticket, at = make_ticket(now=START, customer=make_customer(tier=Tier.VIP if vip else Tier.STANDARD)), START
    for action, after in steps:
        at += after * MINUTE
        if action == "answer":
            answer(ticket, at)
        elif action == "write":
            say(ticket, now=at)
        elif action in Priority.values:
            update(ticket, at, priority=action)
        elif stored(ticket).status not in {action, Status.RESOLVED} or action == "open":
            update(ticket, at, status=action)
        raise_due(at)
        assert is_sound(ticket)
    assert selfcheck.check(now=at).drift == []


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 3_000), st.booleans(), st.booleans())
def test_raising_a_priority_never_lowers_a_ticket(after: int, answered: bool, asked: bool) -> None:
    ticket, at = make_ticket(now=START, priority=Priority.LOW), START + after * MINUTE
    if answered:
        answer(ticket, START + MINUTE)
    if answered and asked:
        say(ticket, now=START + 2 * MINUTE)
    for priority in (Priority.NORMAL, Priority.HIGH, Priority.URGENT):
        before = stored(ticket).rank_at
        raise_due(at)
        update(ticket, at, priority=priority)
        assert stored(ticket).rank_at <= before


# One order at every door


def some_work(now: datetime, owner: Agent | None = None) -> list[Ticket]:
    """In their order: an urgent one, a promise, a VIP, one that waited longer, one that waits, one that is parked."""
    make_policy(now, conditions={"tags": ["soon"]}, targets=minutes(first_response=60))
    made = [
        make_ticket(now=now, priority=Priority.URGENT),
        make_ticket(now=now, tags=["soon"]),
        make_ticket(now=now - 10 * MINUTE, customer=make_customer(tier=Tier.VIP)),
        make_ticket(now=now - 20 * MINUTE),
        make_ticket(now=now),
        make_ticket(now=now),
    ]
    answer(made[5], now)
    update(made[5], now, status="pending")
    for ticket in made if owner else ():
        assert owner is not None
        assign(ticket, owner, now=now)
    return made


def ids(body: Any) -> list[int]:
    return [row["id"] for row in body["results"]]


def test_list_queue_and_unassigned_are_in_the_same_order() -> None:
    now, agent = timezone.now(), make_agent(role="admin")
    expected = [ticket.pk for ticket in some_work(now)]
    api = Api(agent)
    assert ids(api.get("/api/tickets").body) == expected
    assert ids(api.get("/api/tickets/unassigned").body) == expected
    for pk in expected:
        assign(Ticket.objects.get(pk=pk), agent)
    assert ids(api.get(f"/api/agents/{agent.pk}/queue").body) == expected
    assert ids(api.get("/api/tickets").body) == expected


def test_who_becomes_free_is_given_the_first_of_that_order() -> None:
    now = timezone.now()
    work = some_work(now)[:5]
    for ticket in reversed(work):
        auto_assign(ticket, now=now)  # nobody is there: all wait
    for place, ticket in enumerate(work):
        make_worker(capacity=1, languages=["en"])
        waiting.assign_waiting(by=SYSTEM, now=now)
        taken = [stored(one).assignee_id is not None for one in work]
        assert taken == [True] * (place + 1) + [False] * (len(work) - place - 1), ticket


def test_pages_are_stable_while_tickets_move() -> None:
    """Whoever does not move is met once; what moved is met at most once more."""
    now = timezone.now()
    made = [make_ticket(now=now - number * MINUTE).pk for number in range(12)]
    api = Api(make_agent(role="admin"))
    page = api.get("/api/tickets", page_size=3).body
    met = ids(page)
    moved = {made[1], made[10]}
    for pk in moved:
        update(Ticket.objects.get(pk=pk), now, priority=Priority.HIGH)
    answer(Ticket.objects.get(pk=made[5]), now)
    moved.add(made[5])
    while page["next"]:
        page = api.client.get(page["next"], headers=api.headers).json()
        met += ids(page)
    still = [pk for pk in met if pk not in moved]
    assert still == [pk for pk in reversed(made) if pk not in moved]
    assert all(met.count(pk) <= 2 for pk in moved)


# Why


def test_a_ticket_says_why_it_stands_where_it_stands() -> None:
    now = timezone.now()
    work = some_work(now)
    api = Api(make_agent(role="admin"))
    bodies = [api.get(f"/api/tickets/{ticket.pk}/rank").body for ticket in work]
    for ticket, body in zip(work, bodies, strict=True):
        moved = sum((timedelta(seconds=part["seconds"]) for part in body["parts"]), ZERO)
        assert datetime.fromisoformat(body["begin_at"]) + moved == stored(ticket).rank_at
        assert datetime.fromisoformat(body["rank_at"]) == stored(ticket).rank_at
        assert (body["weights_version"], body["stale"], body["advice"]) == (2, False, "absent")
    assert [body["ahead"] and body["ahead"]["ticket_id"] for body in bodies] == [None, *(one.pk for one in work[:5])]
    assert [body["behind"] and body["behind"]["ticket_id"] for body in bodies] == [*(one.pk for one in work[1:]), None]
    decided = [body["behind"]["decided_by"] for body in bodies[:-1]]
    assert decided == ["patience", "promise", "vip", "begin", "parked"]
    assert [body["ahead"]["decided_by"] for body in bodies[1:]] == decided
    vip = bodies[2]
    assert "Its customer is a VIP: 1 h earlier." in vip["sentence"]
    assert vip["sentence"].startswith("Its customer has waited since ")
    assert vip["behind"]["sentence"] == (
        f"{work[2].pk} comes before {work[3].pk}, by 50 min; what decides is that its customer is a VIP."
    )
    assert bodies[5]["sentence"].endswith("It stands behind all work.")


def test_the_list_explains_itself() -> None:
    work = some_work(timezone.now())
    api = Api(make_agent(role="admin"))
    rows = api.get("/api/tickets", explain=1).body["results"]
    assert [row["id"] for row in rows] == [ticket.pk for ticket in work]
    assert [row["rank"]["decided_by"] for row in rows] == [None, "patience", "promise", "vip", "begin", "parked"]
    assert all(row["rank"]["rank_at"] == row["rank_at"] for row in rows)
    assert "rank" not in api.get("/api/tickets").body["results"][0]
    trimmed = api.get("/api/tickets", explain=1, fields="id,rank.sentence").body["results"][0]
    assert trimmed["rank"] == {"sentence": rows[0]["rank"]["sentence"]}


@pytest.mark.parametrize(
    ("path", "query", "field", "code"),
    [
        ("/api/tickets", {"explain": "yes"}, "explain", "invalid_choice"),
        ("/api/tickets", {"explain": "1", "ordering": "created_at"}, "explain", "out_of_place"),
        ("/api/tickets/export", {"explain": "1"}, "explain", "unknown_parameter"),
        ("/api/tickets/{pk}/rank", {"explain": "1"}, "explain", "unknown_parameter"),
    ],
)
def test_explain_is_refused_where_it_means_nothing(path: str, query: dict[str, str], field: str, code: str) -> None:
    ticket = make_ticket()
    reply = Api(make_agent(role="admin")).get(path.format(pk=ticket.pk), **query)
    assert (reply.status, reply.fields) == (400, {field: code})


def test_neighbours_are_those_that_the_caller_sees() -> None:
    now, here, there = timezone.now(), make_department(), make_department()
    first, foreign, last = (
        make_ticket(now=now + number * MINUTE, department=where) for number, where in enumerate((here, there, here))
    )
    inside = Api(make_agent(department=here))
    assert inside.get(f"/api/tickets/{first.pk}/rank").body["behind"]["ticket_id"] == last.pk
    assert inside.get(f"/api/tickets/{foreign.pk}/rank").status == 404
    everything = Api(make_agent(role="admin"))
    assert everything.get(f"/api/tickets/{first.pk}/rank").body["behind"]["ticket_id"] == foreign.pk
    with counted_statements() as taken:
        everything.get(f"/api/tickets/{first.pk}/rank")
    assert len(taken) == 4  # token, ticket, the one before, the one after


def test_explaining_a_list_takes_no_statement_more(settings: Any) -> None:
    settings.KEPT_ANSWER_SECONDS = 0
    api, counts = Api(make_agent(role="admin")), []
    for _ in range(2):
        some = [make_ticket() for _ in range(2)]
        assert some
        for query in ({}, {"explain": 1}):
            with counted_statements() as taken:
                api.get("/api/tickets", **query)
            counts.append(len(taken))
    assert len(set(counts)) == 1


# Weights


def weigh(settings: Any, **over: Any) -> None:
    settings.RANK_WEIGHTS = WEIGHTS | over


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda w: w.pop("version"), "version"),
        (lambda w: w.update(version=0), "version"),
        (lambda w: w.update(version="2"), "version"),
        (lambda w: w.update(vip=-1), "vip"),
        (lambda w: w.update(vip=241), "vip"),
        (lambda w: w.update(alert=241), "alert"),
        (lambda w: w.update(most=20_000), "most"),
        (lambda w: w.update(most=True), "most"),
        (lambda w: w.update(charm=5), "charm"),
        (lambda w: w.update(churn=241), "churn"),
        (lambda w: w.update(sentiment=None), "sentiment"),
        (lambda w: w.update(patience=[1]), "patience"),
        (lambda w: w["patience"].pop("low"), "patience"),
        (lambda w: w["patience"].update(urgent=0), "patience.urgent"),
        (lambda w: w["patience"].update(urgent=61), "patience.urgent"),
        (lambda w: w["patience"].update(low=10**9), "patience.low"),
    ],
)
def test_weights_that_cannot_be_are_refused_by_name(change: Callable[[Any], Any], field: str) -> None:
    wrong = json.loads(json.dumps(WEIGHTS))
    change(wrong)
    with pytest.raises(InvalidInput) as refused:
        weights.read(wrong)
    assert field in {error.field for error in refused.value.errors}


def test_nothing_begins_with_weights_that_cannot_be(settings: Any) -> None:
    weigh(settings, vip=500)
    with pytest.raises(ImproperlyConfigured, match="vip"):
        TicketsConfig.create("tickets").ready()


def run(*args: str) -> str:
    out = StringIO()
    call_command("rerank", *args, stdout=out, stderr=StringIO())
    return out.getvalue()


def weights_file(folder: Path, **over: Any) -> str:
    path = folder / "weights.json"
    path.write_text(json.dumps(WEIGHTS | over))
    return str(path)


def test_a_dry_run_shows_who_would_come_first_and_changes_nothing(tmp_path: Path) -> None:
    now = timezone.now()
    first, vip = make_ticket(now=now - 90 * MINUTE), make_ticket(now=now, customer=make_customer(tier=Tier.VIP))
    make_ticket(now=now)
    before = list(Ticket.objects.order_by("pk").values())
    lines = run("--weights", weights_file(tmp_path), "--dry-run").splitlines()
    assert lines[1].split() == ["1", str(first.pk), str(vip.pk), "2"]
    assert lines[2].split() == ["2", str(vip.pk), str(first.pk), "1"]
    assert lines[-1] == "2 of the first 3 places would change."
    assert list(Ticket.objects.order_by("pk").values()) == before
    assert run("--dry-run").splitlines()[-1] == "0 of the first 3 places would change."


def test_other_weights_than_those_in_force_are_not_applied(tmp_path: Path) -> None:
    make_ticket()
    with pytest.raises(CommandError, match="SUPPORTDESK_RANK_WEIGHTS"):
        run("--weights", weights_file(tmp_path))
    for path, text in (("none.json", None), ("bad.json", "{"), ("wrong.json", '{"version": 1}')):
        if text:
            (tmp_path / path).write_text(text)
        with pytest.raises(CommandError):
            run("--weights", str(tmp_path / path), "--dry-run")


def test_weights_in_force_are_applied_in_batches_and_may_be_begun_again(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ranking, "BATCH", 3)
    made = [make_ticket(now=START, priority=Priority.HIGH) for _ in range(8)]
    done = make_ticket(now=START)
    update(done, START, status="resolved")
    weigh(settings)
    assert ranking.rerank() == (made[2].pk, 3)  # and then the process dies
    written = {ticket.pk: stored(ticket) for ticket in made[:3]}
    out = run("--weights", weights_file(tmp_path))
    assert out.strip() == "5 tickets are ranked by version 8."
    assert {stored(ticket).rank_at for ticket in made} == {START + HOUR}
    assert all(stored(ticket).version == before.version for ticket, before in zip(made, written.values(), strict=False))
    assert ranking.rerank() is None
    assert run().strip() == "0 tickets are ranked by version 8."
    update(done, START + HOUR, status="open")
    assert is_sound(done)


def test_until_it_is_reached_a_ticket_says_that_its_place_is_by_other_weights(settings: Any) -> None:
    ticket = make_ticket(now=START)
    api = Api(make_agent(role="admin"))
    weigh(settings)
    body = api.get(f"/api/tickets/{ticket.pk}/rank").body
    assert (body["stale"], body["weights_version"]) == (True, 8)
    assert explain(stored(ticket), now=timezone.now()).at == rank(stored(ticket).standing(), weights.current()).at
    while ranking.rerank():
        pass
    assert api.get(f"/api/tickets/{ticket.pk}/rank").body["stale"] is False
    update(ticket, START + HOUR, status="resolved")
    weigh(settings, version=9)
    assert api.get(f"/api/tickets/{ticket.pk}/rank").body["stale"] is False  # weights say nothing of what is done


@pytest.mark.django_db(transaction=True)
def test_tickets_that_change_meanwhile_are_neither_lost_nor_held_up(settings: Any) -> None:
    made = [make_ticket(now=START) for _ in range(12)]
    weigh(settings)

    def work(number: int) -> int:
        if number < 2:
            ranked, after = 0, 0
            while batch := ranking.rerank(after=after):
                after, count = batch
                ranked += count
            return ranked
        for ticket in made[number::4]:
            update(ticket, START + MINUTE, priority=Priority.HIGH)
        return 0

    race(work, rivals=4)
    while ranking.rerank():
        pass
    assert all(is_sound(ticket) for ticket in made)
    assert Customer.objects.count() == 12
