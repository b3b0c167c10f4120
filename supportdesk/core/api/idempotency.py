"""`Idempotency-Key`: a POST that is sent again, because its answer was lost, has its effect once.

The answer is kept for 24 hours, per caller and route, in the transaction of the work: both are there or neither is.
Only good answers are kept; what failed may be tried again. Credentials are never kept: logging in, refreshing and
opening a socket take no notice of the header, and an answer is repeated without what its view shows only once.
"""

import hashlib
import json
import re
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from supportdesk.core.actor import Actor
from supportdesk.core.crypto import blind_index, blind_indexes
from supportdesk.core.errors import Conflict, DomainError, InvalidInput
from supportdesk.core.models import IdempotencyRecord

HEADER = "Idempotency-Key"
KEPT_FOR = timedelta(hours=24)
MAX_KEY = 255
KEY = f"[!-~]{{1,{MAX_KEY}}}"
REPLAYED = "Idempotency-Replayed"
_KEPT_HEADERS = ("ETag", "Location")
PRUNE_BATCH = 5_000


class KeyReused(DomainError):
    """The Idempotency-Key was used before with another body."""

    status = 422
    code = "idempotency_key_reused"


class InProgress(Conflict):
    """The first request with this Idempotency-Key is still being worked on."""

    code = "idempotency_in_progress"


def key_of(request: Request) -> str | None:
    """Raises InvalidInput unless the header is 1 to 255 visible ASCII characters."""
    key = request.headers.get(HEADER)
    if key is not None and not re.fullmatch(KEY, key):
        raise InvalidInput.on(HEADER, f"Must be 1 to {MAX_KEY} visible ASCII characters.", "invalid")
    return key


def once(
    work: Callable[[], Response],
    *,
    request: Request,
    key: str,
    actor: Actor,
    check_reach: Callable[[], None],
    shown_once: Collection[str] = (),
) -> Response:
    """The answer of `work`, or the one it gave the first time. `check_reach` is asked before an answer is repeated;
    its members that `shown_once` names are null then.

    Raises KeyReused, InProgress, and what `work` raises. A service that refuses takes its own work back; what the
    refusal showed, and the audit noted, stays noted.
    """
    refusal: DomainError | None = None
    caller, route = f"{actor.kind}:{actor.id}", f"{request.method} {request.path}"
    body, now = _body(request), timezone.now()
    with transaction.atomic():
        if not _locked(f"{caller} {route} {key}"):
            raise InProgress("The first request with this key is still being worked on.", retry_after=1)
        known = IdempotencyRecord.objects.filter(caller=caller, route=route, key=key).first()
        if known is not None and known.created_at > now - KEPT_FOR:
            if known.digest not in blind_indexes(body, context="idempotency"):
                raise KeyReused("This Idempotency-Key was used for another body. Use a new one.")
            check_reach()
            return _again(known)
        try:
            answer = work()
        except DomainError as refused:
            if refused.status >= 500:
                raise
            refusal = refused
        else:
            _keep(answer, without=shown_once, caller=caller, route=route, key=key, body=body, now=now)
            return answer
    raise refusal


def prune(*, now: datetime) -> int:
    """Deletes answers that are no longer repeated, in batches; returns how many."""
    deleted = 0
    expired = IdempotencyRecord.objects.filter(created_at__lte=now - KEPT_FOR)
    while batch := list(expired.values_list("pk", flat=True)[:PRUNE_BATCH]):
        deleted += IdempotencyRecord.objects.filter(pk__in=batch).delete()[0]
    return deleted


def _locked(name: str) -> bool:
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        return bool(cursor.fetchone()[0])


def _body(request: Request) -> str:
    """The body as it is meant: the same members in another order are the same body."""
    files = {
        name: [file.name, hashlib.sha256(b"".join(file.chunks())).hexdigest()] for name, file in request.FILES.items()
    }
    for file in request.FILES.values():
        file.seek(0)
    data: Any = request.data
    plain = {name: value for name, value in data.items() if name not in files} if files else data
    return json.dumps([plain, files], sort_keys=True, default=str)


def _keep(
    answer: Response, *, without: Collection[str], caller: str, route: str, key: str, body: str, now: datetime
) -> None:
    data = {**answer.data, **dict.fromkeys(without)} if without else answer.data
    fields = {
        "digest": blind_index(body, context="idempotency"),
        "status": answer.status_code,
        "headers": {name: answer[name] for name in _KEPT_HEADERS if name in answer},
        "answer": json.dumps(data, cls=JSONEncoder),
        "created_at": now,
    }
    IdempotencyRecord.objects.update_or_create(caller=caller, route=route, key=key, defaults=fields)


def _again(known: IdempotencyRecord) -> Response:
    return Response(json.loads(known.answer), status=known.status, headers={**known.headers, REPLAYED: "true"})
