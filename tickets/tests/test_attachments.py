"""Files: what is taken, under which name and type it comes back, and to whom."""

import io
import zipfile
from typing import Any

import pytest
from django.conf import settings
from django.core.files.storage import storages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError

from agents.models import Agent
from agents.tests.builders import make_agent, make_department, make_key
from supportdesk.core.models import Event
from supportdesk.tests.client import Answer, Api
from supportdesk.tests.races import race
from tickets import files
from tickets.models import Attachment, Message, Ticket
from tickets.services import attachments
from tickets.tests.builders import change, make_ticket

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


@pytest.fixture(autouse=True)
def _empty_storage() -> None:
    for path in stored():
        storages["attachments"].delete(path)


@pytest.fixture
def agent(db: None) -> Agent:
    return make_agent()


def upload(api: Api, ticket: Ticket, content: bytes = PNG, name: str = "shot.png", **more: Any) -> Answer:
    file = SimpleUploadedFile(name, content, content_type=more.pop("content_type", "image/png"))
    path = f"/api/tickets/{ticket.pk}/attachments"
    return Answer(api.client.post(path, {"file": file, **more}, headers=api.headers))


def download(api: Api, body: dict[str, Any]) -> Any:
    return api.client.get(f"/api/tickets/{body['ticket_id']}/attachments/{body['id']}", headers=api.headers)


def stored() -> list[str]:
    found: list[str] = []
    folders = [""]
    while folders:
        folder = folders.pop()
        inner, names = storages["attachments"].listdir(folder)
        folders += [f"{folder}/{name}".lstrip("/") for name in inner]
        found += [f"{folder}/{name}" for name in names]
    return found


def test_a_file_comes_back_as_it_went_in(agent: Agent) -> None:
    api, ticket = Api(agent), make_ticket()
    made = upload(api, ticket)
    assert made.status == 201, made.body
    assert (made.body["name"], made.body["content_type"], made.body["size"]) == ("shot.png", "image/png", len(PNG))
    answer = download(api, made.body)
    assert b"".join(answer) == PNG
    assert answer["Content-Disposition"] == 'attachment; filename="shot.png"'
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert answer["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer["Cache-Control"] == "private, no-store"
    listed = api.get(f"/api/tickets/{ticket.pk}/attachments").body["results"]
    assert [row["id"] for row in listed] == [made.body["id"]]
    assert Event.objects.filter(name="ticket.attachment_added", subject_id=ticket.pk).count() == 1


def test_a_message_takes_up_what_its_author_uploaded(agent: Agent) -> None:
    api, other, ticket = Api(agent), Api(make_agent()), make_ticket()
    mine, theirs = upload(api, ticket).body["id"], upload(other, ticket).body["id"]
    elsewhere = upload(api, make_ticket()).body["id"]
    path = f"/api/tickets/{ticket.pk}/messages"
    for wrong in ([theirs], [elsewhere], [mine, 999_999]):
        assert api.post(path, {"body": "See here", "attachments": wrong}).fields == {"attachments": "invalid"}
    assert Message.objects.filter(ticket=ticket).count() == 1
    assert api.post(path, {"body": "See here", "attachments": [mine]}).status == 201
    assert api.post(path, {"body": "Again", "attachments": [mine]}).status == 400
    assert [m["attachments"] for m in api.get(path).body["results"]] == [
        [],
        [{"id": mine, "name": "shot.png", "content_type": "image/png", "size": len(PNG)}],
    ]


@pytest.mark.vuln
@pytest.mark.django_db
def test_a_file_is_reached_through_its_own_ticket_and_rights_only() -> None:
    here, there = make_department(), make_department()
    ticket, foreign = make_ticket(department=here), make_ticket(department=there)
    made = upload(Api(make_agent(department=here)), ticket).body
    stranger = Api(make_agent(department=there))
    assert download(stranger, made).status_code == 404
    assert download(stranger, made | {"ticket_id": foreign.pk}).status_code == 404
    assert download(Api(make_agent(department=here)), made | {"ticket_id": 999}).status_code == 404
    assert download(Api(), made).status_code == 401
    assert upload(stranger, ticket).status == 404
    assert stranger.get(f"/api/tickets/{ticket.pk}/attachments").status == 404
    assert download(Api(make_key("customers:read")), made).status_code == 403
    assert download(Api(make_key("tickets:read")), made).status_code == 200
    assert upload(Api(make_key("tickets:read")), ticket).status == 403
    assert len(stored()) == 1


NAMES = {
    "../../etc/passwd": "passwd",
    "..\\..\\boot.ini": "boot.ini",
    "/etc/passwd": "passwd",
    ".htaccess": "htaccess",
    "\u200b.htaccess": "htaccess",
    "\u202egpj.exe": "gpj.exe",
    "photo.php\u200b.png": "photo.php.png",
    "a\r\nSet-Cookie: x=1.png": "a  Set-Cookie: x=1.png",
    'a".png; filename="b.exe': "a'.png; filename='b.exe",
    "ｆｕｌｌ．ｐｎｇ": "full.png",  # noqa: RUF001
    "..": "file",
    " . ": "file",
    "\u200b\u200c": "file",
    "...png": "png",
    "x" * 400 + ".png": "x" * 196 + ".png",
    "日本語.png": "日本語.png",
    "con": "con",
    "a/b\\c/d.txt": "d.txt",
    "nul\x00byte.png": "nulbyte.png",
    "%2e%2e%2fetc": "%2e%2e%2fetc",
    "a\x7fb\x85c.png": "ab c.png",
    "\ufeffreport.pdf": "report.pdf",
}


@pytest.mark.vuln
@pytest.mark.parametrize(("given", "shown"), NAMES.items())
def test_names_are_normalised_and_then_cleaned(given: str, shown: str) -> None:
    assert files.display_name(given) == shown
    assert len(shown) <= files.MAX_NAME


@pytest.mark.vuln
@pytest.mark.parametrize(
    "name", ["../../etc/passwd", ".htaccess", "\u200b.htaccess", "x.html", "a\u202egpj.svg", "日本語.png"]
)
def test_no_name_becomes_a_path(agent: Agent, name: str) -> None:
    made = upload(Api(agent), make_ticket(), b"plain text", name)
    assert made.status == 201, made.body
    (path,) = stored()
    assert len(path.split("/")) == 3
    assert path.rsplit("/", 1)[1].isalnum()
    answer = download(Api(agent), made.body)
    assert answer["Content-Disposition"].startswith("attachment;")
    assert "\n" not in answer["Content-Disposition"]


def _zip(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "x")
    return buffer.getvalue()


TYPES: list[tuple[bytes, str]] = [
    (b"<html><script>alert(1)</script>", "text/plain"),
    (b"<!DOCTYPE html>", "text/plain"),
    (b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "text/plain"),
    (b'<?xml version="1.0"?><x:script/>', "text/plain"),
    (b"<?php system($_GET[0]); ?>", "text/plain"),
    (b"alert(document.cookie)", "text/plain"),
    (b"\xef\xbb\xbf<html>", "text/plain"),
    ("ö".encode() * 3_000, "text/plain"),
    ("<html>".encode("utf-16"), "application/octet-stream"),
    ("<html>".encode("utf-32"), "application/octet-stream"),
    (b"\x00<html>", "application/octet-stream"),
    (b"text with \x1b[31m escape", "application/octet-stream"),
    (b"\xff\xff\xff", "application/octet-stream"),
    (b"\xff\xd8\xff\xe0<script>", "image/jpeg"),
    (b"GIF89a<script>alert(1)</script>", "image/gif"),
    (b"GIF", "text/plain"),
    (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
    (b"%PDF-1.7 /JavaScript", "application/pdf"),
    (_zip("../../evil"), "application/zip"),
    (b"\0\0\0\x18ftypmp42", "video/mp4"),
    (b"\0\0\0\x18ftypheic", "image/heic"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "application/x-ole-storage"),
    (b"\x1f\x8b\x08", "application/gzip"),
]


@pytest.mark.vuln
@pytest.mark.parametrize(("content", "content_type"), TYPES)
def test_the_type_is_that_of_the_content_and_never_one_that_runs(content: bytes, content_type: str) -> None:
    assert files.content_type(content[: files.HEAD]) == content_type
    assert content_type not in {
        "text/html",
        "image/svg+xml",
        "application/xhtml+xml",
        "text/xml",
        "application/javascript",
    }


@pytest.mark.vuln
@pytest.mark.parametrize("claimed", ["text/html", "image/svg+xml", "application/x-httpd-php", "x" * 300])
def test_the_claimed_type_means_nothing(agent: Agent, claimed: str) -> None:
    made = upload(Api(agent), make_ticket(), b"<script>alert(1)</script>", "x.html", content_type=claimed)
    assert made.body["content_type"] == "text/plain"


@pytest.mark.vuln
@pytest.mark.parametrize(
    "head",
    [b"MZ\x90", b"\x7fELF\x02", b"\xca\xfe\xba\xbe", b"\xcf\xfa\xed\xfe", b"#!/bin/sh", b"L\0\0\0\x01\x14\x02\0"],
)
def test_programs_are_refused_whatever_they_are_called(agent: Agent, head: bytes) -> None:
    answer = upload(Api(agent), make_ticket(), head + b"\0" * 100, "photo.png")
    assert (answer.status, answer.body["code"]) == (415, "program_refused")
    assert stored() == []


def test_empty_and_large_files_are_refused(agent: Agent, settings: Any) -> None:
    api, ticket = Api(agent), make_ticket()
    assert upload(api, ticket, b"").fields == {"file": "empty"}
    settings.MAX_UPLOAD_BYTES = 100
    assert upload(api, ticket, b"x" * 101).fields == {"file": "too_large"}
    assert upload(api, ticket, b"x" * 100).status == 201


@pytest.mark.vuln
def test_a_body_announced_as_too_large_is_refused_before_it_is_read(agent: Agent) -> None:
    api, path = Api(agent), f"/api/tickets/{make_ticket().pk}/attachments"
    form = "multipart/form-data; boundary=x"
    unread = io.BytesIO(b"never read")

    def announced(size: int, to: str, content_type: str) -> int:
        given = {"wsgi.input": unread, "CONTENT_LENGTH": str(size), "CONTENT_TYPE": content_type}
        return int(api.client.post(to, headers=api.headers, **given).status_code)  # type: ignore[arg-type]

    limit = settings.MAX_BODY_BYTES + settings.MAX_UPLOAD_BYTES
    assert announced(limit + 1, path, form) == 413
    assert announced(settings.MAX_BODY_BYTES + 1, path, "application/json") == 413
    assert announced(settings.MAX_BODY_BYTES + 1, "/api/tickets", form) == 413
    assert announced(settings.MAX_BODY_BYTES + 1, "/admin/login/", form) == 413
    assert unread.tell() == 0


def test_a_form_holds_one_file_and_nothing_else(agent: Agent) -> None:
    api, ticket = Api(agent), make_ticket()
    path = f"/api/tickets/{ticket.pk}/attachments"
    assert upload(api, ticket, name="a.png", ticket_id="7").fields == {"ticket_id": "unknown_field"}
    two = [SimpleUploadedFile("a.png", PNG), SimpleUploadedFile("b.png", PNG)]
    assert Answer(api.client.post(path, {"file": two}, headers=api.headers)).fields == {"file": "repeated"}
    assert Answer(api.client.post(path, {"file": "text"}, headers=api.headers)).status == 400
    assert Answer(api.client.post(path, {}, headers=api.headers)).fields == {"file": "required"}
    assert api.post(path, {"file": "x"}).status == 415
    broken = {"content_type": "multipart/form-data; boundary=x"}
    for body in (b"", b"--x", b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nabc'):
        assert api.send("POST", path, body, **broken).status == 400
    assert api.send("POST", path, b"x", content_type="multipart/form-data").status == 400


def test_nothing_is_stored_without_its_row(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    api, ticket = Api(agent), make_ticket()

    def broken(*_: Any, **__: Any) -> None:
        raise IntegrityError("no")

    with monkeypatch.context() as patch:
        patch.setattr(attachments, "emit", broken)
        assert upload(api, ticket).status == 500
    change(ticket, status="closed")
    api.delete(f"/api/tickets/{ticket.pk}")
    assert upload(api, ticket).status == 409
    assert (stored(), Attachment.objects.count()) == ([], 0)


def test_the_same_upload_again_is_one_file(agent: Agent) -> None:
    api, ticket = Api(agent), make_ticket()
    api.headers["Idempotency-Key"] = "upload-1"
    first, again = upload(api, ticket), upload(api, ticket)
    assert first.body == again.body
    assert len(stored()) == Attachment.objects.count() == 1
    assert upload(api, ticket, PNG + b"x").status == 422


@pytest.mark.django_db(transaction=True)
def test_of_rivals_who_send_one_file_one_does() -> None:
    agent = make_agent()
    api, ticket = Api(agent), make_ticket()
    file = upload(api, ticket).body["id"]
    given = {"body": "See here", "attachments": [file]}
    answers = race(lambda _: api.post(f"/api/tickets/{ticket.pk}/messages", given))
    assert sorted(answer.status for answer in answers) == [201] + [400] * 31
    assert Message.objects.filter(ticket=ticket).count() == 2


def test_a_lost_file_is_missing_and_no_error_of_ours(agent: Agent) -> None:
    made = upload(Api(agent), make_ticket()).body
    (path,) = stored()
    storages["attachments"].delete(path)
    assert download(Api(agent), made).status_code == 404
