"""Lists that leave as a file."""

import csv
from io import StringIO
from typing import Any

import pytest

from agents.tests.builders import make_agent, make_department, make_key
from customers.tests.builders import make_customer
from supportdesk.core.models import Event
from supportdesk.tests.client import Api
from tickets.api import export
from tickets.tests.builders import make_ticket

pytestmark = pytest.mark.django_db


def exported(api: Api, **query: Any) -> list[dict[str, str]]:
    response = api.client.get("/api/tickets/export", query, headers=api.headers)
    assert response.status_code == 200, response.content
    assert response.streaming
    text = b"".join(response).decode("utf-8-sig")
    return list(csv.DictReader(StringIO(text)))


def test_a_filtered_list_leaves_as_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "CHUNK", 2)
    tickets = [make_ticket(subject=f"Nr. {n}", priority="high", customer=make_customer(name="Zoë")) for n in range(5)]
    make_ticket(priority="low")
    api = Api(make_agent(role="supervisor"))
    rows = exported(api, priority="high")
    assert [row["subject"] for row in rows] == [ticket.subject for ticket in tickets[::-1]]
    assert set(rows[0]) == set(export.COLUMNS)
    assert (rows[0]["customer_name"], rows[0]["created_at"][-1]) == ("Zoë", "Z")
    assert exported(api, priority="high", fields="id, subject")[0] == {"id": str(tickets[-1].pk), "subject": "Nr. 4"}
    event = Event.objects.filter(name="tickets.exported").first()
    assert event
    assert event.payload == {"parameters": ["priority"], "columns": list(export.COLUMNS)}


@pytest.mark.vuln
@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t=", "\r=", "＝", "＋", "－", "＠"])  # noqa: RUF001
def test_no_cell_is_a_formula(start: str) -> None:
    customer = make_customer(name=f"{start}SUM(A1)".strip())
    make_ticket(subject=f"{start}HYPERLINK('x')", tags=[f"{start.strip()}cmd"], customer=customer)
    row = exported(Api(make_agent(role="admin")))[0]
    for name in ("subject", "tags", "customer_name"):
        assert row[name].startswith("'"), name
    assert row["subject"] == f"'{start}HYPERLINK('x')"


def test_an_export_holds_what_its_reader_sees() -> None:
    here, there = make_department(), make_department()
    mine = make_ticket(department=here)
    make_ticket(department=there)
    assert [row["id"] for row in exported(Api(make_agent(role="supervisor", leads=[here])))] == [str(mine.pk)]
    for role in ("agent", "senior"):
        assert Api(make_agent(role=role)).get("/api/tickets/export").status == 403
    assert "customer_name" not in exported(Api(make_key("tickets:read")))[0]
    assert "customer_name" in exported(Api(make_key("tickets:read", "customers:read")))[0]
    assert Api(make_key("customers:read")).get("/api/tickets/export").status == 403


@pytest.mark.parametrize(
    ("query", "field"),
    [({"fields": "email"}, "fields"), ({"cursor": "x"}, "cursor"), ({"status": "x"}, "status"), ({"x": "1"}, "x")],
)
def test_a_wrong_export_is_refused_in_json(query: dict[str, str], field: str) -> None:
    api = Api(make_agent(role="admin"))
    for accept in ("*/*", "text/csv", "application/json"):
        api.headers["Accept"] = accept
        answer = api.get("/api/tickets/export", **query)
        assert (answer.status, set(answer.fields)) == (400, {field})
        assert answer.headers["Content-Type"] == "application/problem+json"
