"""The process that owns the servers: starts them, restarts what dies, and stops when nobody uses them any more.

Who uses them holds a shared lock on `users.lock`. The kernel drops it however the user ends, so kill -9 of everything
else leaves nothing behind within a second; and kill -9 of this process takes its children along (Linux).
"""

import fcntl
import os
import shutil
import signal
import sys
import time
from pathlib import Path

from supportdesk.core.devservices import state
from supportdesk.core.devservices.binaries import Account, Unsupported, service_account
from supportdesk.core.devservices.postgres import Postgres
from supportdesk.core.devservices.valkey import Valkey

TICK = 0.2  # seconds
BACKOFF = (0.0, 0.5, 1.0, 2.0, 5.0)  # seconds before each restart in a row
QUIET_AFTER = 60.0  # seconds of life after which a server counts as healthy again

Server = Postgres | Valkey


def supervise(root: Path, *, database: bool, redis: bool) -> int:
    """Runs until the last user is gone or a signal arrives. Returns the exit code."""
    state.folder(root).mkdir(exist_ok=True)
    alone = (state.folder(root) / "supervisor.lock").open("w")
    try:
        fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0
    users = (state.folder(root) / "users.lock").open("w")  # stays open, and so locked, until the servers are down
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _leave)
    servers: list[Server] = []
    try:
        account = service_account()
        data = data_folder(root, account)
        if database:
            servers.append(Postgres(data=data / "pg", account=account, durable=True))
        if redis:
            servers.append(Valkey(data=data / "valkey", account=account, durable=True))
        for server in servers:
            server.start()
        state.write_stack(root, _stack(servers, data))
        _watch(users, servers)
    except Unsupported as problem:
        print(problem, file=sys.stderr)
        return 1
    except SystemExit:
        return 0
    finally:
        for server in reversed(servers):
            server.stop()
        (state.folder(root) / "stack.json").unlink(missing_ok=True)
    return 0


def reset(root: Path) -> int:
    """Deletes what the servers keep, and the secrets it is encrypted with. Refused while somebody uses it."""
    if not state.folder(root).exists():
        return 0
    users = (state.folder(root) / "users.lock").open("w")
    if not _nobody_left(users):
        print("The servers are in use. Stop `make run` first.", file=sys.stderr)
        return 1
    shutil.rmtree(data_folder(root, service_account()))
    shutil.rmtree(state.folder(root))
    return 0


def data_folder(root: Path, account: Account) -> Path:
    """`.local/` of the project; for root's project below a closed folder, a place that the account can reach."""
    inside = state.folder(root) / "data"
    inside.mkdir(exist_ok=True)
    if account.may_enter(inside):
        return inside
    digest = state.folder_digest(root)
    outside = Path("/var/lib", f"supportdesk-{digest}")
    account.own(outside)
    return outside


def _leave(number: int, frame: object) -> None:
    raise SystemExit


def _stack(servers: list[Server], data: Path) -> state.Stack:
    database = next((server for server in servers if isinstance(server, Postgres)), None)
    redis = next((server for server in servers if isinstance(server, Valkey)), None)
    return state.Stack(
        pid=os.getpid(),
        database_url=database.app_url if database else "",
        migration_database_url=database.url if database else "",
        redis_url=redis.url if redis else "",
        data=str(data),
    )


def _watch(users: object, servers: list[Server]) -> None:
    deaths = dict.fromkeys(range(len(servers)), 0)
    born = [time.monotonic()] * len(servers)
    while not _nobody_left(users):
        for index, server in enumerate(servers):
            if server.child is None or server.child.poll() is None:
                if time.monotonic() - born[index] > QUIET_AFTER:
                    deaths[index] = 0
                continue
            pause = BACKOFF[min(deaths[index], len(BACKOFF) - 1)]
            print(f"{server.name} ended; starting it again in {pause} s.", file=sys.stderr, flush=True)
            time.sleep(pause)
            deaths[index] += 1
            born[index] = time.monotonic()
            server.launch()
        time.sleep(TICK)


def _nobody_left(users: object) -> bool:
    """Whether the lock is free; it is then held until this process ends, so that a newcomer waits for the next one."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)  # type: ignore[arg-type]
    except BlockingIOError:
        return False
    return True
