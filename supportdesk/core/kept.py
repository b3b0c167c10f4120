"""Answers that are kept in Redis until something that they were made of changes.

An answer depends on groups, and each group has a generation, a word that nobody can guess. It is good while the groups
have the generations that they had before it was made: whoever reads while a change is being committed keeps what they
found under generations that are over. From before the commit of a change until after it its groups have none, so that
nothing stale is repeated even if the process dies in between; what is kept lives a minute at most, which bounds what a
Redis that could not be told of a change would repeat.

Answers may hold personal data and are ciphertext. Without Redis every answer is made anew.
"""

import json
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import structlog
from django.conf import settings
from django.core.cache import cache
from django.db import transaction
from prometheus_client import Counter
from redis.exceptions import RedisError

from supportdesk.core.asking import Asking
from supportdesk.core.crypto import DecryptionError, blind_index, decrypt, encrypt
from supportdesk.core.observability.metrics import REDIS_ERRORS

CHANGE_SECONDS = 60  # after which a change whose end nobody told is over
_CHANGING = "changing"

ANSWERS = Counter(
    "supportdesk_kept_answers_total",
    "Answers that may be kept: repeated, made, or made without Redis.",
    ["kind", "how"],
)
log = structlog.get_logger("supportdesk.kept")
_redis = Asking("kept")


def answer(kind: str, *, key: Sequence[object], groups: Sequence[str], make: Callable[[], str]) -> str:
    """The text that `make` makes, or the one it made for the same key while nothing of the groups has changed.

    `key` names everything that the text depends on besides: who asks, what for, and in which words.
    """
    if not settings.KEPT_ANSWER_SECONDS:
        return make()
    entry = f"kept:{kind}:{blind_index(json.dumps(key, default=str), context='kept')}"
    names = [_group(kind, group) for group in groups]
    found = _redis.ask(lambda: cache.get_many([entry, *names]))
    if found is None:
        ANSWERS.labels(kind, "without_redis").inc()
        return make()
    generations = [found.get(name) or _begun(name) for name in names]
    if (kept := _text(found.get(entry), generations)) is not None:
        ANSWERS.labels(kind, "repeated").inc()
        return kept
    ANSWERS.labels(kind, "made").inc()
    text = make()
    if _CHANGING not in generations and None not in generations:
        sealed = encrypt(text, context="kept")
        _redis.ask(lambda: cache.set(entry, [generations, sealed], settings.KEPT_ANSWER_SECONDS))
    return text


def changed(kind: str, groups: Iterable[str]) -> None:
    """Repeats nothing any more that depends on one of the groups, from now on and after the caller's transaction."""
    names = [_group(kind, group) for group in groups]
    _tell(dict.fromkeys(names, _CHANGING), CHANGE_SECONDS)
    transaction.on_commit(lambda: _tell({name: uuid.uuid4().hex for name in names}, None), robust=True)


def _group(kind: str, name: str) -> str:
    return f"kept:{kind}:group:{name}"


def _begun(name: str) -> str | None:
    """The first generation of a group; None when a rival began one, or Redis is gone."""
    generation = uuid.uuid4().hex
    return generation if _redis.ask(lambda: cache.add(name, generation, None)) else None


def _text(found: Any, generations: list[str | None]) -> str | None:
    if found is None or _CHANGING in generations or found[0] != generations:
        return None
    try:
        return decrypt(found[1], context="kept")
    except DecryptionError:  # under a key that is gone
        return None


def _tell(generations: dict[str, str], seconds: int | None) -> None:
    """Always tried: to be silent about a change is worse than to wait."""
    try:
        cache.set_many(generations, seconds)
    except RedisError as error:
        REDIS_ERRORS.labels("kept").inc()
        log.error("redis not told of a change", error=type(error).__name__)
