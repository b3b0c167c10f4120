"""Tickets and messages for tests, made by the services."""

from datetime import timedelta
from random import Random
from typing import Any

from django.utils import timezone

from agents import services as agents
from agents.enums import Availability
from agents.models import Agent
from agents.tests.builders import SYSTEM, make_agent
from customers.models import Customer
from customers.tests.builders import make_customer
from supportdesk.tests.plans import look_at
from tickets.enums import Category, Channel, Priority, Sender, Status
from tickets.models import Ticket
from tickets.services import assignment, conversation, lifecycle
from tickets.services.history import PastTicket
from tickets.status import DONE


def make_ticket(**over: Any) -> Ticket:
    given = {"subject": "A question", "description": "How does this work?", **over}
    given.setdefault("customer", None)
    given["customer"] = given["customer"] or make_customer()
    return lifecycle.create_ticket(**{"by": SYSTEM, "now": timezone.now(), **given})


def past_ticket(customer: Customer, **over: Any) -> PastTicket:
    given: dict[str, Any] = {"subject": "Before", "description": "Long ago", "source": "shop", "external_id": "7"}
    given |= {"status": Status.OPEN, "created_at": timezone.now(), "created_at_estimated": False}
    return PastTicket(customer=customer, **{**given, **over})


def say(ticket: Ticket, body: str = "Hello", **over: Any) -> conversation.Posted:
    """A customer's message unless `sender` says otherwise."""
    given = {"sender": Sender.CUSTOMER, "by": SYSTEM, "now": timezone.now(), **over}
    return conversation.add_message(ticket_id=ticket.pk, body=body, **given)


def make_worker(**over: Any) -> Agent:
    """An agent who is online."""
    agent = make_agent(**over)
    return set_agent(agent, availability=Availability.ONLINE)


def set_agent(agent: Agent, **changes: Any) -> Agent:
    return agents.update_agent(agent_id=agent.pk, changes=changes, by=SYSTEM, now=timezone.now())


def assign(ticket: Ticket, agent: Agent, **over: Any) -> assignment.Result:
    return assignment.assign(ticket_id=ticket.pk, agent_id=agent.pk, **{"by": SYSTEM, "now": timezone.now(), **over})


def transfer(ticket: Ticket, before: Agent, after: Agent, **over: Any) -> assignment.Result:
    given = {"reason": "Off home", "by": SYSTEM, "now": timezone.now(), **over}
    return assignment.transfer(ticket_id=ticket.pk, from_agent_id=before.pk, agent_id=after.pk, **given)


def auto_assign(ticket: Ticket, **over: Any) -> assignment.Result:
    return assignment.auto_assign(ticket_id=ticket.pk, **{"by": SYSTEM, "now": timezone.now(), **over})


def change(ticket: Ticket, **changes: Any) -> Ticket:
    return lifecycle.update_ticket(ticket_id=ticket.pk, changes=changes, by=SYSTEM, now=timezone.now())


def fill_desk() -> None:
    """Some thousand tickets of every kind, for tests of plans. Their customers, agents and departments need not be
    there; the ids of those begin with 1.
    """
    look_at([_one_of_many(number) for number in range(2_000)])


def _one_of_many(number: int) -> Ticket:
    random = Random(number)
    status = random.choice(list(Status))
    done, nobody = status in DONE, random.random() < 0.3
    at = timezone.now() - timedelta(minutes=number)
    ticket = Ticket(
        subject=f"Question {number}",
        status=status,
        priority=random.choice(list(Priority)),
        channel=random.choice(list(Channel)),
        category=random.choice(list(Category)),
        tags=[f"tag-{random.randint(1, 50)}"],
        customer_id=random.randint(1, 500),
        assignee_id=None if nobody else random.randint(1, 10),
        department_id=random.choice([None, *range(1, 10)]),
        source="shop",
        external_id=str(number),
        queued_at=at if nobody and not done and number % 2 else None,
        last_activity_at=at,
        resolved_at=at if done else None,
        archived_at=at if status == Status.CLOSED and number % 2 else None,
        created_at=at,
        updated_at=at + timedelta(minutes=random.randint(1, 9)),
    )
    ticket.rerank()
    return ticket
