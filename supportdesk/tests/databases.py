"""Databases of a test's own, on the tests' server."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

NOTHING = "template1"
TEMPLATE = os.environ["PYTEST_TEMPLATE_DATABASE"]  # as migrations leave one: see supportdesk.core.pytest_stack


@contextmanager
def database(*, template: str) -> Iterator[str]:
    """The URL of one made from the template; it is gone at the end, whoever is still connected."""
    url, name = os.environ["DATABASE_URL"], f"own_{uuid.uuid4().hex[:12]}"
    with psycopg.connect(url, autocommit=True) as connection:
        named = sql.Identifier(name)
        connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(named, sql.Identifier(template)))
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(named))
