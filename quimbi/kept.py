"""Answers that are kept in Redis for a while, and who is asking for one at this moment.

All that is kept of a customer, a ticket or a message lies in one hash and is dropped in one step. Its epoch, a word
that nobody can guess, changes with it: an answer that was asked for in another epoch is not stored, and one that was
stored in another is not fresh. Values are ciphertext, bound to their place. Without Redis nothing is kept or fails.
"""

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Generic, TypeVar

import structlog
from redis.exceptions import RedisError

from quimbi import shapes, shared
from quimbi.questions import Place
from quimbi.types import Insight, Reason, Source
from supportdesk.core.crypto import DecryptionError, decrypt, encrypt
from supportdesk.core.observability.metrics import REDIS_ERRORS

T = TypeVar("T")
EPOCH_MS = 3_600_000  # at least, after a change: longer than any call

# KEYS: the hash, the lease; ARGV: the slot, a claim, ms. Takes the lease if nobody has it.
_JOIN = """
redis.call('SET', KEYS[2], ARGV[2], 'NX', 'PX', ARGV[3])
local found = redis.call('HMGET', KEYS[1], ARGV[1], 'epoch', 'failed:' .. ARGV[1])
return {found[1] or '', found[2] or '', found[3] or '', redis.call('GET', KEYS[2])}
"""
# KEYS: the hash, the lease; ARGV: the slot, the claim, the epoch, the entry or '', the failure, ms to keep it.
_FINISH = """
if ARGV[4] == '' then
    redis.call('HSET', KEYS[1], 'failed:' .. ARGV[1], ARGV[5])
elseif (redis.call('HGET', KEYS[1], 'epoch') or '') == ARGV[3] then
    redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
    redis.call('HDEL', KEYS[1], 'failed:' .. ARGV[1])
end
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[6]) then redis.call('PEXPIRE', KEYS[1], ARGV[6]) end
if redis.call('GET', KEYS[2]) == ARGV[2] then redis.call('DEL', KEYS[2]) end
"""
# KEYS: hashes; ARGV: 'forget' or 'outdate', an epoch, ms.
_CHANGE = """
for _, key in ipairs(KEYS) do
    if ARGV[1] == 'forget' then redis.call('DEL', key) end
    redis.call('HSET', key, 'epoch', ARGV[2])
    if redis.call('PTTL', key) < tonumber(ARGV[3]) then redis.call('PEXPIRE', key, ARGV[3]) end
end
"""
log = structlog.get_logger("supportdesk.quimbi")


@dataclass(frozen=True, kw_only=True)
class Kept(Generic[T]):
    """An answer from before. No value: Quimbi said that it has no profile."""

    value: T | None
    as_of: datetime
    is_fresh: bool

    def insight(self, *, live: bool = False) -> Insight[T]:
        """What it is to whoever asks; `live`: it was said while they waited."""
        if self.value is None:
            return Insight(as_of=self.as_of, reason=Reason.NO_PROFILE)
        if not self.is_fresh:
            return Insight(value=self.value, source=Source.STALE, as_of=self.as_of, reason=Reason.NOT_ASKED)
        return Insight(value=self.value, source=Source.LIVE if live else Source.CACHE, as_of=self.as_of)


@dataclass(frozen=True, kw_only=True)
class Seen(Generic[T]):
    """A place, and who asks for what belongs there: `holder` is a claim. `failure` is how the last one fared."""

    kept: Kept[T] | None
    epoch: str
    failure: tuple[str, Reason, float | None] | None  # whose, why, and seconds after which to ask again
    holder: str


def look(places: Sequence[Place[Any]], *, now: datetime) -> list[Kept[Any] | None]:
    """What is kept at each place, in one question to Redis."""
    if not places:
        return []

    def question() -> list[list[str | None]]:
        with shared.redis().pipeline(transaction=False) as pipe:
            for place in places:
                pipe.hmget(_key(place.owner), [place.slot, "epoch"])
            found: list[list[str | None]] = pipe.execute()
            return found

    found = shared.asking.ask(question) or [[None, None]] * len(places)
    return [_opened(place, entry, epoch or "", now) for place, (entry, epoch) in zip(places, found, strict=True)]


def join(place: Place[T], *, claim: str, seconds: float, now: datetime) -> Seen[T] | None:
    """Takes the right to ask for so long, if nobody has it, and looks. None without Redis."""
    found = shared.run(_JOIN, _keys(place), place.slot, claim, int(seconds * 1000))
    if found is None:
        return None
    entry, epoch, failure, holder = found
    return Seen(kept=_opened(place, entry, epoch, now), epoch=epoch, failure=_failure(failure), holder=holder)


def store(
    place: Place[T], value: T | None, *, claim: str, epoch: str, now: datetime, fresh: float, stale: float
) -> None:
    """Keeps an answer, unless its epoch is over, and gives back the right to ask. Seconds."""
    data = shapes.plain(value) if value is not None else None  # type: ignore[arg-type]
    sealed = encrypt(json.dumps({"as_of": now.isoformat(), "value": data}), context=_context(place))
    lives = max(fresh, stale)
    ends = [str(int((now + timedelta(seconds=seconds)).timestamp() * 1000)) for seconds in (fresh, lives)]
    entry = "|".join([epoch, *ends, sealed])
    shared.run(_FINISH, _keys(place), place.slot, claim, epoch, entry, "", int(lives * 1000))


def fail(place: Place[Any], reason: Reason, *, claim: str, retry_after: float | None) -> None:
    """Tells those who wait, and gives back the right to ask."""
    failure = f"{claim}|{reason}|{'' if retry_after is None else retry_after}"
    shared.run(_FINISH, _keys(place), place.slot, claim, "", "", failure, 60_000)


def let_go(place: Place[Any], *, claim: str) -> None:
    """Gives back the right to ask, which was not needed."""
    shared.run("if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end", _keys(place)[1:], claim)


def forget(owners: Iterable[str]) -> bool:
    """Whether Redis was told."""
    return _tell("forget", owners)


def outdate(owners: Iterable[str]) -> bool:
    """Nothing that is kept is fresh any more; it may still stand in when Quimbi fails. Whether Redis was told."""
    return _tell("outdate", owners)


def _tell(what: str, owners: Iterable[str]) -> bool:
    """Always tried, however long Redis has been away: to be silent about a change is worse than to wait."""
    keys = [_key(owner) for owner in owners]
    if not keys:
        return True
    try:
        shared.redis().eval(_CHANGE, len(keys), *keys, what, uuid.uuid4().hex, EPOCH_MS)
    except RedisError as error:
        REDIS_ERRORS.labels("quimbi").inc()
        log.error("redis not told of a change", what=what, error=type(error).__name__)
        return False
    return True


def _opened(place: Place[T], entry: str | None, epoch: str, now: datetime) -> Kept[T] | None:
    if not entry:
        return None
    stored_in, fresh, gone, sealed = entry.split("|", 3)
    if _instant(gone) <= now:
        return None
    try:
        data = json.loads(decrypt(sealed, context=_context(place)))
    except DecryptionError:  # under a key that is gone
        return None
    value = None if data["value"] is None else place.restore(data["value"])
    is_fresh = stored_in == epoch and _instant(fresh) > now
    return Kept(value=value, as_of=datetime.fromisoformat(data["as_of"]), is_fresh=is_fresh)


def _failure(text: str) -> tuple[str, Reason, float | None] | None:
    if not text:
        return None
    claim, reason, wait = text.split("|")
    return claim, Reason(reason), float(wait) if wait else None


def _instant(milliseconds: str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)


def _key(owner: str) -> str:
    return f"quimbi:{{{owner}}}"


def _keys(place: Place[Any]) -> list[str]:
    return [_key(place.owner), f"{_key(place.owner)}:asking:{place.slot}"]


def _context(place: Place[Any]) -> str:
    return f"quimbi:{place.owner}:{place.slot}"
