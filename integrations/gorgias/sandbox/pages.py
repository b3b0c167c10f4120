"""What a visitor of a pretend Gorgias sees."""

from collections.abc import Mapping
from html import escape
from typing import Any

from integrations.gorgias.sandbox.account import Account

_HEAD = (
    "<!doctype html><meta charset=utf-8><title>Gorgias</title>"
    "<style>body{font:15px sans-serif;margin:2em}article{border-left:4px solid;padding-left:1em;margin:2em 0}</style>"
    "<h1>A pretend Gorgias</h1><p>What you write here as a customer arrives in the desk; what agents answer there "
    'arrives here. <a href="/">Look again</a></p>'
)
_FORM = (
    '<form method="post">{hidden}{fields}<input name="text" size="60" required placeholder="Write"> '
    "<button>Send</button></form>"
)
_NEW = (
    '<input name="email" type="email" value="visitor@example.com"> <input name="subject" value="Where is my order?"> '
)


def page(account: Account) -> str:
    """For people: what is there, and a form to write as a customer."""
    with account.lock:
        newest = sorted(account.tickets.values(), key=lambda one: str(one["updated_datetime"]), reverse=True)
        shown = "".join(map(_shown, newest[:50]))
    return f"{_HEAD}{_FORM.format(hidden='', fields=_NEW)}{shown}"


def _shown(ticket: Mapping[str, Any]) -> str:
    lines = "".join(
        f"<p><b>{'Desk' if one['from_agent'] else 'Customer'}{'' if one.get('public', True) else ', a note'}:</b> "
        f"{escape(str(one['body_text'] or ''))}</p>"
        for one in ticket["messages"]
    )
    tags = escape(", ".join(tag["name"] for tag in ticket["tags"]))
    head = f"<h2>{escape(str(ticket['subject']))}</h2><p>{ticket['status']}, {ticket['priority']} {tags}</p>"
    hidden = f'<input type="hidden" name="ticket" value="{ticket["id"]}">'
    return f"<article>{head}{lines}{_FORM.format(hidden=hidden, fields='')}</article>"
