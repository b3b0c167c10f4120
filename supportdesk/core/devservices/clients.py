"""Using the servers: take a share in them, and start them when nobody did yet."""

import fcntl
import os
import subprocess
import sys
import time
from pathlib import Path

from supportdesk.core.devservices import state
from supportdesk.core.devservices.binaries import Unsupported

START_SECONDS = 60
PROJECT = Path(__file__).resolve().parents[3]


def ensure(root: Path) -> None:
    """Sees to it that the database, Redis and the demo's secrets are there for as long as this process lives.

    A variable that is set (DATABASE_URL, REDIS_URL) is used, and its server not started. The share in the servers is a
    lock on an inherited file: a program that replaces this one by `exec` keeps it. Raises Unsupported.
    """
    state.ensure_secrets(root)
    database, redis = (not os.environ.get(name) for name in ("DATABASE_URL", "REDIS_URL"))
    if not (database or redis):
        return
    share = os.open(state.folder(root) / "users.lock", os.O_RDWR | os.O_CREAT, 0o600)
    os.set_inheritable(share, True)
    fcntl.flock(share, fcntl.LOCK_SH)  # waits for a supervisor that is just leaving
    deadline = time.monotonic() + START_SECONDS
    starter: subprocess.Popen[bytes] | None = None
    log = state.folder(root) / "supervisor.log"
    while time.monotonic() < deadline:
        stack = state.running_stack(root)
        if stack is not None:
            _check(stack, database=database, redis=redis)
            return
        if starter is None:
            starter = _start_supervisor(root, log, database=database, redis=redis)
        elif starter.poll() not in {None, 0}:
            raise Unsupported(log.read_text(errors="replace").strip())
        time.sleep(0.02)
    raise Unsupported(f"The servers did not start within {START_SECONDS} seconds; see {log}.")


def _start_supervisor(root: Path, log: Path, *, database: bool, redis: bool) -> subprocess.Popen[bytes]:
    wanted = [name for name, needed in (("--database", database), ("--redis", redis)) if needed]
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "supportdesk.core.devservices", "supervise", "--root", str(root), *wanted],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,  # Ctrl-C is for the programs; the servers leave after them
        )


def _check(stack: state.Stack, *, database: bool, redis: bool) -> None:
    if (database and not stack.database_url) or (redis and not stack.redis_url):
        raise Unsupported(
            "The servers that run now were started with DATABASE_URL or REDIS_URL set. Stop what uses them first, or "
            "set the same variables."
        )
