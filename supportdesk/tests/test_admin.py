"""The admin as a supervisor uses it: the same rights and the same services as everywhere."""

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from agents.models import Agent, Department, Specialization
from agents.tests.builders import PASSWORD, make_agent, make_department
from customers.models import Customer
from customers.tests.builders import make_customer
from supportdesk.core import admin
from supportdesk.core.models import Delivery, Event
from supportdesk.tests.client import counted_statements
from tickets.enums import Sender, Status
from tickets.models import Note, Ticket
from tickets.tests.builders import assign, change, make_ticket, say, set_agent, transfer

pytestmark = [pytest.mark.slow, pytest.mark.django_db]
TICKETS, CUSTOMERS, AGENTS = "/admin/tickets/ticket/", "/admin/customers/customer/", "/admin/agents/agent/"
DELIVERIES = "/admin/core/delivery/"


def browser(agent: Agent) -> Client:
    client = Client()
    client.force_login(agent)
    return client


@pytest.fixture
def team() -> dict[str, Any]:
    here, there = make_department(name="Here"), make_department(name="There")
    return {
        "here": here,
        "there": there,
        "supervisor": make_agent(name="Sofia", role="supervisor", leads=[here]),
        "admin": make_agent(name="Alex", role="admin"),
        "agent": make_agent(name="Inside", department=here),
        "stranger": make_agent(name="Outside", department=there),
        "mine": make_ticket(subject="Ours to do", department=here),
        "foreign": make_ticket(subject="Theirs to do", department=there),
    }


def text(response: Any) -> str:
    assert response.status_code == 200, response
    return str(response.content.decode())


# Who enters


@pytest.mark.parametrize(
    ("role", "enters"), [("agent", False), ("senior", False), ("supervisor", True), ("admin", True)]
)
def test_supervisors_and_administrators_log_in(role: str, enters: bool) -> None:
    agent = make_agent(role=role, email="mina@example.com")
    client = Client()
    given = {"username": "MINA@example.com", "password": PASSWORD, "next": "/admin/"}
    response = client.post("/admin/login/", given)
    assert (response.status_code == 302) is enters
    assert (client.get("/admin/").status_code == 200) is enters
    assert agent.is_staff is enters
    if not enters:
        assert "This is for supervisors and administrators." in text(response)


def test_a_wrong_password_is_said_in_our_words_and_logging_out_leads_back(team: dict[str, Any]) -> None:
    page = text(Client().post("/admin/login/", {"username": team["admin"].email, "password": "wrong"}))
    assert "The e-mail address or the password is wrong." in page
    response = browser(team["admin"]).post("/admin/logout/")
    assert response.headers["Location"] == "/admin/login/"


@pytest.mark.parametrize("change_", [{"role": "agent"}, {"is_active": False}, {"password": "x"}])
def test_what_ends_an_api_login_ends_an_admin_login(change_: dict[str, Any]) -> None:
    agent = make_agent(role="admin")
    client = browser(agent)
    assert client.get("/admin/").status_code == 200
    Agent.objects.get_queryset().filter(pk=agent.pk).update(**change_)
    assert client.get("/admin/").status_code == 302


def test_changing_the_password_leads_to_ones_own_record(team: dict[str, Any]) -> None:
    response = browser(team["supervisor"]).get("/admin/password_change/")
    assert response.headers["Location"] == f"{AGENTS}{team['supervisor'].pk}/change/"


# What is seen


def test_a_supervisor_sees_their_tickets_at_every_door(team: dict[str, Any]) -> None:
    client = browser(team["supervisor"])
    for path in (TICKETS, "/admin/", f"{TICKETS}?q=to+do", f"{TICKETS}?status=open", f"{TICKETS}?q={team['mine'].pk}"):
        page = text(client.get(path))
        assert "Ours to do" in page, path
        assert "Theirs to do" not in page, path
    assert "Theirs to do" not in text(client.get(f"{TICKETS}?q={team['foreign'].pk}"))
    assert "Ours to do" in text(client.get(f"{TICKETS}{team['mine'].pk}/change/"))
    assert "Theirs to do" in text(browser(team["admin"]).get(TICKETS))


@pytest.mark.parametrize("suffix", ["change/", "history/", "delete/"])
def test_a_foreign_ticket_looks_missing(team: dict[str, Any], suffix: str) -> None:
    client = browser(team["supervisor"])
    answers = [client.get(f"{TICKETS}{pk}/{suffix}") for pk in (team["foreign"].pk, 987_654_321)]
    assert answers[0].status_code == answers[1].status_code
    assert answers[0].headers.get("Location") == answers[1].headers.get("Location")
    assert b"Theirs" not in answers[0].content


def test_a_supervisor_sees_customers_and_agents_within_their_rights(team: dict[str, Any]) -> None:
    client = browser(team["supervisor"])
    customers = text(client.get(CUSTOMERS))
    assert team["mine"].customer.name in customers
    assert team["foreign"].customer.name not in customers
    agents = text(client.get(AGENTS))
    assert "Inside" in agents
    assert "Outside" not in agents


@pytest.mark.vuln
@pytest.mark.parametrize(
    "path",
    [
        f"{AGENTS}?password__startswith=md5",
        f"{AGENTS}?token_version=1",
        f"{CUSTOMERS}?email_index__startswith=a",
        f"{TICKETS}?customer__email_index=a",
        f"{TICKETS}?department_id=1",
    ],
)
def test_lists_answer_no_other_question_than_their_filters(team: dict[str, Any], path: str) -> None:
    assert browser(team["admin"]).get(path).status_code in {302, 400}


@pytest.mark.parametrize("selected", ["x", "", "-1", "9" * 30])
def test_an_action_on_what_is_no_id_is_a_bad_request(team: dict[str, Any], selected: str) -> None:
    client = Client(raise_request_exception=False)
    client.force_login(team["admin"])
    posted = client.post(TICKETS, {"action": "archive", "_selected_action": [team["mine"].pk, selected]})
    assert posted.status_code == 400
    team["mine"].refresh_from_db()
    assert team["mine"].archived_at is None


def test_customers_are_found_by_name_whole_address_and_number(team: dict[str, Any]) -> None:
    make_customer(name="Zoë Brandt", email="zoe@example.com", phone="+49 30 901820")
    client = browser(team["supervisor"])
    for query in ("zoë", "ZOE@example.com", "+49 (0)30 901820"):
        assert "Zoë Brandt" in text(client.get(CUSTOMERS, {"q": query}))
    for query in ("oe@example.com", "nobody@example.com", "@", "+1"):
        assert "Zoë Brandt" not in text(client.get(CUSTOMERS, {"q": query}))


def test_lists_take_the_same_statements_for_one_and_three_rows(team: dict[str, Any]) -> None:
    client = browser(team["admin"])
    for path, make in ((TICKETS, make_ticket), (CUSTOMERS, make_customer), (AGENTS, make_agent)):
        client.get(path)
        with counted_statements() as few:
            client.get(path)
        for _ in range(3):
            make()
        with counted_statements() as more:
            client.get(path)
        assert len(few) == len(more), path
    with counted_statements() as index:
        client.get("/admin/")
    assert len(index) <= 6


# What is changed


def details(ticket: Ticket, **over: Any) -> dict[str, Any]:
    ticket.refresh_from_db()
    return {
        "do": "save",
        "version": ticket.version,
        "subject": ticket.subject,
        "status": ticket.status,
        "priority": ticket.priority,
        "category": ticket.category,
        "channel": ticket.channel,
        "department": ticket.department_id or "",
        "tags": ", ".join(ticket.tags),
        "language": ticket.language,
        **over,
    }


def test_saving_a_ticket_goes_through_the_service(team: dict[str, Any]) -> None:
    ticket = team["mine"]
    path = f"{TICKETS}{ticket.pk}/change/"
    response = browser(team["supervisor"]).post(path, details(ticket, status="pending", tags="VIP, late"))
    assert response.headers["Location"] == path
    ticket.refresh_from_db()
    assert (ticket.status, ticket.tags, ticket.version) == ("pending", ["late", "vip"], 2)
    fact = Event.objects.get(name="ticket.status_changed")
    assert (fact.origin, fact.actor_id) == ("admin", team["supervisor"].pk)


def test_saving_over_somebody_elses_change_is_refused_and_keeps_the_input(team: dict[str, Any]) -> None:
    ticket = team["mine"]
    posted = details(ticket, subject="Mine")
    change(ticket, subject="Theirs, meanwhile")
    page = text(browser(team["supervisor"]).post(f"{TICKETS}{ticket.pk}/change/", posted))
    assert "You changed version 1; it is version 2 now" in page
    assert 'value="Mine"' in page
    ticket.refresh_from_db()
    assert ticket.subject == "Theirs, meanwhile"


def test_a_status_that_cannot_follow_is_not_offered_and_not_taken(team: dict[str, Any]) -> None:
    ticket = change(team["mine"], status=Status.CLOSED)
    client = browser(team["supervisor"])
    path = f"{TICKETS}{ticket.pk}/change/"
    assert '<option value="open"' not in text(client.get(path))
    assert "Select a valid choice" in text(client.post(path, details(ticket, status="open")))


def test_reply_note_and_assignment_from_the_page(team: dict[str, Any]) -> None:
    ticket, client = team["mine"], browser(team["supervisor"])
    path = f"{TICKETS}{ticket.pk}/change/"
    assert client.post(path, {"do": "reply", "reply-body": "On its way <b>now</b>"}).status_code == 302
    assert client.post(path, {"do": "note", "note-body": "Be kind"}).status_code == 302
    assert client.post(path, {"do": "assign", "assign-agent": team["agent"].pk}).status_code == 302
    page = text(client.get(path))
    assert "On its way &lt;b&gt;now&lt;/b&gt;" in page
    assert "internal note" in page
    ticket.refresh_from_db()
    assert (ticket.assignee_id, ticket.waiting_since, ticket.last_position) == (team["agent"].pk, None, 2)
    assert Note.objects.get().author_id == team["supervisor"].pk


def test_only_who_can_see_the_ticket_is_offered_for_it(team: dict[str, Any]) -> None:
    client, path = browser(team["supervisor"]), f"{TICKETS}{team['mine'].pk}/change/"
    assert f'<option value="{team["stranger"].pk}"' not in text(client.get(path))
    page = text(client.post(path, {"do": "assign", "assign-agent": team["stranger"].pk}))
    assert "Select a valid choice" in page


def test_what_a_service_refuses_is_said_on_the_page(team: dict[str, Any]) -> None:
    ticket = change(team["mine"], status=Status.CLOSED)
    client, path = browser(team["supervisor"]), f"{TICKETS}{ticket.pk}/change/"
    page = text(client.post(path, {"do": "reply", "reply-body": "Late words"}))
    assert "This ticket is closed" in page
    assert "This field is required" in text(client.post(path, {"do": "note", "note-body": ""}))


def test_a_ticket_is_transferred_with_a_reason_to_another_agent(team: dict[str, Any]) -> None:
    ticket, client, other = (
        team["mine"],
        browser(team["supervisor"]),
        make_agent(name="Second", department=team["here"]),
    )
    path = f"{TICKETS}{ticket.pk}/change/"
    assign(ticket, team["agent"])
    assert f'<option value="{team["agent"].pk}"' not in text(client.get(path))  # who has it
    given = {"do": "transfer", "transfer-agent": other.pk, "transfer-from_agent": team["agent"].pk}
    assert "This field is required" in text(client.post(path, given))
    assert client.post(path, given | {"transfer-reason": "Knows <b>the case</b>"}).status_code == 302
    page = text(client.get(path))
    assert "Knows &lt;b&gt;the case&lt;/b&gt;" in page
    assert "Transfer from <bdi>Inside</bdi>, by <bdi>Sofia</bdi>" in page
    ticket.refresh_from_db()
    assert ticket.assignee_id == other.pk
    page = text(client.post(path, given | {"transfer-agent": team["agent"].pk, "transfer-reason": "x"}))
    assert "Must be another agent" in page
    given = {
        "do": "transfer",
        "transfer-agent": team["agent"].pk,
        "transfer-from_agent": 987_654,
        "transfer-reason": "x",
    }
    assert "Somebody else has this ticket by now." in text(client.post(path, given))


def test_a_ticket_is_assigned_automatically_and_the_page_says_why(team: dict[str, Any]) -> None:
    ticket, client = team["mine"], browser(team["supervisor"])
    path = f"{TICKETS}{ticket.pk}/change/"
    page = text(client.post(path, {"do": "auto"}, follow=True))
    assert "Nobody can take it now" in page
    assert "Waiting for an agent since" in page
    assert "Nobody could take it (1 offline)." in page
    set_agent(team["agent"], availability="online")
    set_agent(make_agent(name="Full", department=team["here"]), availability="online", capacity=0)
    page = text(client.post(path, {"do": "auto"}, follow=True))
    assert "Assigned to Inside." in page
    assert "The only one who could take it (1 at capacity)." in page
    assert "<bdi>Inside</bdi> · 0 of 10" in page
    assert "<bdi>Full</bdi> · at capacity" in page


def test_the_page_names_nobody_of_whom_the_supervisor_reads_nothing(team: dict[str, Any]) -> None:
    ticket = make_ticket()
    set_agent(team["stranger"], availability="online")
    client, path = browser(team["supervisor"]), f"{TICKETS}{ticket.pk}/change/"
    page = text(client.post(path, {"do": "auto"}, follow=True))
    considered = page.partition("Who was considered")[2].partition("</details>")[0]
    assert "and 1 of other departments" in considered
    assert "Inside" in considered
    assert "Outside" not in considered


def test_tickets_of_the_list_are_assigned_automatically(team: dict[str, Any]) -> None:
    set_agent(team["agent"], availability="online", capacity=1)
    others = [make_ticket(department=team["here"]), make_ticket(department=team["here"])]
    assign(others[0], team["admin"])
    chosen = [team["mine"].pk, *(ticket.pk for ticket in others), team["foreign"].pk]
    given = {"action": "auto_assign", "_selected_action": chosen}
    page = text(browser(team["supervisor"]).post(TICKETS, given, follow=True))
    assert "2 tickets looked at" in page
    assert f"#{others[0].pk}: Somebody has this ticket" in page
    assert f"Nobody can take #{others[1].pk} now" in page
    assert Ticket.objects.get(pk=team["mine"].pk).assignee_id == team["agent"].pk


def test_the_page_of_an_agent_shows_what_they_have_to_do(team: dict[str, Any]) -> None:
    agent, client = set_agent(team["agent"], capacity=1), browser(team["supervisor"])
    path = f"{AGENTS}{agent.pk}/change/"
    assert "0 of 1" in text(client.get(path))
    tickets = [team["mine"], make_ticket(subject="Later", priority="low")]
    for ticket in tickets:
        assign(ticket, agent)
    change(tickets[1], status="pending")
    page = text(client.get(path))
    assert "1.25 of 1" in page
    assert "over capacity" in page
    assert page.index("Ours to do") < page.index("Later")


@pytest.mark.parametrize("do", ["reply", "note", "assign", "transfer", "auto", "save"])
def test_a_foreign_ticket_takes_no_post(team: dict[str, Any], do: str) -> None:
    before = Event.objects.count()
    given = {"do": do, "reply-body": "x", "note-body": "x", "assign-agent": team["agent"].pk, "subject": "x"}
    given |= {"transfer-agent": team["agent"].pk, "transfer-from_agent": 1, "transfer-reason": "x"}
    response = browser(team["supervisor"]).post(f"{TICKETS}{team['foreign'].pk}/change/", given)
    assert response.headers["Location"] == "/admin/"
    assert Event.objects.count() == before


def test_actions_call_the_service_for_each_ticket_and_say_what_failed(team: dict[str, Any]) -> None:
    client, open_, closed = browser(team["supervisor"]), team["mine"], change(make_ticket(), status=Status.CLOSED)
    chosen = [open_.pk, closed.pk, team["foreign"].pk]
    page = text(client.post(TICKETS, {"action": "take", "_selected_action": chosen}, follow=True))
    assert "1 ticket assigned to you" in page
    assert f"#{closed.pk}: A closed ticket" in page
    page = text(client.post(TICKETS, {"action": "archive", "_selected_action": chosen}, follow=True))
    assert "2 tickets archived" in page
    assert set(Ticket.objects.filter(archived_at__isnull=False)) == {open_, closed}


def test_nothing_is_deleted(team: dict[str, Any]) -> None:
    client = browser(team["admin"])
    for path in (
        f"{TICKETS}{team['mine'].pk}/delete/",
        f"{CUSTOMERS}{team['mine'].customer_id}/delete/",
        f"{AGENTS}{team['agent'].pk}/delete/",
    ):
        assert client.post(path, {"post": "yes"}).status_code == 403
    response = client.post(TICKETS, {"action": "delete_selected", "_selected_action": [team["mine"].pk], "post": "yes"})
    assert response.status_code in {200, 302}
    assert Ticket.objects.count() == 2


def test_a_customer_is_made_and_changed_through_the_service(team: dict[str, Any]) -> None:
    client = browser(team["supervisor"])
    given = {
        "name": "Zoë",
        "email": "zoe@example.com",
        "phone": "+49 30 901820",
        "address": "",
        "timezone": "",
        "language": "",
        "tier": "vip",
    }
    assert client.post(f"{CUSTOMERS}add/", given).status_code == 302
    zoe = Customer.objects.get(name="Zoë")
    assert (zoe.phone, zoe.address, zoe.tier) == ("+4930901820", None, "vip")
    page = text(client.post(f"{CUSTOMERS}add/", given | {"name": "Other"}))
    assert "This e-mail address cannot be used." in page
    path = f"{CUSTOMERS}{zoe.pk}/change/"
    assert client.post(path, given | {"version": 1, "phone": "", "timezone": "Europe/Berlin"}).status_code == 302
    zoe.refresh_from_db()
    assert (zoe.phone, zoe.timezone, zoe.version) == (None, "Europe/Berlin", 2)
    assert "Must be a time zone" in text(client.post(path, given | {"timezone": "Mars"}))


def agent_form(agent: Agent, **over: Any) -> dict[str, Any]:
    return {
        "version": agent.version,
        "name": agent.name,
        "email": agent.email,
        "role": agent.role,
        "department": agent.department_id or "",
        "languages": ", ".join(agent.languages),
        "capacity": agent.capacity,
        "availability": agent.availability,
        "is_active": "on",
        "password": "",
        **over,
    }


def test_a_supervisor_changes_work_of_an_agent_and_nothing_else(team: dict[str, Any]) -> None:
    agent, client = team["agent"], browser(team["supervisor"])
    given = agent_form(agent, capacity=3, role="admin", name="Renamed", password="another long pass phrase")
    assert client.post(f"{AGENTS}{agent.pk}/change/", given).status_code == 302
    agent.refresh_from_db()
    assert (agent.capacity, agent.role, agent.name, agent.token_version) == (3, "agent", "Inside", 1)
    assert client.get(f"{AGENTS}add/").status_code == 403


def test_what_a_supervisor_may_not_set_is_shown_and_a_password_not_even_that(team: dict[str, Any]) -> None:
    page = text(browser(team["supervisor"]).get(f"{AGENTS}{team['agent'].pk}/change/"))
    assert re.search(r'<input type="email"[^>]* disabled', page)
    assert not re.search(r'<input type="text" name="languages"[^>]* disabled', page)
    assert "New password" not in page


def test_an_administrator_makes_an_agent_and_sets_a_password(team: dict[str, Any]) -> None:
    client = browser(team["admin"])
    given = {
        "name": "New",
        "email": "new@example.com",
        "role": "senior",
        "department": team["here"].pk,
        "languages": "de, EN",
        "capacity": 7,
        "password": "short",
    }
    assert "too short" in text(client.post(f"{AGENTS}add/", given))
    assert client.post(f"{AGENTS}add/", given | {"password": "a good long pass phrase"}).status_code == 302
    made = Agent.objects.get_by_natural_key("new@example.com")
    assert (made.role, made.languages, made.capacity, made.check_password("a good long pass phrase")) == (
        "senior",
        ["de", "en"],
        7,
        True,
    )
    path = f"{AGENTS}{made.pk}/change/"
    assert client.post(path, agent_form(made, password="yet another pass phrase")).status_code == 302
    made.refresh_from_db()
    assert (made.token_version, made.check_password("yet another pass phrase")) == (2, True)


def test_only_administrators_change_how_the_team_is_divided(team: dict[str, Any]) -> None:
    path = "/admin/agents/department/"
    supervisor, admin = browser(team["supervisor"]), browser(team["admin"])
    assert supervisor.get(f"{path}add/").status_code == 403
    assert supervisor.post(f"{path}{team['here'].pk}/change/", {"name": "Other"}).status_code in {200, 302}
    assert Department.objects.get(pk=team["here"].pk).name == "Here"
    assert admin.post(f"{path}add/", {"name": "New"}).status_code == 302
    assert "There is a department of that name." in text(admin.post(f"{path}add/", {"name": "HERE"}))
    assert admin.post(f"{path}{team['here'].pk}/change/", {"name": "Renamed", "version": 1}).status_code == 302
    assert Department.objects.get(pk=team["here"].pk).name == "Renamed"
    skills = "/admin/agents/specialization/"
    given = {"slug": "refunds", "name": "Refunds", "categories": "refund, billing"}
    assert admin.post(f"{skills}add/", given).status_code == 302
    made = Specialization.objects.get()
    assert made.categories == ["billing", "refund"]
    assert admin.post(f"{skills}{made.pk}/change/", given | {"name": "Money back", "version": 1}).status_code == 302
    assert Event.objects.filter(name="specialization.updated", payload={"fields": ["name"]}).count() == 1


def test_the_page_of_a_ticket_takes_the_same_statements_for_one_and_three_of_each(team: dict[str, Any]) -> None:
    ticket, client = team["mine"], browser(team["admin"])
    path = f"{TICKETS}{ticket.pk}/change/"
    assign(ticket, team["agent"])
    client.post(path, {"do": "note", "note-body": "x"})
    client.get(path)
    with counted_statements() as few:
        client.get(path)
    other = make_agent(department=team["here"])
    transfer(ticket, team["agent"], other)
    transfer(ticket, other, team["agent"])
    for _ in range(2):
        say(ticket)
        client.post(path, {"do": "reply", "reply-body": "x"})
        client.post(path, {"do": "note", "note-body": "x"})
    client.get(path)
    with counted_statements() as more:
        client.get(path)
    assert len(few) == len(more)
    assert Sender.AGENT in set(ticket.messages.values_list("sender", flat=True))


def test_failures_below_the_admin_are_pages(team: dict[str, Any]) -> None:
    response = browser(team["admin"]).get("/admin/nowhere/")
    assert (response.status_code, response.headers["Content-Type"]) == (404, "text/html; charset=utf-8")
    assert "Back to the desk" in response.content.decode()
    assert browser(team["supervisor"]).get("/admin/django_celery_beat/periodictask/").status_code == 403
    assert browser(team["admin"]).get("/admin/django_celery_beat/periodictask/").status_code == 200


def test_a_stale_form_is_a_page_below_the_admin_and_a_problem_elsewhere() -> None:
    client = Client(enforce_csrf_checks=True)
    page = client.post("/admin/login/", {})
    assert (page.status_code, "This form is no longer good." in page.content.decode()) == (403, True)
    elsewhere = client.post("/api/docs")
    assert (elsewhere.status_code, elsewhere.headers["Content-Type"]) == (403, "application/problem+json")


# How lists and pages read


def test_a_list_is_called_what_it_lists(team: dict[str, Any]) -> None:
    assert "<title>API keys · Support Desk</title>" in text(browser(team["admin"]).get("/admin/agents/apikey/"))


def test_a_list_without_rows_says_so(team: dict[str, Any]) -> None:
    page = text(browser(team["supervisor"]).get(TICKETS, {"q": "nothing of the kind"}))
    assert 'Nothing matches. <a href="?">Show all</a>' in page
    assert "0 tickets" in " ".join(page.split())


def test_a_list_counts_to_its_bound_and_says_that_there_may_be_more(
    team: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = browser(team["admin"])
    assert "2 tickets" in " ".join(text(client.get(TICKETS)).split())
    monkeypatch.setattr(admin.BoundedPaginator, "farthest", 2)
    make_ticket()
    assert "2 or more tickets" in " ".join(text(client.get(TICKETS)).split())


def test_the_timeline_is_told_in_words(team: dict[str, Any]) -> None:
    change(team["mine"], status=Status.PENDING, tags=["vip"])
    page = text(browser(team["supervisor"]).get(f"{TICKETS}{team['mine'].pk}/change/"))
    assert "<strong>Status changed: open → pending</strong>" in page
    assert "<strong>Updated: tags</strong>" in page
    assert "ticket.status_changed" not in page


# What was given up


def test_an_administrator_has_what_was_given_up_tried_again(team: dict[str, Any]) -> None:
    row = Event.objects.filter(subject_type="ticket").earliest("pk")
    given = {"event": row, "subject_type": "ticket", "subject_id": row.subject_id, "due_at": timezone.now()}
    dead = Delivery.objects.create(reaction="tickets.gone", state="dead", last_error="ZeroDivisionError", **given)
    done = Delivery.objects.create(reaction="tickets.fine", state="done", **given)
    client = browser(team["admin"])
    page = text(client.get(f"{DELIVERIES}?state=dead"))
    assert "tickets.gone" in page
    assert "tickets.fine" not in page
    assert "ZeroDivisionError" in text(client.get(f"{DELIVERIES}{dead.pk}/change/"))
    chosen = {"action": "try_again", "_selected_action": [dead.pk, done.pk]}
    page = text(client.post(DELIVERIES, chosen, follow=True))
    assert "1 delivery is tried again" in page
    assert "Only a delivery that was given up is tried again." in page
    dead.refresh_from_db()
    assert (dead.state, dead.attempts) == ("pending", 0)


def test_deliveries_are_for_administrators(team: dict[str, Any]) -> None:
    client = browser(team["supervisor"])
    assert client.get(DELIVERIES).status_code == 403
    assert "Deliveries" not in text(client.get("/admin/"))
