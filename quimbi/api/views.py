"""What Quimbi says, asked for by itself. Each value says where it comes from, and why it is missing."""

import json
from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

from django.conf import settings
from django.core.cache import cache
from rest_framework.request import Request
from rest_framework.response import Response

from agents.enums import EVERY_ROLE, Role, Scope
from customers.audit import record_read
from customers.models import Customer
from quimbi import calls, shared, types
from quimbi import service as quimbi
from quimbi.api import examples
from quimbi.api.filters import DraftFilter, InsightFilter
from quimbi.api.serializers import (
    ChurnInsight,
    DnaInsight,
    DraftInsight,
    DraftRequest,
    RecommendationInsight,
    ReportOut,
)
from quimbi.types import SETTLED, Insight, Reason
from sla import performance
from sla.api.filters import PeriodFilter
from sla.models import SLAClock
from supportdesk.core import limits
from supportdesk.core.actor import Actor
from supportdesk.core.api import idempotency
from supportdesk.core.api.filters import read_parameters
from supportdesk.core.api.schema import operation
from supportdesk.core.api.views import ApiViewSet
from supportdesk.core.crypto import blind_index
from supportdesk.core.errors import NotFound, Unavailable
from supportdesk.core.limits import Limit, TooManyRequests
from tickets import drafting, reporting, selectors
from tickets.models import Draft
from tickets.services import advising, drafts

CUSTOMER_READERS = EVERY_ROLE | {Scope.CUSTOMERS_READ}
WRITERS = EVERY_ROLE  # of answers to customers, which machines do not write
ASK_AGAIN = 30  # seconds, where nobody said after how long to
KEY_KEPT_SECONDS = 24 * 60 * 60
DRAFTS = Limit(name="quimbi drafts", allowed=60, seconds=60, strict=False)  # looked at; most are kept
REFRESHES = Limit(  # what is billed although the same was asked before
    name="quimbi refresh", allowed=settings.QUIMBI_REFRESHES_PER_MINUTE, seconds=60, strict=False
)
T = TypeVar("T")

WORDS = {
    Reason.NOT_CONFIGURED: "Quimbi is not connected here.",
    Reason.MISCONFIGURED: "Quimbi refuses our calls; somebody has to look at how it is connected.",
    Reason.REJECTED: "Quimbi did not understand what it was asked.",
    Reason.TIMEOUT: "Quimbi did not answer in time.",
    Reason.UPSTREAM_ERROR: "Quimbi fails at the moment.",
    Reason.BAD_ANSWER: "Quimbi answered something that cannot be used.",
    Reason.RATE_LIMITED: "Quimbi takes no more calls for a moment.",
    Reason.BUDGET: "As much as may be was asked of Quimbi for now.",
    Reason.CIRCUIT_OPEN: "Quimbi has failed repeatedly and is left alone for a moment.",
    Reason.BUSY: "Quimbi is asked as much at once as it may be.",
    Reason.NOT_ASKED: "Quimbi was not asked.",
}


class NoAdvice(Unavailable):
    """Quimbi does not answer, or not usefully; `reason` says why. Everything else works as ever."""

    code = "no_advice"


class CustomerInsightViewSet(ApiViewSet):
    allowed: ClassVar = {"dna": CUSTOMER_READERS, "churn": CUSTOMER_READERS}
    filterset_class = InsightFilter
    queryset = Draft.objects.none()

    @operation(
        "Get a customer's DNA", returns=DnaInsight, example=examples.DNA, filtered=True, trims=(), errors=[NoAdvice]
    )
    def dna(self, request: Request, pk: int) -> Response:
        """What Quimbi makes of them. `value` is null where it has no profile of them yet."""
        return Response(DnaInsight(settled(self._asked(request, pk, advising.dna_of))).data)

    @operation(
        "Get a customer's churn risk",
        returns=ChurnInsight,
        example=examples.CHURN,
        filtered=True,
        trims=(),
        errors=[NoAdvice],
    )
    def churn(self, request: Request, pk: int) -> Response:
        """How likely it is, Quimbi thinks, that they leave."""
        return Response(ChurnInsight(settled(self._asked(request, pk, advising.churn_of))).data)

    def _asked(self, request: Request, pk: int, ask: Callable[..., Insight[T]]) -> Insight[T]:
        refresh = read_parameters(request, InsightFilter)["refresh"] is not None
        if not Customer.objects.visible_to(self.actor).filter(pk=pk).exists():
            raise NotFound
        if refresh:
            _take(REFRESHES, self.actor)
        record_read(customer_id=pk, through="insights", by=self.actor, now=self.now)
        return ask(pk, refresh=refresh)


class DraftViewSet(ApiViewSet):
    allowed: ClassVar = {"retrieve": WRITERS, "create": WRITERS}
    waiting: ClassVar = frozenset({"create"})
    filterset_class = DraftFilter
    queryset = Draft.objects.none()

    @operation(
        "Get a draft of a reply",
        returns=DraftInsight,
        example=examples.DRAFT,
        filtered=True,
        trims=(),
        errors=[NoAdvice],
    )
    def retrieve(self, request: Request, pk: int) -> Response:
        """The same again, without another call, until somebody writes. Null where the last message is an agent's."""
        given = read_parameters(request, DraftFilter)
        selectors.seen(pk, self.actor)
        _take(DRAFTS, self.actor)
        return self._draft(pk, given, again=False)

    @operation(
        "Write another draft of a reply",
        takes=DraftRequest,
        request_example=examples.DRAFT_REQUEST,
        returns=DraftInsight,
        example=examples.DRAFT,
        errors=[NoAdvice],
    )
    def create(self, request: Request, pk: int) -> Response:
        """Whatever is kept, which it replaces. With an `Idempotency-Key` that came before, the draft that is kept."""
        selectors.seen(pk, self.actor)
        given = self.read(DraftRequest)
        again = _is_first(idempotency.key_of(request), self.actor, pk, given)
        if again:
            _take(REFRESHES, self.actor)
        return self._draft(pk, given, again=again)

    def _draft(self, pk: int, given: dict[str, Any], *, again: bool) -> Response:
        by, now = self.actor, self.now
        told = drafting.conversation_of(ticket_id=pk, actor=by, channel=given.get("channel"))
        record_read(customer_id=selectors.customer_of(pk, by), through="draft", by=by, now=now, ticket_id=pk)
        tone, length = given.get("tone"), given.get("length")
        if not drafting.has_something_to_answer(told):
            return Response(DraftInsight(_flat(Insight(reason=Reason.NOTHING_TO_DRAFT), tone)).data)
        found = settled(quimbi.draft(told, tone=tone, length=length, refresh=again))
        if found.value is not None:
            drafts.show(ticket_id=pk, position=told.last_message, draft=found.value, by=by, now=self.now)
        return Response(DraftInsight(_flat(found, tone)).data)


class RecommendationViewSet(ApiViewSet):
    allowed: ClassVar = {"retrieve": WRITERS}
    filterset_class = InsightFilter
    queryset = Draft.objects.none()

    @operation(
        "Get recommended actions",
        returns=RecommendationInsight,
        example=examples.RECOMMENDATION,
        filtered=True,
        trims=(),
        errors=[NoAdvice],
    )
    def retrieve(self, request: Request, pk: int) -> Response:
        """What to do next on the ticket."""
        refresh = read_parameters(request, InsightFilter)["refresh"] is not None
        told = drafting.conversation_of(ticket_id=pk, actor=self.actor)
        if refresh:
            _take(REFRESHES, self.actor)
        customer_id = selectors.customer_of(pk, self.actor)
        record_read(customer_id=customer_id, through="insights", by=self.actor, now=self.now, ticket_id=pk)
        found = settled(quimbi.actions(told, refresh=refresh)) if told.profile else Insight(reason=Reason.NO_PROFILE)
        return Response(RecommendationInsight(found).data)


class ReportViewSet(ApiViewSet):
    allowed: ClassVar = {"retrieve": frozenset({Role.SUPERVISOR.value, Role.ADMIN.value})}
    filterset_class = PeriodFilter
    queryset = SLAClock.objects.none()

    @operation("Get the report on Quimbi", returns=ReportOut, example=examples.REPORT, filtered=True, trims=())
    def retrieve(self, request: Request) -> Response:
        """What agents made of the drafts they were shown, and how Quimbi answered."""
        during = performance.period(**read_parameters(request, PeriodFilter), now=self.now)
        found = reporting.drafts(self.actor, begin=during.starts_at, end=during.ends_at)
        made = calls.figures(begin=during.starts_at, end=during.ends_at) if self.actor.sees_everything else []
        body = {
            "since": during.since,
            "until": during.until,
            "drafts": found.total,
            "by_tone": found.by_tone,
            "by_agent": found.by_agent,
            "calls": made,
        }
        return Response(ReportOut(body).data)


def settled(insight: Insight[T]) -> Insight[T]:
    """The insight, unless it is missing for a reason that passes. Raises NoAdvice then."""
    if insight.value is not None or insight.reason in SETTLED or insight.reason is None:
        return insight
    wait = ASK_AGAIN if insight.retry_after is None else max(1, -(-int(insight.retry_after * 10) // 10))
    raise NoAdvice(WORDS[insight.reason], retry_after=wait, more={"reason": insight.reason.value})


def _flat(insight: Insight[types.Draft], tone: str | None) -> dict[str, Any]:
    """`tone` is what was asked for, where Quimbi does not say what it wrote in."""
    draft = insight.value
    return {
        "draft": draft.text if draft else None,
        "tone": (draft.tone or tone) if draft else None,
        "personalization": draft.personalization if draft else (),
        "reasoning": draft.reasoning if draft else None,
        "too_long": draft.too_long if draft else False,
        "source": insight.source,
        "as_of": insight.as_of,
        "reason": insight.reason,
    }


def _take(limit: Limit, actor: Actor) -> None:
    """Counts one more. Raises TooManyRequests."""
    if wait := limits.take(limit, f"{actor.kind}:{actor.id}"):
        raise TooManyRequests("Ask less often for what Quimbi has to be asked.", retry_after=wait)


def _is_first(key: str | None, actor: Actor, ticket_id: int, given: dict[str, Any]) -> bool:
    """Whether nobody sent the same with the key in a day. Without Redis, where drafts are kept too, everything is."""
    if key is None:
        return True
    name = blind_index(json.dumps([actor.kind, actor.id, ticket_id, key, sorted(given.items())]), context="draft")
    return shared.asking.ask(lambda: cache.add(f"draft:{name}", "", KEY_KEPT_SECONDS)) is not False
