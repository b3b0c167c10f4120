"""pytest plugin: a PostgreSQL and a Valkey of the tests' own, in a temporary folder, gone at the end.

The URLs are set when this module is imported, because pytest-django reads the settings early. DATABASE_URL and
REDIS_URL are never used, so that no test can touch anybody's data; SUPPORTDESK_TEST_DATABASE_URL and
SUPPORTDESK_TEST_REDIS_URL name servers for tests where the embedded ones do not run. Parallel workers share the servers
of their controller, each with a database and a Redis number of its own.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest

from supportdesk.core.devservices.binaries import Account, Unsupported, service_account
from supportdesk.core.devservices.postgres import Postgres
from supportdesk.core.devservices.state import fresh_secrets
from supportdesk.core.devservices.valkey import Valkey

WORKER = os.environ.get("PYTEST_XDIST_WORKER", "")


def _start() -> dict[str, str]:
    """Starts what no variable names, and returns the URLs."""
    urls = {
        "DATABASE_URL": os.environ.get("SUPPORTDESK_TEST_DATABASE_URL", ""),
        "REDIS_URL": os.environ.get("SUPPORTDESK_TEST_REDIS_URL", ""),
    }
    if all(urls.values()):
        return urls
    account = service_account()
    home = _home(account)
    makers: dict[str, tuple[type[Postgres | Valkey], str]] = {
        "DATABASE_URL": (Postgres, "pg"),
        "REDIS_URL": (Valkey, "valkey"),
    }
    for name, (server_class, folder) in makers.items():
        if not urls[name]:
            server = server_class(data=home / folder, account=account, durable=False)
            atexit.register(server.stop)
            server.start()
            urls[name] = server.url
    return urls


def _home(account: Account) -> Path:
    home = Path(tempfile.mkdtemp(prefix="supportdesk-test-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)  # runs last: handlers run in reverse
    if account.differs:
        home.chmod(0o711)
    return home


def _number_of(worker: str) -> int:
    digits = worker.removeprefix("gw")
    return int(digits) + 1 if digits.isdecimal() else 0


os.environ["DJANGO_SETTINGS_MODULE"] = "supportdesk.settings.test"  # importing the Celery app named the base
if WORKER:
    os.environ["REDIS_URL"] = f"{os.environ['REDIS_URL'].rpartition('/')[0]}/{_number_of(WORKER)}"
else:
    try:
        os.environ.update(_start())
    except Unsupported as problem:
        pytest.exit(
            f"{problem} For tests the variables are SUPPORTDESK_TEST_DATABASE_URL and SUPPORTDESK_TEST_REDIS_URL.", 1
        )
    os.environ.update(fresh_secrets())
    os.environ["SUPPORTDESK_ENV"] = "test"

# Each process of a test run counts for itself; what tests start of ours counts where they say.
os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="supportdesk-metrics-")
atexit.register(shutil.rmtree, os.environ["PROMETHEUS_MULTIPROC_DIR"], ignore_errors=True)
