"""pytest plugin: a PostgreSQL and a Valkey of the tests' own, in a temporary folder, gone at the end.

The URLs are set when this module is imported, because pytest-django reads the settings early. DATABASE_URL and
REDIS_URL are never used, so that no test can touch anybody's data; SUPPORTDESK_TEST_DATABASE_URL and
SUPPORTDESK_TEST_REDIS_URL name servers for tests where the embedded ones do not run. Parallel workers share the servers
of their controller, each with a Redis number and a database of its own, made from one that the controller migrated.
"""

import atexit
import os
import subprocess
import sys
import uuid
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from supportdesk.core.devservices import throwaway
from supportdesk.core.devservices.binaries import Unsupported
from supportdesk.core.devservices.state import fresh_secrets
from supportdesk.core.observability import multiprocess

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")


def _number_of(worker: str) -> int:
    digits = worker.removeprefix("gw")
    return int(digits) + 1 if digits.isdecimal() else 0


def _make_template() -> None:
    """Each database of the tests is a copy: that takes a tenth of a second, and migrating ten."""
    url, name = os.environ["DATABASE_URL"], f"template_{uuid.uuid4().hex[:12]}"
    copied = urlsplit(url)._replace(path=f"/{name}").geturl()
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    atexit.register(_drop, url, name)
    migrate = [sys.executable, str(Path(__file__).parents[2] / "manage.py"), "migrate", "--verbosity", "0"]
    subprocess.run(  # noqa: S603 - our own command
        migrate, env=os.environ | {"DATABASE_URL": copied}, check=True
    )
    os.environ["PYTEST_TEMPLATE_DATABASE"] = name


def _drop(url: str, name: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


os.environ["DJANGO_SETTINGS_MODULE"] = "supportdesk.settings.test"  # importing the Celery app named the base
if WORKER:
    os.environ["REDIS_URL"] = f"{os.environ['REDIS_URL'].rpartition('/')[0]}/{_number_of(WORKER)}"
else:
    try:
        servers = throwaway.start()
    except Unsupported as problem:
        pytest.exit(
            f"{problem} For tests the variables are SUPPORTDESK_TEST_DATABASE_URL and SUPPORTDESK_TEST_REDIS_URL.", 1
        )
    os.environ.update(fresh_secrets())
    os.environ["DATABASE_URL"] = servers.migration_database_url  # makes the test databases
    os.environ["REDIS_URL"] = servers.redis_url
    os.environ["SUPPORTDESK_ENV"] = "test"
    _make_template()
    os.environ["SUPPORTDESK_PROCESS"] = "command"  # rivals in threads, with a connection each and no limits of a server

# Each process of a test run counts for itself; what tests start of ours counts where they say.
os.environ[multiprocess.VARIABLE] = multiprocess.throwaway()
