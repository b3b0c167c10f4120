"""What is asked of Quimbi: what is sent for each function, how an answer is read, where it is kept and how long."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

from django.conf import settings

from quimbi import client, dialects, normalize, shapes
from quimbi.dialects import Function, Payload
from quimbi.normalize import Said
from quimbi.shapes import Data
from quimbi.types import DNA, LTV, Actions, Churn, Conversation, Draft, Profile, Sentiment
from supportdesk.core.crypto import blind_index

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Place(Generic[T]):
    """Where an answer is kept. `owner` is what is emptied together: a customer, a ticket, a message."""

    owner: str
    slot: str
    restore: Callable[[Data], T]


@dataclass(frozen=True, kw_only=True)
class Question(Generic[T]):
    """`fresh` and `stale` are seconds: until it is asked again, and for which the answer may stand in for a failure."""

    function: Function
    place: Place[T]
    fresh: int
    stale: int
    payload: Callable[[], Payload]
    read: Callable[[Said], T]


def customer(key: int) -> str:
    return f"customer:{key}"


def ticket(number: int) -> str:
    return f"ticket:{number}"


def message(number: int) -> str:
    return f"message:{number}"


def dna_of(key: int) -> Place[DNA]:
    return Place(owner=customer(key), slot=_slot(Function.ANALYZE), restore=shapes.dna)


def churn_of(key: int) -> Place[Churn]:
    return Place(owner=customer(key), slot=_slot(Function.CHURN, dialects.CHURN_DAYS), restore=shapes.churn)


def ltv_of(key: int) -> Place[LTV]:
    return Place(owner=customer(key), slot=_slot(Function.LTV, dialects.LTV_MONTHS), restore=shapes.ltv)


def sentiment_of(number: int) -> Place[Sentiment]:
    return Place(owner=message(number), slot=_slot(Function.SENTIMENT), restore=shapes.sentiment)


def analyze(profile: Profile) -> Question[DNA]:
    return Question(
        function=Function.ANALYZE,
        place=dna_of(profile.key),
        fresh=settings.QUIMBI_CACHE_INTELLIGENCE_TTL,
        stale=settings.QUIMBI_STALE_TTL,
        payload=lambda: dialects.analyze_request(client.dialect(), profile),
        read=lambda said: normalize.dna(_about(said, profile), levels=settings.QUIMBI_CHURN_LEVELS),
    )


def churn(profile: Profile) -> Question[Churn]:
    return Question(
        function=Function.CHURN,
        place=churn_of(profile.key),
        fresh=settings.QUIMBI_CACHE_CHURN_TTL,
        stale=settings.QUIMBI_STALE_TTL,
        payload=lambda: dialects.churn_request(client.dialect(), profile, now=datetime.now(UTC)),
        read=lambda said: normalize.churn(_about(said, profile), levels=settings.QUIMBI_CHURN_LEVELS),
    )


def ltv(profile: Profile) -> Question[LTV]:
    return Question(
        function=Function.LTV,
        place=ltv_of(profile.key),
        fresh=settings.QUIMBI_CACHE_LTV_TTL,
        stale=settings.QUIMBI_STALE_TTL,
        payload=lambda: dialects.ltv_request(client.dialect(), profile),
        read=lambda said: normalize.ltv(_about(said, profile)),
    )


def draft(conversation: Conversation, *, tone: str | None, length: str | None) -> Question[Draft]:
    slot = _slot(Function.DRAFT, conversation.last_message, tone, length, conversation.channel)
    issue_type = _issue_type(conversation)
    return Question(
        function=Function.DRAFT,
        place=Place(owner=ticket(conversation.ticket), slot=slot, restore=shapes.draft),
        fresh=settings.DRAFT_CACHE_TTL,
        stale=0,  # it would answer an old message
        payload=lambda: dialects.draft_request(
            client.dialect(), conversation, tone=tone, length=length, issue_type=issue_type
        ),
        read=lambda said: normalize.draft(said, channel=conversation.channel, tone=tone),
    )


def actions(conversation: Conversation) -> Question[Actions]:
    slot = _slot(Function.ACTIONS, conversation.last_message)
    return Question(
        function=Function.ACTIONS,
        place=Place(owner=ticket(conversation.ticket), slot=slot, restore=shapes.actions),
        fresh=settings.DRAFT_CACHE_TTL,
        stale=0,
        payload=lambda: dialects.actions_request(conversation, issue_type=_issue_type(conversation)),
        read=lambda said: normalize.actions(normalize.about(said, dialects.customer_of(conversation))),
    )


def sentiment(number: int, text: str) -> Question[Sentiment]:
    return Question(
        function=Function.SENTIMENT,
        place=sentiment_of(number),
        fresh=settings.QUIMBI_STALE_TTL,  # a message does not change
        stale=0,
        payload=lambda: dialects.sentiment_request(text),
        read=normalize.sentiment,
    )


def _slot(function: Function, *of: object) -> str:
    """For an answer that depends on `of`, in the dialect and the shape of today."""
    words = blind_index(json.dumps(of), context="quimbi") if of else ""
    return f"{client.dialect()}:{shapes.VERSION}:{function}:{words}"


def _about(said: Said, profile: Profile) -> Said:
    return normalize.about(said, profile.customer_id)


def _issue_type(conversation: Conversation) -> str:
    return dialects.issue_type(conversation.category, settings.QUIMBI_ISSUE_TYPES)
