"""Every spelling that Quimbi has for the same, and every answer that is none."""

import json
import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quimbi import normalize, shapes
from quimbi.normalize import BadAnswer
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

LEVELS = (("low", 0.3), ("medium", 0.5), ("high", 0.7), ("critical", 1.0))
PLATFORM = {
    "customer_id": "9001",
    "archetype": {"id": "steady_maker", "level": "l2", "traits": {"a": 1}},
    "segments": {"purchase_value": {"premium": 0.71, "mid_tier": "0.29"}},
    "dominant_segments": {"purchase_value": "premium"},
    "lifetime_value": {
        "current": 812.4,
        "predicted_12m": 1100.0,
        "tier": "high-value",
        "total_orders": 7,
        "avg_order_value": 116.06,
    },
    "customer_tenure": {"days": 402, "days_since_last_purchase": 33},
    "churn_risk": {"score": 0.41, "risk_level": "medium", "factors": [{"factor": "recency", "impact": 0.1}]},
    "communication_style": {"tone": "warm", "emphasis": ["lead with value"], "avoid": ["pressure"]},
}
GUIDE = {
    "archetype": {
        "id": "steady_maker",
        "level": "l2",
        "segments": {"purchase_value": {"premium": 0.71, "mid_tier": 0.29}},
        "dominant_segments": {"purchase_value": "premium"},
    },
    "behavioral_metrics": {
        "lifetime_value": 812.4,
        "total_orders": 7,
        "avg_order_value": 116.06,
        "days_since_last_purchase": 33,
        "customer_tenure_days": 402,
    },
    "predictions": {"churn_risk": 0.41, "churn_risk_level": "medium", "ltv_12mo": 1100.0},
    "communication_guidance": ["lead with value"],
}
METRICS = Metrics(
    lifetime_value=812.4, total_orders=7, avg_order_value=116.06, days_since_last_purchase=33, tenure_days=402
)


def dna(said: Any) -> DNA:
    return normalize.dna(said, levels=LEVELS)


def churn(said: Any) -> Churn:
    return normalize.churn(said, levels=LEVELS)


def draft(said: Any, channel: str = "email", tone: str | None = None) -> Draft:
    return normalize.draft(said, channel=channel, tone=tone)


READERS: list[Callable[[Any], Any]] = [dna, churn, normalize.ltv, draft, normalize.actions, normalize.sentiment]


# Spellings


def test_analyze_of_the_service() -> None:
    found = dna(PLATFORM)
    assert found == DNA(
        archetype=Archetype(id="steady_maker", level="l2"),
        segments={"purchase_value": {"premium": 0.71, "mid_tier": 0.29}},
        dominant_segments={"purchase_value": "premium"},
        confidence=None,
        guidance=("Tone: warm", "lead with value", "Avoid: pressure"),
        metrics=METRICS,
        churn=Churn(score=0.41, level="medium", factors=(Factor(factor="recency", impact=0.1),)),
        ltv=LTV(current=812.4, forecast_12m=1100.0, tier="high-value"),
    )


def test_analyze_of_the_guide() -> None:
    found = dna(GUIDE)
    assert found.segments == dna(PLATFORM).segments
    assert found.dominant_segments == {"purchase_value": "premium"}
    assert found.metrics == METRICS
    assert found.guidance == ("lead with value",)
    assert found.churn == Churn(score=0.41, level="medium")
    assert found.ltv == LTV(current=812.4, forecast_12m=1100.0)


@pytest.mark.parametrize("name", ["segments", "dna_profile"])
def test_analyze_of_ml(name: str) -> None:
    found = dna({"archetype": "steady_maker", "confidence": 0.8, name: {"axis": {"part": 1}}})
    assert (found.archetype, found.confidence) == (Archetype(id="steady_maker", level=None), 0.8)
    assert (found.segments, found.metrics, found.churn, found.ltv) == ({"axis": {"part": 1.0}}, Metrics(), None, None)


def test_an_archetype_may_have_no_name() -> None:
    assert dna({"archetype": {"id": None, "level": None}}).archetype == Archetype(id=None, level=None)


@pytest.mark.parametrize("name", ["churn_risk_score", "churn_probability", "churn_risk", "score"])
@pytest.mark.parametrize("advice", ["recommendations", "recommended_interventions"])
def test_churn_in_every_spelling(name: str, advice: str) -> None:
    todo: Any = ["call"] if advice == "recommendations" else [{"action": "call", "estimated_cost": 3}]
    factors = ["returns", {"factor": "recency", "impact": "high", "value": 9}, {"factor": "x", "impact": 0.1}, {}]
    assert churn({name: "0.41", "risk_level": "high", "factors": factors, advice: todo}) == Churn(
        score=0.41,
        level="medium",
        factors=(Factor(factor="returns"), Factor(factor="recency", impact="high"), Factor(factor="x", impact=0.1)),
        advice=("call",),
    )


@pytest.mark.parametrize(
    ("score", "level"),
    [(0, "low"), (0.29, "low"), (0.3, "medium"), (0.5, "high"), (0.69, "high"), (0.7, "critical"), (1, "critical")],
)
def test_the_level_is_ours_by_the_score(score: float, level: str) -> None:
    assert churn({"churn_risk": score, "risk_level": "other"}).level == level


def test_a_word_without_a_score_stays_a_word() -> None:
    assert churn({"risk_level": "elevated"}) == Churn(score=None, level="elevated")


def test_forecasts_in_both_spellings() -> None:
    assert normalize.ltv({"forecasted_ltv": 10, "confidence_interval": [1, 2]}) == LTV(forecast_12m=10.0)
    assert normalize.ltv({"predicted_ltv": 10, "current_ltv": "7.5"}) == LTV(current=7.5, forecast_12m=10.0)


@pytest.mark.parametrize("name", ["draft", "draft_content", "message"])
def test_a_text_in_every_spelling(name: str) -> None:
    found = draft({name: "  Hello ", "tone": "warm", "personalization": ["name"], "reasoning": "why"}, tone="formal")
    assert found == Draft(text="Hello", tone="warm", personalization=("name",), reasoning="why")
    assert draft({name: "Hello"}, tone="formal").tone == "formal"
    assert draft({name: "Hello"}).tone is None


@pytest.mark.parametrize("name", ["personalization", "personalizations", "personalization_applied"])
def test_personalisation_is_a_list_or_what_is_true(name: str) -> None:
    assert draft({"draft": "x", name: {"a": True, "b": 1, "c": None, "d": {}, "e": "yes"}}).personalization == ("a",)


def test_what_the_service_invents_is_dropped() -> None:
    found = draft({"message": "x", "confidence": 0.85, "customer_intelligence": {"ltv": 0.0, "churn": 0.5}})
    assert found == Draft(text="x", tone=None)


def test_a_long_text_message_is_flagged_and_not_cut() -> None:
    assert draft({"draft": "x" * 161}, channel="sms") == Draft(text="x" * 161, tone=None, too_long=True)
    assert not draft({"draft": "x" * 160}, channel="sms").too_long
    assert not draft({"draft": "x" * 161}, channel="email").too_long


def test_actions_in_every_spelling() -> None:
    full = {"action": "refund", "details": "now", "priority": "urgent", "reasoning": "why", "success_probability": 0.8}
    wanted = (Action(action="refund", priority=1, reasoning="why", details="now"),)
    assert normalize.actions({"recommended_actions": [full], "similar_cases": 3}) == Actions(recommended=wanted)
    said = {"actions": [{"action": "refund", "estimated_impact": "now", "reasoning": "why", "priority": 1}]}
    assert normalize.actions(said) == Actions(recommended=wanted)
    beside = {"recommended_actions": ["a", "b"], "warnings": ["w"], "talking_points": ["t"]}
    named = (Action(action="a", priority=1), Action(action="b", priority=3))
    for priorities in (["high", "low"], {"a": "urgent", "b": 3}):
        found = normalize.actions({**beside, "priorities": priorities})
        assert found == Actions(recommended=named, warnings=("w",), talking_points=("t",))
    assert normalize.actions({"recommended_actions": []}) == Actions(recommended=())


@pytest.mark.parametrize(
    ("word", "priority"),
    [("urgent", 1), ("High", 1), ("medium", 2), ("low", 3), (1, 1), ("2", 2), (3.0, 3), (4, None), ("soon", None)],
)
def test_a_priority_is_a_word_or_a_number(word: Any, priority: int | None) -> None:
    found = normalize.actions({"actions": [{"action": "a", "priority": word}]})
    assert found.recommended[0].priority == priority


def test_sentiment_is_kept_as_it_is_given() -> None:
    said = {"sentiment_score": -7, "emotion": "angry", "confidence": 0.5}
    assert normalize.sentiment(said) == Sentiment(score=-7.0, emotion="angry", confidence=0.5)


# What is no answer


@pytest.mark.vuln
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'"text"',
        b"null",
        b"3",
        b"{",
        b"\xff\xfe\x00",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": [-Infinity]}',
        b'{"a": 1e999}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"a": ' + b"9" * 5_000 + b"}",
    ],
)
def test_what_is_no_object_of_finite_numbers_is_no_answer(body: bytes) -> None:
    with pytest.raises(BadAnswer):
        normalize.parsed(body)


@pytest.mark.vuln
@pytest.mark.parametrize("named", ["9002", 9002, True, {"id": "9001"}, ["9001"], "", " 9001"])
def test_an_answer_about_somebody_else_is_none(named: Any) -> None:
    with pytest.raises(BadAnswer):
        normalize.about({"customer_id": named}, "9001")
    assert normalize.about({"customer_id": 9001}, "9001")
    assert normalize.about({"customer_id": None}, "9001") == {"customer_id": None}


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (dna, {}),
        (dna, {"archetype": None, "segments": {}}),
        (dna, {"archetype": ["x"], "confidence": 0.8}),
        (dna, {"detail": "ok"}),
        (churn, {}),
        (churn, {"risk_level": 3}),
        (churn, {"churn_risk_score": "high"}),
        (churn, {"churn_risk_score": 1.01}),
        (churn, {"churn_risk_score": -0.1, "risk_level": "low"}),
        (churn, {"churn_risk_score": True}),
        (churn, {"churn_risk_score": 0.1, "factors": [{"factor": "x", "impact": True}]}),
        (churn, {"churn_risk_score": "NaN"}),
        (churn, {"churn_risk_score": "1e999"}),
        (normalize.ltv, {"current_ltv": 7}),
        (normalize.ltv, {"predicted_ltv": False}),
        (normalize.ltv, {"predicted_ltv": 10**400}),
        (normalize.ltv, {"predicted_ltv": 1, "current_ltv": "-Infinity"}),
        (draft, {}),
        (draft, {"draft": "  "}),
        (draft, {"draft": "\x00\ud800"}),
        (draft, {"draft": {"text": "x"}}),
        (draft, {"draft": "x" * 60_000}),
        (normalize.actions, {}),
        (normalize.actions, {"recommended_actions": "refund"}),
        (normalize.actions, {"recommended_actions": [{}, 3, ""]}),
        (normalize.actions, {"actions": [{"action": "a", "priority": True}]}),
        (normalize.sentiment, {"sentiment_score": "good"}),
        (normalize.sentiment, {}),
    ],
)
def test_without_the_field_that_matters_there_is_no_answer(read: Callable[[Any], Any], said: Any) -> None:
    with pytest.raises(BadAnswer):
        read(said)


def test_a_wrong_type_beside_is_as_if_it_were_not_there() -> None:
    said = {
        "archetype": "x",
        "segments": ["no"],
        "dna_profile": {"axis": {"a": "b", "c": 7, "d": 0.5}, "other": 3},
        "dominant_segments": "no",
        "confidence": 80,
        "lifetime_value": {"current": [], "total_orders": 2.5, "tier": {}},
        "churn_risk": {"score": 41},
        "communication_style": {"emphasis": "no", "tone": 3},
    }
    found = dna(said)
    assert (found.segments, found.dominant_segments, found.confidence) == ({"axis": {"d": 0.5}}, {}, None)
    assert (found.metrics, found.ltv, found.churn, found.guidance) == (Metrics(), None, None, ())


@pytest.mark.vuln
def test_text_is_cleaned_of_what_no_text_holds() -> None:
    said = normalize.parsed(rb'{"draft": "a\u0000b\ud83dc\nd\u0007 {{7*7}} <b>", "reasoning": "\ud83d\ude00"}')
    found = draft(said)
    assert (found.text, found.reasoning) == ("abc\nd {{7*7}} <b>", "😀")
    found.text.encode()


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)
NAMES = sorted(
    {
        *PLATFORM,
        *GUIDE,
        *("confidence", "dna_profile", "churn_risk_score", "churn_probability", "score", "risk_level", "factors"),
        *("recommendations", "recommended_interventions", "forecasted_ltv", "predicted_ltv", "current_ltv", "tier"),
        *("draft", "draft_content", "message", "tone", "personalization", "personalizations", "reasoning"),
        *("recommended_actions", "actions", "priorities", "warnings", "talking_points", "sentiment_score", "emotion"),
    }
)
PARTS = st.dictionaries(st.sampled_from([*NAMES, "current", "action", "factor", "impact", "id"]), JSON, max_size=6)


@pytest.mark.vuln
@given(st.dictionaries(st.sampled_from(NAMES), JSON | PARTS | st.lists(PARTS, max_size=3), max_size=8))
def test_whatever_is_said_a_reader_answers_or_says_that_it_cannot(said: Any) -> None:
    for read, restore in zip(
        READERS,
        [shapes.dna, shapes.churn, shapes.ltv, shapes.draft, shapes.actions, shapes.sentiment],
        strict=True,
    ):
        try:
            value = read(normalize.parsed(json.dumps(said).encode()))
        except BadAnswer:
            continue
        text = json.dumps(shapes.plain(value), allow_nan=False, ensure_ascii=False)
        text.encode()
        restored: Any = restore(json.loads(text))
        assert restored == value


@given(st.binary())
def test_whatever_the_bytes_are_they_are_an_object_or_no_answer(body: bytes) -> None:
    try:
        assert isinstance(normalize.parsed(body), dict)
    except BadAnswer:
        return


@given(st.floats() | st.integers() | st.text())
def test_a_number_is_finite_or_none(given: Any) -> None:
    try:
        found = normalize._number(given)
    except BadAnswer:
        return
    assert found is None or math.isfinite(found)
