"""What the sandbox takes and says: both dialects' fields, checked strictly, and answers that follow from the customer's
id alone. Everything here is made up.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from quimbi.dialects import Dialect, Function

Said = dict[str, Any]
Check = Callable[[Any], str | None]  # what is wrong with a value

TONES = frozenset(
    {
        "friendly",
        "professional",
        "empathetic",
        "apologetic",
        "formal",
        "casual",
        "professional_friendly",
        "appreciative",
    }
)
PRIVATE = frozenset({"email", "e_mail", "phone", "phone_number", "address", "note", "notes"})
ARCHETYPES = ("steady_maker", "seasonal_gifter", "bargain_finder", "early_adopter", "quiet_regular")
ANGRY = frozenset({"angry", "broken", "damaged", "late", "lost", "never", "refund", "terrible", "worst", "wrong"})
KIND = frozenset({"amazing", "great", "love", "lovely", "perfect", "thank", "thanks"})


def faults(dialect: Dialect, function: Function, given: Any) -> list[dict[str, str]]:
    """What is wrong with a request, as the service tells it; empty when all is well."""
    if not isinstance(given, dict):
        return [_fault("body", "Input should be a valid dictionary")]
    found = [_fault(name, "Personal data is not taken") for name in _private(given)]
    needed, known = FIELDS[dialect][function]
    found += [_fault(name, "Field required", "missing") for name in needed if name not in given]
    for name, check in {**needed, **known}.items():
        problem = check(given[name]) if name in given else None
        if problem:
            found.append(_fault(name, problem))
    return found


def answer(dialect: Dialect, function: Function, given: Mapping[str, Any]) -> Said:
    """The same for the same request, whenever it is asked."""
    who = given.get("customer_id") or _map(given.get("customer_profile")).get("customer_id") or ""
    made: Mapping[Function, Callable[[], Said]] = {
        Function.ANALYZE: lambda: _analyzed(dialect, who),
        Function.CHURN: lambda: _churn(dialect, who),
        Function.LTV: lambda: _ltv(dialect, who),
        Function.DRAFT: lambda: _draft(dialect, given),
        Function.ACTIONS: lambda: _actions(dialect, who, given),
        Function.SENTIMENT: lambda: _sentiment(str(given.get("text", ""))),
    }
    return made[function]()


def share(of: str, what: str) -> float:
    """A number from 0 to 1 that stands for a customer and a question."""
    digest = hashlib.sha256(f"{what}\0{of}".encode()).digest()
    return round(int.from_bytes(digest[:4], "big") / 2**32, 4)


def _analyzed(dialect: Dialect, who: str) -> Said:
    premium = share(who, "premium")
    archetype = ARCHETYPES[int(share(who, "archetype") * len(ARCHETYPES)) % len(ARCHETYPES)]
    segments = {
        "purchase_value": {"premium": premium, "mid_tier": round(1 - premium, 4)},
        "price_sensitivity": {"deal_driven": share(who, "deals")},
    }
    if dialect == Dialect.ML:
        profile = {"loyalty": {"returning": share(who, "loyal")}}
        return {
            "customer_id": who,
            "archetype": archetype,
            "confidence": 0.8,
            "segments": segments,
            "dna_profile": profile,
        }
    value, orders = _value(who), 1 + int(share(who, "orders") * 20)
    return {
        "customer_id": who,
        "archetype": {"id": archetype, "level": f"l{1 + int(share(who, 'level') * 3)}", "traits": {}},
        "segments": segments,
        "dominant_segments": {"purchase_value": "premium" if premium > 0.5 else "mid_tier"},
        "lifetime_value": {
            "current": value,
            "predicted_12m": round(value * 1.3, 2),
            "tier": "high-value" if value >= 2_000 else "standard",
            "total_orders": orders,
            "avg_order_value": round(value / orders, 2),
        },
        "customer_tenure": {"days": 30 + int(share(who, "tenure") * 900), "days_since_last_purchase": 12},
        "churn_risk": {**_risk(who, "score"), "recommended_actions": []},
        "communication_style": {"tone": "warm", "emphasis": ["lead with value"], "avoid": ["pressure"]},
    }


def _churn(dialect: Dialect, who: str) -> Said:
    if dialect == Dialect.ML:
        return {"customer_id": who, **_risk(who, "churn_risk_score"), "recommendations": ["Offer help with sizing"]}
    doing = {"action": "Offer help with sizing", "expected_impact": 0.1, "timing": "now", "estimated_cost": 0}
    return {"customer_id": who, **_risk(who, "churn_probability"), "recommended_interventions": [doing]}


def _risk(who: str, name: str) -> Said:
    score = share(who, "churn")
    level = "low" if score < 0.3 else "medium" if score < 0.6 else "high"
    factors = [{"factor": "recency", "impact": 0.1}, {"factor": "returns", "impact": "high", "value": 2}]
    return {name: score, "risk_level": level, "factors": factors}


def _ltv(dialect: Dialect, who: str) -> Said:
    value = _value(who)
    forecast = round(value * 1.3, 2)
    if dialect == Dialect.ML:
        return {"customer_id": who, "forecasted_ltv": forecast, "confidence_interval": [value, forecast], "factors": []}
    return {
        "customer_id": who,
        "current_ltv": value,
        "predicted_ltv": forecast,
        "confidence_interval": [value, forecast],
        "factors": [],
        "assumptions": {},
    }


def _value(who: str) -> float:
    """Of a few, a lot."""
    return round(3_000 * share(who, "value") ** 2, 2)


def _draft(dialect: Dialect, given: Mapping[str, Any]) -> Said:
    tone = given.get("tone")
    name = _map(given.get("customer_profile")).get("first_name")
    facts = _map(given.get("context"))
    parcel = f" Your parcel is on its way under {facts['tracking_number']}." if facts.get("tracking_number") else ""
    sorry = "I am sorry for the trouble." if tone in {"apologetic", "empathetic"} else "Thank you for writing to us."
    text = f"Hello{f' {name}' if name else ''},\n\n{sorry}{parcel} I am looking into it.\n\n(Simulated draft.)"
    if dialect == Dialect.ML:
        said = ["first name"] if name else []
        return {"draft": text, **({"tone": tone} if tone else {}), "personalization": said}
    return {
        "message": text,
        "tone": tone or "professional_friendly",
        "personalizations": {"used_archetype": True, "used_ltv": False, "note": None, "more": {}},
        "confidence": 0.85,
        "reasoning": "Simulated.",
        "suggested_actions": [],
        "customer_intelligence": {"ltv": 0.0, "churn": 0.5},
    }


def _actions(dialect: Dialect, who: str, given: Mapping[str, Any]) -> Said:
    issue = str(given["issue_type"])
    named = [f"Look into {issue.replace('_', ' ')}", "Say when you will write again"]
    if dialect == Dialect.ML:
        return {
            "customer_id": who,
            "recommended_actions": named,
            "priorities": ["high", "low"],
            "warnings": ["Simulated advice."],
            "talking_points": ["Ask what would help"],
        }
    full = [
        {
            "action": action,
            "details": "Simulated advice.",
            "priority": priority,
            "estimated_cost": 0,
            "estimated_benefit": 1,
            "reasoning": "It is what was asked.",
            "success_probability": 0.85,
        }
        for action, priority in zip(named, ("high", 3), strict=True)
    ]
    more = {"priority": "high", "urgency_score": 0.5, "customer_context": {}, "similar_cases": 12}
    return {
        "customer_id": who,
        "issue_type": issue,
        "recommended_actions": full,
        "warnings": [],
        "talking_points": [],
        **more,
    }


def _sentiment(text: str) -> Said:
    words = {word.strip(".,!?").lower() for word in text.split()}
    score = len(words & KIND) - len(words & ANGRY)
    emotion = "angry" if score < 0 else "pleased" if score > 0 else "neutral"
    return {"sentiment_score": max(-1.0, min(1.0, score / 3)), "emotion": emotion, "confidence": 0.7}


def _text(given: Any) -> str | None:
    return None if isinstance(given, str) and given else "Input should be a valid string"


def _object(given: Any) -> str | None:
    return None if isinstance(given, dict) else "Input should be a valid dictionary"


def _between(least: int, most: int) -> Check:
    def check(given: Any) -> str | None:
        whole = isinstance(given, int) and not isinstance(given, bool)
        return None if whole and least <= given <= most else f"Input should be a whole number from {least} to {most}"

    return check


def _one_of(words: frozenset[str]) -> Check:
    return lambda given: None if given in words else f"Input should be one of {', '.join(sorted(words))}"


def _list_of(fields: Mapping[str, Check], most: int) -> Check:
    def check(given: Any) -> str | None:
        if not isinstance(given, list) or len(given) > most:
            return f"Input should be a list of at most {most}"
        for item in given:
            for name, inner in fields.items():
                problem = inner(item.get(name)) if isinstance(item, dict) else "Input should be a valid dictionary"
                if problem:
                    return f"{name}: {problem}"
        return None

    return check


def _instant(given: Any) -> str | None:
    try:
        aware = datetime.fromisoformat(given).tzinfo is not None
    except (TypeError, ValueError):
        aware = False
    return None if aware else "Input should be a valid datetime with a time zone"


def _number(given: Any) -> str | None:
    right = isinstance(given, int | float) and not isinstance(given, bool)
    return None if right else "Input should be a valid number"


def _flag(given: Any) -> str | None:
    return None if isinstance(given, bool) else "Input should be a valid boolean"


def _anything(given: Any) -> str | None:
    return None


def _map(given: Any) -> Mapping[str, Any]:
    return given if isinstance(given, dict) else {}


def _private(given: Any) -> Sequence[str]:
    """Names of fields, however deep, that Quimbi is never told."""
    if isinstance(given, list):
        return [name for one in given for name in _private(one)]
    if not isinstance(given, dict):
        return []
    return [name for name in given if name in PRIVATE] + [name for one in given.values() for name in _private(one)]


def _fault(field: str, message: str, kind: str = "value_error") -> dict[str, str]:
    return {"field": field, "message": message, "type": kind}


_ITEM = _list_of({"product_name": _text, "quantity": _number}, 500)
_ORDERS = _list_of({"order_id": _text, "total_price": _number, "order_date": _instant, "items": _ITEM}, 50)
_INTERACTIONS = _list_of({"type": _text, "timestamp": _instant, "channel": _text}, 100)
_MESSAGES = _list_of({"from": _one_of(frozenset({"customer", "agent"})), "content": _text, "created_at": _instant}, 100)
_HISTORY = _list_of({"from_customer": _flag, "text": _text}, 100)
_CHANNEL = _one_of(frozenset({"email", "sms", "chat", "phone"}))
_CUSTOMER = {"customer_id": _text}
_ADVISED: tuple[dict[str, Check], dict[str, Check]] = (
    {**_CUSTOMER, "issue_type": _text},
    {"context": _object, "customer_profile": _object, "ticket_context": _object, "scenario": _text},
)

# Of each function: the fields that must be there, and those that may. Others are ignored, as by the service.
FIELDS: Mapping[Dialect, Mapping[Function, tuple[Mapping[str, Check], Mapping[str, Check]]]] = {
    Dialect.ML: {
        Function.ANALYZE: ({**_CUSTOMER, "orders": _ORDERS, "interactions": _INTERACTIONS}, {}),
        Function.CHURN: ({**_CUSTOMER, "recent_behavior": _object}, {}),
        Function.LTV: ({**_CUSTOMER, "months": _between(1, 36)}, {}),
        Function.DRAFT: (
            {"customer_profile": _object, "messages": _MESSAGES, "channel": _text},
            {"tone": _one_of(TONES), "length": _text},
        ),
        Function.ACTIONS: _ADVISED,
        Function.SENTIMENT: ({"text": _text}, {"context": _anything}),
    },
    Dialect.PLATFORM: {
        Function.ANALYZE: (_CUSTOMER, {"context": _object}),
        Function.CHURN: (_CUSTOMER, {"prediction_window_days": _between(30, 365)}),
        Function.LTV: (_CUSTOMER, {"time_horizon_months": _between(1, 36)}),
        Function.DRAFT: (
            {**_CUSTOMER, "conversation_history": _HISTORY},
            {"channel": _CHANNEL, "tone": _one_of(TONES), "context": _object},
        ),
        Function.ACTIONS: _ADVISED,
    },
}
