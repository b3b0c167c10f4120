"""What the API documentation shows."""

from typing import Any

PROVENANCE: dict[str, Any] = {"source": "cache", "as_of": "2026-11-24T09:02:10Z", "reason": None}
DNA_VALUE = {
    "archetype": {"id": "steady_maker", "level": "l2"},
    "segments": {"purchase_value": {"premium": 0.71, "mid_tier": 0.29}},
    "dominant_segments": {"purchase_value": "premium"},
    "confidence": None,
    "guidance": ["lead with value"],
    "metrics": {
        "lifetime_value": 812.4,
        "total_orders": 7,
        "avg_order_value": 116.06,
        "days_since_last_purchase": 33,
        "tenure_days": 402,
    },
    "ltv": {"current": 812.4, "forecast_12m": 1100.0, "tier": "high-value"},
}
CHURN_VALUE = {
    "score": 0.41,
    "level": "medium",
    "factors": [{"factor": "recency", "impact": 0.1}],
    "advice": ["Offer free shipping on the next order."],
}
DNA = PROVENANCE | {"value": DNA_VALUE}
CHURN = PROVENANCE | {"value": CHURN_VALUE}
INSIGHTS = {
    "dna": DNA,
    "churn_risk": {"source": "none", "as_of": None, "reason": "timeout", "value": None},
}
DRAFT_REQUEST = {"tone": "empathetic", "length": "short"}
DRAFT = {
    "draft": "Hi Zoë, thank you for writing. I see both payments, and one of them is on its way back to you.",
    "tone": "empathetic",
    "personalization": ["used_name"],
    "reasoning": None,
    "too_long": False,
    "source": "live",
    "as_of": "2026-11-24T09:14:02Z",
    "reason": None,
}
RECOMMENDATION = PROVENANCE | {
    "value": {
        "recommended": [
            {"action": "refund", "priority": 1, "reasoning": "Charged twice.", "details": "Refund the second payment."}
        ],
        "warnings": [],
        "talking_points": ["Customer for more than a year."],
    }
}
FIGURES = {"shown": 40, "sent": 9, "edited": 17, "discarded": 11, "open": 3, "likeness": 0.83}
REPORT = {
    "since": "2026-10-26",
    "until": "2026-11-24",
    "drafts": FIGURES,
    "by_tone": [FIGURES | {"tone": "empathetic"}],
    "by_agent": [FIGURES | {"agent_id": 3, "name": "Sofia Lind"}],
    "calls": [{"function": "draft", "calls": 44, "answered": 41, "median_ms": 2310}],
}
