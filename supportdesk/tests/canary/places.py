"""Where a marked value must not be found, each place read as whoever gets hold of it would read it."""

import base64
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection
from django.test import Client
from redis import Redis

from supportdesk.celery import app
from supportdesk.tests.canary.marks import CLASSIFIED, Marks
from supportdesk.tests.logs import Written, written_log

# Tables of ids, states and ciphertext. Not that of links, which holds tags as Gorgias spells them, until an erasure.
NONE_OF = (
    "core_event",
    "core_delivery",
    "core_importrecord",
    "core_ratewindow",
    "core_idempotencyrecord",
    "django_session",
    "quimbi_call",
    "integrations_connection",
    "integrations_datasubjectrequest",
    "integrations_oauthstate",
    "integrations_slackchannel",
    "integrations_slacknotification",
    "integrations_synccursor",
    "integrations_webhookreceipt",
    "agents_feedentry",
    "agents_loginsession",
    "agents_socketpass",
    "agents_tab",
    "tickets_assignmentdecision",
    "tickets_draft",
)


class Places:
    """What was left behind while it was open, by place."""

    def __init__(self, log: Written) -> None:
        self.log = log
        self.links: list[str] = []
        self.problems: list[str] = []
        self.server_log = _server_log()
        self.server_log_begins = self.server_log.stat().st_size if self.server_log else 0

    def note(self, response: Any, query: str = "") -> None:
        """An answer: where it links to, beyond what its reader asked for, and what it says when it refuses."""
        content_type = response.headers.get("Content-Type", "")
        body = json.loads(response.content) if "json" in content_type and response.content else {}
        links = [response.headers.get("Location"), body.get("next"), body.get("previous")]
        self.links += [_without(link, query) for link in links if link]
        if response.status_code >= 400 and response.status_code not in SHOWING:
            self.problems.append(json.dumps(body) if body else response.content.decode(errors="replace"))

    def texts(self) -> dict[str, str]:
        found = {
            "log": self.log.getvalue(),
            "redis": _redis(),
            "queue": _queue(),
            "metrics": Client().get("/metrics").content.decode(),
            "links": "\n".join(self.links),
            "problems": "\n".join(self.problems),
            **{table: _rows(table) for table in NONE_OF},
        }
        if self.server_log:
            found["server log"] = self.server_log.read_bytes()[self.server_log_begins :].decode(errors="replace")
        return found

    def leaks(self, marks: Marks) -> dict[str, set[str]]:
        """The marks that were found, by place; empty when all is well."""
        found = {place: marks.found_in(text) for place, text in self.texts().items()}
        with connection.cursor() as cursor:
            tables = connection.introspection.table_names(cursor)
        for table in set(tables) - set(NONE_OF):
            found[table] = marks.found_in(_rows(table), kinds=CLASSIFIED)
        return {place: leaked for place, leaked in found.items() if leaked}


# Refusals that show on purpose what is there now, to somebody who may see it: newer messages, another version.
SHOWING = frozenset({409, 412})


@contextmanager
def watched() -> Iterator[Places]:
    app.control.purge()
    with written_log() as log:
        yield Places(log)
    app.control.purge()


def _without(link: str, query: str) -> str:
    """The link without what the reader's own query said: `next` repeats that to its sender, and to nobody else."""
    for part in query.split("&"):
        value = part.partition("=")[2]
        link = link.replace(value, "") if value else link
    return link


def _redis() -> str:
    """Every key with its value, of whatever type."""
    server: Any = Redis.from_url(settings.REDIS_URL)
    readers = {
        b"string": server.get,
        b"list": lambda key: server.lrange(key, 0, -1),
        b"hash": server.hgetall,
        b"set": server.smembers,
        b"zset": lambda key: server.zrange(key, 0, -1),
    }
    return "\n".join(f"{key!r} {readers[server.type(key)](key)!r}" for key in server.scan_iter())


def _queue() -> str:
    """Messages that wait for a worker, arguments unwrapped."""
    server: Any = Redis.from_url(settings.CELERY_BROKER_URL)
    messages = [json.loads(message) for message in server.lrange(app.conf.task_default_queue, 0, -1)]
    return "\n".join(f"{message} {base64.b64decode(message['body'])!r}" for message in messages)


def _rows(table: str) -> str:
    with connection.cursor() as cursor:
        cursor.execute(f'SELECT t::text FROM "{table}" t')  # noqa: S608
        return "\n".join(row for (row,) in cursor.fetchall())


def _server_log() -> Path | None:
    """PostgreSQL's, where it is ours."""
    if "SUPPORTDESK_TEST_DATABASE_URL" in os.environ:
        return None
    with connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        return Path(cursor.fetchone()[0]).parent / "postgres.log"
