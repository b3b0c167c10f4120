"""What agents do here, done at Gorgias as well: replies, notes, status, priority, assignment, tags.

Nothing is sent twice. Before a message is posted the ticket is read and looked through for ours; one that may have been
posted is looked for again before it is tried again. Fields are sent as they are now, and only where they differ from
what was last seen there; before that, what changed there is taken over, so that the newer change stays. What came from
Gorgias is never sent back, and a ticket that sends too much rests.
"""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from html import escape
from typing import Any

import structlog
from django.db import transaction
from prometheus_client import Counter

from integrations import connections, links
from integrations.enums import ConnectionStatus, Provider
from integrations.gorgias import client, mapping, people, taking
from integrations.gorgias.client import Down, Refused
from integrations.gorgias.names import MESSAGE, NOTE, SOURCE, TICKET, mark
from integrations.models import Connection, ExternalLink
from integrations.reading import Unreadable, external_id
from supportdesk.core.actor import Door, system
from supportdesk.core.delivery import Later
from tickets.enums import Priority, Sender
from tickets.models import Message, Note, Ticket
from tickets.models.ticket import MAX_TAGS
from tickets.services import conversation

SECONDS = 11.0  # for all calls of one delivery, which ends within its lease
MOST, IN, REST = 20, timedelta(minutes=10), timedelta(hours=1)  # operations on a ticket, before it rests
MOST_FOLLOWED = 5  # tickets that follow one on another
DOUBT = 20.0  # seconds until what may have been posted is looked for
SOONEST, LATEST = 5.0, 300.0  # seconds until a Gorgias that is down is asked again
KEPT_FOR = timedelta(hours=24)  # what could not be sent by then is told to the agents instead
BY = system("integrations.gorgias", origin=Door.GORGIAS)
NAME = "Gorgias"  # who remarks on the ticket what could not be sent

OPERATIONS = Counter("supportdesk_gorgias_total", "What was to be done at Gorgias, by what became of it.", ["outcome"])
log = structlog.get_logger("supportdesk.gorgias")


@dataclass(frozen=True, kw_only=True)
class _Turn:
    """One delivery: the ticket there, since when it is to be done, and until when it may take."""

    known: Connection
    link: ExternalLink
    at: datetime
    now: datetime
    end: float  # monotonic
    given_up: bool  # the account was not to be asked for too long

    @property
    def left(self) -> float:
        """Nothing is begun without any."""
        return self.end - time.monotonic()

    @property
    def there(self) -> str:
        return self.link.external_id


def send_message(*, message_id: int, at: datetime, now: datetime) -> None:
    """Sends an agent's reply to the customer, once. Raises Later."""
    message = Message.objects.select_related("agent", "ticket__customer").get(pk=message_id)
    turn = _turn(message.ticket_id, at=at, now=now)
    if turn is None or message.sender != Sender.AGENT or message.automated or _is_there(turn, MESSAGE, message_id):
        return
    if message.ticket.customer.erased_at is not None:
        return
    what = f"message {message.position}"
    if turn.given_up:
        _give_up(message.ticket_id, what, now=now)
        return
    with _Failures(turn, message.ticket_id, what):
        _post(turn, MESSAGE, message_id, mark("msg", message_id), lambda remote: _reply(turn, remote, message))
        files = message.attachments.count()
        if files:
            _remark(message.ticket_id, f"Gorgias is not given files: the {files} of {what} did not go along.", now=now)


def open_ticket(*, ticket_id: int, at: datetime, now: datetime) -> None:
    """Opens there what was opened here, once, where an account has an address to answer it from: with what its customer
    wrote as history, so that nobody is mailed. Raises Later.
    """
    ticket = Ticket.objects.select_related("customer").get(pk=ticket_id)
    accounts = Connection.objects.filter(provider=Provider.GORGIAS, options__address__gt="")
    known = accounts.exclude(status=ConnectionStatus.UNINSTALLED).order_by("pk").first()
    if known is None or ticket.source == SOURCE or not ticket.customer.email or _link_of(ticket_id) is not None:
        return
    link = ExternalLink(connection=known, object_type=TICKET, local_type=TICKET, local_id=ticket_id)
    turn = _turn_of(link, at=at, now=now)
    if turn.given_up or ticket.customer.erased_at is not None:
        return
    with _Failures(turn, ticket_id, "this ticket"):
        ours = mark("ticket", ticket_id)
        rows = client.page(known, "tickets", left=turn.left, external_id=ours).rows
        row = (
            rows[0]
            if rows
            else client.open_ticket(known, {**_as_new(turn, ticket), "external_id": ours}, left=turn.left)
        )
        taking.link_ours(known, ticket_id, external_id(row.get("id")))
        OPERATIONS.labels("known" if rows else "sent").inc()
        connections.note_success(known, now=now)


def send_heard(*, message_id: int, at: datetime, now: datetime) -> None:
    """What a customer wrote to us by another way than Gorgias: there as history, once. Raises Later."""
    message = Message.objects.select_related("ticket__customer").get(pk=message_id)
    turn = _turn(message.ticket_id, at=at, now=now)
    if turn is None or turn.given_up or message.source == SOURCE or _is_there(turn, MESSAGE, message_id):
        return
    if message.ticket.customer.erased_at is not None:
        return
    with _Failures(turn, message.ticket_id, f"message {message.position}"):
        _post(turn, MESSAGE, message_id, mark("msg", message_id), lambda remote: _heard(turn, message))


def send_note(*, note_id: int, at: datetime, now: datetime) -> None:
    """Notes there what an agent noted here, once. Raises Later."""
    note = Note.objects.select_related("author", "ticket__customer").get(pk=note_id)
    turn = _turn(note.ticket_id, at=at, now=now)
    if turn is None or note.author is None or _is_there(turn, NOTE, note_id):
        return
    if note.ticket.customer.erased_at is not None:
        return
    if turn.given_up:
        _give_up(note.ticket_id, "a note", now=now)
        return
    with _Failures(turn, note.ticket_id, "a note"):
        _post(turn, NOTE, note_id, mark("note", note_id), lambda remote: _remarked(turn, note))


def send_fields(*, ticket_id: int, names: Iterable[str], at: datetime, now: datetime) -> None:
    """Has the fields there be as they are here, where that differs from what was last seen there. Raises Later."""
    turn, wanted = _turn(ticket_id, at=at, now=now), frozenset(names)
    if turn is None or turn.given_up or turn.link.local_id != ticket_id:
        return
    ticket = Ticket.objects.select_related("customer", "assignee").get(pk=ticket_id)
    if ticket.customer.erased_at is not None:
        return
    with _Failures(turn, ticket_id, ""):
        if not _differing(turn, ticket, turn.link, wanted):
            return
        remote = mapping.ticket(client.ticket(turn.known, turn.there, left=turn.left))
        taking.take(turn.known, remote, by=BY, now=now)  # what is newer there stays
        link = taking.link_of(turn.known, turn.there)
        ticket.refresh_from_db()
        if link is None or link.local_id != ticket_id:
            return
        for name, (theirs, send) in _differing(turn, ticket, link, wanted).items():
            _count(turn, ticket_id)
            _note_pushed(turn, name, theirs)
            answer = send()
            _note_base(turn, name, theirs, answer)
            OPERATIONS.labels("sent").inc()
            connections.note_success(turn.known, now=now)


# What is sent


def _post(turn: _Turn, kind: str, local_id: int, ours: str, made: Any) -> None:
    remote = mapping.ticket(client.ticket(turn.known, turn.there, left=turn.left))
    found = next((said.id for said in remote.said if said.external_id == ours), "")
    if found:
        OPERATIONS.labels("known").inc()
    else:
        message = made(remote)
        _count(turn, turn.link.local_id)
        answer = client.post_message(turn.known, turn.there, {**message, "external_id": ours}, left=turn.left)
        OPERATIONS.labels("sent").inc()
        connections.note_success(turn.known, now=turn.now)
        try:
            found = external_id(answer.get("id"))
        except Unreadable:
            return  # it is there, and will be known by its external id
    _note_sent(turn, kind, local_id, found)


def _note_sent(turn: _Turn, kind: str, local_id: int, found: str) -> None:
    given = {"local_type": kind, "local_id": local_id}
    ExternalLink.objects.get_or_create(connection=turn.known, object_type=MESSAGE, external_id=found, defaults=given)


def _as_new(turn: _Turn, ticket: Ticket) -> Mapping[str, Any]:
    first = ticket.messages.select_related("ticket__customer").get(position=1)
    customer = ticket.customer
    return {
        "subject": ticket.subject,
        "channel": "email",
        "via": "api",
        "status": mapping.status_there(ticket.status),
        "priority": mapping.PRIORITIES_THERE[Priority(ticket.priority)],
        "customer": {"email": customer.email, "name": customer.name},
        "tags": [{"name": tag} for tag in ticket.tags],
        "created_datetime": ticket.created_at.isoformat(),
        "messages": [{**_heard(turn, first), "external_id": mark("msg", first.pk)}],
    }


def _heard(turn: _Turn, message: Message) -> Mapping[str, Any]:
    """With when it was sent, a message is history: nobody is mailed."""
    customer = message.ticket.customer
    who = {"name": customer.name, "address": customer.email or ""}
    return {
        "channel": "email",
        "via": "api",
        "from_agent": False,
        "public": True,
        "source": {"type": "email", "from": who, "to": _connected(turn)},
        "sent_datetime": message.created_at.isoformat(),
        "created_datetime": message.created_at.isoformat(),
        **_text(message.body),
    }


def _connected(turn: _Turn) -> list[Mapping[str, str]]:
    """The address that answers come from where nobody wrote to one of theirs; none where none was named."""
    address = turn.known.options.get("address")
    return [{"name": "", "address": address}] if address else []


class _NoWay(Exception):
    """There is no address that a reply could go to."""


def _reply(turn: _Turn, remote: mapping.Ticket, message: Message) -> Mapping[str, Any]:
    """As an answer to what the customer wrote last, on its channel, from the address that it came to."""
    public = [said.raw for said in remote.said if said.public]
    heard = next((raw for raw in reversed(public) if raw.get("from_agent") is not True and _address(raw, "from")), None)
    told = next((raw for raw in reversed(public) if raw.get("from_agent") is True and _receivers(raw)), None)
    if heard is not None:
        written_to = [one for raw in [heard, *reversed(public)] if not raw.get("from_agent") for one in _receivers(raw)]
        to, us, raw = _address(heard, "from"), next(iter([*written_to, *_connected(turn)]), None), heard
    elif told is not None:
        to, us, raw = _receivers(told)[0], _address(told, "from"), told
    else:
        raise _NoWay
    word = str(raw.get("channel") or "email")
    if word == "email" and us is None:
        raise _NoWay
    source: dict[str, Any] = {"type": word, "to": [to], **({"from": us} if us else {})}
    return {
        "channel": word,
        "via": "api",
        "from_agent": True,
        "public": True,
        "source": source,
        **_sender(turn, message.agent),
        **_text(message.body),
    }


def _remarked(turn: _Turn, note: Note) -> Mapping[str, Any]:
    sender = _sender(turn, note.author)
    by = "" if sender or note.author is None else f"{note.author.name}: "
    return {
        "channel": "internal-note",
        "via": "api",
        "from_agent": True,
        "public": False,
        "source": {"type": "internal-note", "to": []},
        **sender,
        **_text(by + note.body),
    }


def _sender(turn: _Turn, agent: Any) -> dict[str, Any]:
    """The agent's own user there; whose key it is, when they have none."""
    user_id = people.user_of(turn.known, agent, left=turn.left) if agent is not None else ""
    return {"sender": {"id": int(user_id)}} if user_id else {}


def _text(body: str) -> dict[str, str]:
    return {"body_text": body, "body_html": "<br>".join(escape(line) for line in body.split("\n"))}


def _address(raw: Mapping[str, Any], side: str) -> Mapping[str, str] | None:
    source = raw.get("source")
    found = source.get(side) if isinstance(source, Mapping) else None
    return _named(found)


def _receivers(raw: Mapping[str, Any]) -> list[Mapping[str, str]]:
    source = raw.get("source")
    found = source.get("to") if isinstance(source, Mapping) else None
    return [named for one in found if (named := _named(one))] if isinstance(found, list) else []


def _named(value: Any) -> Mapping[str, str] | None:
    if not isinstance(value, Mapping) or not (address := mapping.line(value.get("address"), 254)):
        return None
    return {"name": mapping.line(value.get("name"), 200), "address": address}


def _differing(turn: _Turn, ticket: Ticket, link: ExternalLink, names: frozenset[str]) -> dict[str, tuple[str, Any]]:
    """Of each field that is another than it was last seen there: its value in their words, and what sends it."""
    base, found = link.remote.get("base", {}), dict[str, tuple[str, Any]]()

    def change(**given: Any) -> Any:
        return lambda: client.change_ticket(turn.known, turn.there, given, left=turn.left)

    status, priority = mapping.status_there(ticket.status), mapping.PRIORITIES_THERE[Priority(ticket.priority)]
    if "status" in names and status != base.get("status"):
        found["status"] = (status, change(status=status))
    if "priority" in names and base.get("priority") in mapping.PRIORITIES and priority != base["priority"]:
        found["priority"] = (priority, change(priority=priority))
    if "assignee" in names and ticket.assignee is not None:
        user_id = people.user_of(turn.known, ticket.assignee, left=turn.left)
        if user_id and user_id != base.get("assignee"):
            found["assignee"] = (user_id, change(assignee_user={"id": int(user_id)}))
    if "tags" in names:
        found |= _retagged(turn, ticket, base.get("tags", []))
    return found


def _retagged(turn: _Turn, ticket: Ticket, theirs: list[str]) -> dict[str, tuple[str, Any]]:
    """By adding and removing, never by replacing. What had no room here was not removed here."""
    found, seen, ours = dict[str, tuple[str, Any]](), mapping.tags_here(theirs), set(ticket.tags)
    more = sorted(ours - seen)
    less = taking.names_to_remove(theirs, seen - ours) if len(seen) <= MAX_TAGS else []
    if more:
        found["tags+"] = ("\0".join(more), lambda: client.add_tags(turn.known, turn.there, more, left=turn.left))
    if less:
        found["tags-"] = ("\0".join(less), lambda: client.remove_tags(turn.known, turn.there, less, left=turn.left))
    return found


# What is kept of it


def _turn(ticket_id: int, *, at: datetime, now: datetime) -> _Turn | None:
    """None where the ticket is not at Gorgias. Raises Later while the connection is not active, for as long as it may
    become so; nothing is asked of Gorgias before.
    """
    link = _link_of(ticket_id)
    return None if link is None else _turn_of(link, at=at, now=now)


def _turn_of(link: ExternalLink, *, at: datetime, now: datetime) -> _Turn:
    """Raises Later."""
    status = link.connection.status
    may_become = status != ConnectionStatus.UNINSTALLED and now - at < KEPT_FOR
    if status != ConnectionStatus.ACTIVE and may_become:
        raise Later(LATEST)
    end = time.monotonic() + SECONDS
    given_up = status != ConnectionStatus.ACTIVE
    return _Turn(known=link.connection, link=link, at=at, now=now, end=end, given_up=given_up)


def _link_of(ticket_id: int) -> ExternalLink | None:
    """Also when the ticket there is a follow-up of this one by now: its customer wrote before we could."""
    there = ExternalLink.objects.filter(object_type=TICKET, connection__provider=Provider.GORGIAS)
    there = there.filter(local_type=TICKET).select_related("connection").order_by("-pk")
    ids = [ticket_id]
    for _ in range(MOST_FOLLOWED):
        if (found := there.filter(local_id__in=ids).first()) is not None:
            return found
        ids = list(Ticket.objects.filter(follow_up_of__in=ids).values_list("pk", flat=True))
        if not ids:
            break
    return None


def _is_there(turn: _Turn, kind: str, local_id: int) -> bool:
    sent = ExternalLink.objects.filter(connection=turn.known, object_type=MESSAGE)
    return sent.filter(local_type=kind, local_id=local_id).exists()


def _count(turn: _Turn, ticket_id: int) -> None:
    """One operation more; over MOST of them the ticket rests, and somebody is told. Raises Later."""
    with transaction.atomic():
        link = _held(turn)
        resting = datetime.fromisoformat(link.pushed["rests"]) if "rests" in link.pushed else turn.now
        if resting > turn.now:
            raise Later((resting - turn.now).total_seconds())
        recent = [one for one in link.pushed.get("ops", []) if datetime.fromisoformat(one) > turn.now - IN]
        too_many = len(recent) >= MOST
        kept = {name: value for name, value in link.pushed.items() if name != "rests"}
        more = (
            {"ops": [], "rests": (turn.now + REST).isoformat()}
            if too_many
            else {"ops": [*recent, turn.now.isoformat()]}
        )
        link.pushed = {**kept, **more}
        link.save(update_fields=["pushed"])
    if too_many:
        OPERATIONS.labels("paused").inc()
        log.error("too much is sent to gorgias of one ticket", ticket=ticket_id, connection=turn.known.pk)
        connections.note_error(turn.known, "one ticket sends too much", now=turn.now)
        minutes = int(REST.total_seconds() // 60)
        _remark(
            ticket_id,
            f"Too much went to Gorgias in a short time. Nothing more does for {minutes} minutes.",
            now=turn.now,
        )
        raise Later(REST.total_seconds())


def _note_pushed(turn: _Turn, name: str, value: str) -> None:
    with transaction.atomic():
        link = _held(turn)
        links.mark_pushed(link, {name: value}, now=turn.now)
        link.save(update_fields=["pushed"])


def _note_base(turn: _Turn, name: str, value: str, answer: Mapping[str, Any] | None) -> None:
    """What is there now."""
    with transaction.atomic():
        link = _held(turn)
        base = dict(link.remote.get("base", {}))
        if name in {"tags+", "tags-"}:
            names, before = value.split("\0"), set(base.get("tags", []))
            base["tags"] = sorted(before | set(names) if name == "tags+" else before - set(names))
        else:
            base[name] = value
        written = mapping.instant((answer or {}).get("updated_datetime"))  # no more: a customer may have written before
        link.remote = {**link.remote, "base": base, **({"written": written.isoformat()} if written else {})}
        link.save(update_fields=["remote"])


def _held(turn: _Turn) -> ExternalLink:
    """The link as it is now, in the caller's transaction, which nobody else writes meanwhile."""
    taking.one_at_a_time(turn.known.pk, turn.there)
    return ExternalLink.objects.get(pk=turn.link.pk)


# What goes wrong


class _Failures:
    """Makes of what went wrong a time to come again, or a remark for the agents."""

    def __init__(self, turn: _Turn, ticket_id: int, what: str) -> None:
        self.turn, self.ticket_id, self.what = turn, ticket_id, what

    def __enter__(self) -> None:
        """Nothing is to be done before."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, _NoWay):
            self._tell("there is no address that it could go to")
        elif isinstance(error, Unreadable):
            self._tell("its ticket cannot be read there")
        elif isinstance(error, Refused):
            self._refused(error)
        elif isinstance(error, Down):
            self._down(error)
        else:
            return False
        return True

    def _refused(self, refused: Refused) -> None:
        turn = self.turn
        log.error("gorgias refuses", connection=turn.known.pk, ticket=self.ticket_id, reason=refused.reason)
        if refused.of_the_account:
            connections.require_reauth(connection_id=turn.known.pk, error=refused.reason, by=BY, now=turn.now)
            raise Later(LATEST)
        connections.note_error(turn.known, refused.reason, now=turn.now)
        self._tell(f"Gorgias does not take it ({refused.reason})")

    def _down(self, down: Down) -> None:
        age = (self.turn.now - self.turn.at).total_seconds()
        if age > KEPT_FOR.total_seconds():
            self._tell("Gorgias did not answer for a day")
            return
        wait = down.retry_after if down.retry_after is not None else min(max(SOONEST, age / 2), LATEST)
        wait = max(wait, DOUBT) if down.sent else wait
        OPERATIONS.labels("later").inc()
        log.warning("gorgias does not answer", reason=down.reason, maybe_sent=down.sent, wait=round(wait, 1))
        raise Later(wait) from None

    def _tell(self, why: str) -> None:
        OPERATIONS.labels("refused").inc()
        if self.what:
            _remark(self.ticket_id, f"Not sent to Gorgias: {self.what}, because {why}.", now=self.turn.now)


def _give_up(ticket_id: int, what: str, *, now: datetime) -> None:
    OPERATIONS.labels("refused").inc()
    _remark(ticket_id, f"Not sent to Gorgias: {what}, because the desk is not connected to it.", now=now)


def _remark(ticket_id: int, body: str, *, now: datetime) -> None:
    conversation.add_system_note(ticket_id=ticket_id, body=body, system_name=NAME, by=BY, now=now)
