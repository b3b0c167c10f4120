"""Advice from Quimbi: the one way to it.

Every answer is an Insight: a value with where it is from and how old it is, or none with the reason. Nothing raises for
a failure of Quimbi or of Redis. Call it outside any transaction: it waits for a network, and then writes its log.
"""

import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

from django.conf import settings
from prometheus_client import Counter

from quimbi import budget, client, kept, questions, shared
from quimbi.calling import OVER, refusal
from quimbi.dialects import Function
from quimbi.fetching import fetch
from quimbi.kept import Kept
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

__all__ = ["Purpose"]  # beside what is defined here

T = TypeVar("T")
_LET_GO = "if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1"

ANSWERS = Counter(
    "supportdesk_quimbi_answers_total",
    "Insights that were asked for, by where they came from: live, cache, stale or none.",
    ["function", "source"],
)


def enabled() -> bool:
    """Whether there is a Quimbi to ask."""
    return bool(settings.QUIMBI_BASE_URL)


def left_alone() -> Insight[Any] | None:
    """Why Quimbi is not asked for insights just now, as an insight; None when it may be. One question to Redis."""
    if not enabled():
        return Insight(reason=Reason.NOT_CONFIGURED)
    refused = refusal(Function.ANALYZE)
    return Insight(reason=Reason(refused.reason), retry_after=refused.retry_after) if refused else None


@contextmanager
def asking_ahead(*, seconds: float) -> Iterator[bool]:
    """Whether the caller is the one of all processes that asks for what nobody waits for, for at most so many seconds.

    Nobody is without Redis, where what is asked for is kept.
    """
    name, mine = "quimbi:ahead", secrets.token_hex(8)
    if not enabled() or not shared.asking.ask(lambda: shared.redis().set(name, mine, nx=True, px=int(seconds * 1000))):
        yield False
        return
    try:
        yield True
    finally:
        shared.run(_LET_GO, [name], mine)


def offers(function: Function) -> bool:
    """Whether the dialect has it."""
    return client.path(function) is not None


def insights(profiles: Sequence[Profile], *, purpose: Purpose, refresh: bool = False) -> list[CustomerInsights]:
    """DNA, churn and value of each, in order, within the total of the purpose. Doubles are asked for once, what is kept
    not at all, and the rest at most four calls at a time; `refresh` reads nothing that is kept but stale copies.
    """
    each = list({profile.key: profile for profile in profiles}.values())
    asked: list[Question[Any]] = []
    for profile in each:
        asked += [questions.analyze(profile), questions.churn(profile)]
        asked += [questions.ltv(profile)] if settings.QUIMBI_LTV_FORECAST else []
    answers = iter(_ask(asked, purpose=purpose, refresh=refresh))
    found = {
        profile.key: _together(
            next(answers), next(answers), next(answers) if settings.QUIMBI_LTV_FORECAST else Insight()
        )
        for profile in each
    }
    return [found[profile.key] for profile in profiles]


def known(keys: Iterable[int]) -> dict[int, CustomerInsights]:
    """What is kept of each customer, without a call: one question to Redis. What is not kept was not asked."""
    each = list(dict.fromkeys(keys))
    places = [
        place for key in each for place in (questions.dna_of(key), questions.churn_of(key), questions.ltv_of(key))
    ]
    found = iter(_known(places))
    return {key: _together(next(found), next(found), next(found)) for key in each}


def analyze(profile: Profile, *, purpose: Purpose, refresh: bool = False) -> Insight[DNA]:
    return _ask([questions.analyze(profile)], purpose=purpose, refresh=refresh)[0]


def churn(profile: Profile, *, purpose: Purpose, refresh: bool = False) -> Insight[Churn]:
    """By the churn call; where that gives nothing, what a kept analyze says of it stands in."""
    answer = _ask([questions.churn(profile)], purpose=purpose, refresh=refresh)[0]
    if answer.source in {Source.LIVE, Source.CACHE}:
        return answer
    return _churn(known([profile.key])[profile.key].dna, answer)


def draft(conversation: Conversation, *, tone: str | None, length: str | None, refresh: bool = False) -> Insight[Draft]:
    """A text to answer with, kept for this last message, tone and length."""
    return _write(questions.draft(conversation, tone=tone, length=length), refresh=refresh)


def actions(conversation: Conversation, *, refresh: bool = False) -> Insight[Actions]:
    """What to do, kept for this last message."""
    return _write(questions.actions(conversation), refresh=refresh)


def sentiment(ticket: int, message: int, text: str, *, purpose: Purpose) -> Insight[Sentiment]:
    """Of a message, kept by its number."""
    return _ask([questions.sentiment(message, text)], purpose=purpose)[0]


def known_sentiments(messages: Iterable[int]) -> dict[int, Insight[Sentiment]]:
    """Those that are kept, without a call: one question to Redis."""
    each = list(dict.fromkeys(messages))
    found = zip(each, _known([questions.sentiment_of(number) for number in each]), strict=True)
    return {number: insight for number, insight in found if insight.value is not None}


def forget_customer(key: int) -> bool:
    """Empties all that is kept of a customer; an answer that is under way now is not kept when it comes.

    False when Redis could not be told, here as below: what is kept there is then gone a day later at most, so an
    erasure tries again.
    """
    return kept.forget([questions.customer(key)])


def outdate_customer(key: int) -> bool:
    """What is kept of a customer is asked for anew; until then, and if that fails, it is a stale copy."""
    return kept.outdate([questions.customer(key)])


def forget_conversations(tickets: Iterable[int]) -> bool:
    """Empties drafts and actions of tickets, whatever message and tone they are for."""
    return kept.forget([questions.ticket(number) for number in tickets])


def forget_messages(messages: Iterable[int]) -> bool:
    """Empties the sentiments of messages."""
    return kept.forget([questions.message(number) for number in messages])


def _write(question: Question[T], *, refresh: bool) -> Insight[T]:
    """Texts take seconds, and who waits for one holds a thread: there are only so many seats."""
    if not refresh and (insight := _without_a_call(question, _look([question])[0])):
        return _counted(question, insight)
    with budget.seat(seconds=settings.QUIMBI_TOTALS[Purpose.GENERATION] + OVER) as seated:
        if seated:
            return _ask([question], purpose=Purpose.GENERATION, refresh=refresh)[0]
    return _counted(question, Insight(reason=Reason.BUSY, retry_after=1.0))


def _ask(asked: Sequence[Question[Any]], *, purpose: Purpose, refresh: bool = False) -> list[Insight[Any]]:
    before = _look(asked)
    found = [
        _without_a_call(question, None if refresh else at_hand) for question, at_hand in zip(asked, before, strict=True)
    ]
    missing = [number for number, insight in enumerate(found) if insight is None]
    fetched = fetch([asked[number] for number in missing], purpose=purpose, refresh=refresh)
    for number, insight in zip(missing, fetched, strict=True):
        found[number] = _or_stale(insight, before[number])
    return [_counted(question, insight or Insight()) for question, insight in zip(asked, found, strict=True)]


def _look(asked: Sequence[Question[Any]]) -> list[Kept[Any] | None]:
    if not enabled():
        return [None] * len(asked)
    return kept.look([question.place for question in asked], now=datetime.now(UTC))


def _without_a_call(question: Question[T], at_hand: Kept[T] | None) -> Insight[T] | None:
    if not enabled():
        return Insight(reason=Reason.NOT_CONFIGURED)
    if not offers(question.function):
        return Insight(reason=Reason.NOT_OFFERED)
    return at_hand.insight() if at_hand and at_hand.is_fresh else None


def _known(places: Sequence[questions.Place[Any]]) -> list[Insight[Any]]:
    if not enabled():
        return [Insight(reason=Reason.NOT_CONFIGURED)] * len(places)
    return [
        found.insight() if found else Insight(reason=Reason.NOT_ASKED)
        for found in kept.look(places, now=datetime.now(UTC))
    ]


def _or_stale(insight: Insight[T], before: Kept[T] | None) -> Insight[T]:
    """A copy from before stands in for a failure, with its reason; not for what Quimbi says of the customer."""
    if insight.value is not None or insight.reason == Reason.NO_PROFILE or before is None or before.value is None:
        return insight
    return replace(insight, value=before.value, source=Source.STALE, as_of=before.as_of)


def _together(dna: Insight[DNA], churn: Insight[Churn], ltv: Insight[LTV]) -> CustomerInsights:
    return CustomerInsights(dna=dna, churn=_churn(dna, churn), ltv=_ltv(dna, ltv))


def _churn(dna: Insight[DNA], churn: Insight[Churn]) -> Insight[Churn]:
    """The call wins; what analyze says besides stands in where the call gave nothing, or nothing of today."""
    inside = dna.value.churn if dna.value else None
    is_newer = churn.source == Source.STALE and dna.source in {Source.LIVE, Source.CACHE}
    if inside and (churn.value is None or is_newer):
        return Insight(value=inside, source=dna.source, as_of=dna.as_of, reason=dna.reason)
    return churn


def _ltv(dna: Insight[DNA], forecast: Insight[LTV]) -> Insight[LTV]:
    """What analyze says; where it does not say, the forecast; and where that was not asked for, why there is none."""
    if dna.value and dna.value.ltv:
        return Insight(value=dna.value.ltv, source=dna.source, as_of=dna.as_of, reason=dna.reason)
    if forecast.value is not None or settings.QUIMBI_LTV_FORECAST:
        return forecast
    if dna.value:
        return Insight(reason=Reason.NOT_OFFERED)
    return Insight(reason=dna.reason, as_of=dna.as_of, retry_after=dna.retry_after)


def _counted(question: Question[Any], insight: Insight[T]) -> Insight[T]:
    ANSWERS.labels(question.function, insight.source).inc()
    return insight
