"""How much is read of a request, and in which form it is answered."""

import io
from typing import Any

import pytest
from django.conf import settings
from django.test.client import BOUNDARY, MULTIPART_CONTENT

from customers.models import Customer
from supportdesk.core.models import Event
from supportdesk.tests.security import doors
from supportdesk.tests.security.matrix import Row, rows
from supportdesk.tests.security.world import World

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.vuln]
ANSWERS = [
    row for row in rows() if row.route.startswith("api/") and row.cells["admin"] == "+" and row.route != "api/docs"
]


class Counted(io.BytesIO):
    """A body that knows how much of it was read."""

    taken = 0

    def read(self, size: int | None = -1) -> bytes:
        data = super().read(size)
        self.taken += len(data)
        return data


def send(world: World, body: io.BytesIO, path: str = "/api/customers", **environ: Any) -> Any:
    caller = world.callers["admin"][0]
    given = {"wsgi.input": body, "CONTENT_TYPE": "application/json", **environ}
    return caller.client().post(path, headers=caller.headers, **given)


def test_a_body_of_unknown_length_is_not_read(world: World) -> None:
    body = Counted(b'{"name": "Zoe"}')
    response = send(world, body, CONTENT_LENGTH="")
    assert response.status_code == 400
    assert body.taken == 0
    assert not Customer.objects.filter(name="Zoe").exists()


@pytest.mark.parametrize("announced", ["10", "0", "-5", "x", "1e3", "0x40"])
def test_a_body_is_read_as_far_as_it_was_announced(announced: str, world: World) -> None:
    body = Counted(b'{"name": "Zoe"}' + b" " * 100_000)
    response = send(world, body, CONTENT_LENGTH=announced)
    assert response.status_code == 400
    assert body.taken <= 64
    assert not Customer.objects.filter(name="Zoe").exists()


@pytest.mark.parametrize("path", ["/api/customers", "/api/auth/login", "/api/tickets/bulk", "/admin/login/"])
@pytest.mark.parametrize("kind", ["application/json", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_what_is_too_long_is_refused_unread_whatever_it_is(path: str, kind: str, world: World) -> None:
    body = Counted(b"x" * 100)
    response = send(world, body, path, CONTENT_LENGTH=str(settings.MAX_BODY_BYTES + 1), CONTENT_TYPE=kind)
    assert (response.status_code, body.taken) == (413, 0)


@pytest.mark.parametrize("files", [True, False])
def test_a_form_of_many_parts_is_a_400(files: bool, world: World) -> None:
    name = '; filename="x.txt"' if files else ""
    part = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="f%s"{name}\r\n\r\nx\r\n'
    body = "".join(part % number for number in range(600)) + f"--{BOUNDARY}--\r\n"
    caller, before = world.callers["admin"][0], Event.objects.count()
    path = f"/api/tickets/{world.values['ticket']}/attachments"
    response = caller.client().generic("POST", path, body, MULTIPART_CONTENT, headers=caller.headers)
    assert response.status_code == 400
    assert response.headers["Content-Type"] == "application/problem+json"
    assert Event.objects.count() == before


@pytest.mark.parametrize("row", ANSWERS, ids=str)
def test_no_answer_of_the_api_is_a_page(row: Row, world: World) -> None:
    """Neither the framework's forms nor anything else that a browser would lay out, also when the request is bad."""
    caller = world.callers["admin"][0]
    path = doors.path_of(row.route, world)
    for accept in ("text/html", "text/html,application/xhtml+xml,*/*;q=0.8"):
        headers = {**caller.headers, "Accept": accept}
        response = caller.client().generic(row.method, path, b"{", "application/json", headers=headers)
        kind = response.headers.get("Content-Type", "")
        assert not kind.startswith(("text/html", "application/xhtml", "image/svg"))
        assert response.streaming or b"<html" not in response.content.lower()
