"""What Quimbi says, and what it moves: ranks, VIPs to seniors, and nothing else."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from agents.tests.builders import SYSTEM, actor_of, make_agent, make_department
from customers import orders, privacy, services
from customers.models import Customer
from customers.tests.builders import make_customer
from customers.tests.orders import told
from quimbi.dialects import Function
from quimbi.sandbox import Sandbox
from quimbi.types import Purpose
from supportdesk.core import delivery
from supportdesk.core.models import Delivery, DeliveryState
from supportdesk.tests.client import Api, counted_statements
from tickets.explaining import explain
from tickets.models import Ticket
from tickets.ordering import Advice, Part
from tickets.services import advising, ranking
from tickets.services.ranking import Told
from tickets.tests.builders import assign, make_ticket, make_worker, say, set_agent

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
HOUR = timedelta(hours=1)


@pytest.fixture
def platform(quimbi: Sandbox, settings: Any) -> Sandbox:
    """The dialect that says what a customer is worth."""
    settings.QUIMBI_DIALECT = "platform"
    return quimbi


def work_off() -> None:
    while delivery.run_due(limit=1_000):
        pass
    assert not Delivery.objects.filter(state=DeliveryState.DEAD).exists()


def stored(ticket: Ticket) -> Ticket:
    return Ticket.objects.get(pk=ticket.pk)


def worth(sandbox: Sandbox, customer: Customer, amount: float, churn: float = 0.0) -> None:
    value = {"current": amount, "predicted_12m": amount, "tier": "x", "total_orders": 2, "avg_order_value": amount / 2}
    risk = {"score": churn, "risk_level": "low", "factors": [], "recommended_actions": []}
    sandbox.say(Function.ANALYZE, f"crm-{customer.pk}", lifetime_value=value, churn_risk=risk)
    sandbox.say(Function.CHURN, f"crm-{customer.pk}", churn_probability=churn)


# What it is told


def test_quimbi_is_told_what_a_customer_bought_and_when_they_were_in_touch(quimbi: Sandbox) -> None:
    customer = make_customer(
        name="Ada Lovelace",
        language="en",
        identities=[services.Identity(source="shopify", external_id="7012345678901")],
    )
    orders.record_order(customer_id=customer.pk, told=told("1"), by=SYSTEM, now=timezone.now())
    ticket = make_ticket(customer=customer)
    advising.insights_of([customer.pk], purpose=Purpose.REQUEST)
    asked = next(one for one in quimbi.requests if one.function == Function.ANALYZE)
    assert asked.customer_id == "7012345678901"
    assert [order["order_id"] for order in asked.body["orders"]] == ["1"]
    assert [(one["type"], one["channel"]) for one in asked.body["interactions"]] == [("ticket", ticket.channel)]
    assert not quimbi.refused
    assert "Lovelace" not in str([one.body for one in quimbi.requests])


def test_an_erased_customer_is_never_asked_about(quimbi: Sandbox) -> None:
    customer = make_customer()
    privacy.erase(customer_id=customer.pk, by=actor_of(make_agent(role="admin")), now=timezone.now())
    found = advising.insights_of([customer.pk], purpose=Purpose.REQUEST)[customer.pk]
    assert (found.dna.value, found.dna.reason) == (None, "no_profile")
    assert quimbi.count() == 0


# Ranks


def test_a_new_ticket_is_ranked_by_what_quimbi_says(platform: Sandbox) -> None:
    ticket = make_ticket()
    before = ticket.rank_at
    worth(platform, ticket.customer, 2_000.0, churn=0.5)
    work_off()
    now = stored(ticket)
    assert now.advice == Advice(value=500, churn=500)
    assert now.rank_at == before - timedelta(minutes=30) - timedelta(minutes=15)
    assert now.rank_expires_at is not None
    assert now.advised_at is not None
    assert now.version == ticket.version + (now.queued_at is not None)  # advice is no change of the ticket
    assert explain(now, now=timezone.now()).advice == "fresh"
    assert explain(now, now=timezone.now() + 2 * HOUR).advice == "stale"
    assert {step.part for step in explain(now, now=timezone.now()).steps} >= {Part.VALUE, Part.CHURN}


@pytest.mark.parametrize("kind", ["500", "html", "nan", "wrong-customer", "boolean"])
def test_while_quimbi_fails_the_order_is_what_it_is_without(platform: Sandbox, kind: str) -> None:
    platform.play(kind)
    now = timezone.now()
    made = [make_ticket(now=now - timedelta(minutes=minutes)) for minutes in (3, 2, 1)]
    before = list(Ticket.objects.order_by("rank_at", "pk").values_list("pk", "rank_at"))
    work_off()
    assert list(Ticket.objects.order_by("rank_at", "pk").values_list("pk", "rank_at")) == before
    assert {stored(ticket).rank_expires_at for ticket in made} == {None}
    body = Api(make_agent(role="admin")).get(f"/api/tickets/{made[0].pk}/rank").body
    assert body["advice"] == "absent"


def test_what_quimbi_said_expires_and_is_told_apart_until_then() -> None:
    now = timezone.now()
    ticket, other = make_ticket(now=now), make_ticket(now=now)
    old = Told(as_of=now - 25 * HOUR, value=600, churn=100)
    assert ranking.advise({ticket.pk: old, other.pk: Told(as_of=now, churn=1_000)}, now=now) == 2
    assert stored(ticket).rank_at < stored(other).rank_at
    assert ranking.drop_expired_advice(now=now, limit=100) == 1
    assert (stored(ticket).advice, stored(ticket).rank_expires_at) == (Advice(), None)
    assert stored(ticket).rank_at == ticket.rank_at
    assert stored(other).advice.churn == 1_000
    assert ranking.drop_expired_advice(now=now, limit=100) == 0


def test_a_part_that_is_not_told_again_expires_in_its_time() -> None:
    now = timezone.now()
    ticket = make_ticket(now=now)
    ranking.advise({ticket.pk: Told(as_of=now - 3 * HOUR, sentiment=700)}, now=now)
    ranking.advise({ticket.pk: Told(as_of=now, churn=300)}, now=now)
    held = stored(ticket)
    assert (held.advice, held.advised_at) == (Advice(sentiment=700, churn=300), now - 3 * HOUR)
    ranking.advise({ticket.pk: Told(as_of=now, sentiment=0, churn=300, value=0)}, now=now)
    assert stored(ticket).advised_at == now


def test_advice_of_what_is_done_is_not_kept() -> None:
    ticket = make_ticket()
    Api(make_agent(role="admin")).patch(f"/api/tickets/{ticket.pk}", {"status": "resolved"})
    assert ranking.advise({ticket.pk: Told(as_of=timezone.now(), churn=500)}, now=timezone.now()) == 0
    assert stored(ticket).rank_expires_at is None


def test_who_writes_angrily_comes_earlier_where_the_dialect_says_so(quimbi: Sandbox, settings: Any) -> None:
    ticket = make_ticket()
    say(ticket, "This is the worst. Never again. Terrible!")
    work_off()
    assert stored(ticket).advice.sentiment == 1_000
    assert stored(ticket).rank_at == ticket.rank_at - timedelta(minutes=30) + _churn_of(ticket)
    settings.QUIMBI_DIALECT = "platform"
    calls = quimbi.count(Function.SENTIMENT)
    say(ticket, "Terrible!")
    work_off()
    assert quimbi.count(Function.SENTIMENT) == calls


def _churn_of(ticket: Ticket) -> timedelta:
    return -timedelta(minutes=30) * stored(ticket).advice.churn / 1_000


# Assignment


def test_a_new_ticket_of_a_valuable_customer_goes_to_a_senior_and_the_record_says_why(platform: Sandbox) -> None:
    department = make_department()
    make_worker(department=department, role="agent")
    senior = make_worker(department=department, role="senior")
    set_agent(senior, capacity=50)
    for _ in range(3):
        assign(make_ticket(department=department), senior)  # the busier of the two
    vip = make_ticket(department=department)
    worth(platform, vip.customer, 9_000.0)
    work_off()
    assert stored(vip).assignee_id == senior.pk
    record = vip.decisions.get().record
    assert record["need"]["vip"]
    assert list(record["advice"]) == ["as_of"]  # and not what the customer is worth, which is Quimbi's to keep


def test_quimbi_down_delays_nothing_but_itself(platform: Sandbox) -> None:
    platform.play("refuse")
    agent = make_worker()
    ticket = make_ticket()
    work_off()
    assert stored(ticket).assignee_id == agent.pk
    assert ticket.decisions.get().record["advice"] is None


def test_a_ticket_that_turns_out_to_be_a_vips_moves_to_a_senior_once(platform: Sandbox) -> None:
    platform.play("500")
    junior = make_worker(role="agent")
    ticket = make_ticket()
    work_off()
    assert stored(ticket).assignee_id == junior.pk
    platform.play("well")
    worth(platform, ticket.customer, 5_000.0)
    assert advising.meet_queues(by=SYSTEM, now=timezone.now()) == 1
    assert stored(ticket).assignee_id == junior.pk  # there is no senior
    senior = make_worker(role="senior")
    advising.meet_queues(by=SYSTEM, now=timezone.now())
    assert stored(ticket).assignee_id == senior.pk
    assert ticket.decisions.latest("pk").record["trigger"] == "valued"
    set_agent(senior, availability="offline")
    advising.meet_queues(by=SYSTEM, now=timezone.now())
    assert stored(ticket).assignee_id == senior.pk


@pytest.mark.parametrize("touched", ["answered", "by hand"])
def test_what_somebody_has_touched_stays_with_them(platform: Sandbox, touched: str) -> None:
    junior, _ = make_worker(role="agent"), make_worker(role="senior")
    ticket = make_ticket()
    if touched == "by hand":
        assign(ticket, junior)
    else:
        platform.play("500")
        set_agent(_, availability="offline")
        work_off()
        say(ticket, "We are on it", sender="agent", by=actor_of(junior))
        set_agent(_, availability="online")
        platform.play("well")
    worth(platform, ticket.customer, 5_000.0)
    advising.meet_queues(by=SYSTEM, now=timezone.now())
    assert stored(ticket).advice.is_vip
    assert stored(ticket).assignee_id == junior.pk


# Ahead of being opened


def test_the_top_of_each_online_queue_is_asked_about(platform: Sandbox, settings: Any) -> None:
    settings.PREFETCHED_PER_AGENT = 2
    now = timezone.now()
    ann, bob, away = make_worker(), make_worker(), make_agent()
    theirs = {}
    for agent in (ann, bob, away):
        theirs[agent.pk] = [make_ticket(now=now - timedelta(minutes=9 - n)) for n in range(3)]
        for ticket in theirs[agent.pk]:
            assign(ticket, agent)
    with connection.cursor() as cursor:
        cursor.execute(advising._TOP, [2])
        top = [pk for pk, _ in cursor.fetchall()]
    a, b = theirs[ann.pk], theirs[bob.pk]
    assert top == [a[0].pk, b[0].pk, a[1].pk, b[1].pk]
    Ticket.objects.update(advised_at=now, rank_expires_at=now + timedelta(hours=1))
    assert advising.meet_queues(by=SYSTEM, now=now) == 4
    asked = {one.customer_id for one in platform.requests}
    assert asked == {f"crm-{ticket.customer_id}" for ticket in [*a[:2], *b[:2]]}


def test_what_quimbi_never_said_anything_of_is_asked_about_a_few_at_a_time(platform: Sandbox, settings: Any) -> None:
    """Beyond the first places, and of tickets that nobody has: what came while Quimbi was away."""
    settings.PREFETCHED_PER_AGENT = 1
    now = timezone.now()
    first, second = make_ticket(now=now - timedelta(minutes=9)), make_ticket(now=now - timedelta(minutes=8))
    ann = make_worker()
    assign(first, ann)
    assign(second, ann)
    waiting = [make_ticket(now=now - timedelta(minutes=7 - n)) for n in range(3)]
    assert advising.meet_queues(by=SYSTEM, now=now) == 1 + advising.NEVER_ADVISED
    assert advising.meet_queues(by=SYSTEM, now=now) == 1 + 1
    assert all(stored(ticket).advised_at for ticket in [first, second, *waiting])
    assert advising.meet_queues(by=SYSTEM, now=now) == 1


def test_two_do_not_ask_ahead_at_once(platform: Sandbox) -> None:
    assign(make_ticket(), make_worker())
    met: list[int] = []

    def meet() -> None:  # in each of the threads that ask
        met.append(advising.meet_queues(by=SYSTEM, now=timezone.now()))

    platform.before_answering = meet
    assert advising.meet_queues(by=SYSTEM, now=timezone.now()) == 1
    assert set(met) == {0}
    platform.before_answering = lambda: None
    assert advising.meet_queues(by=SYSTEM, now=timezone.now()) == 1


def test_without_a_quimbi_nothing_is_read_for_it() -> None:
    assign(make_ticket(), make_worker())
    with counted_statements() as taken:
        assert advising.meet_queues(by=SYSTEM, now=timezone.now()) == 0
    assert taken == []


# Erasure


def test_an_erased_customer_leaves_nothing_of_what_quimbi_said(platform: Sandbox) -> None:
    ticket = make_ticket()
    worth(platform, ticket.customer, 9_000.0)
    work_off()
    assert stored(ticket).advice.is_vip
    privacy.erase(customer_id=ticket.customer_id, by=actor_of(make_agent(role="admin")), now=timezone.now())
    work_off()
    assert (stored(ticket).advice, stored(ticket).advised_at) == (Advice(), None)
    assert stored(ticket).rank_at == ticket.rank_at
