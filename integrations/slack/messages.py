"""What a notice says, as it stands now: a template of templates/slack, one line for each block of Slack's Block Kit.

A line begins with what becomes of it: `# ` a header, `> ` plain text in which nothing is markup (the only place for
what customers wrote), `- ` small print, anything else a paragraph. Every value is escaped but what is a text.Markup.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.template import Context, Engine
from django.utils.dateparse import parse_datetime

from agents.models import Agent
from integrations.enums import NoticeKind
from integrations.models import Connection, SlackNotification
from integrations.slack.client import Message
from integrations.slack.members import names_of
from integrations.slack.text import Markup, instant, link, shown
from sla.wording import instant as worded
from tickets.models import Note, Ticket

SECTION, WORDS = 3_000, 300
MOST_LINES = 30  # of a digest
MOST_NAMES = 10
WHAT = {
    NoticeKind.WARNING: "promise nearly broken",
    NoticeKind.BREACH: "promise broken",
    NoticeKind.TICKET: "needs attention",
    NoticeKind.MENTION: "mention in a note",
}
_templates = Engine(dirs=[str(settings.BASE_DIR / "templates" / "slack")], autoescape=False)


def message_of(known: Connection, notice: SlackNotification, ticket: Ticket) -> Message:
    """One notice by itself."""
    return _message(f"{notice.kind}.txt", {**_values(notice, ticket), **_more(known, notice)}, ticket)


def digest_of(notices: Sequence[tuple[SlackNotification, Ticket]]) -> Message:
    """Many at once, without a word of any customer."""
    lines = [_values(notice, ticket) for notice, ticket in notices[:MOST_LINES]]
    values = {"count": str(len(notices)), "lines": lines, "more": len(notices) - len(lines)}
    return _message("digest.txt", values | {"list": link(f"{settings.PUBLIC_URL}admin/tickets/ticket/", "tickets")})


def ticket_url(ticket_id: int) -> str:
    return f"{settings.PUBLIC_URL}admin/tickets/ticket/{ticket_id}/change/"


def _values(notice: SlackNotification, ticket: Ticket) -> dict[str, str]:
    department, agent = ticket.department, ticket.assignee
    return {
        "what": WHAT[NoticeKind(notice.kind)],
        "ticket": link(ticket_url(ticket.pk), f"#{ticket.pk}"),
        "number": str(ticket.pk),
        "subject": shown(ticket.subject, most=WORDS),
        "priority": ticket.get_priority_display(),
        "status": ticket.get_status_display(),
        "agent": agent.name if agent else "nobody",
        "department": department.name if department else "no department",
        "metric": str(notice.details.get("metric", "")).replace("_", " "),
        "due": _due(notice.details.get("due_at")),
        "at": instant(notice.at.timestamp(), worded(notice.at)),
    }


def _more(known: Connection, notice: SlackNotification) -> dict[str, str]:
    """Whom a note mentions, and who wrote it. Not a word of what it says."""
    if notice.kind != NoticeKind.MENTION:
        return {}
    note = Note.objects.select_related("author").filter(pk=notice.details.get("note_id")).first()
    ids = notice.details.get("mentions", [])[:MOST_NAMES]
    agents = list(Agent.objects.get_queryset().filter(pk__in=ids, is_active=True).order_by("name", "pk"))
    return {
        "author": note.author.name if note and note.author else "Somebody",
        "mentioned": Markup(", ".join(names_of(known, agents))) if agents else "an agent",
    }


def _due(text: object) -> str:
    at = parse_datetime(text) if isinstance(text, str) else None
    return instant(at.timestamp(), worded(at)) if at else Markup("now")


def _message(template: str, values: Mapping[str, Any], ticket: Ticket | None = None) -> Message:
    rendered = _templates.get_template(template).render(Context(_safe(values), autoescape=False))
    lines = [line.strip() for line in rendered.splitlines() if line.strip()]
    blocks = _blocks(lines)
    if ticket is not None:
        blocks.append(_button(ticket))
    spoken = [line.removeprefix("# ") for line in lines if not line.startswith(("> ", "- "))]
    return Message(text=" ".join(spoken[:2]), blocks=blocks)


def _blocks(lines: Sequence[str]) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    for line in lines:
        mark, rest = line[:2], line[2:]
        if mark == "# ":
            blocks.append({"type": "header", "text": {"type": "plain_text", "text": rest}})
        elif mark == "> ":
            blocks.append({"type": "section", "text": {"type": "plain_text", "text": rest, "emoji": False}})
        elif mark == "- ":
            blocks.append({"type": "context", "elements": [{"type": "mrkdwn", "text": rest}]})
        elif blocks and blocks[-1]["type"] == "section" and _fits(blocks[-1]["text"], line):
            blocks[-1]["text"]["text"] += f"\n{line}"
        else:
            blocks.append({"type": "section", "text": {"type": "mrkdwn", "text": line}})
    return blocks


def _fits(text: Mapping[str, str], line: str) -> bool:
    return text["type"] == "mrkdwn" and len(text["text"]) + len(line) < SECTION


def _button(ticket: Ticket) -> dict[str, Any]:
    label = {"type": "plain_text", "text": f"Open #{ticket.pk}"}
    return {"type": "actions", "elements": [{"type": "button", "text": label, "url": ticket_url(ticket.pk)}]}


def _safe(value: Any) -> Any:
    """Every text in it escaped, but for markup of ours."""
    if isinstance(value, Markup) or not isinstance(value, str | Mapping | list):
        return value
    if isinstance(value, str):
        return shown(value, most=WORDS)
    if isinstance(value, Mapping):
        return {name: _safe(inner) for name, inner in value.items()}
    return [_safe(inner) for inner in value]
