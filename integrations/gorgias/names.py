"""What Gorgias calls things, as far as more than one module needs to know."""

import re

ACCOUNT = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
OURS = re.compile(r"crm:(msg|note):([1-9][0-9]{0,18})")  # how what we sent is known again
TICKET, MESSAGE, NOTE, MAIL, USER = "ticket", "message", "note", "email", "user"  # object types of links
SOURCE = "gorgias"
TOKEN_HEADER = "X-Webhook-Token"  # noqa: S105 - the name of a header
TRIGGERS = (  # that we take
    "ticket-created",
    "ticket-updated",
    "ticket-message-created",
    "ticket-message-failed",
    "ticket-assignment-updated",
    "ticket-status-updated",
)


OUR_TICKET = re.compile(r"crm:ticket:([1-9][0-9]{0,18})")


def mark(kind: str, number: int) -> str:
    """The external id of what we send. `kind` is msg, note or ticket."""
    return f"crm:{kind}:{number}"
