"""Generated load is a sound desk, and measuring it leaves nothing behind."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.models import F
from django.utils import timezone

from agents.models import Agent
from agents.tests.builders import make_agent
from customers.models import Customer
from supportdesk.core.models import Event
from supportdesk.load import ways
from supportdesk.load.generating import order_of
from supportdesk.tests.client import Api
from supportdesk.tests.plans import forget_plans
from tickets.enums import Sender
from tickets.models import Assignment, Message, Note, Ticket, TicketText

pytestmark = pytest.mark.slow


def generate(tickets: int, **more: Any) -> None:
    forget_plans()
    call_command("generate_load", tickets=tickets, stdout=StringIO(), **more)


@pytest.mark.django_db
def test_generated_tickets_obey_every_rule_of_real_ones() -> None:
    generate(600)
    tickets = list(Ticket.objects.order_by("pk"))
    assert len(tickets) == TicketText.objects.count() == 600
    for ticket in tickets:
        before = ticket.rank_at
        ticket.rerank()
        assert ticket.rank_at == before
    assert {ticket.status for ticket in tickets} == {"closed", "open", "resolved", "pending", "on_hold"}
    assert sum(ticket.status == "closed" for ticket in tickets) > 500
    assert [ticket.created_at for ticket in tickets] == sorted(ticket.created_at for ticket in tickets)
    assert Message.objects.filter(position=F("ticket__last_position")).count() == 600
    assert Message.objects.count() == sum(ticket.last_position for ticket in tickets)
    assert not Assignment.objects.filter(ended_at__isnull=True).exclude(agent=F("ticket__assignee")).exists()
    assert not Ticket.objects.filter(updated_at__gt=timezone.now()).exists()
    assert Note.objects.exists()


@pytest.mark.django_db
def test_generated_facts_are_those_that_the_services_would_have_stated() -> None:
    generate(60)
    told = Event.objects.filter(subject_type="ticket")
    assert set(told.values_list("origin", "actor_name")) == {("import", "generate_load")}
    assert told.filter(name="ticket.created").count() == Ticket.objects.count()
    assert told.filter(name="ticket.assigned").count() == Ticket.objects.filter(assignee__isnull=False).count()
    for message in Message.objects.all():
        fact = told.get(name="ticket.message_added", payload__message_id=message.pk)
        assert (fact.subject_id, fact.at) == (message.ticket_id, message.created_at)
        assert fact.payload["public_reply"] is (message.sender == Sender.AGENT)


@pytest.mark.django_db
def test_every_generated_order_is_found_by_its_number() -> None:
    generate(40)
    api = Api(make_agent(role="admin"))
    for ticket in Ticket.objects.filter(archived_at__isnull=True):
        said = [ticket.subject, *ticket.messages.values_list("body", flat=True)]
        number = str(order_of(ticket.pk))
        found = [row["id"] for row in api.get("/api/tickets", q=number).body["results"]]
        assert found == ([ticket.pk] if any(number in text for text in said) else [])


@pytest.mark.django_db
def test_the_same_seed_gives_the_same_desk() -> None:
    subjects = []
    for seed in (1, 1, 2):
        generate(30, seed=seed)
        subjects.append([subject.split("#")[0] for subject in _latest(30).values_list("subject", flat=True)])
    assert subjects[0] == subjects[1] != subjects[2]


@pytest.mark.django_db
def test_a_second_run_adds_tickets_between_the_same_people() -> None:
    generate(40)
    agents, customers = Agent.objects.get_queryset().count(), Customer.objects.count()
    generate(40)
    assert Ticket.objects.count() == 80
    assert (Agent.objects.get_queryset().count(), Customer.objects.count()) == (agents, customers)


@pytest.mark.django_db
@pytest.mark.parametrize("count", [0, -1, 20_000_001])
def test_a_number_of_tickets_that_makes_no_sense_is_refused(count: int) -> None:
    with pytest.raises(CommandError, match="--tickets"):
        generate(count)


@pytest.mark.django_db
@pytest.mark.parametrize("command", [["generate_load", "--tickets", "5"], ["bench"]])
def test_never_in_production(settings: Any, command: list[str]) -> None:
    settings.PRODUCTION = True
    with pytest.raises(CommandError, match="measuring"):
        call_command(*command)


@pytest.mark.django_db
def test_there_is_nothing_to_measure_on_an_empty_desk() -> None:
    with pytest.raises(CommandError, match="generate_load"):
        call_command("bench", stdout=StringIO())


@pytest.mark.django_db(transaction=True)
def test_measuring_tells_what_costs_too_much_and_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("filters", "other_reads", "admin_pages"):
        many = getattr(ways, name)
        monkeypatch.setattr(ways, name, lambda *args, many=many, **kwargs: list(many(*args, **kwargs))[:2])
    monkeypatch.setattr(ways, "searches", lambda: {"a word": "refund"})
    monkeypatch.setattr(ways, "LIST", 1)
    generate(1_000)
    agents, events = Agent.objects.get_queryset().count(), Event.objects.count()
    output, saved = StringIO(), tmp_path / "figures.json"
    with pytest.raises(CommandError, match="cost more"):
        call_command("bench", plans=True, save=saved, stdout=output)
    assert json.loads(saved.read_text())["list (admin)"]["statements"] == 1
    lines = output.getvalue().splitlines()
    assert {line.endswith("OVER") for line in lines if line.startswith("list (")} == {True}
    assert not any(line.endswith("OVER") for line in lines if line.startswith(("ticket (", "new message (")))
    assert "Index Only Scan ticket_rank" in output.getvalue()
    assert (Agent.objects.get_queryset().count(), Event.objects.count()) == (agents, events)


def _latest(count: int) -> Any:
    return Ticket.objects.filter(pk__in=Ticket.objects.order_by("-pk").values("pk")[:count]).order_by("pk")
