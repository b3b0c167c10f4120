"""Advice from Quimbi: the one way to it. Nothing raises for a failure of Quimbi, which is a value with its reason."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from datetime import UTC, datetime
from typing import TypeVar

from django.conf import settings

from quimbi import client, questions
from quimbi.dialects import Function
from quimbi.normalize import BadAnswer
from quimbi.questions import Question
from quimbi.types import (
    DNA,
    LTV,
    Actions,
    Churn,
    Conversation,
    CustomerInsights,
    Draft,
    Insight,
    Profile,
    Purpose,
    Reason,
    Sentiment,
    Source,
)
from supportdesk.core.http import GatewayError

__all__ = ["Purpose"]  # beside what is defined here

T = TypeVar("T")
AT_ONCE = 4  # calls that one caller has under way


def insights(profiles: Sequence[Profile], *, purpose: Purpose, refresh: bool = False) -> list[CustomerInsights]:
    return [
        _together(*_ask(questions.analyze(profile), questions.churn(profile), purpose=purpose)) for profile in profiles
    ]


def known(keys: Iterable[int]) -> dict[int, CustomerInsights]:
    nothing = Insight[DNA](reason=Reason.NOT_ASKED)
    return {key: _together(nothing, Insight(reason=Reason.NOT_ASKED)) for key in keys}


def analyze(profile: Profile, *, purpose: Purpose, refresh: bool = False) -> Insight[DNA]:
    return _ask(questions.analyze(profile), purpose=purpose)[0]


def churn(profile: Profile, *, purpose: Purpose, refresh: bool = False) -> Insight[Churn]:
    return _ask(questions.churn(profile), purpose=purpose)[0]


def draft(conversation: Conversation, *, tone: str | None, length: str | None, refresh: bool = False) -> Insight[Draft]:
    question = questions.draft(conversation, tone=tone, length=length)
    return _ask(question, purpose=Purpose.GENERATION)[0]


def actions(conversation: Conversation, *, refresh: bool = False) -> Insight[Actions]:
    return _ask(questions.actions(conversation), purpose=Purpose.GENERATION)[0]


def sentiment(ticket: int, message: int, text: str, *, purpose: Purpose) -> Insight[Sentiment]:
    return _ask(questions.sentiment(message, text), purpose=purpose)[0]


def known_sentiments(messages: Iterable[int]) -> dict[int, Insight[Sentiment]]:
    return {}


def forget_customer(key: int) -> None: ...


def outdate_customer(key: int) -> None: ...


def forget_conversation(ticket: int) -> None: ...


def enabled() -> bool:
    return bool(settings.QUIMBI_BASE_URL)


def offers(function: Function) -> bool:
    return client.path(function) is not None


def _ask(*asked: Question[T], purpose: Purpose) -> list[Insight[T]]:
    left = settings.QUIMBI_TOTALS[purpose.value]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(copy_context().run, _one, question, left) for question in asked]
        return [future.result() for future in futures]


def _one(question: Question[T], left: float) -> Insight[T]:
    if not enabled():
        return Insight(reason=Reason.NOT_CONFIGURED)
    if not offers(question.function):
        return Insight(reason=Reason.NOT_OFFERED)
    try:
        said = client.ask(question.function, question.payload(), left=left)
        value = question.read(said)
    except GatewayError as failure:
        return Insight(reason=Reason(failure.reason), retry_after=failure.retry_after)
    except BadAnswer:
        return Insight(reason=Reason.BAD_ANSWER)
    return Insight(value=value, source=Source.LIVE, as_of=datetime.now(UTC))


def _together(dna: Insight[DNA], churn: Insight[Churn]) -> CustomerInsights:
    """The churn call wins; what analyze says of it stands in where the call gave nothing."""
    inside = dna.value
    if churn.value is None and inside and inside.churn:
        churn = Insight(value=inside.churn, source=dna.source, as_of=dna.as_of)
    ltv: Insight[LTV]
    if inside is None:
        ltv = replace(dna, value=None)  # type: ignore[arg-type]
    elif inside.ltv is None:
        ltv = Insight(reason=Reason.NOT_OFFERED)
    else:
        ltv = Insight(value=inside.ltv, source=dna.source, as_of=dna.as_of, reason=dna.reason)
    return CustomerInsights(dna=dna, churn=churn, ltv=ltv)
