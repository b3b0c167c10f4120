"""Lists that agents keep."""

from typing import Any

import pytest

from agents.tests.builders import make_agent, make_department, make_key
from supportdesk.tests.client import Api
from tickets.tests.builders import make_ticket

pytestmark = pytest.mark.django_db
URGENT = {"name": "Urgent", "query": {"priority": "urgent,high", "ordering": "-created_at"}}


def test_a_view_is_kept_and_read_with_its_readers_rights() -> None:
    here, there = make_department(), make_department()
    supervisor, agent = Api(make_agent(role="supervisor")), Api(make_agent(department=here))
    seen = [make_ticket(priority="urgent", department=here), make_ticket(priority="high")]
    make_ticket(priority="urgent", department=there)
    make_ticket(priority="low", department=here)
    made = supervisor.post("/api/views", URGENT | {"shared": True})
    assert (made.status, made.headers["ETag"]) == (201, '"1"')
    answer = agent.get(f"/api/views/{made.body['id']}/tickets", page_size=1)
    assert [row["id"] for row in answer.body["results"]] == [seen[1].pk]
    assert [row["id"] for row in agent.get(answer.body["next"]).body["results"]] == [seen[0].pk]
    assert len(supervisor.get(f"/api/views/{made.body['id']}/tickets", fields="id").body["results"]) == 3


def test_views_are_private_unless_shared_and_shared_by_supervisors_only() -> None:
    one, other = Api(make_agent()), Api(make_agent())
    made = one.post("/api/views", URGENT).body
    path = f"/api/views/{made['id']}"
    assert [row["id"] for row in one.get("/api/views").body["results"]] == [made["id"]]
    assert other.get("/api/views").body["results"] == []
    for answer in (other.get(path), other.get(f"{path}/tickets"), other.patch(path, {"name": "x"}), other.delete(path)):
        assert answer.status == 404
    assert one.post("/api/views", URGENT | {"name": "Ours", "shared": True}).status == 403
    assert one.patch(path, {"shared": True}).status == 403
    assert Api(make_key("tickets:write")).get("/api/views").status == 403


def test_a_shared_view_is_changed_by_its_owner_and_by_administrators() -> None:
    supervisor, agent, admin = Api(make_agent(role="supervisor")), Api(make_agent()), Api(make_agent(role="admin"))
    path = f"/api/views/{supervisor.post('/api/views', URGENT | {'shared': True}).body['id']}"
    assert agent.get(path).status == 200
    assert agent.patch(path, {"name": "Mine"}).status == 403
    assert agent.delete(path).status == 403
    assert admin.patch(path, {"name": "Renamed"}, if_match='"1"').body["version"] == 2
    stale = supervisor.patch(path, {"name": "Again"}, if_match='"1"')
    assert (stale.status, stale.fields) == (412, {"name": "differs"})
    assert supervisor.delete(path, if_match='"1"').status == 412
    assert supervisor.delete(path, if_match='"2"').status == 204
    assert supervisor.get(path).status == 404


@pytest.mark.parametrize(
    ("over", "field"),
    [
        ({"query": {"x": "1"}}, "query.x"),
        ({"query": {"status": "half"}}, "query.status"),
        ({"query": {"customer": "me"}}, "query.customer"),
        ({"query": {"ordering": "subject"}}, "query.ordering"),
        ({"query": {"page_size": "1"}}, "query.page_size"),
        ({"query": {"status": 1}}, "query.status"),
        ({"query": "status=open"}, "query"),
        ({"name": ""}, "name"),
        ({"owner_id": 1}, "owner_id"),
    ],
)
def test_a_view_that_the_list_would_refuse_is_refused(over: dict[str, Any], field: str) -> None:
    answer = Api(make_agent()).post("/api/views", URGENT | over)
    assert (answer.status, set(answer.fields)) == (400, {field})


def test_names_are_unique_per_agent() -> None:
    one, other = Api(make_agent()), Api(make_agent())
    assert [one.post("/api/views", URGENT).status for _ in range(2)] == [201, 409]
    assert other.post("/api/views", URGENT).status == 201


def test_the_filters_of_a_view_are_its_own() -> None:
    api = Api(make_agent())
    path = f"/api/views/{api.post('/api/views', URGENT).body['id']}/tickets"
    assert api.get(path, status="open").fields == {"status": "unknown_parameter"}
