"""Text that tries to be something else: markup, a template, SQL, a formula, a header, a line of a log."""

import csv
import io
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.core.management import call_command
from django.db import transaction
from django.test import Client
from django.utils import timezone
from drf_spectacular.generators import SchemaGenerator
from kombu.exceptions import ContentDisallowed
from kombu.message import Message

from agents.models import Agent
from agents.tests.builders import actor_of, make_agent
from customers.models import Customer
from customers.tests.builders import make_customer
from supportdesk.celery import app
from supportdesk.core.models import Event
from supportdesk.tests.client import Answer, Api
from supportdesk.tests.logs import written_log
from supportdesk.tests.security.corpora import BREAKS, EVALUATED, LOOKUPS, MARKUP, SQL
from tickets.models import Ticket
from tickets.services import conversation
from tickets.tests.builders import make_ticket, say

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.vuln]
SHOWN = [text for text in [*MARKUP, *EVALUATED] if text.isprintable()]  # the rest is refused in one line


@pytest.fixture
def admin() -> Agent:
    return make_agent(role="admin", name="Admin")


# Markup in the admin


class Page(HTMLParser):
    """The elements of a page with the names of their attributes, its text, and what in it could run."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.skeleton: list[tuple[str, ...]] = []
        self.text = ""
        self.dangers: list[str] = []
        self.values: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.skeleton.append((tag, *(name for name, _ in attrs)))
        given = {name: value or "" for name, value in attrs}
        self.values += given.values()
        if tag in {"iframe", "object", "embed", "base", "math", "template"}:
            self.dangers.append(tag)
        if tag == "script" and not given.get("src", "").startswith(("/static/", "/admin/jsi18n/")):
            self.dangers.append(f"script {given}")
        if tag == "meta" and "http-equiv" in given:
            self.dangers.append("meta http-equiv")
        for name, value in given.items():
            scheme = "".join(value.split()).lower().partition(":")
            if name.startswith("on") or (name == "style" and "url(" in value):
                self.dangers.append(name)
            if name in {"href", "src", "action", "formaction", "data"} and scheme[1]:
                self.dangers.append(f"{name}={value}") if scheme[0] in {"javascript", "data", "vbscript"} else None

    def handle_data(self, data: str) -> None:
        self.text += data


def page(client: Client, path: str, **query: Any) -> Page:
    response = client.get(path, query)
    assert response.status_code == 200, path
    return Page(response.content.decode())


def filled(admin: Agent, texts: list[str]) -> tuple[list[Ticket], Ticket]:
    """A ticket and a customer of each text, and one ticket on which all of them are said."""
    now, by = timezone.now(), actor_of(admin)
    tickets = [
        make_ticket(
            subject=text[:300],
            customer=make_customer(name=text, address=text, attributes={text[:64]: text}),
            tags=[text[:50]],
            attributes={text[:64]: text},
        )
        for text in texts
    ]
    busy = make_ticket(subject="Busy")
    for text in texts:
        say(busy, text)
        conversation.add_note(ticket_id=busy.pk, body=text, by=by, now=now)
    return tickets, busy


def test_markup_is_text_on_every_page_of_the_admin(admin: Agent) -> None:
    """A page of hostile texts has the elements and attributes of one of plain texts, no more and no others."""
    client = Client()
    client.force_login(admin)
    shapes = []
    for texts in ([f"plain {number:03}" for number in range(len(SHOWN))], SHOWN):
        with transaction.atomic():
            tickets, busy = filled(admin, texts)
            pages = [
                page(client, f"/admin/tickets/ticket/{busy.pk}/change/"),
                page(client, "/admin/tickets/ticket/"),
                page(client, "/admin/tickets/ticket/", p=2),
                page(client, "/admin/customers/customer/"),
                page(client, "/admin/"),
                *(page(client, f"/admin/tickets/ticket/{ticket.pk}/change/") for ticket in tickets[::8]),
                *(page(client, f"/admin/customers/customer/{t.customer_id}/change/") for t in tickets[4::8]),
            ]
            transaction.set_rollback(True)
        assert [danger for found in pages for danger in found.dangers] == []
        assert [text for text in texts if text not in pages[0].text] == []  # each is said as typed
        shapes.append([found.skeleton for found in pages])
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("text", SHOWN[::8])
def test_markup_that_is_refused_comes_back_as_text(text: str, admin: Agent) -> None:
    client, ticket = Client(), make_ticket()
    client.force_login(admin)
    posts = [
        ("/admin/customers/customer/add/", {"name": text, "email": text, "timezone": text, "language": text}),
        ("/admin/agents/agent/add/", {"name": text, "email": text, "role": text, "languages": text}),
        (f"/admin/tickets/ticket/{ticket.pk}/change/", {"do": "save", "subject": text, "status": text, "tags": text}),
        (f"/admin/tickets/ticket/{ticket.pk}/change/", {"do": "assign", "assign-agent": text}),
    ]
    for path, given in posts:
        response = client.post(path, given)
        assert response.status_code == 200, path
        assert Page(response.content.decode()).dangers == [], path
    for path in ("/admin/tickets/ticket/", "/admin/customers/customer/", "/admin/agents/agent/"):
        assert page(client, path, q=text).dangers == []
    assert Page(client.get(f"/admin/{quote(text)}/").content.decode()).dangers == []
    assert Page(client.get("/admin/tickets/ticket/", {text: "1"}, follow=True).content.decode()).dangers == []
    assert Page(Client().post("/admin/login/", {"username": text, "password": text}).content.decode()).dangers == []
    assert Page(Client().get("/admin/login/", {"next": text}).content.decode()).dangers == []


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "\thttps:evil.example"]
)
def test_a_login_leads_nowhere_else(to: str, admin: Agent) -> None:
    given = {"username": admin.email, "password": "a pass phrase for tests", "next": to}
    response = Client().post("/admin/login/", given)
    assert (response.status_code, response.headers["Location"]) == (302, "/admin/")


# Text that others evaluate


@pytest.mark.parametrize("text", [*EVALUATED, *MARKUP[::5]])
def test_what_was_typed_comes_out_as_typed(text: str, admin: Agent) -> None:
    api = Api(admin)
    line = "".join(character for character in text if character.isprintable())[:50].strip()
    customer = api.post("/api/customers", {"name": line, "address": text, "attributes": {"x": text}}).body
    assert (customer["name"], customer["address"], customer["attributes"]) == (line, text.strip(), {"x": text})
    given = {"customer_id": customer["id"], "subject": line, "description": text, "attributes": {"x": text}}
    ticket = api.post("/api/tickets", given | {"tags": [line]}).body["ticket"]
    assert (ticket["subject"], ticket["description"], ticket["attributes"]) == (line, text, {"x": text})
    assert ticket["tags"] == [line.lower()]
    path = f"/api/tickets/{ticket['id']}"
    assert api.post(f"{path}/messages", {"body": text}).body["body"] == text
    assert api.post(f"{path}/notes", {"body": text}).body["body"] == text
    assert api.get(path).body["ticket"]["description"] == text
    exported = api.get(f"/api/customers/{customer['id']}/export").body
    assert [said["body"] for said in exported["tickets"][0]["messages"]] == [text, text]
    refused = api.patch(path, {"status": text})
    assert (refused.status, text in json.dumps(refused.body["errors"])) == (400, False)


def test_highlights_mark_words_and_leave_the_rest_as_typed(admin: Agent) -> None:
    api = Api(admin)
    for text in EVALUATED:
        make_ticket(subject=f"needle {text}".strip())
    found = api.get("/api/tickets", q="needle", page_size=100).body["results"]
    assert {row["highlight"]["text"] for row in found} == {f"needle {text}" for text in EVALUATED}
    assert {tuple(map(tuple, row["highlight"]["marks"])) for row in found} == {((0, 6),)}


# SQL


def parameters() -> list[tuple[str, str]]:
    """(path, name) of every query parameter that the OpenAPI document knows."""
    schema: Any = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]
    return [
        (path, parameter["name"])
        for path, operations in schema["paths"].items()
        for parameter in operations.get("get", {}).get("parameters", [])
        if parameter["in"] == "query"
    ]


@pytest.mark.parametrize(("number", "path", "name"), [(n, *found) for n, found in enumerate(parameters())])
def test_sql_in_a_parameter_is_a_value_like_any_other(number: int, path: str, name: str, admin: Agent) -> None:
    api, ticket = Api(admin), make_ticket(subject="Plain words")
    view = api.post("/api/views", {"name": "Mine", "query": {}}).body["id"]
    path = path.replace("/views/{id}", f"/views/{view}").replace("/customers/{id}", f"/customers/{ticket.customer_id}")
    path = path.replace("{id}", str(ticket.pk))
    for value in SQL[number % 8 :: 8]:
        response = api.client.get(path, {name: value}, headers=api.headers)
        assert response.status_code in {200, 400, 404}, (value, response.content)
        if response.status_code == 200 and name not in {"count", "page_size", "fields"} and not response.streaming:
            found = Answer(response).body.get("results", [])
            assert not found or value in {"''", '"', "_", "\\", "%", "'", "((((", ":*", "<->"}, (value, found)
    assert Ticket.objects.count() == 1
    assert Event.objects.filter(name="ticket.created").count() == 1


@pytest.mark.parametrize("path", ["/api/tickets", "/api/tickets/export", "/api/customers", "/api/agents", "/api/views"])
def test_a_name_of_a_column_or_an_operator_is_no_parameter(path: str, admin: Agent) -> None:
    api = Api(admin)
    for name in LOOKUPS:
        assert api.get(path, **{name: "1"}).fields == {name: "unknown_parameter"}
    for ordering in ("password", "customer__email", "-assignee__password", "?", "rank_at", "pk; DROP TABLE x", "-"):
        if path != "/api/tickets/export":
            assert api.get(path, ordering=ordering).fields == {"ordering": "invalid_choice"}


@pytest.mark.parametrize("name", LOOKUPS)
@pytest.mark.parametrize("path", ["/admin/tickets/ticket/", "/admin/agents/agent/", "/admin/customers/customer/"])
def test_a_list_of_the_admin_answers_none_either(name: str, path: str, admin: Agent) -> None:
    client = Client()
    client.force_login(admin)
    harmless = {"o", "all", "e", "_popup", *(["is_active"] if "agents" in path else [])}  # the admin's own words
    assert client.get(path, {name: "1"}).status_code in ({200, 302} if name in harmless else {302, 400})


@pytest.mark.parametrize("value", ["%", "_", "\\", "%%", "a%", "[a-z]", ".*", "^"])
def test_signs_of_patterns_find_themselves_only(value: str, admin: Agent) -> None:
    make_ticket(subject="Plain words", customer=make_customer(name="Plain Name"))
    api = Api(admin)
    assert api.get("/api/tickets", q=f"x{value}").body["results"] == []
    assert api.get("/api/customers", q=f"x{value}y").body["results"] == []
    assert api.get("/api/agents", q=value).body["results"] == []


# Lines


ONE_LINE: list[tuple[str, dict[str, Any], tuple[str, ...]]] = [
    ("/api/customers", {"name": "x"}, ("name", "email", "phone", "timezone", "language")),
    (
        "/api/tickets",
        {"customer_id": 0, "subject": "x", "description": "x"},
        ("subject", "language", "source", "external_id"),
    ),
    ("/api/agents", {"email": "x@example.com", "name": "x"}, ("name", "email", "password")),
    ("/api/api-keys", {"name": "x", "scopes": ["tickets:read"], "expires_at": "x"}, ("name",)),
    ("/api/views", {"name": "x", "query": {}}, ("name",)),
]


@pytest.mark.parametrize("character", BREAKS, ids=repr)
def test_no_name_subject_or_address_holds_a_line_break_or_a_control(character: str, admin: Agent) -> None:
    api = Api(admin)
    before = Event.objects.count()
    for path, body, names in ONE_LINE:
        text = f"a{character}Bcc: victim@example.com"
        answer = api.post(path, {**body, **dict.fromkeys(names, text)})
        assert answer.status == 400
        assert set(names) <= set(answer.fields), (path, answer.fields)
    answer = api.post("/api/tickets", {"tags": [f"a{character}b"]})
    assert answer.fields["tags[0]"] == "control_character"
    assert Event.objects.count() == before


@pytest.mark.parametrize("character", BREAKS, ids=repr)
def test_the_admin_refuses_them_as_well(character: str, admin: Agent) -> None:
    client, ticket, customer = Client(), make_ticket(), make_customer()
    client.force_login(admin)
    before, text = Event.objects.exclude(name="customer.read").count(), f"a{character}Bcc: victim@example.com"
    agent = {"name": text, "email": "new@example.com", "role": "agent", "capacity": "3", "languages": ""}
    whole = {"version": 1, "status": "open", "priority": "low", "category": "general", "channel": "email"}
    posts: list[tuple[str, dict[str, Any]]] = [
        ("/admin/customers/customer/add/", {"name": text}),
        (f"/admin/customers/customer/{customer.pk}/change/", {"name": text, "version": 1}),
        ("/admin/agents/agent/add/", agent),
        ("/admin/agents/department/add/", {"name": text}),
        ("/admin/agents/specialization/add/", {"name": "x", "slug": "x", "categories": text}),
        ("/admin/agents/apikey/add/", {"name": text, "scopes": "tickets:read", "expires_at": "2027-01-01 00:00:00"}),
        (f"/admin/tickets/ticket/{ticket.pk}/change/", {**whole, "do": "save", "subject": text}),
        (f"/admin/tickets/ticket/{ticket.pk}/change/", {**whole, "do": "save", "subject": "x", "tags": text}),
    ]
    for path, given in posts:
        response = client.post(path, given)
        assert response.status_code == 200, path
        assert "Must not hold line breaks or control characters." in response.content.decode(), path
    assert Event.objects.exclude(name="customer.read").count() == before


@pytest.mark.parametrize("character", ["\n", "\r\n", "\x0b", "\x85", "\u2028"], ids=repr)
def test_an_import_keeps_none_of_them(character: str, tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    with file.open("w", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["Customer ID", "Name", "Email", "Phone", "Address"])
        writer.writerow(["1", f"a{character}Bcc: x", "a@example.com", "", "One street"])
        writer.writerow(["2", "Plain", "b@example.com", "", "Two\nlines"])
    out = io.StringIO()
    call_command("import_customers", str(file), "--rejects", str(tmp_path / "rejects.csv"), stdout=out, stderr=out)
    assert sorted(Customer.objects.values_list("name", flat=True)) == ["Plain", "a Bcc: x"]


# Exports


@pytest.mark.parametrize("text", [
    "=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", '=HYPERLINK("http://evil.example","x")', "\t=1", "＝1+1",  # noqa: RUF001
    '","=1+1","', '"\n=1+1', "a\n=1+1", "a\r\n=1+1", ";=1+1", "plain, with comma", 'a "quoted" word', "'=1", "－1",  # noqa: RUF001
])  # fmt: skip
def test_a_cell_is_the_text_and_no_formula(text: str, admin: Agent) -> None:
    api = Api(admin)
    ticket = make_ticket(subject=text, customer=make_customer(name=text), source="x", external_id=text[:50])
    response = api.client.get("/api/tickets/export", headers=api.headers)
    raw = b"".join(response).decode("utf-8-sig")
    (row,) = csv.DictReader(io.StringIO(raw, newline=""))
    assert row["id"] == str(ticket.pk)
    for name in ("subject", "customer_name", "external_id"):
        told = row[name]
        assert not told.startswith(tuple("=+-@\t\r\n＝＋－＠"))  # noqa: RUF001
        assert told.removeprefix("'" if told != text else "") == text


# Logs


@pytest.mark.parametrize(
    "forgery",
    [
        'abcd1234\n{"event": "forged", "status": 200}',
        "abcd1234\r\nforged",
        "abcd1234\x1b[2Jforged",
        'abcd1234","status":200,"x":"forged',
        "abcd1234\u2028forged",
        "../../forged",
        "${jndi:ldap://forged}",
        "<script>forged</script>",
        "forged" * 20,
        "%s%n forged",
    ],
)
def test_no_request_writes_a_line_of_its_own(forgery: str) -> None:
    raw = forgery.encode().decode("latin-1")
    names = ("HTTP_X_REQUEST_ID", "HTTP_USER_AGENT", "HTTP_REFERER", "HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED")
    client = Client(**dict.fromkeys(names, raw))  # type: ignore[arg-type]
    with written_log() as log:
        client.get("/api/tickets", {"q": forgery})
        client.generic("GET", f"/api/{quote(forgery)}", QUERY_STRING=quote(forgery))
        client.generic("FORGED", "/api/tickets")
    assert "forged" not in log.getvalue().lower()
    told = [(line["route"], line["status"]) for line in log.lines() if line["event"] == "request"]
    assert told == [("api/tickets", 401), ("(none)", 404), ("api/tickets", 405)]


# Tasks


def test_tasks_take_and_give_nothing_but_json() -> None:
    assert list(app.conf.accept_content) == ["json"]
    assert (app.conf.task_serializer, app.conf.task_ignore_result, app.conf.result_backend) == ("json", True, None)
    forged: Any = Message(  # type: ignore[no-untyped-call]
        body=b"cos\nsystem\n(S'id'\ntR.", content_type="application/x-python-serialize", accept=["json"]
    )
    with pytest.raises(ContentDisallowed):
        forged.decode()
