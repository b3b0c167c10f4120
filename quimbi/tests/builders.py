"""What is asked about in tests."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import Any

from quimbi.types import Conversation, Interaction, Item, Line, OrderFacts, Profile

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
_keys = count(1)


def make_order(**over: Any) -> OrderFacts:
    item = Item(product_id="p1", product_name="Lamp", category="home", quantity=2, price=Decimal("19.90"))
    given: dict[str, Any] = {
        "order_id": "1001",
        "total_price": Decimal("39.80"),
        "order_date": NOW,
        "items": (item,),
        "status": "shipped",
        "tracking_numbers": ("T1", "T2"),
    }
    return OrderFacts(**given | over)


def make_profile(**over: Any) -> Profile:
    key = over.pop("key", next(_keys))
    talk = Interaction(type="ticket", timestamp=NOW, channel="email")
    given: dict[str, Any] = {"key": key, "customer_id": f"crm-{key}", "first_name": "Ada", "language": "en"}
    return Profile(**given | {"orders": (make_order(),), "interactions": (talk,)} | over)


def make_conversation(**over: Any) -> Conversation:
    line = Line(from_customer=True, content="Where is my parcel?", created_at=NOW)
    given: dict[str, Any] = {
        "ticket": next(_keys),
        "last_message": next(_keys),
        "subject": "Parcel",
        "priority": "high",
        "channel": "email",
        "status": "open",
        "category": "shipping",
        "lines": (line,),
        "profile": make_profile(),
    }
    return Conversation(**given | over)
