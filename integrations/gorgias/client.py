"""Gorgias' REST API: what is asked of it, and what goes wrong, told as one of two things.

Who calls says how long it may take. What may have been done although no answer came is told apart from what was
refused: only what changes nothing, or changes the same again, is asked twice here.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from integrations import tokens
from integrations.breakers import breaker_of
from integrations.gorgias import access, pace
from integrations.models import Connection
from integrations.reading import Unreadable, read_object
from supportdesk.core import http
from supportdesk.core.breaker import Verdict

CONNECT, READ = 5.0, 10.0  # seconds of one wait
TRIES = 3
FIRST = 0.5  # seconds, which double
PAGE = 100
LIMIT = 8 * 1024 * 1024  # bytes of an answer
DEFAULT_PAUSE = 20.0  # seconds after a 429 that does not say for how long
BUSY = 1.0  # seconds until a place is free
OF_THE_ACCOUNT = frozenset({401, 402, 423})  # 403 is of what was asked: a ticket, or a scope


class Down(http.Unavailable):
    """It does not answer, or says to come again. `sent`: what was asked may have been done all the same."""

    def __init__(self, reason: str, *, retry_after: float | None = None, sent: bool = False) -> None:
        super().__init__(reason, retry_after=retry_after)
        self.sent = sent


class Refused(http.Rejected):
    """It will not, however often it is asked."""

    @property
    def of_the_account(self) -> bool:
        """Nothing else will be done for us either."""
        return self.status in OF_THE_ACCOUNT


@dataclass(frozen=True, kw_only=True)
class Page:
    rows: Sequence[Mapping[str, Any]]
    after: str  # where the next one begins; empty at the end


def account(known: Connection, *, left: float) -> Mapping[str, Any]:
    """The test of a connection. Raises Down, Refused, as everything here."""
    return _ask(known, "GET", "account", left=left)


def ticket(known: Connection, ticket_id: str, *, left: float) -> Mapping[str, Any]:
    """With all its messages."""
    return _ask(known, "GET", f"tickets/{int(ticket_id)}", left=left)


def page(known: Connection, kind: str, *, left: float, after: str = "", **query: str) -> Page:
    """Of tickets, customers, users, integrations; `order_by` and filters as Gorgias names them."""
    asked = {"limit": str(PAGE), **query, **({"cursor": after} if after else {})}
    answer = _ask(known, "GET", kind, left=left, query=asked)
    rows, meta = answer.get("data"), answer.get("meta")
    if not isinstance(rows, list):
        raise Refused("bad answer")
    following = meta.get("next_cursor") if isinstance(meta, Mapping) else None
    return Page(
        rows=[row for row in rows if isinstance(row, Mapping)],
        after=following if isinstance(following, str) else "",
    )


def every(known: Connection, kind: str, *, left: float, **query: str) -> Iterator[Mapping[str, Any]]:
    """Every row of a list that is short: of users, of integrations."""
    after, deadline = "", time.monotonic() + left
    while True:
        found = page(known, kind, left=deadline - time.monotonic(), after=after, **query)
        yield from found.rows
        if not (after := found.after):
            return


def open_ticket(known: Connection, ticket: Mapping[str, Any], *, left: float) -> Mapping[str, Any]:
    """Asked once, whatever comes: twice would be two tickets."""
    return _ask(known, "POST", "tickets", left=left, json=ticket, once=True)


def change_ticket(known: Connection, ticket_id: str, changes: Mapping[str, Any], *, left: float) -> Mapping[str, Any]:
    """Never tags, which it would replace. The same change twice is one."""
    return _ask(known, "PUT", f"tickets/{int(ticket_id)}", left=left, json=changes)


def customer(known: Connection, customer_id: str, *, left: float) -> Mapping[str, Any]:
    return _ask(known, "GET", f"customers/{int(customer_id)}", left=left)


def change_customer(known: Connection, customer_id: str, changes: Mapping[str, Any], *, left: float) -> None:
    """The same change twice is one."""
    _ask(known, "PUT", f"customers/{int(customer_id)}", left=left, json=changes)


def add_tags(known: Connection, ticket_id: str, names: Sequence[str], *, left: float) -> None:
    _ask(known, "POST", f"tickets/{int(ticket_id)}/tags", left=left, json={"names": list(names)})


def remove_tags(known: Connection, ticket_id: str, names: Sequence[str], *, left: float) -> None:
    _ask(known, "DELETE", f"tickets/{int(ticket_id)}/tags", left=left, json={"names": list(names)})


def post_message(known: Connection, ticket_id: str, message: Mapping[str, Any], *, left: float) -> Mapping[str, Any]:
    """Asked once, whatever comes: twice would be two messages."""
    return _ask(known, "POST", f"tickets/{int(ticket_id)}/messages", left=left, json=message, once=True)


def register(known: Connection, integration: Mapping[str, Any], *, left: float) -> Mapping[str, Any]:
    return _ask(known, "POST", "integrations", left=left, json=integration, once=True)


def change_integration(known: Connection, number: str, changes: Mapping[str, Any], *, left: float) -> None:
    _ask(known, "PUT", f"integrations/{int(number)}", left=left, json=changes)


def _ask(
    known: Connection,
    method: str,
    path: str,
    *,
    left: float,
    json: Any = None,
    query: Mapping[str, str] | None = None,
    once: bool = False,
) -> Mapping[str, Any]:
    deadline = time.monotonic() + left
    try:
        url = f"{access.base_url(known.account_key)}/api/{path}"
    except http.Rejected as wrong:
        raise Refused(wrong.reason) from None

    def attempt() -> Mapping[str, Any]:
        def ask(headers: Mapping[str, str], login: tuple[str, str] | None) -> Mapping[str, Any]:
            given = {"headers": headers, "login": login, "json": json, "query": query}
            return _attempt(known, method, url, given, left=deadline - time.monotonic())

        return _opened(known, ask)

    def may_retry(error: BaseException) -> bool:
        return not (once and isinstance(error, Down) and error.sent)

    tries: Callable[[Callable[[], Mapping[str, Any]]], Mapping[str, Any]] = http.attempts(
        tries=TRIES, deadline=deadline, first=FIRST, may_retry=may_retry
    )
    return tries(attempt)


def _attempt(known: Connection, method: str, url: str, given: Mapping[str, Any], *, left: float) -> Mapping[str, Any]:
    if left <= 0.0:  # it went while a token was renewed
        raise Down("timeout")
    breaker = breaker_of(known)
    admitted = breaker.admit(lease=max(left, 1.0))
    if admitted.verdict not in {Verdict.PASS, Verdict.PROBE}:
        raise Down(admitted.verdict.value, retry_after=admitted.wait or BUSY)
    failed = True
    try:
        answer = http.call(method, url, **given, connect=CONNECT, read=READ, left=left, limit=LIMIT)
        failed = answer.status >= 500
    except http.Timeout:
        raise Down("timeout", sent=True) from None
    except http.Unreachable:
        raise Down("unreachable", sent=True) from None
    except http.TooBig:
        failed = False
        raise Refused("too big") from None
    except http.Unsendable:
        failed = False
        raise Refused("unsendable") from None
    finally:
        breaker.record(admitted.call, failed=failed)
    if rest := pace.rest_after(answer.headers.get("X-Gorgias-Account-Api-Call-Limit")):
        breaker.pause(rest)
    return _read(known, answer)


def _read(known: Connection, answer: http.Answer) -> Mapping[str, Any]:
    status = answer.status
    if 200 <= status < 300:
        try:
            return read_object(answer.body) if answer.body.strip() else {}
        except Unreadable:
            raise Refused("bad answer", status=status) from None
    if status == 429:
        asked = http.retry_after(answer.headers.get("Retry-After"), now=datetime.now(UTC))
        wait = DEFAULT_PAUSE if asked is None else asked
        breaker_of(known).pause(wait)
        raise Down("rate limited", retry_after=wait)
    if status >= 500:
        raise Down(f"http {status}", sent=True)
    raise Refused(f"http {status}", status=status)


def _opened(known: Connection, ask: Callable[..., Mapping[str, Any]]) -> Mapping[str, Any]:
    """Asks with what opens the account: of a private app the user's address and key, else the token of a public one,
    which is renewed when it has to be.
    """
    if known.api_key:
        return ask({}, (str(known.options.get("email", "")), known.api_key))

    def with_token(token: str) -> Mapping[str, Any]:
        try:
            return ask({"Authorization": f"Bearer {token}"}, None)
        except Refused as refused:
            if refused.status == 401:
                raise tokens.Unauthorized("http 401", status=401) from None
            raise

    try:
        return tokens.using(known, access.refresh, with_token)
    except tokens.NeedsReauth:
        raise Refused("not connected", status=401) from None
    except tokens.GrantRefused as refused:
        if refused.reason == "invalid_grant":
            raise Refused("not connected", status=401) from None
        raise Down(refused.reason) from None  # our configuration, which somebody will mend
    except http.Unavailable as away:
        raise away if isinstance(away, Down) else Down(away.reason, retry_after=away.retry_after) from None
