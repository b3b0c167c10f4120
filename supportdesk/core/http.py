"""HTTP to partners: one session per process, a deadline for the whole of an answer, and when to try again.

Redirects are never followed, so that a key goes to no other host; nothing is taken from the process's surroundings
(proxies, netrc) but what the settings name; and an answer is read as it comes, no further than its limit. Each call
says who we are, and carries the id of the request that it is made for, by which both sides find it in their logs.
"""

import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from http.client import HTTPException
from typing import Any, TypeVar

import requests
from django.conf import settings
from requests.adapters import HTTPAdapter
from requests.cookies import RequestsCookieJar
from requests.exceptions import InvalidHeader, InvalidJSONError, InvalidSchema, InvalidURL, MissingSchema
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError
from urllib3.response import BaseHTTPResponse

from supportdesk.core.observability.middleware import HEADER as REQUEST_ID
from supportdesk.core.observability.middleware import current_request_id

Result = TypeVar("Result")
OUR_NAME = f"SupportDesk/{settings.VERSION}"
CHUNK = 64 * 1024
LINES = 32  # kept open to one host, for as many threads
LONGEST_WAIT = 3_600.0  # seconds: whoever asks us to wait for longer is asked again


class GatewayError(Exception):
    """A call to a partner that came to nothing. `reason` is a word of the gateway's own; no text of theirs is here.

    `counts`: it tells against the partner's health. `status` is what they answered, 0 when they did not.
    """

    def __init__(self, reason: str, *, counts: bool = False, retry_after: float | None = None, status: int = 0) -> None:
        super().__init__(reason)
        self.reason, self.counts, self.retry_after, self.status = reason, counts, retry_after, status


class Unavailable(GatewayError):
    """It may work when it is tried again."""


class Rejected(GatewayError):
    """To try again would change nothing."""


class Timeout(Exception):
    """No whole answer within the time that it had."""


class Unreachable(Exception):
    """No connection, or one that broke."""


class Unsendable(Exception):
    """What was to be sent is no JSON, header or address: our own mistake, which tells nothing of the partner."""


class TooBig(Exception):
    """The answer is longer than its limit; the rest was not read."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # of any spelling
    body: bytes


def call(
    method: str,
    url: str,
    *,
    connect: float,
    read: float,
    left: float,
    limit: int,
    headers: Mapping[str, str] | None = None,
    json: Any = None,
    form: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    login: tuple[str, str] | None = None,
) -> Answer:
    """The answer, whatever its status. Raises Timeout, Unreachable, TooBig or Unsendable.

    `connect` and `read` are seconds for one wait, `left` those for everything; `limit` is the longest body in bytes.
    """
    deadline = time.monotonic() + left
    waits = (max(0.001, min(connect, left)), max(0.001, min(read, left)))
    sent = {"Accept": "application/json", "Accept-Encoding": "identity", **request_headers(), **(headers or {})}
    try:
        with session().request(
            method,
            url,
            json=json,
            data=form,
            params=query,
            auth=login,
            headers=sent,
            timeout=waits,
            allow_redirects=False,
            stream=True,
        ) as response:
            body = _read(response.raw, deadline=deadline, limit=limit)
            return Answer(status=response.status_code, headers=response.headers, body=body)
    except (requests.Timeout, TimeoutError):
        raise Timeout from None
    except (InvalidJSONError, InvalidURL, InvalidSchema, MissingSchema, InvalidHeader):
        raise Unsendable from None
    except (requests.RequestException, HTTPError, OSError):
        raise (Timeout if time.monotonic() >= deadline else Unreachable) from None


def request_headers() -> dict[str, str]:
    """What tells the call apart in the partner's logs."""
    request_id = current_request_id()
    return {"User-Agent": OUR_NAME, **({REQUEST_ID: request_id} if request_id else {})}


@cache
def session() -> requests.Session:
    """This process's. Threads may share it: it is not changed once it is made, and keeps no cookies."""
    made = requests.Session()
    made.trust_env = False
    made.cookies = _NoCookies()
    made.verify = settings.CA_BUNDLE or True
    made.proxies = {"https": settings.OUTBOUND_PROXY} if settings.OUTBOUND_PROXY else {}
    for scheme in ("http://", "https://"):
        made.mount(scheme, _Adapter(pool_connections=4, pool_maxsize=LINES, max_retries=0))
    return made


def attempts(
    *, tries: int, deadline: float, first: float, may_retry: Callable[[BaseException], bool]
) -> Callable[[Callable[[], Result]], Result]:
    """Runs a function until it succeeds, at most `tries` times: what is `Unavailable` and `may_retry`, after a random
    part of `first` seconds that doubles, or what the partner asked for, and never past the deadline (monotonic).
    """
    backoff = wait_random_exponential(multiplier=first, max=10.0)

    def pause(state: RetryCallState) -> float:
        return max(_asked(state), backoff(state))

    def is_late(state: RetryCallState) -> bool:
        return time.monotonic() + max(_asked(state), state.upcoming_sleep) >= deadline

    return Retrying(
        stop=lambda state: stop_after_attempt(tries)(state) or is_late(state),
        wait=pause,
        retry=retry_if_exception(lambda error: isinstance(error, Unavailable) and may_retry(error)),
        reraise=True,
    )


def retry_after(value: str | None, *, now: datetime) -> float | None:
    """Seconds that a Retry-After asks for, from a decimal or a date; None when it says nothing that can be read."""
    text = (value or "").strip()
    try:
        seconds = float(text) if text[:1].isdecimal() else (parsedate_to_datetime(text) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(0.0, seconds), LONGEST_WAIT)


def _asked(state: RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    return (error.retry_after if isinstance(error, GatewayError) else None) or 0.0


def _read(raw: BaseHTTPResponse, *, deadline: float, limit: int) -> bytes:
    """As it was sent: what is packed although we asked for it not to be stays so, however big it would be."""
    body = bytearray()
    while chunk := raw.read1(CHUNK, decode_content=False):
        body += chunk
        if len(body) > limit:
            raise TooBig
        if time.monotonic() >= deadline:
            raise Timeout
    return bytes(body)


class _NoCookies(RequestsCookieJar):
    def set_cookie(self, *args: Any, **kwargs: Any) -> None:
        """Keeps none."""


class _Connection(HTTPConnection):
    def getresponse(self) -> Any:
        with _hung_up_after(self.timeout, self.sock):
            return super().getresponse()


class _SecureConnection(HTTPSConnection):
    def getresponse(self) -> Any:
        with _hung_up_after(self.timeout, self.sock):
            return super().getresponse()


@contextmanager
def _hung_up_after(seconds: Any, line: Any) -> Iterator[None]:
    """A read timeout is for one wait; here the head of an answer must be whole within it, however it drips. Raises
    TimeoutError when it was not, whatever its beginning was taken for: a head that ends early reads like a whole one.
    """
    late = threading.Event()
    end = threading.Timer(seconds, _hang_up, [line, late])
    end.daemon = True
    end.start()
    try:
        yield
    except (OSError, HTTPException, HTTPError):
        if not late.is_set():
            raise
    finally:
        end.cancel()
    if late.is_set():
        raise TimeoutError


def _hang_up(line: socket.socket, late: threading.Event) -> None:
    late.set()
    with suppress(OSError):  # it is closed
        socket.socket.shutdown(line, socket.SHUT_RDWR)  # below TLS, whose goodbye would wait


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _SecureConnection


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
