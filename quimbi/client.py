"""One call to Quimbi over HTTP: what came back becomes an answer, or one of two failures, and nothing else."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog
from django.conf import settings

from quimbi import normalize
from quimbi.dialects import ABOUT_A_CUSTOMER, PATHS, WRITING, Dialect, Function, Payload
from quimbi.normalize import BadAnswer, Said
from quimbi.types import Reason
from supportdesk.core import http
from supportdesk.core.http import Answer, Rejected, Unavailable

PASSING = frozenset({500, 502, 503, 504})
ANNOUNCED = ("Deprecation", "Sunset")
DEFAULT_PAUSE = 60.0  # seconds after a 429 that does not say for how long
_FIELD = re.compile(r"[A-Za-z0-9_.\[\]-]{1,60}")

log = structlog.get_logger("supportdesk.quimbi")


def dialect() -> Dialect:
    return Dialect(settings.QUIMBI_DIALECT)


def path(function: Function) -> str | None:
    """Where the function is; None when the dialect does not offer it."""
    own = PATHS[dialect()].get(function)
    return settings.QUIMBI_PATHS.get(function.value, own) if own else None


def ask(function: Function, payload: Payload, *, left: float) -> Said:
    """What Quimbi answers, as it says it. `left` is how many seconds it may take.

    Raises Unavailable or Rejected, whose reason is a Reason; what counts against Quimbi's health says so.
    """
    read = settings.QUIMBI_GENERATION_TIMEOUT if function in WRITING else settings.QUIMBI_TIMEOUT
    try:
        answer = http.call(
            "POST",
            f"{settings.QUIMBI_BASE_URL}{path(function)}",
            json=payload,
            headers={settings.QUIMBI_API_KEY_HEADER: settings.QUIMBI_API_KEY},
            connect=settings.QUIMBI_CONNECT_TIMEOUT,
            read=read,
            left=left,
            limit=settings.QUIMBI_MAX_ANSWER_BYTES,
        )
    except http.Timeout:
        raise Unavailable(Reason.TIMEOUT, counts=True) from None
    except http.Unreachable:
        raise Unavailable(Reason.UPSTREAM_ERROR, counts=True) from None
    except http.TooBig:
        raise bad_answer(function, "too big") from None
    except http.Unsendable:
        log.error("what quimbi was to be asked cannot be written", function=function)
        raise Rejected(Reason.REJECTED) from None
    if announced := [name for name in ANNOUNCED if name in answer.headers]:
        log.warning("quimbi announces a change", function=function, headers=announced)
    if answer.status == 200:
        try:
            return normalize.parsed(answer.body)
        except BadAnswer as problem:
            raise bad_answer(function, str(problem)) from None
    raise _failure(function, answer)


def bad_answer(function: Function, what: str) -> Rejected:
    """`what` is a word of ours about it."""
    log.warning("quimbi answered what cannot be used", function=function, what=what)
    return Rejected(Reason.BAD_ANSWER, counts=True)


def _failure(function: Function, answer: Answer) -> Exception:
    status = answer.status
    if status in PASSING:
        return Unavailable(Reason.UPSTREAM_ERROR, counts=True)
    if status == 429:
        asked = http.retry_after(answer.headers.get("Retry-After"), now=datetime.now(UTC))
        return Unavailable(Reason.RATE_LIMITED, retry_after=DEFAULT_PAUSE if asked is None else asked)
    if status == 404 and function in ABOUT_A_CUSTOMER and not _is_about_the_path(answer):
        return Rejected(Reason.NO_PROFILE, status=status)
    if status in {401, 403, 404, 405}:
        log.error("quimbi does not know us, or not this path", function=function, status=status)
        return Rejected(Reason.MISCONFIGURED, status=status)
    if 400 <= status < 500:
        log.error("quimbi refused what we sent", function=function, status=status, fields=_refused(answer))
        return Rejected(Reason.REJECTED)
    return bad_answer(function, f"status {status}")


def _is_about_the_path(answer: Answer) -> bool:
    """Whether a 404 says that there is no such path, rather than no such customer. One without a word says the former:
    it comes from a proxy, a server of another kind, or the framework.
    """
    said = _said(answer)
    error = said.get("error")
    told = error if isinstance(error, Mapping) else {}
    code = told.get("code")
    if code in ("ENDPOINT_NOT_FOUND", "CUSTOMER_NOT_FOUND"):
        return bool(code == "ENDPOINT_NOT_FOUND")
    words = told.get("message") or said.get("detail") or said.get("message")
    return not isinstance(words, str) or words.strip().rstrip(".").lower() in {"", "not found"}


def _refused(answer: Answer) -> list[str]:
    """Names of the fields that Quimbi did not take: ours, and no more of its words than that."""
    error = _said(answer).get("error")
    details = error.get("details") if isinstance(error, Mapping) else None
    found = details.get("validation_errors") if isinstance(details, Mapping) else None
    names = [one.get("field") for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []
    return [name for name in names if isinstance(name, str) and _FIELD.fullmatch(name)][:20]


def _said(answer: Answer) -> Mapping[str, Any]:
    try:
        return normalize.parsed(answer.body)
    except BadAnswer:
        return {}
