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
class Question(Generic[T]):
    """`owner` is what is emptied together: all that is kept of a customer, of a ticket, of a message. `slot` is the
    answer's place there. `fresh` and `stale` are seconds: until it is asked again, and for which it may stand in.
    """

    function: Function
    owner: str
    slot: str
    fresh: int
    stale: int
    payload: Callable[[], Payload]
    read: Callable[[Said], T]
    restore: Callable[[Data], T]


def customer(key: int) -> str:
    return f"customer:{key}"


def ticket(number: int) -> str:
    return f"ticket:{number}"


def message(number: int) -> str:
    return f"message:{number}"


def analyze(profile: Profile) -> Question[DNA]:
    return Question(
        function=Function.ANALYZE,
        owner=customer(profile.key),
        slot=slot(Function.ANALYZE),
        fresh=settings.QUIMBI_CACHE_INTELLIGENCE_TTL,
        stale=settings.QUIMBI_STALE_TTL,
        payload=lambda: dialects.analyze_request(client.dialect(), profile),
        read=lambda said: normalize.dna(
            normalize.about(said, profile.customer_id), levels=settings.QUIMBI_CHURN_LEVELS
        ),
        restore=shapes.dna,
    )


def churn(profile: Profile) -> Question[Churn]:
    return Question(
        function=Function.CHURN,
        owner=customer(profile.key),
        slot=slot(Function.CHURN, dialects.CHURN_DAYS),
        fresh=settings.QUIMBI_CACHE_CHURN_TTL,
        stale=settings.QUIMBI_STALE_TTL,
        payload=lambda: dialects.churn_request(client.dialect(), profile, now=datetime.now(UTC)),
        read=lambda said: normalize.churn(
            normalize.about(said, profile.customer_id), levels=settings.QUIMBI_CHURN_LEVELS
        ),
        restore=shapes.churn,
    )


def ltv(profile: Profile) -> Question[LTV]:
    return Question(
        function=Function.LTV,
        owner=customer(profile.key),
        slot=slot(Function.LTV, dialects.LTV_MONTHS),
        fresh=settings.QUIMBI_CACHE_LTV_TTL,
        stale=settings.QUIMBI_STALE_TTL,
        payload=lambda: dialects.ltv_request(client.dialect(), profile),
        read=lambda said: normalize.ltv(normalize.about(said, profile.customer_id)),
        restore=shapes.ltv,
    )


def draft(conversation: Conversation, *, tone: str | None, length: str | None) -> Question[Draft]:
    return Question(
        function=Function.DRAFT,
        owner=ticket(conversation.ticket),
        slot=slot(Function.DRAFT, conversation.last_message, tone, length),
        fresh=settings.DRAFT_CACHE_TTL,
        stale=0,  # it would answer an old message
        payload=lambda: dialects.draft_request(
            client.dialect(), conversation, tone=tone, length=length, issue_type=_issue_type(conversation)
        ),
        read=lambda said: normalize.draft(said, channel=conversation.channel, tone=tone),
        restore=shapes.draft,
    )


def actions(conversation: Conversation) -> Question[Actions]:
    return Question(
        function=Function.ACTIONS,
        owner=ticket(conversation.ticket),
        slot=slot(Function.ACTIONS, conversation.last_message),
        fresh=settings.DRAFT_CACHE_TTL,
        stale=0,
        payload=lambda: dialects.actions_request(conversation, issue_type=_issue_type(conversation)),
        read=lambda said: normalize.actions(normalize.about(said, dialects.customer_of(conversation))),
        restore=shapes.actions,
    )


def sentiment(number: int, text: str) -> Question[Sentiment]:
    return Question(
        function=Function.SENTIMENT,
        owner=message(number),
        slot=slot(Function.SENTIMENT),
        fresh=settings.QUIMBI_STALE_TTL,  # a message does not change
        stale=0,
        payload=lambda: dialects.sentiment_request(text),
        read=normalize.sentiment,
        restore=shapes.sentiment,
    )


def slot(function: Function, *of: object) -> str:
    """A place for an answer that depends on `of`, in the dialect and the shape of today."""
    words = blind_index(json.dumps(of), context="quimbi") if of else ""
    return f"{client.dialect()}:{shapes.VERSION}:{function}:{words}"


def _issue_type(conversation: Conversation) -> str:
    return dialects.issue_type(conversation.category, settings.QUIMBI_ISSUE_TYPES)
