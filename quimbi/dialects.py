"""How Quimbi is spoken to: which function is where, and what is sent, in each of its two dialects. Pure.

`ml` is the proposal that the product was specified against, `platform` what the service is known to ship. What is sent
is ids, facts of orders, conversations, a first name and a language: no address, no phone number, no note.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from quimbi.types import Conversation, Line, OrderFacts, Profile

Payload = dict[str, Any]
MOST_ORDERS, MOST_INTERACTIONS, MOST_LINES = 50, 100, 100  # the newest
CHURN_DAYS, LTV_MONTHS = 90, 12
CHANNELS = {"email": "email", "sms": "sms", "chat": "chat", "phone": "phone", "web": "chat", "social": "chat"}


class Function(StrEnum):
    ANALYZE = "analyze"
    CHURN = "churn"
    LTV = "ltv"
    DRAFT = "draft"
    ACTIONS = "actions"
    SENTIMENT = "sentiment"


class Dialect(StrEnum):
    ML = "ml"
    PLATFORM = "platform"


WRITING = frozenset({Function.DRAFT, Function.ACTIONS})  # takes seconds, and is billed
# A 404 from these may be about the customer; from others it can only be about the path.
ABOUT_A_CUSTOMER = frozenset({Function.ANALYZE, Function.CHURN, Function.LTV, Function.ACTIONS})

PATHS: Mapping[Dialect, Mapping[Function, str]] = {
    Dialect.ML: {
        Function.ANALYZE: "/api/ml/customer/analyze",
        Function.CHURN: "/api/ml/churn/predict",
        Function.LTV: "/api/ml/ltv/forecast",
        Function.DRAFT: "/api/ml/generate/draft",
        Function.ACTIONS: "/api/ml/recommend/actions",
        Function.SENTIMENT: "/api/ml/sentiment/analyze",
    },
    Dialect.PLATFORM: {
        Function.ANALYZE: "/api/intelligence/analyze",
        Function.CHURN: "/api/intelligence/predict/churn",
        Function.LTV: "/api/intelligence/predict/ltv",
        Function.DRAFT: "/api/generation/message",
        Function.ACTIONS: "/api/generation/actions",
    },
}


def analyze_request(dialect: Dialect, profile: Profile) -> Payload:
    if dialect == Dialect.PLATFORM:
        return {"customer_id": profile.customer_id}
    return {
        "customer_id": profile.customer_id,
        "orders": [_order(order) for order in _newest(profile)[:MOST_ORDERS]],
        "interactions": [
            {"type": one.type, "timestamp": _instant(one.timestamp), "channel": one.channel}
            for one in sorted(profile.interactions, key=lambda one: one.timestamp, reverse=True)[:MOST_INTERACTIONS]
        ],
    }


def churn_request(dialect: Dialect, profile: Profile, *, now: datetime) -> Payload:
    if dialect == Dialect.PLATFORM:
        return {"customer_id": profile.customer_id, "prediction_window_days": CHURN_DAYS}
    return {"customer_id": profile.customer_id, "recent_behavior": _behavior(profile, now)}


def ltv_request(dialect: Dialect, profile: Profile) -> Payload:
    months = "time_horizon_months" if dialect == Dialect.PLATFORM else "months"
    return {"customer_id": profile.customer_id, months: LTV_MONTHS}


def draft_request(
    dialect: Dialect, conversation: Conversation, *, tone: str | None, length: str | None, issue_type: str
) -> Payload:
    wishes = {name: value for name, value in (("tone", tone), ("length", length)) if value}
    channel = CHANNELS.get(conversation.channel, "chat")
    lines = conversation.lines[-MOST_LINES:]
    if dialect == Dialect.PLATFORM:
        return {
            "customer_id": customer_of(conversation),
            "conversation_history": [_said(line) for line in lines],
            "channel": channel,
            "context": _context(conversation, issue_type),
            **wishes,
        }
    return {
        "customer_profile": _profile(conversation),
        "messages": [
            {
                "from": "customer" if line.from_customer else "agent",
                "content": line.content,
                "created_at": _instant(line.created_at),
            }
            for line in lines
        ],
        "channel": conversation.channel,
        **wishes,
    }


def actions_request(conversation: Conversation, *, issue_type: str) -> Payload:
    """The same in both dialects: each ignores what the other reads."""
    return {
        "customer_id": customer_of(conversation),
        "customer_profile": _profile(conversation),
        "issue_type": issue_type,
        "scenario": "support_ticket",
        "ticket_context": {
            "subject": conversation.subject,
            "priority": conversation.priority,
            "channel": conversation.channel,
            "status": conversation.status,
        },
        "context": _context(conversation, issue_type),
    }


def sentiment_request(text: str) -> Payload:
    return {"text": text, "context": {}}


def customer_of(conversation: Conversation) -> str:
    """Who Quimbi is asked about: never null, which it refuses."""
    profile = conversation.profile
    return profile.customer_id if profile else f"ticket-{conversation.ticket}"


def issue_type(category: str, words: Mapping[str, str]) -> str:
    """Quimbi's word for a category of ours; the category's own where it has none."""
    known = category.strip().lower()
    return words.get(known, known) or "general"


def _behavior(profile: Profile, now: datetime) -> Payload:
    """What our orders say. What we do not know is left out: it is not 0."""
    orders = _newest(profile)
    if not orders:
        return {}
    total = sum(order.total_price for order in orders)
    return {
        "total_orders": len(orders),
        "lifetime_value": float(total),
        "avg_order_value": round(float(total / len(orders)), 2),
        "days_since_last_purchase": max(0, (now - orders[0].order_date).days),
    }


def _profile(conversation: Conversation) -> Payload:
    profile = conversation.profile
    if profile is None:
        return {"customer_id": customer_of(conversation)}
    known = {"first_name": profile.first_name, "language": profile.language}
    return {
        "customer_id": profile.customer_id,
        **{name: value for name, value in known.items() if value},
        "recent_orders": [
            {**_order(order), "status": order.status, "tracking_numbers": list(order.tracking_numbers)}
            for order in _newest(profile)[:MOST_ORDERS]
        ],
    }


def _context(conversation: Conversation, issue_type: str) -> Payload:
    """The three facts that reach a text, of the newest order."""
    orders = _newest(conversation.profile) if conversation.profile else []
    facts = {"issue_type": issue_type}
    if orders:
        facts |= {"order_status": orders[0].status, "tracking_number": ", ".join(orders[0].tracking_numbers)}
    return {name: value for name, value in facts.items() if value}


def _order(order: OrderFacts) -> Payload:
    return {
        "order_id": order.order_id,
        "total_price": float(order.total_price),
        "order_date": _instant(order.order_date),
        "items": [
            {
                "product_id": item.product_id,
                "product_name": item.product_name,
                "category": item.category,
                "quantity": item.quantity,
                "price": None if item.price is None else float(item.price),
            }
            for item in order.items
        ],
    }


def _said(line: Line) -> Payload:
    return {"from_customer": line.from_customer, "text": line.content, "timestamp": _instant(line.created_at)}


def _newest(profile: Profile) -> list[OrderFacts]:
    return sorted(profile.orders, key=lambda order: order.order_date, reverse=True)


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
