"""Slack's Web API and incoming webhooks, over slack-sdk: what goes wrong, told as one of two things.

The SDK tries nothing again: whoever calls does, and knows what may have been done already. It follows no redirect,
which would carry the token along.
"""

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, OpenerDirector, ProxyHandler, Request, build_opener

from django.conf import settings
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient
from slack_sdk.webhook.webhook_response import WebhookResponse

from integrations.models import Connection
from supportdesk.core.http import request_headers

POST_SECONDS, LOOK_UP_SECONDS = 6, 2  # a delivery ends within its lease
LONGEST_WAIT = 600.0  # seconds that we believe a Retry-After
PASSING = frozenset({"ratelimited", "rate_limited", "internal_error", "fatal_error", "service_unavailable"})
PASSING_LATER = PASSING | {"request_timeout", "team_added_to_org", "rollup_error"}
OF_THE_ACCOUNT = frozenset(
    {
        "invalid_auth",
        "not_authed",
        "token_revoked",
        "token_expired",
        "account_inactive",
        "missing_scope",
        "org_login_required",
        "no_service",
        "action_prohibited",
    }
)
_log = logging.getLogger("slack_sdk")  # whose level is set, which theirs look at


class SlackDown(Exception):
    """It does not answer, or says to come again. `sent`: what was asked may have been done all the same."""

    def __init__(self, reason: str, *, retry_after: float | None = None, sent: bool = False) -> None:
        super().__init__(reason)
        self.retry_after, self.sent = retry_after, sent


class SlackRefuses(Exception):
    """It will not, however often it is asked. `code` is Slack's word for why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code

    @property
    def of_the_account(self) -> bool:
        """Nothing else will be done for us either."""
        return self.code in OF_THE_ACCOUNT


@dataclass(frozen=True, kw_only=True)
class Message:
    """`text` stands for the blocks where they are not shown, as in a notification."""

    text: str
    blocks: Sequence[Mapping[str, Any]] = field(default_factory=list)


def post(known: Connection, channel: str, message: Message, *, marks: Sequence[int], thread: str = "") -> str:
    """Writes to the channel; the message's `ts`, empty over an incoming webhook. Raises SlackDown, SlackRefuses.

    `marks` are ids of ours that travel with the message, so that one that is there twice can be traced. An answer to
    `thread` is shown in the channel as well.
    """
    if not known.access_token:
        return _post_to_webhook(known, message)
    given: dict[str, Any] = {"channel": channel, "text": message.text, "blocks": message.blocks}
    given |= {"unfurl_links": False, "unfurl_media": False}
    given["metadata"] = {"event_type": "support_desk_notification", "event_payload": {"ids": list(marks)}}
    if thread:
        given |= {"thread_ts": thread, "reply_broadcast": True}
    return str(_ask(known, "chat.postMessage", given, seconds=POST_SECONDS).get("ts", ""))


def update(known: Connection, channel: str, ts: str, message: Message) -> None:
    """Raises SlackDown, SlackRefuses."""
    given = {"channel": channel, "ts": ts, "text": message.text, "blocks": message.blocks}
    _ask(known, "chat.update", given, seconds=POST_SECONDS)


def user_id_of(known: Connection, email: str) -> str:
    """The id of the active member with this address; empty when there is none. Raises SlackDown, SlackRefuses."""
    try:
        answer = _ask(known, "users.lookupByEmail", {"email": email}, seconds=LOOK_UP_SECONDS, as_form=True)
    except SlackRefuses as refused:
        if refused.code in {"users_not_found", "user_not_found", "user_not_visible"}:
            return ""
        raise
    user = answer.get("user") or {}
    return "" if user.get("deleted") else str(user.get("id", ""))


@dataclass(frozen=True, kw_only=True)
class Us:
    """What the token may do, and what time it is there; None when it does not say."""

    scopes: Sequence[str]
    at: datetime | None


def who_we_are(known: Connection) -> Us:
    """Raises SlackDown, SlackRefuses."""
    headers: dict[str, str] = {}
    _ask(known, "auth.test", {}, seconds=POST_SECONDS, headers=headers)
    scopes = sorted(scope.strip() for scope in headers.get("x-oauth-scopes", "").split(",") if scope.strip())
    try:
        at = parsedate_to_datetime(headers.get("date", ""))
    except ValueError:
        at = None
    return Us(scopes=scopes, at=at)


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """None makes a redirect an error like any other."""


def _opener(proxy: str | None, context: Any) -> OpenerDirector:
    proxies = ProxyHandler({"http": proxy, "https": proxy} if proxy else {})
    return build_opener(_NoRedirects, proxies, HTTPSHandler(context=context))


class _Web(WebClient):
    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:
        with _opener(self.proxy, self.ssl).open(req, timeout=self.timeout) as answer:
            body = answer.read().decode(answer.headers.get_content_charset() or "utf-8", "replace")
            return {"status": answer.status, "headers": answer.headers, "body": body}


class _Hook(WebhookClient):
    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        with _opener(self.proxy, self.ssl).open(req, timeout=self.timeout) as answer:
            body = answer.read().decode("utf-8", "replace")
            return WebhookResponse(url=url, status_code=answer.status, body=body, headers=dict(answer.headers))


def _ask(
    known: Connection,
    method: str,
    given: Mapping[str, Any],
    *,
    seconds: int,
    as_form: bool = False,
    headers: dict[str, str] | None = None,
) -> Mapping[str, Any]:
    web = _Web(known.access_token, base_url=settings.SLACK_BASE_URL, timeout=seconds, retry_handlers=[], logger=_log)
    web.headers.update(request_headers())
    shape: dict[str, Any] = {"params": dict(given)} if as_form else {"json": dict(given)}
    try:
        answer = web.api_call(method, **shape)
    except SlackApiError as error:
        raise _told(error) from None
    except URLError as error:  # before anything was read of an answer, and so before anything was asked
        raise SlackDown(type(error.reason).__name__ if not isinstance(error, HTTPError) else "http") from None
    except (OSError, HTTPException, ValueError) as error:
        raise SlackDown(type(error).__name__, sent=True) from None
    if headers is not None:
        headers.update({name.lower(): str(value) for name, value in answer.headers.items()})
    data: Mapping[str, Any] = answer.data if isinstance(answer.data, dict) else {}
    return data


def _told(error: SlackApiError) -> SlackDown | SlackRefuses:
    answer: Any = error.response
    status = int(getattr(answer, "status_code", 0) or 0)
    headers = getattr(answer, "headers", {}) or {}
    data = getattr(answer, "data", None)
    code = str(data.get("error", "")) if isinstance(data, dict) else ""
    return _as_failure(status, code, headers)


def _post_to_webhook(known: Connection, message: Message) -> str:
    url = known.api_key or ""
    if not url.startswith(settings.SLACK_HOOKS_URL):
        raise SlackRefuses("no_service")
    hook = _Hook(url, timeout=POST_SECONDS, retry_handlers=[], logger=_log)
    hook.default_headers.update(request_headers())
    try:
        answer = hook.send(text=message.text, blocks=list(message.blocks))  # type: ignore[arg-type]
    except URLError as error:
        raise SlackDown(type(error.reason).__name__) from None
    except (OSError, HTTPException, ValueError) as error:
        raise SlackDown(type(error).__name__, sent=True) from None
    if answer.status_code == 200:
        return ""
    raise _as_failure(answer.status_code, answer.body.strip()[:64], answer.headers)


def _as_failure(status: int, code: str, headers: Mapping[str, Any]) -> SlackDown | SlackRefuses:
    if status == 429 or status >= 500 or code in PASSING_LATER or not status:
        return SlackDown(code if code in PASSING_LATER else f"http {status}", retry_after=_seconds(headers))
    if 300 <= status < 400:
        return SlackRefuses("redirect")
    return SlackRefuses(code if code.replace("_", "").isalnum() and len(code) <= 64 else f"http {status}")


def _seconds(headers: Mapping[str, Any]) -> float | None:
    """Of a Retry-After, which may be a decimal; None without a sound one."""
    given = next((value for name, value in headers.items() if name.lower() == "retry-after"), None)
    given = given[0] if isinstance(given, list) else given
    try:
        seconds = float(str(given))
    except ValueError:
        return None
    return min(max(seconds, 0.0), LONGEST_WAIT) if math.isfinite(seconds) else None
