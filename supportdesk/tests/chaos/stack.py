"""A PostgreSQL and a Valkey of the drill's own, as durable as in production, gone at the end.

SUPPORTDESK_CHAOS_DATABASE_URL and SUPPORTDESK_CHAOS_REDIS_URL name servers to use instead; the database there is filled
and not cleared.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from supportdesk.core.devservices.binaries import Account, service_account
from supportdesk.core.devservices.postgres import Postgres
from supportdesk.core.devservices.state import fresh_secrets
from supportdesk.core.devservices.valkey import Valkey


@contextmanager
def running() -> Iterator[None]:
    """The environment names the servers, and holds secrets, for as long as they run."""
    database, redis = (os.environ.get(f"SUPPORTDESK_CHAOS_{name}_URL", "") for name in ("DATABASE", "REDIS"))
    os.environ.update(fresh_secrets())
    os.environ.update(SUPPORTDESK_ENV="test", SUPPORTDESK_ALLOWED_HOSTS="testserver")
    os.environ.setdefault("SUPPORTDESK_LOG_LEVEL", "ERROR")  # what a drill prints is its one line
    os.environ.pop("SUPPORTDESK_MIGRATION_DATABASE_URL", None)
    with ExitStack() as servers:
        if not (database and redis):
            account = service_account()
            home = servers.enter_context(_home(account))
            postgres = Postgres(data=home / "pg", account=account, durable=True)
            valkey = Valkey(data=home / "valkey", account=account, durable=True)
            for server in (postgres, valkey):
                servers.callback(server.stop)
                server.start()
            database, redis = postgres.app_url, valkey.url
            os.environ["SUPPORTDESK_MIGRATION_DATABASE_URL"] = postgres.url
        os.environ.update(DATABASE_URL=database, REDIS_URL=redis)
        yield


@contextmanager
def _home(account: Account) -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix="supportdesk-chaos-"))
    if account.differs:
        home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)
