"""A PostgreSQL and a Valkey of this process's own: in a temporary folder, without syncing to disk, gone at its end."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path
from typing import TypeVar

from supportdesk.core.devservices.binaries import Account, service_account
from supportdesk.core.devservices.postgres import Postgres
from supportdesk.core.devservices.state import Stack
from supportdesk.core.devservices.valkey import Valkey

Server = TypeVar("Server", Postgres, Valkey)


def start() -> Stack:
    """Starts what SUPPORTDESK_TEST_DATABASE_URL and SUPPORTDESK_TEST_REDIS_URL do not name. Raises Unsupported.

    DATABASE_URL and REDIS_URL are never looked at, so that no test can touch anybody's data.
    """
    database_url = os.environ.get("SUPPORTDESK_TEST_DATABASE_URL", "")
    owner_url, redis_url = database_url, os.environ.get("SUPPORTDESK_TEST_REDIS_URL", "")
    home: Path | None = None
    if not (database_url and redis_url):
        account = service_account()
        home = _home(account)
        if not database_url:
            postgres = _started(Postgres(data=home / "pg", account=account, durable=False))
            database_url, owner_url = postgres.app_url, postgres.url
        if not redis_url:
            redis_url = _started(Valkey(data=home / "valkey", account=account, durable=False)).url
    return Stack(
        pid=os.getpid(),
        database_url=database_url,
        migration_database_url=owner_url,
        redis_url=redis_url,
        data=str(home or ""),
    )


def _started(server: Server) -> Server:
    atexit.register(server.stop)
    server.start()
    return server


def _home(account: Account) -> Path:
    home = Path(tempfile.mkdtemp(prefix="supportdesk-test-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)  # runs last: handlers run in reverse
    if account.differs:
        home.chmod(0o711)
    return home
