"""Shopify's API as it behaves on bad days: what passes is waited for, what does not is told, nothing is made up."""

from datetime import date
from typing import Any

import pytest
import requests

from integrations import tokens
from integrations.models import Connection
from integrations.shopify import client, queries, versions
from integrations.shopify.pace import Pace, pace_of
from integrations.shopify.sandbox.credentials import TOKEN
from integrations.shopify.sandbox.exchange import Scripted
from integrations.shopify.sandbox.server import Sandbox
from integrations.tests.builders import SECRET, make_connection
from supportdesk.core.http import Rejected, Unavailable

pytestmark = pytest.mark.django_db
SEVEN = {"variables": {"id": "gid://shopify/Customer/7"}}
THROTTLED: dict[str, Any] = {
    "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED"}}],
    "extensions": {
        "cost": {
            "requestedQueryCost": 27,
            "actualQueryCost": None,
            "throttleStatus": {"maximumAvailable": 2000.0, "currentlyAvailable": 0.0, "restoreRate": 300.0},
        }
    },
}


@pytest.fixture
def known(shopify: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Connection:
    monkeypatch.setattr(client, "FIRST", 0.01)
    return make_connection(changes={"access_token": TOKEN, "webhook_secret": SECRET})


def customers(known: Connection, **over: Any) -> client.Said:
    return client.ask(known, queries.CUSTOMERS, {"first": 250}, **over)


def test_a_bad_day_ends_in_one_result(shopify: Sandbox, known: Connection) -> None:
    shopify.add_customer(1)
    shopify.script(
        "Customers",
        Scripted(200, THROTTLED),
        Scripted(429, {"errors": "Exceeded"}, {"Retry-After": "0.1"}),
        Scripted(502, "<html>Bad gateway</html>"),
        Scripted(drop=True),
    )
    said = customers(known)
    assert [one["legacyResourceId"] for one in said.data["customers"]["nodes"]] == ["1"]
    asked = shopify.of("Customers")
    assert [one.answered for one in asked] == [200, 429, 502, 0, 200]
    assert asked[1].at - asked[0].at >= 27 * 1.1 / 300.0 - 0.01
    assert asked[2].at - asked[1].at >= 0.1


def test_five_hundred_pages_are_asked_as_fast_as_the_points_come_and_no_faster() -> None:
    most, restored, cost = 2_000.0, 100.0, 27.0
    pace, now, points, throttled = Pace(at=0.0), 0.0, most, 0
    for _ in range(500):
        wait = pace.wait("Customers", now=now, most=1e9)
        now, points = now + wait + 0.05, min(most, points + (wait + 0.05) * restored)
        throttled += points < cost
        points -= cost
        status = {"maximumAvailable": most, "currentlyAvailable": points, "restoreRate": restored}
        pace.note("Customers", {"requestedQueryCost": cost, "throttleStatus": status}, now=now)
    assert throttled == 0
    assert now == pytest.approx((500 * cost - most) / restored, rel=0.05)


@pytest.mark.parametrize(
    ("answer", "error", "reason"),
    [
        (Scripted(402, {"errors": "Payment Required"}), Rejected, "shop_frozen"),
        (Scripted(403, {"errors": "x"}), Rejected, "forbidden"),
        (Scripted(404, {"errors": "Not Found"}), Rejected, "no_shop"),
        (Scripted(423, {"errors": "Locked"}), Rejected, "shop_locked"),
        (Scripted(301, "", {"Location": "http://127.0.0.1:9/"}), Rejected, "refused"),
        (Scripted(200, {"errors": [{"extensions": {"code": "MAX_COST_EXCEEDED"}}]}), Rejected, "refused"),
        (Scripted(200, {"errors": [{"extensions": {"code": "ACCESS_DENIED"}}]}), Rejected, "access_denied"),
        (Scripted(200, {"errors": "x"}), Rejected, "refused"),
        (Scripted(200, {}), Rejected, "bad_answer"),
        (Scripted(200, [1]), Rejected, "bad_answer"),
        (Scripted(200, "<html>"), Unavailable, "bad_answer"),
        (Scripted(200, {"errors": [{"extensions": {"code": "INTERNAL_SERVER_ERROR"}}]}), Unavailable, "shopify_away"),
    ],
)
def test_what_is_no_answer_is_told_as_what_it_is(
    shopify: Sandbox, known: Connection, answer: Scripted, error: type[Exception], reason: str
) -> None:
    shopify.script("Customers", answer, answer)
    with pytest.raises(error) as failed:
        customers(known, tries=2)
    assert failed.value.reason == reason  # type: ignore[attr-defined]
    assert len(shopify.of("Customers")) == (1 if error is Rejected else 2)


def test_what_we_may_not_read_is_reported_and_the_rest_is_there(shopify: Sandbox, known: Connection) -> None:
    denied = {"message": "x", "path": ["customers", "nodes", 0, "defaultEmailAddress"]}
    body = {"data": {"customers": {"nodes": [{"id": "gid://shopify/Customer/1"}]}}}
    shopify.script("Customers", Scripted(200, {**body, "errors": [denied | {"extensions": {"code": "ACCESS_DENIED"}}]}))
    said = customers(known)
    assert (said.denied, len(said.data["customers"]["nodes"])) == (["customers.nodes.defaultEmailAddress"], 1)


def test_another_version_than_the_one_asked_for_is_an_alarm(
    shopify: Sandbox, known: Connection, caplog: pytest.LogCaptureFixture
) -> None:
    customers(known)
    known.refresh_from_db()
    assert known.api_version == "2026-10"
    shopify.served = "2027-01"
    for _ in range(2):
        customers(known)
    known.refresh_from_db()
    assert (known.api_version, caplog.text.count("serves another version")) == ("2027-01", 1)


def test_waiting_longer_than_there_is_time_is_not_begun(shopify: Sandbox, known: Connection) -> None:
    pace_of(known.pk).note("Customers", THROTTLED["extensions"]["cost"] | {"requestedQueryCost": 600.0}, now=1e12)
    with pytest.raises(Unavailable) as late:
        customers(known, seconds=1.0)
    assert late.value.retry_after == pytest.approx(2.2, abs=0.3)
    assert shopify.of("Customers") == []


def test_a_shop_that_is_away_is_not_asked_again_for_a_while(shopify: Sandbox, known: Connection) -> None:
    shopify.script("Customers", *[Scripted(503, "away")] * 10)
    for _ in range(4):
        with pytest.raises(Unavailable):
            customers(known, tries=2, seconds=5.0)
    assert len(shopify.of("Customers")) == 6


def test_a_refused_token_without_another_ends_the_connection(shopify: Sandbox, known: Connection) -> None:
    shopify.access.clear()
    with pytest.raises(tokens.NeedsReauth):
        customers(known)
    known.refresh_from_db()
    assert known.status == "reauth"


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"query": "query Customers { customers { addresses } }", "variables": {}}, "deprecated"),
        (SEVEN | {"query": "query Customer($id: ID!) { customer(id: $id) { id email } }"}, "'email' doesn't exist"),
        (SEVEN | {"query": "query Customer($id: ID!) { customer(id: $id) { tags { id } } }"}, "on scalars"),
        (SEVEN | {"query": "query Customer($id: ID!) { customer(id: $id) { amountSpent } }"}, "must have selections"),
        ({"query": "query Customers($first: Int!) { x }", "variables": {"first": 251}}, "at most 250"),
        ({"query": "query Customers($first: Int!) { x }", "variables": {}}, "not provided"),
        ({"query": "query Customers { x }", "variables": {"x": 1}}, "not declared"),
        ({"query": "query Nobody { x }", "variables": {}}, "unknown operation"),
    ],
)
def test_the_sandbox_refuses_what_shopify_would(shopify: Sandbox, body: dict[str, Any], problem: str) -> None:
    shopify.add_customer(7, tags=["vip"])
    url = f"{shopify.url}/admin/api/2026-10/graphql.json"
    answer = requests.post(url, json=body, headers={"X-Shopify-Access-Token": TOKEN}, timeout=5)
    assert problem in str(answer.json()["errors"])
    assert requests.post(url, json=body, timeout=5).status_code == 401


@pytest.mark.parametrize(
    ("asked", "served"), [("2026-07", "2026-07"), ("2025-10", "2026-01"), ("2026-11", None), ("unstable", None)]
)
def test_the_sandbox_serves_another_version_for_one_that_is_over_and_none_for_what_is_none(
    shopify: Sandbox, asked: str, served: str | None
) -> None:
    shopify.add_customer(7)
    query = {"query": "query Customer($id: ID!) { customer(id: $id) { firstName amountSpent { amount } } }"}
    url = f"{shopify.url}/admin/api/{asked}/graphql.json"
    answer = requests.post(url, json=SEVEN | query, headers={"X-Shopify-Access-Token": TOKEN}, timeout=5)
    assert answer.headers.get("X-Shopify-API-Version") == served
    if served is None:
        assert answer.status_code == 404
    else:
        assert answer.json()["data"] == {"customer": {"firstName": "Robin", "amountSpent": {"amount": "0.0"}}}


@pytest.mark.parametrize(
    ("today", "ids"),
    [
        (date(2027, 8, 1), []),
        (date(2027, 8, 2), ["shopify.W002"]),
        (date(2027, 9, 30), ["shopify.W002"]),
        (date(2027, 10, 1), ["shopify.E001"]),
    ],
)
def test_the_end_of_a_version_is_told_before(today: date, ids: list[str]) -> None:
    assert [one.id for one in versions.problems("2026-10", today=today)] == ids
    assert [one.id for one in versions.problems("2030-01", today=today)] == ["shopify.W001"]
