"""Gorgias' words in ours, and its objects read so that nothing in them can break us: the one table of both.

| There | Here |
| --- | --- |
| `status` open | open, pending or on hold: the last two stay with us and are never made of it |
| `status` closed, `spam`, `trashed_datetime` | resolved, so that a reply opens the same ticket again |
| our resolved and closed | closed |
| `priority` critical, high, normal, low | urgent, high, normal, low |
| `channel` | CHANNELS, then FAMILIES by how it begins; else web. The word itself is kept on the link |
| `tags` | in lower case, each once; there they keep their spelling |
| `assignee_user` | the active agent of the same e-mail address; else their id is kept on the link |
| nobody assigned | nothing: here a ticket is handed over, never dropped |
| our agent without a user there, or nobody yet | nobody, where it was one of our agents |
| `customer`: name, e-mail address, phone | as it is changed there; our name and address go there, phones do not |
| a datetime without an offset | UTC |
| `public` false | a note, and nothing else |
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from html import unescape
from typing import Any

from integrations.reading import Unreadable, external_id
from tickets.enums import Channel, Priority, Status
from tickets.models.conversation import MAX_BODY
from tickets.models.ticket import MAX_TAG_LENGTH, MAX_TAGS
from tickets.status import DONE

OPEN, CLOSED = "open", "closed"
PRIORITIES: Mapping[str, Priority] = {
    "critical": Priority.URGENT,
    "high": Priority.HIGH,
    "normal": Priority.NORMAL,
    "low": Priority.LOW,
}
PRIORITIES_THERE = {ours: theirs for theirs, ours in PRIORITIES.items()}
CHANNELS: Mapping[str, Channel] = {
    "email": Channel.EMAIL,
    "chat": Channel.CHAT,
    "gorgias_chat": Channel.CHAT,
    "phone": Channel.PHONE,
    "aircall": Channel.PHONE,
    "twilio": Channel.PHONE,
    "sms": Channel.SMS,
    "api": Channel.WEB,
    "contact_form": Channel.WEB,
    "help-center": Channel.WEB,
}
FAMILIES = ("facebook", "instagram", "twitter", "whatsapp", "tiktok", "yotpo")  # social
MAX_HTML = 200_000  # characters that are looked at
MAX_SUBJECT, MAX_NAME, MAX_ERROR = 300, 200, 300
NO_SUBJECT, NO_NAME = "(no subject)", "Unnamed customer"
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029]")
_SPACE = re.compile(r"\s+")
_DECLARATION = re.compile(r"<[!?][^<>]*>?")
_TAG = re.compile(r"""<(?P<end>/?)(?P<name>[A-Za-z][A-Za-z0-9]*)(?:[^<>"']|"[^"<]*"|'[^'<]*')*>""")
BREAKS = frozenset({"br", "p", "div", "li", "tr", "blockquote", "h1", "h2", "h3", "h4", "ul", "ol", "table"})
HIDDEN = frozenset({"script", "style", "head", "title"})
_MAIL = re.compile(r"[^\s<>@]{1,64}@[^\s<>@]{1,255}")
_WORD = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


@dataclass(frozen=True, kw_only=True)
class Person:
    """A customer there. `shopify`: their ids in shops."""

    id: str
    name: str
    email: str
    phone: str
    shopify: Sequence[str]


@dataclass(frozen=True, kw_only=True)
class User:
    """Somebody who works there."""

    id: str
    email: str
    name: str


@dataclass(frozen=True, kw_only=True)
class Said:
    """A message, or a note. `mail_id` is the e-mail's own; `by_rule`: nobody wrote it; `failed_at`: it went nowhere."""

    id: str
    external_id: str
    public: bool
    from_agent: bool
    by_rule: bool
    author: User | None
    body: str
    channel: Channel
    at: datetime
    mail_id: str
    failed_at: datetime | None
    error: str
    raw: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Ticket:
    """A ticket there. `hidden` says why it is no work: trashed or spam. `tags` as they are spelled there."""

    id: str
    external_id: str
    status: str
    hidden: str
    priority: str
    subject: str
    channel: Channel
    words: Mapping[str, str]
    tags: Sequence[str]
    assignee: User | None
    customer: Person | None
    said: Sequence[Said]
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None


def ticket(raw: Mapping[str, Any]) -> Ticket:
    """With its messages in the order in which they were written. Raises Unreadable when it has no id or no time."""
    updated, created = instant(raw.get("updated_datetime")), instant(raw.get("created_datetime"))
    if updated is None and created is None:
        raise Unreadable("no time")
    at: datetime = created or updated  # type: ignore[assignment]
    said = [one for one in map(_said, _objects(raw.get("messages"))) if one is not None]
    hidden = "trashed" if raw.get("trashed_datetime") else "spam" if raw.get("spam") is True else ""
    team = raw.get("assignee_team")
    words = {name: _word(raw.get(name)) for name in ("channel", "via", "language")}
    words["team"] = _id(team.get("id")) if isinstance(team, Mapping) else ""
    return Ticket(
        id=external_id(raw.get("id")),
        external_id=line(raw.get("external_id"), 255),
        status=CLOSED if hidden or raw.get("status") == CLOSED else OPEN,
        hidden=hidden,
        priority=_word(raw.get("priority")),
        subject=line(raw.get("subject"), MAX_SUBJECT) or NO_SUBJECT,
        channel=channel(raw.get("channel")),
        words={name: word for name, word in words.items() if word},
        tags=[name for tag in _objects(raw.get("tags")) if (name := line(tag.get("name"), 200))],
        assignee=user(raw.get("assignee_user")),
        customer=person(raw.get("customer") or raw.get("requester")),
        said=sorted(said, key=lambda one: (one.at, int(one.id))),
        created_at=at,
        updated_at=updated or at,
        closed_at=instant(raw.get("closed_datetime")) or instant(raw.get("trashed_datetime")),
    )


def person(raw: Any) -> Person | None:
    """A customer; None when there is none, or nobody could tell which."""
    if not isinstance(raw, Mapping) or not (pk := _id(raw.get("id"))):
        return None
    channels = _objects(raw.get("channels"))
    email = line(raw.get("email"), 254) or _address(channels, "email")
    phone = _address(channels, "phone")
    both = " ".join(part for name in ("firstname", "lastname") if (part := line(raw.get(name), MAX_NAME)))
    name = line(raw.get("name"), MAX_NAME) or both[:MAX_NAME] or email[:MAX_NAME] or phone or NO_NAME
    return Person(id=pk, name=name, email=email, phone=phone, shopify=_shopify(raw.get("integrations")))


def told_of(person: Person | None) -> dict[str, str]:
    """What they said of themselves, by our names of it; nothing that only stands for a name."""
    if person is None:
        return {}
    named = person.name if person.name not in {person.email, person.phone, NO_NAME} else ""
    found = {"name": named, "email": person.email, "phone": person.phone}
    return {name: value for name, value in found.items() if value}


def user(raw: Any) -> User | None:
    if not isinstance(raw, Mapping) or not (pk := _id(raw.get("id"))):
        return None
    return User(id=pk, email=line(raw.get("email"), 254), name=line(raw.get("name"), MAX_NAME))


def channel(word: Any) -> Channel:
    """Never refuses a word: what is new there is web here."""
    text = _word(word).lower()
    if text.startswith(FAMILIES):
        return Channel.SOCIAL
    return CHANNELS.get(text, Channel.WEB)


def status_there(status: str) -> str:
    return CLOSED if status in DONE else OPEN


def status_here(theirs: str, present: str) -> Status:
    """What their status makes of our present one. Closed is final here."""
    now = Status(present)
    if theirs == CLOSED:
        return now if now in DONE else Status.RESOLVED
    return Status.OPEN if now == Status.RESOLVED else now


def tags_here(names: Iterable[str]) -> set[str]:
    """As they are compared, and kept here as far as there is room."""
    return {name.strip().lower()[:MAX_TAG_LENGTH].strip() for name in names if name.strip()}


def room_for(tags: Iterable[str]) -> list[str]:
    return sorted(tags)[:MAX_TAGS]


def instant(value: Any) -> datetime | None:
    """In UTC; None for what cannot be read. Without an offset it is UTC."""
    if not isinstance(value, str) or not 10 <= len(value) <= 40:
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def line(value: Any, most: int) -> str:
    """One line without control characters; empty for what is no text."""
    return _SPACE.sub(" ", _CONTROL.sub(" ", value)).strip()[:most] if isinstance(value, str) else ""


def text_of(html: str) -> str:
    """What a reader would see of it, without a tag, a script or a style. In one pass, whatever it is."""
    clean, at, hidden = _without_comments(html[:MAX_HTML]), 0, ""
    parts: list[str] = []
    for tag in _TAG.finditer(clean):
        parts.append("" if hidden else unescape(clean[at : tag.start()]))
        at, name = tag.end(), tag["name"].lower()
        if name in BREAKS:
            parts.append("\n")
        if name in HIDDEN and not tag["end"]:
            hidden = hidden or name
        elif name == hidden:
            hidden = ""
    parts.append("" if hidden else unescape(clean[at:]))
    lines = (_SPACE.sub(" ", one).strip() for one in "".join(parts).split("\n"))
    return "\n".join(one for one in lines if one)


def _without_comments(html: str) -> str:
    parts, rest = [], html
    while True:
        before, found, after = rest.partition("<!--")
        parts.append(before)
        if not found:
            break
        _, found, rest = after.partition("-->")
        if not found:
            break
    return _DECLARATION.sub("", "".join(parts))


def _said(raw: Mapping[str, Any]) -> Said | None:
    at = instant(raw.get("created_datetime")) or instant(raw.get("sent_datetime"))
    pk = _id(raw.get("id"))
    if at is None or not pk:
        return None
    headers = raw.get("headers")
    named = {str(name).lower(): value for name, value in headers.items()} if isinstance(headers, Mapping) else {}
    failure = raw.get("last_sending_error")
    return Said(
        id=pk,
        external_id=line(raw.get("external_id"), 255),
        public=raw.get("public") is not False and raw.get("channel") != "internal-note",
        from_agent=raw.get("from_agent") is True,
        by_rule=raw.get("rule_id") is not None,
        author=user(raw.get("sender")),
        body=_body(raw),
        channel=channel(raw.get("channel")),
        at=at,
        mail_id=line(named.get("message-id"), 1_000),
        failed_at=instant(raw.get("failed_datetime")),
        error=_MAIL.sub("[address]", line(failure.get("error"), MAX_ERROR)) if isinstance(failure, Mapping) else "",
        raw=raw,
    )


def _body(raw: Mapping[str, Any]) -> str:
    """What was written, without quotes where they cut them off, and the names of files, which stay there."""
    texts = [raw.get(name) for name in ("stripped_text", "body_text")]
    found = next((text for text in texts if isinstance(text, str) and text.strip()), "")
    if not found:
        pages = [raw.get(name) for name in ("stripped_html", "body_html")]
        found = next((read for page in pages if isinstance(page, str) and (read := text_of(page))), "")
    found = _CONTROL.sub("", found.replace("\r\n", "\n").replace("\r", "\n")).strip()
    files = [line(file.get("name"), 200) or "a file" for file in _objects(raw.get("attachments"))[:50]]
    listed = "\n".join(f"[File at Gorgias: {name}]" for name in files)
    return "\n\n".join(part for part in (found[: MAX_BODY - len(listed) - 2], listed) if part)


def _objects(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _id(value: Any) -> str:
    try:
        return external_id(value)
    except Unreadable:
        return ""


def _word(value: Any) -> str:
    return value if isinstance(value, str) and _WORD.fullmatch(value) else ""


def _address(channels: Sequence[Mapping[str, Any]], kind: str) -> str:
    given = [
        line(one.get("address"), 254) for one in channels if one.get("type") == kind and not one.get("deleted_datetime")
    ]
    return next((address for address in given if address), "")


def _shopify(value: Any) -> list[str]:
    found = []
    for one in value.values() if isinstance(value, Mapping) else ():
        if isinstance(one, Mapping) and one.get("__integration_type__") == "shopify":
            bought = one.get("customer")
            if isinstance(bought, Mapping) and (pk := _id(bought.get("id"))):
                found.append(pk)
    return found
