"""One question to Quimbi from the first try to the last: within a deadline, the budget and what the breaker lets by.

Tries are counted against all three, and a second one is only made while Quimbi is well otherwise: repeating calls to
a service that fails is what keeps it from recovering.
"""

import random
import time
from collections import Counter
from dataclasses import dataclass
from typing import Generic, TypeVar

import prometheus_client
import structlog
from django.conf import settings

from quimbi import budget, client, shared
from quimbi.dialects import WRITING, Function
from quimbi.normalize import BadAnswer
from quimbi.questions import Question
from quimbi.types import Purpose, Reason
from supportdesk.core import http
from supportdesk.core.breaker import MOST, Admission, Breaker, Verdict
from supportdesk.core.http import GatewayError, Rejected, Unavailable

T = TypeVar("T")
SLOW = {False: 3.0, True: 20.0}  # seconds after which an answer tells against Quimbi; True: of texts
ODD_FAILURES = 1  # of the last calls; with more of them nothing is tried again
ONLY_404 = 20  # answers of one function that were nothing else: a dialect or an address that is wrong
LEAST = 0.02  # seconds, with less of which nothing is begun
NAP = 0.02
OVER = 1.0  # seconds that a lease is longer than what it is for
BUCKETS = (0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30)

CALLS = prometheus_client.Counter(
    "supportdesk_quimbi_calls_total",
    "Calls to Quimbi, all tries of one being one, by how they ended.",
    ["function", "dialect", "outcome"],
)
TRIES = prometheus_client.Counter("supportdesk_quimbi_tries_total", "Requests that were sent to Quimbi.", ["function"])
SECONDS = prometheus_client.Histogram(
    "supportdesk_quimbi_call_seconds", "Of a call, all its tries.", ["function"], buckets=BUCKETS
)
NOTHING_BUT_404 = prometheus_client.Counter(
    "supportdesk_quimbi_only_404_total",
    "Times that a function had answered nothing but 404, twenty times.",
    ["function"],
)
log = structlog.get_logger("supportdesk.quimbi")
_not_found: Counter[Function] = Counter()  # in a row, while Redis is away


@dataclass(frozen=True, kw_only=True)
class Called(Generic[T]):
    """What came of it. Neither a value nor a failure: Quimbi has no profile of them."""

    value: T | None
    failure: GatewayError | None
    tries: int
    seconds: float

    @property
    def outcome(self) -> str:
        return str(self.failure.reason) if self.failure else "ok"


class _Call(Generic[T]):
    def __init__(self, question: Question[T], purpose: Purpose, deadline: float) -> None:
        self.question, self.purpose, self.deadline = question, purpose, deadline
        self.function = question.function
        self.breaker: Breaker = shared.breaker_of(self.function)
        self.most = MOST // 2 if purpose == Purpose.PREFETCH else MOST  # the other half is for people
        self.tries = 0
        self.may_repeat = True

    def once(self) -> T:
        admission = self._admitted()
        if wait := budget.take(self.purpose):
            self.breaker.drop(admission.call)
            raise Rejected(Reason.BUDGET, retry_after=wait)
        self.tries += 1
        TRIES.labels(self.function).inc()
        began = time.monotonic()
        try:
            value = self._asked()
        except GatewayError as failure:
            self._tell(admission, failed=failure.counts)
            raise
        self._tell(admission, failed=time.monotonic() - began > SLOW[self.function in WRITING])
        return value

    def _asked(self) -> T:
        try:
            said = client.ask(self.function, self.question.payload(), left=self.left)
            value = self.question.read(said)
        except BadAnswer as problem:
            raise client.bad_answer(self.function, str(problem)) from None
        except GatewayError as failure:
            self._note(failure)
            raise
        _found(self.function)
        return value

    def _tell(self, admission: Admission, *, failed: bool) -> None:
        self.may_repeat = self.breaker.record(admission.call, failed=failed) <= ODD_FAILURES

    def _note(self, failure: GatewayError) -> None:
        if failure.reason == Reason.RATE_LIMITED:
            for breaker in shared.BREAKERS:
                breaker.pause(failure.retry_after or 0.0)
        if failure.status == 404:
            _not_found_again(self.function)

    def _admitted(self) -> Admission:
        """Waits for room, and for a pause that ends at once. Raises Rejected, or Unavailable when the time is over."""
        while True:
            if self.left < LEAST:
                raise Unavailable(Reason.BUSY)
            admission = self.breaker.admit(lease=self.left + OVER, most=self.most)
            if admission.verdict in {Verdict.PASS, Verdict.PROBE}:
                return admission
            if (refusal := _refusal(admission)) is not None:
                raise refusal
            time.sleep(NAP * (0.5 + random.random()))  # noqa: S311 - so that those who wait do not come together

    @property
    def left(self) -> float:
        return self.deadline - time.monotonic()


def call(question: Question[T], *, purpose: Purpose, deadline: float) -> Called[T]:
    """`deadline` is of time.monotonic. Touches no database: it may run in a thread of its own."""
    began, made = time.monotonic(), _Call(question, purpose, deadline)
    tries = min(settings.QUIMBI_TRIES[purpose.value], 1 + settings.QUIMBI_MAX_RETRIES)
    run = http.attempts(
        tries=tries, deadline=deadline, first=min(1.0, made.left / 10), may_retry=lambda _: made.may_repeat
    )
    value: T | None = None
    failure: GatewayError | None = None
    try:
        value = run(made.once)
    except GatewayError as problem:
        failure = problem
    seconds = time.monotonic() - began
    called = Called(value=value, failure=failure, tries=made.tries, seconds=seconds)
    CALLS.labels(question.function, settings.QUIMBI_DIALECT, called.outcome).inc()
    if called.tries:
        SECONDS.labels(question.function).observe(seconds)
    return called


def refusal(function: Function) -> GatewayError | None:
    """Why a call would not be made now, if that is plain before it is tried: most answers of an outage end here."""
    found = _refusal(shared.breaker_of(function).look())
    if found is not None:
        CALLS.labels(function, settings.QUIMBI_DIALECT, found.reason).inc()
    return found


def _refusal(admission: Admission) -> GatewayError | None:
    if admission.verdict == Verdict.OPEN:
        return Rejected(Reason.CIRCUIT_OPEN, retry_after=admission.wait)
    if admission.verdict == Verdict.PAUSED and admission.wait > LEAST:
        return Rejected(Reason.RATE_LIMITED, retry_after=admission.wait)
    return None


def _found(function: Function) -> None:
    _not_found.pop(function, None)
    shared.asking.ask(lambda: shared.redis().delete(f"quimbi:404:{function}"))


def _not_found_again(function: Function) -> None:
    """Twenty in a row are no chance: every customer would quietly look new."""
    _not_found[function] += 1
    counted = shared.asking.ask(lambda: shared.redis().incr(f"quimbi:404:{function}"))
    if int(counted or _not_found[function]) % ONLY_404 == 0:
        NOTHING_BUT_404.labels(function).inc()
        log.error("quimbi answers nothing but 404", function=function, dialect=settings.QUIMBI_DIALECT)
