"""What Quimbi said, in one shape: every spelling of every dialect is read here, and what cannot be used ends here.
Pure.

Whatever the bytes are, a reader answers with a value or raises BadAnswer. The one thing that is asked for must be there
and sound; another field of a wrong type is as if it were not there, except that no number is NaN, infinite or
a boolean anywhere. All text is somebody else's: it is cleaned of what no text holds, and stays untrusted.
"""

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from quimbi.types import (
    DNA,
    LTV,
    Action,
    Actions,
    Archetype,
    Churn,
    Draft,
    Factor,
    Metrics,
    Sentiment,
)

T = TypeVar("T")
Said = Mapping[str, Any]
Levels = Sequence[tuple[str, float]]  # by score, rising: each below its number
LONGEST_TEXT, LONGEST_DRAFT, MOST_ITEMS = 2_000, 50_000, 100
SMS_LENGTH = 160
PRIORITIES = {"critical": 1, "urgent": 1, "high": 1, "medium": 2, "normal": 2, "low": 3}
# Controls that are no white space, and halves of characters that are not whole without the other.
_UNFIT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.I | re.A)


class BadAnswer(Exception):
    """An answer that is no data. Names what was wrong with it, and nothing of what it said."""


def parsed(body: bytes) -> Said:
    """The JSON object that a body is."""
    try:
        said = json.loads(body, parse_constant=_refuse, parse_float=_float)
    except (ValueError, RecursionError):
        raise BadAnswer("no JSON") from None
    if not isinstance(said, dict):
        raise BadAnswer("no object")
    return said


def about(said: Said, customer_id: str) -> Said:
    """The answer, if it is about whom we asked about, or does not say."""
    named = said.get("customer_id")
    if named is not None and (isinstance(named, bool) or str(named) != customer_id):
        raise BadAnswer("another customer")
    return said


def dna(said: Said, *, levels: Levels) -> DNA:
    archetype = said.get("archetype")
    inside = _map(archetype)
    segments = _first(_segments(said.get(name)) for name in ("segments", "dna_profile")) or _segments(
        inside.get("segments")
    )
    found = _archetype(archetype)
    if found is None and not segments:
        raise BadAnswer("no archetype")
    dominant = _map(said.get("dominant_segments")) or _map(inside.get("dominant_segments"))
    return DNA(
        archetype=found,
        segments=segments,
        dominant_segments={axis: text for axis, value in _few(dominant) if (text := _text(value))},
        confidence=_share(said.get("confidence")),
        guidance=_guidance(said),
        metrics=_metrics(said),
        churn=_churn_within(said, levels),
        ltv=_ltv_within(said),
    )


def churn(said: Said, *, levels: Levels) -> Churn:
    score, word = _either(said, "churn_risk_score", "churn_probability", "churn_risk", "score"), said.get("risk_level")
    given = _number(score)
    if given is not None and not 0 <= given <= 1:
        raise BadAnswer("a risk out of range")
    found = _churn(given, word, said, levels)
    if found is None:
        raise BadAnswer("no risk")
    return found


def ltv(said: Said) -> LTV:
    forecast = _number(_either(said, "forecasted_ltv", "predicted_ltv"))
    if forecast is None:
        raise BadAnswer("no forecast")
    return LTV(current=_number(said.get("current_ltv")), forecast_12m=forecast, tier=_text(said.get("tier")))


def draft(said: Said, *, channel: str, tone: str | None) -> Draft:
    """`tone` is the one that was asked for; the one that is answered wins."""
    text = _either(said, "draft", "draft_content", "message")
    clean = _clean(text) if isinstance(text, str) else ""
    if not clean or len(clean) > LONGEST_DRAFT:
        raise BadAnswer("no text")
    given = _either(said, "personalization", "personalizations", "personalization_applied")
    return Draft(
        text=clean,
        tone=_text(said.get("tone")) or tone,
        personalization=_texts([key for key, value in _few(given) if value is True])
        if isinstance(given, dict)
        else _texts(given),
        reasoning=_text(said.get("reasoning")),
        too_long=channel == "sms" and len(clean) > SMS_LENGTH,
    )


def actions(said: Said) -> Actions:
    given = _either(said, "recommended_actions", "actions")
    if not isinstance(given, list):
        raise BadAnswer("no list of actions")
    beside = said.get("priorities")
    found = [_action(one, beside, index) for index, one in enumerate(given[:MOST_ITEMS])]
    if given and not any(found):
        raise BadAnswer("no action")
    return Actions(
        recommended=tuple(one for one in found if one),
        warnings=_texts(said.get("warnings")),
        talking_points=_texts(said.get("talking_points")),
    )


def sentiment(said: Said) -> Sentiment:
    score = _number(said.get("sentiment_score"))
    if score is None:
        raise BadAnswer("no score")
    return Sentiment(score=score, emotion=_text(said.get("emotion")), confidence=_share(said.get("confidence")))


def _archetype(given: Any) -> Archetype | None:
    if isinstance(given, str):
        name = _text(given)
        return Archetype(id=name, level=None) if name else None
    if not isinstance(given, dict) or not ({"id", "level"} & given.keys()):
        return None
    return Archetype(id=_text(given.get("id")), level=_text(given.get("level")))


def _segments(given: Any) -> dict[str, dict[str, float]]:
    found = {}
    for axis, parts in _few(_map(given)):
        shares = {name: share for name, value in _few(_map(parts)) if (share := _share(value)) is not None}
        if shares:
            found[_clean(axis)] = {_clean(name): share for name, share in shares.items()}
    return found


def _guidance(said: Said) -> tuple[str, ...]:
    style = _map(said.get("communication_style"))
    tone = _text(style.get("tone"))
    return (
        *_texts(said.get("communication_guidance")),
        *([f"Tone: {tone}"] if tone else []),
        *_texts(style.get("emphasis")),
        *(f"Avoid: {text}" for text in _texts(style.get("avoid"))),
    )


def _metrics(said: Said) -> Metrics:
    value, tenure = _map(said.get("lifetime_value")), _map(said.get("customer_tenure"))
    behavior = _map(said.get("behavioral_metrics"))
    return Metrics(
        lifetime_value=_first_number(value.get("current"), behavior.get("lifetime_value")),
        total_orders=_whole(value.get("total_orders"), behavior.get("total_orders")),
        avg_order_value=_first_number(value.get("avg_order_value"), behavior.get("avg_order_value")),
        days_since_last_purchase=_whole(
            tenure.get("days_since_last_purchase"), behavior.get("days_since_last_purchase")
        ),
        tenure_days=_whole(tenure.get("days"), behavior.get("customer_tenure_days")),
    )


def _churn_within(said: Said, levels: Levels) -> Churn | None:
    inside, foreseen = _map(said.get("churn_risk")), _map(said.get("predictions"))
    score = _share(_either({**foreseen, **inside}, "score", "churn_risk"))
    return _churn(score, inside.get("risk_level") or foreseen.get("churn_risk_level"), inside, levels)


def _churn(score: float | None, word: Any, said: Said, levels: Levels) -> Churn | None:
    """The level is ours, by the score; a word without a score stays what it is."""
    level = _text(word) if score is None else next((name for name, below in levels if score < below), levels[-1][0])
    if score is None and level is None:
        return None
    advice = _either(said, "recommendations", "recommended_interventions", "recommended_actions")
    return Churn(score=score, level=level, factors=_factors(said.get("factors")), advice=_texts(advice))


def _factors(given: Any) -> tuple[Factor, ...]:
    found = []
    for one in given[:MOST_ITEMS] if isinstance(given, list) else []:
        inside = one if isinstance(one, dict) else {"factor": one}
        impact = inside.get("impact")
        number = _number(impact)
        if name := _text(inside.get("factor")):
            found.append(Factor(factor=name, impact=number if number is not None else _text(impact)))
    return tuple(found)


def _ltv_within(said: Said) -> LTV | None:
    value, behavior = _map(said.get("lifetime_value")), _map(said.get("behavioral_metrics"))
    found = LTV(
        current=_first_number(value.get("current"), behavior.get("lifetime_value")),
        forecast_12m=_first_number(value.get("predicted_12m"), _map(said.get("predictions")).get("ltv_12mo")),
        tier=_text(value.get("tier")),
    )
    return None if found == LTV() else found


def _action(given: Any, beside: Any, index: int) -> Action | None:
    inside = given if isinstance(given, dict) else {"action": given}
    name = _text(inside.get("action"))
    if name is None:
        return None
    priority = inside.get("priority")
    if priority is None and isinstance(beside, dict):
        priority = beside.get(name)
    elif priority is None and isinstance(beside, list) and index < len(beside):
        priority = beside[index]
    return Action(
        action=name,
        priority=_priority(priority),
        reasoning=_text(inside.get("reasoning")),
        details=_text(inside.get("details")) or _text(inside.get("estimated_impact")),
    )


def _priority(given: Any) -> int | None:
    if isinstance(given, str) and given.strip().lower() in PRIORITIES:
        return PRIORITIES[given.strip().lower()]
    number = _number(given)
    return int(number) if number in {1, 2, 3} else None


def _number(given: Any) -> float | None:
    """None for what is no number."""
    match given:
        case bool():
            raise BadAnswer("a boolean as a number")
        case str():
            return _number_in(str(given).strip())
        case int() | float():
            return _float(given)
    return None


def _number_in(text: str) -> float | None:
    if text.lower().lstrip("+-") in {"nan", "inf", "infinity"}:
        raise BadAnswer("no finite number")
    return _float(text) if len(text) < 100 and _NUMBER.fullmatch(text) else None


def _share(given: Any) -> float | None:
    number = _number(given)
    return number if number is not None and 0 <= number <= 1 else None


def _whole(*given: Any) -> int | None:
    number = _first_number(*given)
    return int(number) if number is not None and number >= 0 and number.is_integer() else None


def _first_number(*given: Any) -> float | None:
    return _first(_number(value) for value in given)


def _text(given: Any) -> str | None:
    """None for what is no text, blank, or longer than a remark is."""
    clean = _clean(given) if isinstance(given, str) else ""
    return clean if clean and len(clean) <= LONGEST_TEXT else None


def _texts(given: Any) -> tuple[str, ...]:
    """Of a list of texts, or of objects that say what to do in `action`."""
    items = given[:MOST_ITEMS] if isinstance(given, list) else []
    found = (_text(one.get("action") if isinstance(one, dict) else one) for one in items)
    return tuple(text for text in found if text)


def _clean(text: str) -> str:
    return _UNFIT.sub("", text).strip()


def _map(given: Any) -> dict[str, Any]:
    return given if isinstance(given, dict) else {}


def _few(given: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return list(given.items())[:MOST_ITEMS]


def _either(said: Said, *names: str) -> Any:
    return _first(said.get(name) for name in names)


def _first(found: Iterable[T | None]) -> T | None:
    return next((one for one in found if one is not None and one != {}), None)


def _float(given: str | float) -> float:
    try:
        number = float(given)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise BadAnswer("no finite number")
    return number


def _refuse(name: str) -> None:
    raise BadAnswer("no finite number")
