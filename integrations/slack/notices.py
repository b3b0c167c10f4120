"""What is told in Slack: once per subject and channel, one message at a time, many at once as a digest.

What is to be told is written down first, under a unique key; then whoever has the channel's turn tells everything that
waits there. A message that may or may not have been sent is sent once more, and no oftener: a breach that is missed is
worse than one that is told twice. Every function here may be called again for the same fact.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db.models import F
from prometheus_client import Counter

from integrations import connections
from integrations.enums import ConnectionStatus, NoticeKind, NoticeStatus, Provider
from integrations.models import Connection, SlackNotification
from integrations.slack import client, messages
from integrations.slack.client import Message, SlackDown, SlackRefuses
from integrations.slack.turns import Turn, channel_of, turn
from sla.clock import State
from sla.models import SLAClock
from supportdesk.core.actor import Actor
from supportdesk.core.delivery import SOONEST, Later, patience
from tickets.models import Ticket
from tickets.status import DONE

OPEN = [NoticeStatus.WAITING, NoticeStatus.SENDING]
SENDS = 2  # of one that may have been sent already
STALE_AFTER = timedelta(hours=24)
FOLLOWED_FOR = timedelta(days=7)
AWAY = 300.0  # seconds until it is looked whether a connection is active again
_CLOCKS = {NoticeKind.WARNING: State.RUNNING, NoticeKind.BREACH: State.BREACHED}

MESSAGES = Counter("supportdesk_slack_total", "What was to be told in Slack, by what became of it.", ["outcome"])
log = structlog.get_logger("supportdesk.slack")


def tell(
    *,
    kind: NoticeKind,
    ticket_id: int,
    subject: str,
    at: datetime,
    by: Actor,
    now: datetime,
    details: Mapping[str, Any] | None = None,
) -> None:
    """Tells it in the channel, if there is an active connection. Raises Later when it is to be tried again."""
    known = _active()
    if known is None or not Ticket.objects.filter(pk=ticket_id).exists():
        return
    defaults = {"ticket_id": ticket_id, "details": dict(details or {}), "at": at}
    notice, _ = SlackNotification.objects.get_or_create(
        kind=kind, subject_key=subject, channel=channel_of(known), defaults=defaults
    )
    if notice.status in OPEN:
        with turn(notice.channel) as mine:
            _tell_waiting(known, notice, mine, by=by, now=now)


def follow(*, ticket_id: int, by: Actor, now: datetime) -> None:
    """Brings what was told of a ticket up to date, where that was a message of its own. Raises Later."""
    known = _active()
    if known is None or not known.access_token:
        return
    told = SlackNotification.objects.filter(ticket=ticket_id, status=NoticeStatus.SENT, in_digest=False)
    told = told.filter(sent_at__gte=now - FOLLOWED_FOR, channel__connection=known).exclude(ts="")
    for notice in told.select_related("channel").order_by("pk"):
        message = messages.message_of(known, notice, _ticket(ticket_id))
        if notice.shown != _fingerprint(message):
            with turn(notice.channel, quiet=True) as mine:
                _update(known, notice, message, mine, by=by, now=now)


def forget(*, ticket_ids: Sequence[int], by: Actor, now: datetime) -> None:
    """Of an erased customer: brings up to date whatever a bot told of their tickets, however long ago. Raises Later for
    as long as something is to be, but for what an account shows that let go of us.
    """
    told = SlackNotification.objects.filter(ticket__in=ticket_ids)
    told = told.exclude(channel__connection__status=ConnectionStatus.UNINSTALLED)
    owed = told.filter(status=NoticeStatus.SENDING).exists()  # with words from before, perhaps
    told = told.filter(status=NoticeStatus.SENT, in_digest=False).exclude(ts="")
    for notice in told.select_related("channel__connection").order_by("pk"):
        known = notice.channel.connection
        message = messages.message_of(known, notice, _ticket(notice.ticket_id))
        if notice.shown == _fingerprint(message):
            continue
        if known.status != ConnectionStatus.ACTIVE:
            owed = True
            continue
        with turn(notice.channel, quiet=True) as mine:
            owed = not _update(known, notice, message, mine, by=by, now=now) or owed
    if owed:
        raise Later(AWAY)


def _active() -> Connection | None:
    return Connection.objects.active(Provider.SLACK).order_by("pk").first()


def _tell_waiting(known: Connection, cause: SlackNotification, mine: Turn, *, by: Actor, now: datetime) -> None:
    waiting = SlackNotification.objects.filter(channel=cause.channel_id, status__in=OPEN).order_by("pk")
    current = [notice for notice in waiting.select_related("channel") if _is_worth_telling(notice, now)]
    if not current:
        mine.rest = 0.0
        return
    tickets = _tickets(current)
    pairs = [(notice, tickets[notice.ticket_id]) for notice in current]
    thread = _thread_of(current[0]) if len(current) == 1 else ""
    message = messages.message_of(known, *pairs[0]) if len(current) == 1 else messages.digest_of(pairs)
    _mark(current, status=NoticeStatus.SENDING, attempts=F("attempts") + 1)
    try:
        marks = [notice.pk for notice in current[: messages.MOST_LINES]]
        ts = client.post(known, cause.channel.channel, message, marks=marks, thread=thread)
    except SlackRefuses as refused:
        _mark(current, status=NoticeStatus.REFUSED, error=refused.code[:64])
        _refused(known, refused, by=by, now=now)
    except SlackDown as down:
        _down(current, down, mine, cause=cause, now=now)
    else:
        mine.gather = True
        shown = {"in_digest": len(current) > 1, "shown": _fingerprint(message), "ts": ts, "sent_at": now, "error": ""}
        _mark(current, status=NoticeStatus.SENT, **shown)
        MESSAGES.labels("digest" if len(current) > 1 else "sent").inc()
        connections.note_success(known, now=now)


def _is_worth_telling(notice: SlackNotification, now: datetime) -> bool:
    """Whether it still is so, and was not sent too often already; notes when not."""
    kind, details = NoticeKind(notice.kind), notice.details
    if notice.attempts >= SENDS:
        _mark([notice], status=NoticeStatus.UNSURE)
        MESSAGES.labels("unsure").inc()
        log.error("slack message maybe not sent", notification=notice.pk)
        return False
    stale = now - notice.at > STALE_AFTER
    if kind in _CLOCKS:
        clocks = SLAClock.objects.filter(ticket=notice.ticket_id, state=_CLOCKS[kind])
        stale = stale or not clocks.filter(metric=details.get("metric"), cycle=details.get("cycle")).exists()
    elif kind == NoticeKind.TICKET:
        wanted = Ticket.objects.filter(pk=notice.ticket_id, priority__in=settings.SLACK_ALERT_PRIORITIES)
        stale = stale or not wanted.exclude(status__in=DONE).exists()
    if stale:
        _mark([notice], status=NoticeStatus.STALE)
        MESSAGES.labels("stale").inc()
    return not stale


def _thread_of(notice: SlackNotification) -> str:
    """A breach is told under the warning that came before it."""
    if notice.kind != NoticeKind.BREACH:
        return ""
    warned = SlackNotification.objects.filter(
        kind=NoticeKind.WARNING, subject_key=notice.subject_key, channel=notice.channel_id, in_digest=False
    )
    return warned.values_list("ts", flat=True).first() or ""


def _down(
    current: Sequence[SlackNotification], down: SlackDown, mine: Turn, *, cause: SlackNotification, now: datetime
) -> None:
    """Waits for as long as Slack says, or longer the longer it has been down. Raises Later."""
    if not down.sent:
        _mark(current, status=NoticeStatus.WAITING, attempts=F("attempts") - 1)
    wait = patience(now - cause.at, down.retry_after)
    mine.rest = max(mine.rest, wait)
    MESSAGES.labels("later").inc()
    log.warning("slack does not answer", reason=str(down), maybe_sent=down.sent, wait=round(wait, 1))
    raise Later(mine.rest)


def _update(
    known: Connection, notice: SlackNotification, message: Message, mine: Turn, *, by: Actor, now: datetime
) -> bool:
    """Whether there is nothing more to do about it. Raises Later."""
    try:
        client.update(known, notice.channel.channel, notice.ts, message)
    except SlackRefuses as refused:
        if refused.of_the_account:
            _refused(known, refused, by=by, now=now)
            return False
        log.warning("slack message not brought up to date", notification=notice.pk, reason=refused.code)
    except SlackDown as down:
        mine.rest = max(mine.rest, down.retry_after if down.retry_after is not None else SOONEST)
        raise Later(mine.rest) from None
    _mark([notice], shown=_fingerprint(message))
    return True


def _refused(known: Connection, refused: SlackRefuses, *, by: Actor, now: datetime) -> None:
    """The alarm: nothing is tried again until somebody mends it."""
    MESSAGES.labels("refused").inc()
    log.error("slack refuses", connection=known.pk, reason=refused.code)
    if refused.of_the_account:
        connections.require_reauth(connection_id=known.pk, error=refused.code, by=by, now=now)
    else:
        connections.note_error(known, refused.code, now=now)


def _mark(notices: Sequence[SlackNotification], **values: Any) -> None:
    SlackNotification.objects.filter(pk__in=[notice.pk for notice in notices]).update(**values)


def _ticket(ticket_id: int) -> Ticket:
    return Ticket.objects.select_related("assignee", "department").get(pk=ticket_id)


def _tickets(notices: Sequence[SlackNotification]) -> Mapping[int, Ticket]:
    ids = {notice.ticket_id for notice in notices}
    return Ticket.objects.select_related("assignee", "department").in_bulk(ids)


def _fingerprint(message: Message) -> str:
    """Of what it says, to know whether it would say something else now."""
    return hashlib.sha256(json.dumps([message.text, list(message.blocks)], sort_keys=True).encode()).hexdigest()
