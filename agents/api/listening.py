"""What a login that listens may be told now: the entries behind its position, within today's rights."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import BooleanField, Case, Exists, OuterRef, When

from agents import feed, selectors
from agents.api import protocol
from agents.api.protocol import Closing, Code, Message
from agents.enums import FeedKind
from agents.models.feed import FeedEntryQuerySet
from agents.selectors import Standing
from supportdesk.core.actor import Actor, Door
from tickets.models import Ticket

BATCH = 100


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A login as it was when its pass was used. A change of any of this ends the connection."""

    session_id: int
    agent_id: int
    role: str
    token_version: int
    request_id: str


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Messages in order; `position` is that of the last entry read, which its reader may not have been told of."""

    messages: list[Message]
    position: int
    more: bool


def read(listener: Listener, position: int, now: datetime) -> Batch:
    """At most 100 entries behind the position. Raises Closing when the login is not what it was."""
    actor = acting(listener, now)
    entries = list(_with_rights(feed.behind(position, agent_id=listener.agent_id), actor)[:BATCH])
    if not entries:
        return _nothing(listener, position)
    if entries[-1].seq != position + len(entries):  # some are not kept any more
        return _resync(feed.start(agent_id=listener.agent_id, last_seq=None).position, "too_old")
    messages = [protocol.event(entry) for entry in entries if entry.seen]  # type: ignore[attr-defined]
    return Batch(messages=messages, position=entries[-1].seq, more=len(entries) == BATCH)


def acting(listener: Listener, now: datetime) -> Actor:
    """The actor that the login is today. Raises Closing."""
    session = selectors.session_with_agent(session_id=listener.session_id, now=now)
    if session is None:
        known = selectors.standings([listener.session_id], now=now)
        raise verdict(listener, known.get(listener.session_id)) or _ended()
    refused = verdict(listener, selectors.standing_of(session))
    if refused is not None:
        raise refused
    led: frozenset[int] = frozenset(session.led_ids)  # type: ignore[attr-defined]
    return selectors.actor_for(session.agent, led=led, origin=Door.API, request_id=listener.request_id)


def verdict(listener: Listener, standing: Standing | None) -> Closing | None:
    """Why the login may not listen any more; None while it may."""
    if standing is None:
        return _ended()
    if not standing.is_active:
        return Closing(Code.FORBIDDEN, "The agent was deactivated.")
    if standing.role != listener.role:
        return Closing(Code.FORBIDDEN, "The agent's role has changed.")
    if not standing.is_good or standing.token_version != listener.token_version:
        return _ended()
    return None


def _nothing(listener: Listener, position: int) -> Batch:
    """Nothing is behind the position, because it is the last one, or because it is of another time."""
    start = feed.start(agent_id=listener.agent_id, last_seq=position)
    return _resync(start.position, start.resync) if start.resync else Batch(messages=[], position=position, more=False)


def _resync(head: int, reason: str) -> Batch:
    return Batch(messages=[protocol.resync(seq=head, reason=reason)], position=head, more=False)


def _ended() -> Closing:
    return Closing(Code.NOT_AUTHENTICATED, "The login has ended.")


def _with_rights(entries: FeedEntryQuerySet, actor: Actor) -> FeedEntryQuerySet:
    """Each with `seen`: whether the actor sees today what it is about."""
    ticket = Ticket.objects.visible_to(actor).filter(pk=OuterRef("subject_id"))
    agent = selectors.directory(actor).filter(pk=OuterRef("subject_id"))
    of_agent = When(kind=FeedKind.AGENT_STATUS, then=Exists(agent))
    return entries.annotate(seen=Case(of_agent, default=Exists(ticket), output_field=BooleanField()))
