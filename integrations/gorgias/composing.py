"""Tickets, messages and notes of ours as Gorgias takes them."""

from collections.abc import Mapping
from html import escape
from typing import Any

from integrations.gorgias import mapping, people
from integrations.gorgias.failures import NoWay
from integrations.gorgias.names import mark
from integrations.gorgias.turns import Turn
from tickets.enums import Priority
from tickets.models import Message, Note, Ticket


def as_new(turn: Turn, ticket: Ticket) -> Mapping[str, Any]:
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
        "messages": [{**heard(turn, first), "external_id": mark("msg", first.pk)}],
    }


def heard(turn: Turn, message: Message) -> Mapping[str, Any]:
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


def _connected(turn: Turn) -> list[Mapping[str, str]]:
    """The address that answers come from where nobody wrote to one of theirs; none where none was named."""
    address = turn.known.options.get("address")
    return [{"name": "", "address": address}] if address else []


def reply(turn: Turn, remote: mapping.Ticket, message: Message) -> Mapping[str, Any]:
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
        raise NoWay
    word = str(raw.get("channel") or "email")
    if word == "email" and us is None:
        raise NoWay
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


def remarked(turn: Turn, note: Note) -> Mapping[str, Any]:
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


def _sender(turn: Turn, agent: Any) -> dict[str, Any]:
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
