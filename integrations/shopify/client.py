"""Shopify's GraphQL Admin API, of one version: what came back is data, or one of a few failures, and nothing else.

Asked no faster than the shop restores points, and again after what passes by itself. Every operation of ours may be
sent twice: it has the same effect once more, or is refused as done.
"""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import structlog
from django.conf import settings
from prometheus_client import Counter

from integrations import tokens
from integrations.breakers import breaker_of
from integrations.models import Connection
from integrations.reading import NotJson, Unreadable, read_object
from integrations.shopify import access
from integrations.shopify.pace import pace_of
from integrations.tokens import Unauthorized
from supportdesk.core import http
from supportdesk.core.breaker import Verdict
from supportdesk.core.http import Answer, Rejected, Unavailable

CONNECT, READ = 5.0, 30.0
TRIES, FIRST = 5, 0.5
MOST_BYTES = 16 * 1024 * 1024
LATER = frozenset({"THROTTLED", "INTERNAL_SERVER_ERROR", "TIMEOUT"})
STATES = {402: "shop_frozen", 403: "forbidden", 404: "no_shop", 423: "shop_locked"}
_OPERATION = re.compile(r"\s*(?:query|mutation)\s+(\w+)")
_WORD = re.compile(r"[A-Za-z_]{1,64}")

CALLS = Counter("supportdesk_shopify_calls_total", "Calls of Shopify's API.", ["operation", "outcome"])
log = structlog.get_logger("supportdesk.shopify")


@dataclass(frozen=True, kw_only=True)
class Said:
    """`denied`: what we may not read, as the paths of fields; it is missing in the data. `version`: the one served."""

    data: Mapping[str, Any]
    denied: Sequence[str] = ()
    version: str = ""


def ask(
    known: Connection,
    text: str,
    variables: Mapping[str, Any],
    *,
    seconds: float = 120.0,
    tries: int = TRIES,
    notes: bool = True,
) -> Said:
    """What Shopify answers to an operation of `queries`. `seconds` is for everything, waiting included.

    `notes`: that another version is served than before is noted at the connection, and told if it is the wrong one.
    Raises Unavailable (try again later), Rejected, NeedsReauth, GrantRefused.
    """
    deadline = time.monotonic() + seconds
    again = http.attempts(tries=tries, deadline=deadline, first=FIRST, may_retry=lambda error: True)

    def ask_with(token: str) -> Said:
        return again(partial(_admitted, known, text, variables, token=token, deadline=deadline))

    said = tokens.using(known, access.refresh, ask_with)
    if notes:
        _note_version(known, said.version)
    return said


def changed(said: Said, name: str) -> Mapping[str, Any]:
    """What a mutation answered. Raises Rejected for what Shopify did not do, naming the fields in the log."""
    answer = said.data.get(name) or {}
    problems = [one for one in answer.get("userErrors") or [] if isinstance(one, Mapping)]
    if problems:
        fields = [".".join(map(str, one.get("field") or [])) for one in problems]
        log.error("shopify did not do what we asked", operation=name, fields=fields)
        raise Rejected("not_done")
    return answer


def _admitted(known: Connection, text: str, variables: Mapping[str, Any], *, token: str, deadline: float) -> Said:
    named = _OPERATION.match(text)
    operation = named[1] if named else ""
    left = deadline - time.monotonic()
    wait = pace_of(known.pk).wait(operation, now=time.monotonic(), most=left)
    if wait >= left:
        raise Unavailable("throttled", retry_after=wait)
    time.sleep(wait)
    breaker = breaker_of(known)
    admission = breaker.admit(lease=CONNECT + READ)
    if admission.verdict not in {Verdict.PASS, Verdict.PROBE}:
        raise Unavailable("shopify_away", retry_after=max(0.1, admission.wait))
    failed = False
    try:
        return _once(known, operation, {"query": text, "variables": variables}, token=token, deadline=deadline)
    except Unavailable as error:
        failed = error.counts
        raise
    finally:
        breaker.record(admission.call, failed=failed)


def _once(known: Connection, operation: str, given: Mapping[str, Any], *, token: str, deadline: float) -> Said:
    url = f"{access.base_url(known.account_key)}/admin/api/{settings.SHOPIFY_API_VERSION}/graphql.json"
    try:
        answer = http.call(
            "POST",
            url,
            json=given,
            headers={"X-Shopify-Access-Token": token},
            connect=CONNECT,
            read=READ,
            left=max(0.1, deadline - time.monotonic()),
            limit=MOST_BYTES,
        )
        said = _read(operation, known, answer)
    except (http.Timeout, http.Unreachable):
        CALLS.labels(operation, "shopify_away").inc()
        raise Unavailable("shopify_away", counts=True) from None
    except (http.TooBig, http.Unsendable):
        CALLS.labels(operation, "bad_answer").inc()
        raise Rejected("bad_answer") from None
    except http.GatewayError as error:
        CALLS.labels(operation, error.reason).inc()
        raise
    CALLS.labels(operation, "denied" if said.denied else "ok").inc()
    return said


def _read(operation: str, known: Connection, answer: Answer) -> Said:
    status = answer.status
    if status == 401:
        raise Unauthorized("unauthorized", status=status)
    if status == 429:
        asked = http.retry_after(answer.headers.get("Retry-After"), now=datetime.now(UTC))
        raise Unavailable("throttled", retry_after=2.0 if asked is None else asked, status=status)
    if status >= 500:
        raise Unavailable("shopify_away", counts=True, status=status)
    if status != 200:
        raise Rejected(STATES.get(status, "refused"), status=status)
    try:
        body = read_object(answer.body)
    except NotJson:
        raise Unavailable("bad_answer", counts=True) from None
    except Unreadable:
        raise Rejected("bad_answer") from None
    extensions = body.get("extensions")
    cost = extensions.get("cost") if isinstance(extensions, Mapping) else None
    if isinstance(cost, Mapping):
        pace_of(known.pk).note(operation, cost, now=time.monotonic())
    return replace(_said(operation, known, body), version=answer.headers.get("X-Shopify-API-Version") or "")


def _said(operation: str, known: Connection, body: Mapping[str, Any]) -> Said:
    data, errors = body.get("data"), body.get("errors") or []
    told = [one for one in errors if isinstance(one, Mapping)] if isinstance(errors, list) else [{}]
    codes = {_code(one) for one in told}
    if codes & LATER:
        # What it is to wait for is known from what the answer told of the points.
        raise Unavailable("throttled" if "THROTTLED" in codes else "shopify_away", counts="THROTTLED" not in codes)
    if told and codes != {"ACCESS_DENIED"}:
        log.error("shopify refused a query", operation=operation, connection=known.pk, codes=sorted(codes))
        raise Rejected("refused")
    if not isinstance(data, Mapping):
        raise Rejected("access_denied" if told else "bad_answer")
    denied = sorted({_path(one) for one in told})
    if denied:
        log.warning("shopify left out what we may not read", operation=operation, connection=known.pk, fields=denied)
    return Said(data=data, denied=denied)


def _note_version(known: Connection, served: str) -> None:
    if served == known.api_version or not served or len(served) > 16:
        return
    Connection.objects.filter(pk=known.pk).update(api_version=served)
    known.api_version = served
    if served != settings.SHOPIFY_API_VERSION:
        log.error("shopify serves another version", asked=settings.SHOPIFY_API_VERSION, served=served)


def _code(error: Mapping[str, Any]) -> str:
    extensions = error.get("extensions")
    code = extensions.get("code") if isinstance(extensions, Mapping) else None
    return code if isinstance(code, str) and _WORD.fullmatch(code) else ""


def _path(error: Mapping[str, Any]) -> str:
    """Names of fields, without the places in lists."""
    path = error.get("path")
    return (
        ".".join(one for one in path if isinstance(one, str) and _WORD.fullmatch(one)) if isinstance(path, list) else ""
    )
