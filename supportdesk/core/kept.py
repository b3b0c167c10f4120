"""Answers that are kept in Redis until something that they were made of changes.

An answer depends on groups, and each group has a generation, a word that nobody can guess. It is good while the groups
have the generations that they had before it was made: whoever reads while a change is being committed keeps what they
found under generations that are over. From before the commit of a change until after it its groups have none, so that
nothing stale is repeated even if the process dies in between. A process that could not tell Redis of its change says so
with its next word to it, and repeats nothing itself until then. What is kept lives a minute at most, which bounds what
others, for whom Redis answers, would repeat meanwhile.

Answers may hold personal data and are ciphertext. Without Redis every answer is made anew.
"""

import json
import math
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.conf import settings
from django.core.cache import cache
from django.db import connection, transaction
from prometheus_client import Counter

from supportdesk.core.asking import Asking
from supportdesk.core.crypto import DecryptionError, blind_index, decrypt, encrypt

CHANGE_SECONDS = 60  # after which a change whose end nobody told is over
_CHANGING = "changing"

ANSWERS = Counter(
    "supportdesk_kept_answers_total",
    "Answers that may be kept: repeated, made, or made without Redis.",
    ["kind", "how"],
)
_redis, _telling = Asking("kept"), Asking("kept")
_owed: dict[str, str] = {}  # groups whose change was committed here to their generations, while Redis does not know


def answer(kind: str, *, key: Sequence[object], groups: Sequence[str], make: Callable[[], str]) -> str:
    """The text that `make` makes, or the one it made for the same key while nothing of the groups has changed.

    `key` names everything that the text depends on besides: who asks, what for, and in which words.
    """
    if not settings.KEPT_ANSWER_SECONDS:
        return make()
    entry = f"kept:{kind}:{blind_index(json.dumps(key, default=str), context='kept')}"
    names = [_group(kind, group) for group in groups]
    found = _redis.ask(lambda: cache.get_many([entry, *names])) if _pay() else None
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
    """Repeats nothing any more that depends on one of the groups, from now on and after the caller's transaction.

    Redis is told of each group once before the commit, and of all of them together once after it.
    """
    hooks = (getattr(hook, "__self__", None) for _, hook, *_ in connection.run_on_commit)
    known = next((hook for hook in hooks if isinstance(hook, _Change)), None)
    change = known or _Change()
    change.begin([_group(kind, group) for group in groups])
    if known is None:
        transaction.on_commit(change.end, robust=True)


class _Change:
    """What one transaction changes. It stands among what is done after the commit, where Django keeps it just as long
    as the change itself: a savepoint that is taken back takes it along.
    """

    def __init__(self) -> None:
        self.begun: dict[str, float] = {}  # when Redis was told of each
        self.failed = False

    def begin(self, names: Sequence[str]) -> None:
        """Before the commit. Once Redis has not heard of it, the rest is left to what follows the commit."""
        now = time.monotonic()
        # Again after a while: what is marked is only for so long.
        new = [name for name in names if self.begun.get(name, -math.inf) < now - CHANGE_SECONDS / 2]
        self.begun |= dict.fromkeys(new, now)
        if new and not (self.failed or _telling.quiet):
            marks = dict.fromkeys(new, _CHANGING)
            self.failed = not _telling.succeeds(lambda: cache.set_many(marks, CHANGE_SECONDS))

    def end(self) -> None:
        """After the commit."""
        _owed.update({name: uuid.uuid4().hex for name in self.begun})
        _pay()


def _pay() -> bool:
    """Tells Redis of the new generations that it has not heard of; whether it knows of all. After a failure the others
    wait, so that a Redis that hangs costs many changes no more than one.
    """
    owed = dict(_owed)
    if not owed:
        return True
    if _telling.ask(lambda: cache.set_many(owed, None)) is None:
        return False
    for name, generation in owed.items():
        if _owed.get(name) == generation:  # else it has changed meanwhile
            _owed.pop(name, None)
    return True


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
