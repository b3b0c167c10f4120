"""Answers that are not at hand: asked for by whoever comes first, side by side, and shared with those who wait.

Threads ask, and touch no database; the caller writes the log of their calls when they are done.
"""

import time
import uuid
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from datetime import UTC, datetime
from typing import Any

import structlog
from django.conf import settings
from django.db import Error as DatabaseError
from django.db import transaction

from quimbi import kept
from quimbi.calling import OVER, Called, call, refusal
from quimbi.kept import Seen
from quimbi.models import Call
from quimbi.questions import Question
from quimbi.types import Insight, Purpose, Reason, Source
from supportdesk.core.observability.middleware import current_request_id

AT_ONCE = 4  # calls that one caller has under way
GRACE = 0.1  # seconds that a thread may need to say that its time is over
FIRST_LOOK, LAST_LOOK = 0.01, 0.08  # seconds between looks at what somebody else is asking for

log = structlog.get_logger("supportdesk.quimbi")
Made = list[tuple[Question[Any], Called[Any]]]


def fetch(asked: Sequence[Question[Any]], *, purpose: Purpose, refresh: bool) -> list[Insight[Any]]:
    """One for each question, within the total of the purpose. While a breaker is open nobody is sent to learn it."""
    refused = {function: refusal(function) for function in {question.function for question in asked}}
    sent = [question for question in asked if refused[question.function] is None]
    total = settings.QUIMBI_TOTALS[purpose]
    answers = iter(_side_by_side(sent, purpose=purpose, total=total, refresh=refresh) if sent else [])
    return [
        Insight(reason=Reason(failure.reason), retry_after=failure.retry_after)
        if (failure := refused[question.function])
        else next(answers)
        for question in asked
    ]


def _side_by_side(
    asked: Sequence[Question[Any]], *, purpose: Purpose, total: float, refresh: bool
) -> list[Insight[Any]]:
    """In threads that touch no database; who is not done in time is left to itself, and ends by its own deadline."""
    began, deadline = datetime.now(UTC), time.monotonic() + total
    made: Made = []
    pool = ThreadPoolExecutor(min(AT_ONCE, len(asked)), thread_name_prefix="quimbi")
    jobs: list[Future[Insight[Any]]] = [
        pool.submit(copy_context().run, _Fetch(question, purpose, deadline, began, refresh, made).run)
        for question in asked
    ]
    wait(jobs, timeout=total + GRACE)
    pool.shutdown(wait=False, cancel_futures=True)
    insights: list[Insight[Any]] = [
        job.result() if job.done() and not job.cancelled() else Insight(reason=Reason.TIMEOUT) for job in jobs
    ]
    _write_log(list(made))
    return insights


class _Fetch:
    """One answer, asked for by whoever comes first; the others wait for it, each within their own total."""

    def __init__(
        self,
        question: Question[Any],
        purpose: Purpose,
        deadline: float,
        began: datetime,
        refresh: bool,
        made: Made,
    ) -> None:
        self.question, self.place, self.purpose, self.deadline = question, question.place, purpose, deadline
        self.began, self.refresh, self.made = began, refresh, made
        self.claim = uuid.uuid4().hex

    def run(self) -> Insight[Any]:
        waited_for, pause = "", FIRST_LOOK
        while (left := self.deadline - time.monotonic()) > 0:
            seen = kept.join(self.place, claim=self.claim, seconds=left + OVER, now=datetime.now(UTC))
            if seen is None:
                return self._call(epoch=None)
            found, mine = self._found(seen, waited_for), seen.holder == self.claim
            if mine and found:
                kept.let_go(self.place, claim=self.claim)
            if found or mine:
                return found or self._call(epoch=seen.epoch)
            waited_for = seen.holder
            time.sleep(min(pause, max(0.0, left)))
            pause = min(2 * pause, LAST_LOOK)
        return Insight(reason=Reason.TIMEOUT)

    def _found(self, seen: Seen[Any], waited_for: str) -> Insight[Any] | None:
        """What somebody else was told, be it an answer or a failure of theirs that was waited for."""
        known = seen.kept
        if known and known.is_fresh and (not self.refresh or known.as_of >= self.began):
            return known.insight(live=known.as_of >= self.began)
        if seen.failure and seen.failure[0] == waited_for:
            return Insight(reason=seen.failure[1], retry_after=seen.failure[2])
        return None

    def _call(self, *, epoch: str | None) -> Insight[Any]:
        called = call(self.question, purpose=self.purpose, deadline=self.deadline)
        self.made.append((self.question, called))
        now, failure = datetime.now(UTC), called.failure
        no_profile = failure is not None and failure.reason == Reason.NO_PROFILE
        if epoch is not None:
            self._keep(called, epoch=epoch, now=now, no_profile=no_profile)
        if failure is not None:
            return Insight(
                reason=Reason(failure.reason), retry_after=failure.retry_after, as_of=now if no_profile else None
            )
        return Insight(value=called.value, source=Source.LIVE, as_of=now)

    def _keep(self, called: Called[Any], *, epoch: str, now: datetime, no_profile: bool) -> None:
        failure, place, claim = called.failure, self.place, self.claim
        if failure is None:
            fresh, stale = self.question.fresh, self.question.stale
            kept.store(place, called.value, claim=claim, epoch=epoch, now=now, fresh=fresh, stale=stale)
        elif no_profile:
            fresh = settings.QUIMBI_NO_PROFILE_TTL
            kept.store(place, None, claim=claim, epoch=epoch, now=now, fresh=fresh, stale=0)
        else:
            kept.fail(place, Reason(failure.reason), claim=claim, retry_after=failure.retry_after)


def _write_log(made: Made) -> None:
    """One statement. A log that cannot be written fails nobody's request."""
    now, request_id = datetime.now(UTC), current_request_id()
    rows = [
        Call(
            function=question.function,
            dialect=settings.QUIMBI_DIALECT,
            outcome=called.outcome,
            tries=called.tries,
            milliseconds=round(called.seconds * 1000),
            request_id=request_id[:64],
            called_at=now,
        )
        for question, called in made
        if called.tries
    ]
    if not rows:
        return
    try:
        with transaction.atomic():  # whatever the caller is in stays usable
            Call.objects.bulk_create(rows)
    except DatabaseError as error:
        log.warning("calls not written down", error=type(error).__name__)
