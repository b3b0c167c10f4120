"""Every door shows the same caller the same objects, and what is not theirs looks as if it were not there."""

import csv
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.core.files.base import ContentFile
from django.db import transaction
from django.utils import timezone

from agents.models import Agent
from agents.tests.builders import SYSTEM, actor_of
from customers.models import Customer
from customers.services import Identity
from customers.tests.builders import make_customer
from supportdesk.core.models import Event
from supportdesk.tests.client import Answer
from supportdesk.tests.security import doors
from supportdesk.tests.security.matrix import NAMES, Row, rows
from supportdesk.tests.security.world import World
from tickets.models import Ticket
from tickets.services import assignment, attachments, conversation, lifecycle, saved_views
from tickets.tests.builders import make_ticket

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.vuln]
MISSING = 987_654_321
NAMED = {"here": "Quimby Fox", "there": "Vandross Jug", "nowhere": "Zelazny Wick"}  # so unlike that none finds another
PEOPLE = ("agent", "other", "boss", "rival", "admin")


@dataclass(frozen=True, kw_only=True)
class Land:
    """The world with more in it: tickets, customers and files of both departments, of none, and of both at once."""

    world: World
    tickets: list[Ticket]
    files: dict[int, int]  # ticket to its file
    reach: dict[str, set[int]]  # departments

    def sees(self, name: str, ticket: Ticket) -> bool:
        """Who sees which ticket, said once more and in other words than the product's."""
        own = ticket.department_id is None or ticket.assignee_id == self.world.people[name].pk
        return own or name == "admin" or ticket.department_id in self.reach[name]

    def sees_customer(self, name: str, customer: Customer) -> bool:
        theirs = [ticket for ticket in self.tickets if ticket.customer_id == customer.pk]
        return not theirs or any(self.sees(name, ticket) for ticket in theirs)

    def foreign(self, name: str) -> Ticket:
        return next(ticket for ticket in self.tickets if not self.sees(name, ticket))

    def own(self, name: str) -> Ticket:
        return next(ticket for ticket in self.tickets if self.sees(name, ticket) and not ticket.archived_at)

    def ask(self, name: str, path: str, **query: Any) -> Any:
        return self.send(name, "GET", path, query=query)

    def send(self, name: str, method: str, path: str, body: Any = None, query: Any = None) -> Answer:
        caller = self.world.callers[name][0]
        data = {"data": body, "content_type": "application/json"} if body is not None else {}
        ask: Callable[..., Any] = getattr(caller.client(), method.lower())
        return Answer(ask(path, headers=caller.headers, query_params=query or {}, **data))

    def admin(self, name: str, path: str, **query: Any) -> str:
        """A page of the admin."""
        response = self.world.callers[name][0].client().get(path, query)
        assert response.status_code == 200, (path, query, response)
        return response.content.decode()


@pytest.fixture(scope="module")
def land(world: World) -> Land:
    here, there = world.people["agent"].department, world.people["other"].department
    both = make_customer(name="Both Sides", email="both@example.com")
    tickets, now = [Ticket.objects.get(pk=world.values["ticket"])], timezone.now()
    for place, department, staff in (("here", here, "agent"), ("there", there, "other"), ("nowhere", None, "boss")):
        given: list[dict[str, Any]] = [
            {"priority": "urgent", "channel": "chat", "tags": [f"tag-{place}", "vip"], "category": "billing"},
            {"priority": "low", "source": "shop", "external_id": f"ext-{place}", "category": "refund"},
            {"customer": both, "channel": "phone"},
            {},
        ]
        for number, over in enumerate(given):
            customer = make_customer(
                name=f"Person {number}" if number else NAMED[place],
                email=f"{place}{number}@example.com",
                phone=f"+49 30 9018{number}{len(place)}",
                identities=[Identity(source="shopify", external_id=f"{place}{number}")],
            )
            words = {
                "subject": f"About {place} {'abcd'[number]}",
                "description": f"Words {place}mark",
                "department": department,
            }
            ticket = make_ticket(**{"customer": customer, **words, **over})
            author = actor_of(world.people[staff])
            conversation.add_note(ticket_id=ticket.pk, body=f"Secret {place}note", by=author, now=now)
            file = ContentFile(b"text", name=f"{place}.txt")
            attachments.attach(ticket_id=ticket.pk, name=f"{place}.txt", content=file, by=author, now=now)
            tickets.append(ticket)
        assignment.assign(ticket_id=tickets[-4].pk, agent_id=world.people[staff].pk, by=SYSTEM, now=now)
        lifecycle.archive_ticket(ticket_id=tickets[-1].pk, by=SYSTEM, now=now)
    borrowed = make_ticket(subject="About a loan")
    assignment.assign(ticket_id=borrowed.pk, agent_id=world.people["agent"].pk, by=SYSTEM, now=now)
    lifecycle.update_ticket(ticket_id=borrowed.pk, changes={"department": there}, by=SYSTEM, now=now)
    ids = [ticket.pk for ticket in [*tickets, borrowed]]
    loaded = list(Ticket.objects.filter(pk__in=ids).select_related("customer").order_by("pk"))
    files = {ticket.pk: file.pk for ticket in loaded for file in ticket.attachments.all()}
    reach = {
        name: {pk for pk in (person.department_id, *person.leads.values_list("pk", flat=True)) if pk}
        for name, person in world.people.items()
    }
    return Land(world=world, tickets=loaded, files=files, reach=reach)


def ids(answer: Any) -> set[int]:
    assert answer.status == 200, answer.body
    return {row["id"] for row in answer.body["results"]}


# Lists. Each filter with a value, and which tickets it means.

Meaning = Callable[[Ticket], bool]
Filter = tuple[dict[str, Any], Meaning]


def filters(land: Land, name: str) -> Iterator[Filter]:
    me = land.world.people[name].pk
    yield {}, lambda ticket: True
    for field in ("status", "priority", "channel", "category"):
        for value in sorted({getattr(ticket, field) for ticket in land.tickets}):
            yield {field: value}, lambda ticket, field=field, value=value: getattr(ticket, field) == value  # type: ignore[misc]
    for tag in ("tag-here", "tag-there", "tag-nowhere", "vip", "none"):
        yield {"tag": tag}, lambda ticket, tag=tag: tag in ticket.tags  # type: ignore[misc]
    for customer in {ticket.customer_id for ticket in land.tickets}:
        yield {"customer": customer}, lambda ticket, wanted=customer: ticket.customer_id == wanted  # type: ignore[misc]
    for person in (*land.world.people.values(), None):
        wanted = person.pk if person else None
        yield {"assignee": wanted or "none"}, lambda ticket, wanted=wanted: ticket.assignee_id == wanted  # type: ignore[misc]
    yield {"assignee": "me"}, lambda ticket: ticket.assignee_id == me
    for department in {ticket.department_id for ticket in land.tickets if ticket.department_id}:
        yield {"department": department}, lambda ticket, wanted=department: ticket.department_id == wanted  # type: ignore[misc]
    yield {"source": "shop"}, lambda ticket: ticket.source == "shop"
    for place in ("here", "there", "nowhere"):
        yield {"external_id": f"ext-{place}"}, lambda ticket, at=place: ticket.external_id == f"ext-{at}"  # type: ignore[misc]
        yield {"q": f"{place}mark"}, lambda ticket, at=place: f"About {at} " in ticket.subject  # type: ignore[misc]
        yield {"q": f"{place}note"}, lambda ticket, at=place: f"About {at} " in ticket.subject  # type: ignore[misc]
        yield {"q": NAMED[place]}, lambda ticket, at=place: ticket.customer.name == NAMED[at]  # type: ignore[misc]
    for ticket in (land.own(name), land.foreign(name) if name != "admin" else land.own(name)):
        yield {"q": f"#{ticket.pk}"}, lambda found, wanted=ticket.pk: found.pk == wanted  # type: ignore[misc]
    yield {"q": "loan"}, lambda ticket: ticket.subject == "About a loan"
    yield {"created_since": "2020-01-01T00:00:00Z", "updated_since": "2020-01-01T00:00:00Z"}, lambda ticket: True
    yield {"created_since": "2999-01-01T00:00:00Z"}, lambda ticket: False


def meant(land: Land, name: str, means: Meaning, *, archived: bool = False) -> set[int]:
    return {
        ticket.pk
        for ticket in land.tickets
        if land.sees(name, ticket) and means(ticket) and bool(ticket.archived_at) is archived
    }


@pytest.mark.parametrize("name", PEOPLE)
def test_every_filter_leaves_what_the_caller_sees_in_list_view_and_export(name: str, land: Land) -> None:
    by, now = actor_of(land.world.people[name]), timezone.now()
    view = saved_views.create_view(name="Asked", query={}, by=by, now=now)
    for number, (query, means) in enumerate(filters(land, name)):
        expected = meant(land, name, means)
        answer = land.ask(name, "/api/tickets", count="exact", **query)
        assert (ids(answer), answer.body["count"]) == (expected, len(expected)), query
        if number % 5 == 0:
            given = {key: str(value) for key, value in query.items()}
            saved_views.update_view(view_id=view.pk, changes={"query": given}, by=by, now=now)
            assert ids(land.ask(name, f"/api/views/{view.pk}/tickets")) == expected, query
        if number % 5 == 1 and name in {"boss", "rival", "admin"}:
            assert exported(land, name, **query) == expected, query


@pytest.mark.parametrize("name", PEOPLE)
def test_the_archive_and_every_order_hold_what_the_caller_sees(name: str, land: Land) -> None:
    everything = meant(land, name, lambda ticket: True)
    archive = meant(land, name, lambda ticket: True, archived=True)
    assert ids(land.ask(name, "/api/tickets", archived="true")) == archive
    assert ids(land.ask(name, "/api/tickets", archived="true,false")) == archive | everything
    for ordering in ("rank", "created_at", "-created_at", "updated_at", "-updated_at"):
        assert paged(land, name, "/api/tickets", ordering=ordering) == everything


@pytest.mark.parametrize("name", PEOPLE)
def test_a_customers_history_holds_what_the_caller_sees_of_it(name: str, land: Land) -> None:
    for customer in {ticket.customer_id for ticket in land.tickets}:
        theirs = {ticket.pk for ticket in land.tickets if ticket.customer_id == customer and land.sees(name, ticket)}
        answer = land.ask(name, f"/api/customers/{customer}/tickets")
        assert (answer.status, ids(answer) if theirs else set()) == (200 if theirs else 404, theirs)


def paged(land: Land, name: str, path: str, **query: Any) -> set[int]:
    """What a walk over small pages meets, forth and back."""
    found, answer = set(), land.ask(name, path, page_size=3, **query)
    while True:
        found |= ids(answer)
        if not answer.body["next"]:
            break
        answer = land.ask(name, answer.body["next"])
    while answer.body["previous"]:
        answer = land.ask(name, answer.body["previous"])
        assert ids(answer) <= found
    return found


def exported(land: Land, name: str, **query: Any) -> set[int]:
    caller = land.world.callers[name][0]
    response = caller.client().get("/api/tickets/export", query, headers=caller.headers)
    text = b"".join(response).decode("utf-8-sig")
    return {int(row["id"]) for row in csv.DictReader(io.StringIO(text))}


# Customers


@pytest.mark.parametrize("name", PEOPLE)
def test_customers_are_those_of_the_tickets_that_the_caller_sees(name: str, land: Land) -> None:
    customers = list(Customer.objects.all())
    seen = {customer.pk for customer in customers if land.sees_customer(name, customer)}
    for ordering in ("created_at", "-created_at", "updated_at", "-updated_at"):
        assert paged(land, name, "/api/customers", ordering=ordering) == seen
    assert ids(land.ask(name, "/api/customers", q="Person")) <= seen
    for customer in customers:
        found = {customer.pk} & seen
        assert ids(land.ask(name, "/api/customers", email=customer.email)) == found
        assert land.ask(name, f"/api/customers/{customer.pk}").status == (200 if found else 404)
    for customer in (customer for customer in customers if customer.name in NAMED.values()):
        assert ids(land.ask(name, "/api/customers", q=customer.name)) == {customer.pk} & seen
        assert ids(land.ask(name, "/api/customers", phone=customer.phone)) == {customer.pk} & seen


def test_an_address_of_somebody_elses_customer_is_as_good_as_nobodys(land: Land) -> None:
    foreign = land.foreign("agent").customer
    answers = [land.ask("agent", "/api/customers", email=email) for email in (foreign.email, "nobody@example.com")]
    assert answers[0].body == answers[1].body == {"next": None, "previous": None, "results": []}


@pytest.mark.parametrize("given", [{"email": "THERE0@example.com"}, {"email": "here0@example.com"}])
@pytest.mark.parametrize("method", ["POST", "PATCH"])
def test_taking_anothers_address_is_refused_without_saying_whose(
    given: dict[str, str], method: str, land: Land
) -> None:
    mine = land.own("agent").customer_id
    path = "/api/customers" if method == "POST" else f"/api/customers/{mine}"
    refused = land.send("agent", method, path, given | ({"name": "Mine"} if method == "POST" else {}))
    assert (refused.status, refused.body["code"]) == (409, "identity_taken")
    assert refused.body["detail"] == "This e-mail address cannot be used."
    assert set(refused.body) == {"type", "title", "status", "detail", "code", "errors", "request_id"}


def test_taking_anothers_identity_is_refused_without_saying_whose(land: Land) -> None:
    details = set()
    for external_id in ("there0", "here0"):
        body = {"name": "Mine", "identities": [{"source": "shopify", "external_id": external_id}]}
        refused = land.send("agent", "POST", "/api/customers", body)
        assert refused.status == 409
        details.add(str(refused.body | {"request_id": ""}))
    assert len(details) == 1


# Agents


@pytest.mark.parametrize("name", ["agent", "other", "boss", "rival"])
def test_of_agents_elsewhere_only_the_card_is_shown_whatever_is_asked(name: str, land: Land) -> None:
    me, reach = land.world.people[name], land.reach[name]
    whole = {agent.pk for agent in Agent.objects.get_queryset() if agent.department_id in reach or agent.pk == me.pk}
    answer = land.ask(name, "/api/agents")
    assert {row["id"] for row in answer.body["results"] if "email" in row} == whole
    assert {tuple(row) for row in answer.body["results"] if row["id"] not in whole} == {("id", "name", "availability")}
    queries: list[dict[str, Any]] = [{"department": pk} for pk in departments(land)]
    for query in [{"role": "agent,senior,supervisor,admin"}, *queries]:
        assert ids(land.ask(name, "/api/agents", **query)) <= whole
    for agent in land.world.people.values():
        assert ("email" in land.ask(name, f"/api/agents/{agent.pk}").body) is (agent.pk in whole)
    fields = land.ask(name, "/api/agents", fields="email,role,last_login").body["results"]
    assert sum(1 for row in fields if row) == len(whole)


def departments(land: Land) -> set[int]:
    return {agent.department_id for agent in land.world.people.values() if agent.department_id}


# Foreign and missing


@pytest.mark.parametrize(
    ("row", "name"),
    [(row, name) for row in rows() for name in NAMES if row.cells[name] == "?" and row.route.startswith("api/")],
    ids=str,
)
def test_foreign_and_missing_look_alike_and_change_nothing(row: Row, name: str, land: Land) -> None:
    caller, world = land.world.callers[name][0], land.world
    nowhere = doors.path_of(row.route, replace(world, values=dict.fromkeys(world.values, MISSING)))
    before = Event.objects.count()
    found, missing = doors.knock(row, caller, world), doors.knock(row, caller, world, path=nowhere)
    assert (found.status_code, missing.status_code) == (404, 404)
    assert found.json() | {"request_id": ""} == missing.json() | {"request_id": ""}
    assert set(found.headers) == set(missing.headers)
    assert Event.objects.count() == before


@pytest.mark.parametrize("name", ["agent", "other", "boss", "rival"])
def test_a_file_is_reached_through_its_own_ticket_only(name: str, land: Land) -> None:
    mine, foreign = land.own(name), land.foreign(name)
    answers = [
        land.ask(name, f"/api/tickets/{ticket}/attachments/{file}")
        for ticket in (mine.pk, foreign.pk, MISSING)
        for file in (land.files[foreign.pk], MISSING)
    ]
    assert {answer.status for answer in answers} == {404}
    assert len({str(answer.body | {"request_id": ""}) for answer in answers}) == 1


# Ids in bodies


def same_but_for_the_number(first: Answer, second: Answer) -> bool:
    def told(answer: Answer) -> str:
        return re.sub(r"\d+", "N", str(answer.body | {"request_id": ""}))

    return first.status == second.status and told(first) == told(second)


@pytest.mark.parametrize("name", ["agent", "other", "boss", "rival"])
def test_ids_in_bodies_go_through_the_callers_eyes(name: str, land: Land) -> None:
    mine, foreign = land.own(name), land.foreign(name)
    ours, blind = a_ticket_and_who_is_blind_to_it(land, name)
    new = {"subject": "x", "description": "x"}
    cases: list[tuple[str, Callable[[int], Any], int]] = [
        ("/api/tickets", lambda pk: new | {"customer_id": pk}, foreign.customer_id),
        (f"/api/tickets/{ours.pk}/notes", lambda pk: {"body": "x", "mentions": [pk]}, blind.pk),
        (f"/api/tickets/{mine.pk}/messages", lambda pk: {"body": "x", "attachments": [pk]}, land.files[foreign.pk]),
        ("/api/tickets/bulk", lambda pk: {"tickets": [{"id": pk}], "changes": {"priority": "low"}}, foreign.pk),
    ]
    before = Event.objects.count(), Ticket.objects.filter(pk=foreign.pk).values().get()
    for path, body, foreign_id in cases:
        found, missing = (land.send(name, "POST", path, body(pk)) for pk in (foreign_id, MISSING))
        assert same_but_for_the_number(found, missing), (path, found.body, missing.body)
        assert found.status == 400 or found.body["results"][0]["status"] == 404, path
    assert (Event.objects.count(), Ticket.objects.filter(pk=foreign.pk).values().get()) == before


def a_ticket_and_who_is_blind_to_it(land: Land, name: str) -> tuple[Ticket, Agent]:
    """A ticket that the caller may write on, and an agent who does not see it."""
    return next(
        (ticket, land.world.people[blind])
        for ticket in land.tickets
        for blind in ("agent", "other")
        if land.sees(name, ticket) and not ticket.archived_at and not land.sees(blind, ticket)
    )


KEY_FIELDS = [
    ("POST", "/api/tickets", {"subject": "x", "description": "x"}, "customer_id"),
    ("POST", "/api/tickets", {"subject": "x", "description": "x", "customer_id": "$customer"}, "department_id"),
    ("PATCH", "/api/tickets/$ticket", {}, "department_id"),
    ("POST", "/api/tickets/$ticket/notes", {"body": "x"}, "mentions"),
    ("POST", "/api/tickets/$ticket/messages", {"body": "x"}, "attachments"),
    ("POST", "/api/tickets/bulk", {"changes": {"priority": "low"}}, "tickets"),
    ("POST", "/api/agents", {"email": "new@example.com", "name": "New"}, "department_id"),
    ("POST", "/api/agents", {"email": "new@example.com", "name": "New"}, "leads"),
    ("PATCH", "/api/agents/$agent", {}, "specializations"),
]
STRANGE: list[Any] = [0, -1, 2**63, 2**64, 1.0, 1.5, True, "", "1", "1 OR 1=1", [], {}, [[1]], {"id": 1}, {"gt": 0}]


@pytest.mark.parametrize(("method", "path", "body", "field"), KEY_FIELDS, ids=lambda value: str(value)[:30])
def test_what_is_no_id_of_theirs_is_a_400_in_every_key_field(
    method: str, path: str, body: dict[str, Any], field: str, land: Land
) -> None:
    values = land.world.values
    path = re.sub(r"\$(\w+)", lambda match: str(values[match[1]]), path)
    sound = {name: values[value[1:]] if str(value).startswith("$") else value for name, value in body.items()}
    several = field in {"mentions", "attachments", "leads", "specializations", "tickets"}
    for value in [*STRANGE, MISSING]:
        inner = {"id": value} if field == "tickets" else value
        for given in ([inner], value) if several else (value,):
            if given == [] and field != "tickets":
                continue  # none of them: sound
            with transaction.atomic():
                answer = land.send("admin", method, path, {**sound, field: given})
                transaction.set_rollback(True)
            refused = answer.status == 400 or answer.body["results"][0]["status"] == 404
            assert refused, (given, answer.status, answer.body)


# The admin


def linked(page: str, model: str) -> set[int]:
    return {int(found) for found in re.findall(rf"/admin/{model}/(\d+)/change/", page)}


@pytest.mark.parametrize("name", ["boss", "rival", "admin"])
def test_lists_and_searches_of_the_admin_show_what_the_api_shows(name: str, land: Land) -> None:
    everything = {ticket.pk for ticket in land.tickets if land.sees(name, ticket)}
    live = {ticket.pk for ticket in land.tickets if land.sees(name, ticket) and not ticket.archived_at}
    path = "/admin/tickets/ticket/"
    assert linked(land.admin(name, path), "tickets/ticket") == live
    assert linked(land.admin(name, "/admin/"), "tickets/ticket") <= live
    queries = [{"status": value} for value in ("open", "closed", "archived")]
    queries += [{"assignee": value} for value in ("me", "none", "some")]
    queries += [{"department": str(pk)} for pk in departments(land)] + [{"department": "none"}]
    queries += [{"priority__exact": "urgent"}, {"channel__exact": "phone"}, {"category__exact": "billing"}]
    queries += [{"q": word} for word in ("About", "there", "here", "loan")] + [
        {"q": str(t.pk)} for t in land.tickets[::3]
    ]
    for query in queries:
        assert linked(land.admin(name, path, **query), "tickets/ticket") <= everything, query
    customers = {customer.pk for customer in Customer.objects.all() if land.sees_customer(name, customer)}
    assert linked(land.admin(name, "/admin/customers/customer/"), "customers/customer") == customers
    for customer in Customer.objects.filter(name__in=[*NAMED.values(), "Both Sides"]):
        for term in filter(None, (customer.name, customer.email, customer.phone)):
            found = linked(land.admin(name, "/admin/customers/customer/", q=term), "customers/customer")
            assert found <= customers, term
            assert (customer.pk in found) is (customer.pk in customers), term
    agents = ids(land.ask(name, "/api/agents", role="agent,senior,supervisor,admin"))
    assert linked(land.admin(name, "/admin/agents/agent/"), "agents/agent") == agents
    for agent in land.world.people.values():
        found = linked(land.admin(name, "/admin/agents/agent/", q=agent.email), "agents/agent")
        assert {agent.pk} & agents <= found <= agents


@pytest.mark.parametrize("name", ["boss", "rival"])
def test_pages_of_the_admin_link_to_nothing_foreign(name: str, land: Land) -> None:
    everything = {ticket.pk for ticket in land.tickets if land.sees(name, ticket)}
    for ticket in land.tickets:
        if ticket.pk in everything:
            page = land.admin(name, f"/admin/customers/customer/{ticket.customer_id}/change/")
            assert linked(page, "tickets/ticket") <= everything
            page = land.admin(name, f"/admin/tickets/ticket/{ticket.pk}/change/")
            assert not re.search(r"(here|there|nowhere)note", page) or ticket.pk in everything
            assert linked(page, "tickets/ticket") <= everything


@pytest.mark.parametrize("name", ["boss", "rival"])
@pytest.mark.parametrize("suffix", ["change/", "history/", "delete/", ""])
def test_a_foreign_page_of_the_admin_is_a_missing_one(name: str, suffix: str, land: Land) -> None:
    foreign = land.foreign(name)
    stranger = land.world.people["other" if name == "boss" else "agent"]
    pages = {"tickets/ticket": foreign.pk, "customers/customer": foreign.customer_id, "agents/agent": stranger.pk}
    client = land.world.callers[name][0].client()
    for model, pk in pages.items():
        found, missing = (client.get(f"/admin/{model}/{key}/{suffix}", follow=True) for key in (pk, MISSING))
        told = [
            (answer.status_code, [(url.replace(str(key), "N"), code) for url, code in answer.redirect_chain])
            for answer, key in ((found, pk), (missing, MISSING))
        ]
        assert told[0] == told[1]
        texts = [[str(message) for message in answer.context["messages"]] for answer in (found, missing)]
        assert [text.replace(str(pk), "N") for text in texts[0]] == [t.replace(str(MISSING), "N") for t in texts[1]]


@pytest.mark.parametrize("name", ["boss", "rival"])
@pytest.mark.parametrize("action", ["take", "archive", "delete_selected"])
def test_an_action_of_the_admin_does_nothing_to_foreign_tickets(name: str, action: str, land: Land) -> None:
    foreign = [ticket.pk for ticket in land.tickets if not land.sees(name, ticket)]
    before = list(Ticket.objects.filter(pk__in=foreign).order_by("pk").values())
    given = {"action": action, "_selected_action": foreign, "select_across": "1", "post": "yes"}
    land.world.callers[name][0].client().post("/admin/tickets/ticket/", given)
    assert list(Ticket.objects.filter(pk__in=foreign).order_by("pk").values()) == before
