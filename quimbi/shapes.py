"""Values of the gateway as plain data and back, for what is kept of them. Pure.

VERSION is part of where they are kept: raise it with every change of a shape, and of what a reader makes of an answer.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from quimbi.types import DNA, LTV, Action, Actions, Archetype, Churn, Draft, Factor, Metrics, Sentiment

VERSION = 1
Data = Mapping[str, Any]
Value = DNA | Churn | LTV | Draft | Actions | Sentiment


def plain(value: Value) -> dict[str, Any]:
    return asdict(value)


def dna(data: Data) -> DNA:
    return DNA(
        archetype=Archetype(**data["archetype"]) if data["archetype"] else None,
        segments=data["segments"],
        dominant_segments=data["dominant_segments"],
        confidence=data["confidence"],
        guidance=tuple(data["guidance"]),
        metrics=Metrics(**data["metrics"]),
        churn=churn(data["churn"]) if data["churn"] else None,
        ltv=ltv(data["ltv"]) if data["ltv"] else None,
    )


def churn(data: Data) -> Churn:
    return Churn(
        score=data["score"],
        level=data["level"],
        factors=tuple(Factor(**one) for one in data["factors"]),
        advice=tuple(data["advice"]),
    )


def ltv(data: Data) -> LTV:
    return LTV(**data)


def draft(data: Data) -> Draft:
    return Draft(**{**data, "personalization": tuple(data["personalization"])})


def actions(data: Data) -> Actions:
    return Actions(
        recommended=tuple(Action(**one) for one in data["recommended"]),
        warnings=tuple(data["warnings"]),
        talking_points=tuple(data["talking_points"]),
    )


def sentiment(data: Data) -> Sentiment:
    return Sentiment(**data)
