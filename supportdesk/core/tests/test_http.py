"""HTTP to partners: an answer within its deadline and its limit, or one of three ways of failing."""

import socket
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from django.conf import settings
from hypothesis import given
from hypothesis import strategies as st

from supportdesk.core import http
from supportdesk.core.http import Rejected, Unavailable

NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"  # as the server here does
WHOLE = HEAD + b"Content-Length: 2\r\n\r\n{}"


def _heard(line: socket.socket) -> bytes:
    """A whole request, which may come in pieces."""
    heard = b""
    while not heard.endswith(b'{"a": 1}') and (piece := line.recv(65_536)):
        heard += piece
    return heard


@contextmanager
def server(speak: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[bytes]]]:
    """Answers on loopback with raw bytes; its address, and what it was sent."""
    heard: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    line, _ = listening.accept()
                except OSError:
                    return
                heard.append(_heard(line))
                try:
                    speak(line)
                    line.close()
                except OSError:
                    continue

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}", heard
        listening.shutdown(socket.SHUT_RDWR)


def dripping(whole: bytes, pause: float, *, after: int = 0) -> Callable[[socket.socket], None]:
    """Byte by byte, but for so many at its beginning."""

    def speak(line: socket.socket) -> None:
        line.sendall(whole[:after])
        for number in range(after, len(whole)):
            line.sendall(whole[number : number + 1])
            time.sleep(pause)

    return speak


def post(url: str, **over: Any) -> http.Answer:
    given: dict[str, Any] = {"json": {"a": 1}, "headers": {"X-API-Key": "k"}, "connect": 0.5, "read": 0.4, "left": 1.0}
    return http.call("POST", url, **given | {"limit": 1_000} | over)


def test_an_answer_is_read_whatever_its_status() -> None:
    with server(lambda line: line.sendall(WHOLE.replace(b"200 OK", b"500 Oh"))) as (url, heard):
        answer = post(url)
    assert (answer.status, answer.body, answer.headers["content-type"]) == (500, b"{}", "application/json")
    assert b"X-API-Key: k" in heard[0] and heard[0].endswith(b'{"a": 1}')
    assert b"Accept-Encoding: identity" in heard[0]


def test_a_call_says_who_we_are_and_for_which_request_it_is() -> None:
    with server(lambda line: line.sendall(WHOLE)) as (url, heard):
        post(url)
        with structlog.contextvars.bound_contextvars(request_id="5c0e9a52-request"):
            post(url)
    version = tomllib.loads((settings.BASE_DIR / "pyproject.toml").read_text())["project"]["version"]
    assert all(f"User-Agent: SupportDesk/{version}\r\n".encode() in one for one in heard)
    assert [b"X-Request-ID: 5c0e9a52-request\r\n" in one for one in heard] == [False, True]
    assert b"X-Request-ID" not in heard[0]


@pytest.mark.vuln
def test_a_redirect_is_not_followed() -> None:
    with server(lambda line: line.sendall(WHOLE)) as (elsewhere, heard):
        moved = f"HTTP/1.1 307 Moved\r\nLocation: {elsewhere}/\r\nContent-Length: 0\r\n\r\n".encode()
        with server(lambda line: line.sendall(moved)) as (url, _):
            assert post(url).status == 307
        assert heard == []


@pytest.mark.vuln
@pytest.mark.parametrize("declared", [True, False])
def test_what_is_longer_than_its_limit_is_not_read_to_its_end(declared: bool) -> None:
    length = b"Content-Length: 100000000\r\n" if declared else b"Transfer-Encoding: chunked\r\n"
    piece = b"x" * 500 if declared else b"1f4\r\n" + b"x" * 500 + b"\r\n"
    with server(lambda line: line.sendall(HEAD + length + b"\r\n" + piece * 3)) as (url, _), pytest.raises(http.TooBig):
        post(url)


@pytest.mark.vuln
def test_what_comes_packed_stays_packed() -> None:
    packed = b"\x1f\x8b" + b"\0" * 50
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: 52\r\n\r\n"
    with server(lambda line: line.sendall(head + packed)) as (url, _):
        assert post(url).body == packed


@pytest.mark.parametrize(
    "speak",
    [
        lambda line: time.sleep(1.5),
        dripping(WHOLE, 0.05),  # its head
        dripping(WHOLE, 0.05, after=len(b"HTTP/1.1 200 OK\r\n")),
        dripping(HEAD + b"Content-Length: 200\r\n\r\n" + b" " * 200, 0.01, after=len(HEAD) + 23),  # its body
    ],
)
@pytest.mark.vuln
def test_no_whole_answer_in_time(speak: Any) -> None:
    with server(speak) as (url, _), pytest.raises(http.Timeout):
        post(url, left=0.4)


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{}", b"SSH-2.0-OpenSSH_9.2\r\n"])
def test_a_line_that_breaks(said: bytes) -> None:
    with server(lambda line: line.sendall(said)) as (url, _), pytest.raises(http.Unreachable):
        post(url)


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(http.Unreachable):
        post(f"http://127.0.0.1:{port}")


@pytest.mark.vuln
def test_nothing_is_taken_from_the_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    cookie = WHOLE.replace(b"\r\n\r\n", b"\r\nSet-Cookie: a=b\r\nConnection: close\r\n\r\n")
    with server(lambda line: line.sendall(cookie)) as (url, heard):
        post(url)
        post(url)
    assert len(heard) == 2
    assert b"Authorization" not in heard[0] and b"Cookie" not in heard[1]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (None, None),
        ("", None),
        ("60", 60.0),
        ("0.5", 0.5),
        ("-3", None),
        ("soon", None),
        ("nan", None),
        ("1e999", http.LONGEST_WAIT),
        ("999999999", http.LONGEST_WAIT),
        ("Mon, 23 Nov 2026 10:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 09:00:00 GMT", 0.0),
        ("Mon, 99 Nov 2026 09:00:00 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert http.retry_after(value, now=NOW) == seconds


@given(st.text())
def test_retry_after_never_fails(value: str) -> None:
    found = http.retry_after(value, now=NOW)
    assert found is None or 0 <= found <= http.LONGEST_WAIT


# Trying again


def tried(*failures: Exception, tries: int = 3, seconds: float = 5.0, may_retry: bool = True) -> tuple[int, str]:
    """How often it was tried, and what came of it."""
    made, waiting = list[int](), list(failures)

    def act() -> str:
        made.append(1)
        if waiting:
            raise waiting.pop(0)
        return "done"

    deadline = time.monotonic() + seconds
    try:
        came_of_it = http.attempts(tries=tries, deadline=deadline, first=0.01, may_retry=lambda _: may_retry)(act)
    except (Unavailable, Rejected) as failure:
        came_of_it = failure.reason
    return len(made), came_of_it


@pytest.mark.parametrize(
    ("failures", "given", "found"),
    [
        ([], {}, (1, "done")),
        ([Unavailable("a")], {}, (2, "done")),
        ([Unavailable("a"), Unavailable("b"), Unavailable("c")], {}, (3, "c")),
        ([Unavailable("a")], {"tries": 1}, (1, "a")),
        ([Rejected("a")], {}, (1, "a")),
        ([Unavailable("a")], {"may_retry": False}, (1, "a")),
        ([Unavailable("a", retry_after=0.05)], {}, (2, "done")),
        ([Unavailable("a", retry_after=60)], {}, (1, "a")),
        ([Unavailable("a")], {"seconds": 0.0}, (1, "a")),
    ],
)
def test_only_what_may_work_is_tried_again_and_only_in_time(
    failures: list[Exception], given: dict[str, Any], found: tuple[int, str]
) -> None:
    assert tried(*failures, **given) == found
