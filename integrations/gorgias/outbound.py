"""What agents do here, done at Gorgias as well: replies, notes, status, priority, assignment, subject, tags.

Nothing is sent twice. Before a message is posted the ticket is read and looked through for ours; one that may have been
posted is looked for again before it is tried again. Fields are sent as they are now, and only where they differ from
what was last seen there; before that, what changed there is taken over, so that the newer change stays. What came from
Gorgias is never sent back, and a ticket that sends too much rests.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from integrations import connections, links
from integrations.enums import ConnectionStatus, Provider
from integrations.gorgias import client, composing, mapping, people, taking
from integrations.gorgias.failures import Failures
from integrations.gorgias.names import MESSAGE, NOTE, SOURCE, TICKET, mark
from integrations.gorgias.turns import (
    BY,
    OPERATIONS,
    Turn,
    count,
    found_link,
    note_base,
    note_pushed,
    remark,
    turn_of,
    turn_on,
)
from integrations.models import Connection, ExternalLink
from integrations.reading import Unreadable, external_id
from tickets.enums import Priority, Sender
from tickets.models import Message, Note, Ticket
from tickets.models.ticket import MAX_TAGS


def send_message(*, message_id: int, at: datetime, now: datetime) -> None:
    """Sends an agent's reply to the customer, once. Raises Later."""
    message = Message.objects.select_related("agent", "ticket__customer").get(pk=message_id)
    turn = turn_on(message.ticket_id, at=at, now=now)
    if turn is None or message.sender != Sender.AGENT or message.automated or _is_there(turn, MESSAGE, message_id):
        return
    if message.ticket.customer.erased_at is not None:
        return
    what = f"message {message.position}"
    with Failures(turn, message.ticket_id, what):
        _post(turn, MESSAGE, message_id, mark("msg", message_id), lambda remote: composing.reply(turn, remote, message))
        files = message.attachments.count()
        if files:
            remark(message.ticket_id, f"Gorgias is not given files: the {files} of {what} did not go along.", now=now)


def open_ticket(*, ticket_id: int, at: datetime, now: datetime) -> None:
    """Opens there what was opened here, once, where an account has an address to answer it from: with what its customer
    wrote as history, so that nobody is mailed. Raises Later.
    """
    ticket = Ticket.objects.select_related("customer").get(pk=ticket_id)
    accounts = Connection.objects.filter(provider=Provider.GORGIAS, options__address__gt="")
    known = accounts.exclude(status=ConnectionStatus.UNINSTALLED).order_by("pk").first()
    if known is None or ticket.source == SOURCE or not ticket.customer.email or found_link(ticket_id) is not None:
        return
    link = ExternalLink(connection=known, object_type=TICKET, local_type=TICKET, local_id=ticket_id)
    turn = turn_of(link, at=at, now=now)
    if ticket.customer.erased_at is not None:
        return
    with Failures(turn, ticket_id, "this ticket"):
        ours = mark("ticket", ticket_id)
        rows = client.page(known, "tickets", left=turn.left, external_id=ours).rows
        row = (
            rows[0]
            if rows
            else client.open_ticket(known, {**composing.as_new(turn, ticket), "external_id": ours}, left=turn.left)
        )
        taking.link_ours(known, ticket_id, external_id(row.get("id")))
        OPERATIONS.labels("known" if rows else "sent").inc()
        connections.note_success(known, now=now)


def send_heard(*, message_id: int, at: datetime, now: datetime) -> None:
    """What a customer wrote to us by another way than Gorgias: there as history, once. Raises Later."""
    message = Message.objects.select_related("ticket__customer").get(pk=message_id)
    turn = turn_on(message.ticket_id, at=at, now=now)
    if turn is None or message.source == SOURCE or _is_there(turn, MESSAGE, message_id):
        return
    if message.ticket.customer.erased_at is not None:
        return
    with Failures(turn, message.ticket_id, f"message {message.position}"):
        _post(turn, MESSAGE, message_id, mark("msg", message_id), lambda remote: composing.heard(turn, message))


def send_note(*, note_id: int, at: datetime, now: datetime) -> None:
    """Notes there what an agent noted here, once. Raises Later."""
    note = Note.objects.select_related("author", "ticket__customer").get(pk=note_id)
    turn = turn_on(note.ticket_id, at=at, now=now)
    if turn is None or note.author is None or _is_there(turn, NOTE, note_id):
        return
    if note.ticket.customer.erased_at is not None:
        return
    with Failures(turn, note.ticket_id, "a note"):
        _post(turn, NOTE, note_id, mark("note", note_id), lambda remote: composing.remarked(turn, note))


def send_fields(*, ticket_id: int, names: Iterable[str], at: datetime, now: datetime) -> None:
    """Has the fields there be as they are here, where that differs from what was last seen there. Raises Later."""
    turn, wanted = turn_on(ticket_id, at=at, now=now), frozenset(names)
    if turn is None or turn.link.local_id != ticket_id:
        return
    ticket = Ticket.objects.select_related("customer", "assignee").get(pk=ticket_id)
    if ticket.customer.erased_at is not None:
        return
    with Failures(turn, ticket_id, f"a change of {' and '.join(sorted(wanted))}"):
        if not _differing(turn, ticket, turn.link, wanted):
            return
        remote = mapping.ticket(client.ticket(turn.known, turn.there, left=turn.left))
        taking.take(turn.known, remote, by=BY, now=now)  # what is newer there stays
        link = taking.link_of(turn.known, turn.there)
        ticket.refresh_from_db()
        if link is None or link.local_id != ticket_id:
            return
        for name, (theirs, send) in _differing(turn, ticket, link, wanted).items():
            count(turn, ticket_id)
            note_pushed(turn, name, theirs)
            answer = send()
            note_base(turn, name, theirs, answer)
            OPERATIONS.labels("sent").inc()
            connections.note_success(turn.known, now=now)


def _post(turn: Turn, kind: str, local_id: int, ours: str, made: Any) -> None:
    remote = mapping.ticket(client.ticket(turn.known, turn.there, left=turn.left))
    found = next((said.id for said in remote.said if said.external_id == ours), "")
    if found:
        OPERATIONS.labels("known").inc()
    else:
        message = made(remote)
        count(turn, turn.link.local_id)
        answer = client.post_message(turn.known, turn.there, {**message, "external_id": ours}, left=turn.left)
        OPERATIONS.labels("sent").inc()
        connections.note_success(turn.known, now=turn.now)
        try:
            found = external_id(answer.get("id"))
        except Unreadable:
            return  # it is there, and will be known by its external id
    _note_sent(turn, kind, local_id, found)


def _note_sent(turn: Turn, kind: str, local_id: int, found: str) -> None:
    given = {"local_type": kind, "local_id": local_id}
    ExternalLink.objects.get_or_create(connection=turn.known, object_type=MESSAGE, external_id=found, defaults=given)


def _is_there(turn: Turn, kind: str, local_id: int) -> bool:
    sent = ExternalLink.objects.filter(connection=turn.known, object_type=MESSAGE)
    return sent.filter(local_type=kind, local_id=local_id).exists()


def _differing(turn: Turn, ticket: Ticket, link: ExternalLink, names: frozenset[str]) -> dict[str, tuple[str, Any]]:
    """Of each field that is another than it was last seen there: its value in their words, and what sends it."""
    base, found = link.remote.get("base", {}), dict[str, tuple[str, Any]]()

    def change(**given: Any) -> Any:
        return lambda: client.change_ticket(turn.known, turn.there, given, left=turn.left)

    status, priority = mapping.status_there(ticket.status), mapping.PRIORITIES_THERE[Priority(ticket.priority)]
    if "status" in names and status != base.get("status"):
        found["status"] = (status, change(status=status))
    if "priority" in names and base.get("priority") in mapping.PRIORITIES and priority != base["priority"]:
        found["priority"] = (priority, change(priority=priority))
    if "assignee" in names:
        theirs = base.get("assignee", "")
        user_id = people.user_of(turn.known, ticket.assignee, left=turn.left) if ticket.assignee else ""
        if user_id != theirs and (user_id or people.is_ours(turn.known, theirs)):
            found["assignee"] = (user_id, change(assignee_user={"id": int(user_id)} if user_id else None))
    if "subject" in names and not links.is_digest(base.get("subject"), ticket.subject):
        found["subject"] = (ticket.subject, change(subject=ticket.subject))
    if "tags" in names:
        found |= _retagged(turn, ticket, base.get("tags", []))
    return found


def _retagged(turn: Turn, ticket: Ticket, theirs: list[str]) -> dict[str, tuple[str, Any]]:
    """By adding and removing, never by replacing. What had no room here was not removed here."""
    found, seen, ours = dict[str, tuple[str, Any]](), mapping.tags_here(theirs), set(ticket.tags)
    more = sorted(ours - seen)
    less = taking.names_to_remove(theirs, seen - ours) if len(seen) <= MAX_TAGS else []
    if more:
        found["tags+"] = ("\0".join(more), lambda: client.add_tags(turn.known, turn.there, more, left=turn.left))
    if less:
        found["tags-"] = ("\0".join(less), lambda: client.remove_tags(turn.known, turn.there, less, left=turn.left))
    return found
