"""What is sent, in each dialect."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings

from quimbi import dialects, simulated
from quimbi.dialects import PATHS, Dialect, Function
from quimbi.tests.builders import NOW, make_conversation, make_order, make_profile
from quimbi.types import Interaction, Line

SENT = {
    Function.ANALYZE: lambda dialect: dialects.analyze_request(dialect, make_profile()),
    Function.CHURN: lambda dialect: dialects.churn_request(dialect, make_profile(), now=NOW),
    Function.LTV: lambda dialect: dialects.ltv_request(dialect, make_profile()),
    Function.DRAFT: lambda dialect: draft(dialect),
    Function.ACTIONS: lambda dialect: dialects.actions_request(make_conversation(), issue_type="general"),
    Function.SENTIMENT: lambda dialect: dialects.sentiment_request("Hello"),
}


def draft(dialect: Dialect, tone: str | None = None, length: str | None = None, **over: Any) -> dialects.Payload:
    conversation = make_conversation(**over)
    return dialects.draft_request(dialect, conversation, tone=tone, length=length, issue_type="lost_package")


@pytest.mark.parametrize(("dialect", "function"), [(d, f) for d, paths in PATHS.items() for f in paths])
def test_the_sandbox_takes_what_is_sent(dialect: Dialect, function: Function) -> None:
    assert simulated.faults(dialect, function, SENT[function](dialect)) == []


def test_both_dialects_say_where_their_functions_are() -> None:
    assert PATHS[Dialect.ML][Function.ANALYZE] == "/api/ml/customer/analyze"
    assert PATHS[Dialect.PLATFORM][Function.DRAFT] == "/api/generation/message"
    assert set(PATHS[Dialect.ML]) - set(PATHS[Dialect.PLATFORM]) == {Function.SENTIMENT}


def test_an_order_is_told_with_its_items() -> None:
    sent = dialects.analyze_request(Dialect.ML, make_profile(customer_id="9001"))
    assert sent == {
        "customer_id": "9001",
        "orders": [
            {
                "order_id": "1001",
                "total_price": 39.8,
                "order_date": "2026-11-23T10:00:00Z",
                "items": [
                    {"product_id": "p1", "product_name": "Lamp", "category": "home", "quantity": 2, "price": 19.9}
                ],
            }
        ],
        "interactions": [{"type": "ticket", "timestamp": "2026-11-23T10:00:00Z", "channel": "email"}],
    }
    assert dialects.analyze_request(Dialect.PLATFORM, make_profile(customer_id="9001")) == {"customer_id": "9001"}


def test_only_the_newest_are_told() -> None:
    orders = tuple(make_order(order_id=str(n), order_date=NOW + timedelta(days=n)) for n in range(60))
    talks = tuple(Interaction(type="t", timestamp=NOW + timedelta(days=n), channel="email") for n in range(120))
    sent = dialects.analyze_request(Dialect.ML, make_profile(orders=orders, interactions=talks))
    assert [one["order_id"] for one in sent["orders"]] == [str(n) for n in range(59, 9, -1)]
    assert len(sent["interactions"]) == 100
    assert sent["interactions"][0]["timestamp"] == "2027-03-22T10:00:00Z"


def test_what_is_not_known_is_left_out_and_not_zero() -> None:
    assert dialects.churn_request(Dialect.ML, make_profile(orders=()), now=NOW)["recent_behavior"] == {}
    orders = (make_order(), make_order(total_price=Decimal("10.20"), order_date=NOW - timedelta(days=40)))
    sent = dialects.churn_request(Dialect.ML, make_profile(orders=orders), now=NOW + timedelta(days=3))
    assert sent["recent_behavior"] == {
        "total_orders": 2,
        "lifetime_value": 50.0,
        "avg_order_value": 25.0,
        "days_since_last_purchase": 3,
    }


def test_each_dialect_has_its_own_word_for_months() -> None:
    assert dialects.ltv_request(Dialect.ML, make_profile(customer_id="9")) == {"customer_id": "9", "months": 12}
    sent = dialects.ltv_request(Dialect.PLATFORM, make_profile(customer_id="9"))
    assert sent == {"customer_id": "9", "time_horizon_months": 12}


def test_a_conversation_is_told_with_who_said_what() -> None:
    lines = (
        Line(from_customer=True, content="Where?", created_at=NOW),
        Line(from_customer=False, content="Soon.", created_at=NOW),
    )
    ml, platform = (draft(dialect, lines=lines) for dialect in Dialect)
    assert [(one["from"], one["content"]) for one in ml["messages"]] == [("customer", "Where?"), ("agent", "Soon.")]
    assert [(one["from_customer"], one["text"]) for one in platform["conversation_history"]] == [
        (True, "Where?"),
        (False, "Soon."),
    ]


def test_tone_and_length_are_only_told_when_they_were_asked_for() -> None:
    for dialect in Dialect:
        assert not {"tone", "length"} & set(draft(dialect))
        assert draft(dialect, tone="formal", length="short")["tone"] == "formal"


@pytest.mark.parametrize(("ours", "theirs"), [("web", "chat"), ("social", "chat"), ("phone", "phone"), ("sms", "sms")])
def test_channels_are_told_in_quimbis_words(ours: str, theirs: str) -> None:
    assert draft(Dialect.PLATFORM, channel=ours)["channel"] == theirs


def test_the_three_facts_of_the_newest_order_are_told() -> None:
    orders = (make_order(order_date=NOW - timedelta(days=9), status="delivered"), make_order())
    sent = draft(Dialect.PLATFORM, profile=make_profile(orders=orders))
    assert sent["context"] == {"issue_type": "lost_package", "order_status": "shipped", "tracking_number": "T1, T2"}
    bare = draft(Dialect.PLATFORM, profile=make_profile(orders=()))
    assert bare["context"] == {"issue_type": "lost_package"}


def test_without_a_customer_the_ticket_is_named() -> None:
    sent = draft(Dialect.PLATFORM, profile=None, ticket=7)
    assert (sent["customer_id"], sent["context"]) == ("ticket-7", {"issue_type": "lost_package"})
    assert draft(Dialect.ML, profile=None, ticket=7)["customer_profile"] == {"customer_id": "ticket-7"}


@pytest.mark.parametrize(
    ("category", "word"),
    [
        ("shipping", "shipping_delay"),
        ("delivery", "shipping_delay"),
        ("lost", "lost_package"),
        ("damaged", "product_defect"),
        ("wrong_item", "wrong_item"),
        ("billing", "billing_error"),
        ("Refund", "refund"),
        ("", "general"),
    ],
)
def test_categories_are_told_in_quimbis_words(category: str, word: str) -> None:
    assert dialects.issue_type(category, settings.QUIMBI_ISSUE_TYPES) == word


@pytest.mark.vuln
def test_no_address_can_be_told() -> None:
    for dialect, function in ((d, f) for d, paths in PATHS.items() for f in paths):
        assert not simulated._private(SENT[function](dialect))
    leaking = {**dialects.sentiment_request("x"), "context": {"a": [{"email": "a@example.com"}]}}
    assert simulated.faults(Dialect.ML, Function.SENTIMENT, leaking)
