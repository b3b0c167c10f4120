"""The API over Django's test client: everything from the middleware down is the real thing."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agents import sessions
from agents.models import Agent
from agents.tests.builders import PASSWORD

_CONTROL = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE")


class Answer:
    """A response, read once."""

    def __init__(self, response: Any) -> None:
        self.response = response
        self.status: int = response.status_code
        self.headers: Mapping[str, str] = response.headers
        self.body: Any = json.loads(response.content) if response.content else None

    @property
    def fields(self) -> dict[str, str]:
        """Field to code of a problem's errors."""
        return {error["field"]: error["code"] for error in self.body["errors"]}


class Api:
    """Requests as one agent, as a machine (the text of its key), or as nobody."""

    def __init__(self, agent: Agent | str | None = None) -> None:
        self.client = Client(raise_request_exception=False)
        self.headers: dict[str, str] = {}
        if isinstance(agent, str):
            self.headers["X-API-Key"] = agent
        elif agent is not None:
            tokens = sessions.log_in(email=agent.email, password=PASSWORD, network="192.0.2.1", now=timezone.now())
            self.headers["Authorization"] = f"Bearer {tokens.access}"

    def get(self, path: str, **query: Any) -> Answer:
        return Answer(self.client.get(path, query, headers=self.headers))

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.send("POST", path, body, **headers)

    def patch(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.send("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Answer:
        return self.send("DELETE", path, None, **headers)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """`body` as JSON, or as it is when it is bytes; `if_match="…"` becomes the header If-Match."""
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        extra = {name.replace("_", "-"): value for name, value in headers.items()}
        content_type = extra.pop("content-type", "application/json")
        response = self.client.generic(method, path, data, content_type=content_type, headers={**self.headers, **extra})
        return Answer(response)


@contextmanager
def counted_statements() -> Iterator[list[str]]:
    """Collects the SQL of a block, without transaction control."""
    statements: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield statements
    statements += [query["sql"] for query in captured if not query["sql"].startswith(_CONTROL)]
