"""A ticket of Gorgias taken over as it is there, however often, whoever looked: webhook, poll or import.

What is there is merged, not copied. Each message is written once: linked by its id, known as ours by its external id,
known as the same e-mail by its Message-Id. Of each field the link keeps the value last seen there (`base`): what equals
it did not change there. What changed there and here is as who changed it last left it.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

import structlog
from django.db import transaction

from customers.models import Customer
from integrations import links
from integrations.gorgias import mapping, people
from integrations.gorgias.mapping import Said
from integrations.gorgias.names import MAIL, MESSAGE, NOTE, OUR_TICKET, OURS, SOURCE, TICKET
from integrations.models import Connection, ExternalLink
from supportdesk.core.actor import Actor, Door
from supportdesk.core.errors import DomainError
from supportdesk.core.locks import hold
from supportdesk.core.models import Event
from tickets.enums import Priority, Sender, Status
from tickets.models import Message, Note, Ticket
from tickets.services import assignment, conversation, lifecycle
from tickets.status import DONE

NOBODY_WROTE = "(An agent wrote first, at Gorgias.)"
RULE = "Gorgias"  # who speaks when a rule there does
FRESH = timedelta(seconds=60)  # in which what was done here is not undone by what may be older there
SAME_MOMENT = timedelta(seconds=1)
FACTS = {
    "status": ("ticket.status_changed", None),
    "priority": ("ticket.priority_changed", None),
    "assignee": ("ticket.assigned", None),
    "subject": ("ticket.updated", "subject"),
}

log = structlog.get_logger("supportdesk.gorgias")


class Taken(StrEnum):
    NEW = "new"
    MERGED = "merged"
    HIDDEN = "trashed or spam"
    ERASED = "the person was erased"


@dataclass
class _Merge:
    """One ticket being taken over, in a transaction that holds its turn."""

    known: Connection
    remote: mapping.Ticket
    by: Actor
    now: datetime
    link: ExternalLink
    ticket: Ticket
    base: dict[str, Any] = field(default_factory=dict)


def take(known: Connection, remote: mapping.Ticket, *, by: Actor, now: datetime) -> Taken:
    """Has the ticket here be what it is there. The same state again changes nothing."""
    with transaction.atomic():
        one_at_a_time(known.pk, remote.id)
        link = link_of(known, remote.id) or _opened_by_us(known, remote)
        if link is None and remote.hidden:
            return Taken.HIDDEN
        if link is None and _is_of_erased(known, remote):
            return Taken.ERASED
        outcome = Taken.NEW if link is None else Taken.MERGED
        merge = _found(known, remote, link, by=by, now=now) if link else _opened(known, remote, by=by, now=now)
        if merge.ticket.customer.erased_at is not None:
            return Taken.ERASED
        people.follow(known, remote.customer, at=remote.updated_at, by=by, now=now)
        _hear(merge)
        if not _is_older(merge.link, remote):
            _follow(merge)
        merge.link.remote_updated_at = max(merge.link.remote_updated_at or remote.updated_at, remote.updated_at)
        merge.link.remote = {**merge.link.remote, "base": merge.base, **remote.words}
        merge.link.save()
    return outcome


def one_at_a_time(connection_id: int, ticket_id: str) -> None:
    """Until the caller's transaction ends."""
    hold(f"gorgias:{connection_id}:{ticket_id}")


def link_of(known: Connection, ticket_id: str) -> ExternalLink | None:
    return ExternalLink.objects.filter(connection=known, object_type=TICKET, external_id=ticket_id).first()


def link_ours(known: Connection, ticket_id: int, there: str) -> ExternalLink:
    """That a ticket of ours was opened there, as it is told of for the first time."""
    given = {"local_type": TICKET, "local_id": ticket_id}
    link, _ = ExternalLink.objects.get_or_create(
        connection=known, object_type=TICKET, external_id=there, defaults=given
    )
    return link


def _opened_by_us(known: Connection, remote: mapping.Ticket) -> ExternalLink | None:
    """When we hear of it before we have noted that it is there."""
    ours = OUR_TICKET.fullmatch(remote.external_id)
    if ours is None or not Ticket.objects.filter(pk=int(ours[1])).exclude(source=SOURCE).exists():
        return None
    return link_ours(known, int(ours[1]), remote.id)


def forget(*, customer_id: int) -> None:
    """What links of an erased customer's tickets keep of them."""
    theirs = Ticket.objects.filter(customer_id=customer_id).values("pk")
    ExternalLink.objects.filter(local_type=TICKET, local_id__in=theirs).update(remote={}, pushed={})


def _is_of_erased(known: Connection, remote: mapping.Ticket) -> bool:
    """Whether it was begun by somebody who was erased since. Who writes again after that is somebody new."""
    erased_at = None if remote.customer is None else links.buried_at(known, remote.customer.id)
    return erased_at is not None and remote.created_at <= erased_at


def _is_older(link: ExternalLink, remote: mapping.Ticket) -> bool:
    """Than what was taken over already, or than what we wrote there."""
    wrote = mapping.instant(link.remote.get("written"))
    return any(at is not None and remote.updated_at < at for at in (link.remote_updated_at, wrote))


def _found(known: Connection, remote: mapping.Ticket, link: ExternalLink, *, by: Actor, now: datetime) -> _Merge:
    ticket = _held(link.local_id)
    base = dict(link.remote.get("base", {}))
    return _Merge(known=known, remote=remote, by=by, now=now, link=link, ticket=ticket, base=base)


def _held(ticket_id: int) -> Ticket:
    """With its customer, as they are and stay until the caller's transaction ends; locked in an erasure's order."""
    customer_id = Ticket.objects.values_list("customer_id", flat=True).get(pk=ticket_id)
    customer = Customer.objects.select_for_update(of=("self",), no_key=True).get(pk=customer_id)
    ticket = Ticket.objects.select_for_update(of=("self",)).get(pk=ticket_id)
    ticket.customer = customer
    return ticket


def _opened(known: Connection, remote: mapping.Ticket, *, by: Actor, now: datetime) -> _Merge:
    """As new here; its first message is the customer's, when they wrote first."""
    external_id = f"{known.account_key}:{remote.id}"
    ticket = Ticket.objects.select_related("customer").filter(source=SOURCE, external_id=external_id).first()
    first = next((one for one in remote.said if one.public and one.body), None)
    first = None if first is None or first.from_agent else first
    created_here = ticket is None
    if ticket is None:
        ticket = lifecycle.create_ticket(
            customer=people.customer_of(remote.customer, by=by, now=now),
            subject=remote.subject,
            description=first.body if first else NOBODY_WROTE,
            priority=mapping.PRIORITIES.get(remote.priority, Priority.NORMAL),
            channel=remote.channel,
            tags=mapping.room_for(mapping.tags_here(remote.tags)),
            source=SOURCE,
            external_id=external_id,
            by=by,
            now=now,
            opened_at=min(first.at if first else remote.created_at, now),
        )
    ticket = _held(ticket.pk)
    link = ExternalLink.objects.create(
        connection=known, object_type=TICKET, external_id=remote.id, local_type=TICKET, local_id=ticket.pk
    )
    base = {"status": mapping.OPEN, "priority": remote.priority, "tags": sorted(remote.tags), "assignee": ""}
    base["subject"] = links.digest(remote.subject)
    merge = _Merge(known=known, remote=remote, by=by, now=now, link=link, ticket=ticket, base=base)
    if created_here and first is not None:
        _link(merge, MESSAGE, first.id, MESSAGE, ticket.messages.get(position=1).pk)
        _mailed(merge, first, MESSAGE, ticket.messages.get(position=1).pk)
    return merge


# What was said


def _hear(merge: _Merge) -> None:
    known = ExternalLink.objects.filter(connection=merge.known, object_type=MESSAGE)
    linked = {link.external_id: link for link in known.filter(external_id__in=[one.id for one in merge.remote.said])}
    for said in merge.remote.said:
        link = linked.get(said.id) or _write(merge, said)
        if link is not None and said.failed_at is not None and said.public and said.from_agent:
            _note_failure(merge, said, link)


def _write(merge: _Merge, said: Said) -> ExternalLink | None:
    """Writes what is new here; links what is ours, or the same e-mail. None for what is neither."""
    if ours := OURS.fullmatch(said.external_id):
        return _known_as_ours(merge, said, *ours.groups())
    if said.external_id.startswith("crm:msg:"):
        return None  # of another desk on this account, or of one before a restore: never written twice
    mail = _same_mail(merge, said)
    if mail is not None:
        return _link(merge, MESSAGE, said.id, mail.local_type, mail.local_id)
    if not said.body:
        return None
    kind, pk = _note(merge, said) if not said.public else _message(merge, said)
    _mailed(merge, said, kind, pk)
    return _link(merge, MESSAGE, said.id, kind, pk)


def _known_as_ours(merge: _Merge, said: Said, kind: str, number: str) -> ExternalLink | None:
    theirs = [merge.ticket.pk, merge.ticket.follow_up_of_id]
    rows: Any = Message.objects if kind == "msg" else Note.objects
    if not rows.filter(pk=int(number), ticket__in=theirs).exists():
        log.warning("gorgias has a message of ours that we have not", connection=merge.known.pk)
        return None
    return _link(merge, MESSAGE, said.id, MESSAGE if kind == "msg" else NOTE, int(number))


def _message(merge: _Merge, said: Said) -> tuple[str, int]:
    if said.from_agent:
        return _reply(merge, said)
    posted = conversation.add_message(
        ticket_id=merge.ticket.pk,
        body=said.body,
        sender=Sender.CUSTOMER,
        channel=said.channel,
        source=SOURCE,
        by=merge.by,
        now=merge.now,
        said_at=_when(merge, said),
    )
    merge.base["status"] = mapping.OPEN  # both desks open a ticket whose customer writes
    if posted.follow_up:
        merge.link.local_id = posted.ticket.pk
    merge.ticket = posted.ticket
    return MESSAGE, posted.message.pk


def _reply(merge: _Merge, said: Said) -> tuple[str, int]:
    """By the agent whose address it is; else by whoever they are there, or by a rule, which answers nothing."""
    if merge.ticket.status == Status.CLOSED:
        return _note(merge, said, before="Sent to the customer at Gorgias, after this ticket was closed here:\n\n")
    agent = None if said.by_rule else people.agent_of(merge.known, said.author)
    given: dict[str, Any] = {"by": merge.by, "sender": Sender.SYSTEM, "system_name": RULE}
    if agent is not None:
        given = {"by": people.acting(agent), "sender": Sender.AGENT}
        given["by"] = given["by"].through(merge.by.origin)
    elif not said.by_rule:
        given |= {"system_name": _name(said), "answers": True}
    posted = conversation.add_message(
        ticket_id=merge.ticket.pk,
        body=said.body,
        channel=said.channel,
        source=SOURCE,
        now=merge.now,
        said_at=_when(merge, said),
        **given,
    )
    merge.ticket = posted.ticket
    return MESSAGE, posted.message.pk


def _note(merge: _Merge, said: Said, *, before: str = "") -> tuple[str, int]:
    """What is no public message is a note, and never anything else."""
    agent = None if said.by_rule else people.agent_of(merge.known, said.author)
    given: dict[str, Any] = {"ticket_id": merge.ticket.pk, "body": before + said.body, "now": _when(merge, said)}
    if agent is None or merge.ticket.archived_at is not None:
        name = agent.name[:64] if agent else RULE if said.by_rule else _name(said)
        return NOTE, conversation.add_system_note(**given, system_name=name, by=merge.by).pk
    by = people.acting(agent).through(merge.by.origin)
    return NOTE, conversation.add_note(**given, by=by).pk


def _note_failure(merge: _Merge, said: Said, link: ExternalLink) -> None:
    """Tells who works on the ticket, once for each time it failed."""
    at = said.failed_at.isoformat() if said.failed_at else ""
    if link.remote.get("failed") == at:
        return
    position = Message.objects.filter(pk=link.local_id).values_list("position", flat=True).first()
    what = f"message {position}" if link.local_type == MESSAGE and position else "a message"
    body = f"Gorgias could not send {what} to the customer: {said.error or 'it does not say why'}"
    conversation.add_system_note(ticket_id=merge.ticket.pk, body=body, system_name=RULE, by=merge.by, now=merge.now)
    link.remote = {**link.remote, "failed": at}
    link.save(update_fields=["remote"])


def _when(merge: _Merge, said: Said) -> datetime:
    """When it was written, but never before what is there already, nor in the future."""
    return max(min(said.at, merge.now), merge.ticket.created_at, merge.ticket.last_activity_at)


def _name(said: Said) -> str:
    return (said.author.name if said.author else "")[:64] or RULE


def _mail_key(merge: _Merge, said: Said) -> str:
    return hashlib.sha256(f"{merge.remote.id}\0{said.mail_id}".encode("utf-8", "replace")).hexdigest()


def _same_mail(merge: _Merge, said: Said) -> ExternalLink | None:
    if not said.mail_id:
        return None
    known = ExternalLink.objects.filter(connection=merge.known, object_type=MAIL)
    return known.filter(external_id=_mail_key(merge, said)).first()


def _mailed(merge: _Merge, said: Said, kind: str, pk: int) -> None:
    if said.mail_id:
        _link(merge, MAIL, _mail_key(merge, said), kind, pk)


def _link(merge: _Merge, kind: str, external_id: str, local_type: str, local_id: int) -> ExternalLink:
    given = {"local_type": local_type, "local_id": local_id}
    link, _ = ExternalLink.objects.get_or_create(
        connection=merge.known, object_type=kind, external_id=external_id, defaults=given
    )
    return link


# What the ticket is


def _follow(merge: _Merge) -> None:
    """Takes over what changed there since it was last seen, where nobody changed it here later."""
    remote, base = merge.remote, merge.base
    changes: dict[str, Any] = {}
    if _changed(merge, "status", remote.status):
        changes["status"] = mapping.status_here(remote.status, merge.ticket.status)
    if remote.priority in mapping.PRIORITIES and _changed(merge, "priority", remote.priority):
        changes["priority"] = mapping.PRIORITIES[remote.priority]
    if _changed(merge, "subject", remote.subject):
        changes["subject"] = remote.subject
    changes["tags"] = _tags(merge)
    if merge.ticket.archived_at is None:
        at = max(min(remote.closed_at or merge.now, merge.now), merge.ticket.last_activity_at)
        lifecycle.update_ticket(
            ticket_id=merge.ticket.pk,
            changes=changes,
            by=merge.by,
            now=merge.now,
            changed_at=at if changes.get("status") in DONE else None,
        )
    if _changed(merge, "assignee", remote.assignee.id if remote.assignee else ""):
        _assign(merge)
    base |= {"status": remote.status, "priority": remote.priority, "tags": sorted(remote.tags)}
    base |= {"assignee": remote.assignee.id if remote.assignee else ""}
    base["subject"] = links.digest(remote.subject)
    merge.link.pushed = {
        name: kept for name, kept in merge.link.pushed.items() if not isinstance(kept, list) or name == "ops"
    }


def _changed(merge: _Merge, name: str, theirs: str) -> bool:
    """Whether it is another value there than it was, no echo of ours, and newer than what was done here."""
    before = merge.base.get(name)
    if before == theirs or (name == "subject" and links.is_digest(before, theirs)):
        return False
    if links.is_echo(merge.link, name, theirs, now=merge.now):
        return False
    at = changed_here(merge.ticket.pk, name)
    return at is None or at < _latest(merge, name)


def _latest(merge: _Merge, name: str) -> datetime:
    """When the field changed there, at the latest that is believed. The ticket's own time says when anything changed;
    when that was something said, it says nothing of the field, and what an agent here did a moment ago stays.
    """
    remote = merge.remote
    if name == "status" and remote.status == mapping.CLOSED and remote.closed_at is not None:
        return remote.closed_at
    spoken = any(abs(one.at - remote.updated_at) <= SAME_MOMENT for one in remote.said)
    return min(remote.updated_at, merge.now - FRESH) if spoken else remote.updated_at


def changed_here(ticket_id: int, name: str) -> datetime | None:
    """When the field was last changed by anybody but Gorgias."""
    fact, part = FACTS[name]
    found = Event.objects.filter(subject_type="ticket", subject_id=ticket_id, name=fact).exclude(origin=Door.GORGIAS)
    if part is not None:
        found = found.filter(payload__fields__contains=[part])
    return found.order_by("-at", "-id").values_list("at", flat=True).first()


def _tags(merge: _Merge) -> list[str]:
    """Ours, with what was added there and without what was removed there since they were last seen."""
    theirs, before = mapping.tags_here(merge.remote.tags), mapping.tags_here(merge.base.get("tags", []))
    ours = set(merge.ticket.tags)
    return mapping.room_for((ours | (theirs - before)) - (before - theirs))


def _assign(merge: _Merge) -> None:
    """To the agent whom they gave it to. Nobody there changes nothing: here a ticket is handed over, never dropped."""
    agent = people.agent_of(merge.known, merge.remote.assignee)
    user_id = merge.remote.assignee.id if merge.remote.assignee else ""
    merge.link.remote = {**merge.link.remote, "unmatched": user_id if agent is None else ""}
    ticket = Ticket.objects.get(pk=merge.ticket.pk)
    if agent is None or ticket.assignee_id == agent.pk or ticket.status == Status.CLOSED:
        return
    given: dict[str, Any] = {"ticket_id": ticket.pk, "agent_id": agent.pk, "by": merge.by, "now": merge.now}
    try:
        if ticket.assignee_id is None:
            assignment.assign(**given)
        else:
            assignment.transfer(**given, from_agent_id=ticket.assignee_id, reason="Assigned at Gorgias.")
    except DomainError as refused:
        log.warning("not assigned as at gorgias", ticket=ticket.pk, reason=refused.code)


def names_to_remove(names: Iterable[str], tags: set[str]) -> list[str]:
    """Every spelling there of the tags."""
    return sorted(name for name in names if mapping.tags_here([name]) & tags)
