"""One Valkey server: on loopback, behind a password, with nothing evicted, because it is the broker."""

import os
import secrets
import signal
import socket
import subprocess
import time
from pathlib import Path

from supportdesk.core.devservices import binaries, processes
from supportdesk.core.devservices.binaries import Account, Unsupported
from supportdesk.core.devservices.ports import free_port
from supportdesk.core.devservices.state import write_private

START_SECONDS = 10
DATABASES = 64  # one for each worker of a parallel test run


class Valkey:
    name = "Valkey"

    def __init__(self, *, data: Path, account: Account, durable: bool) -> None:
        self.data, self.account, self.durable = data, account, durable
        self.program = self._reachable_program()
        self.log = data.parent / "valkey.log"
        self.child: subprocess.Popen[bytes] | None = None
        # Kept for the life of the supervisor: clients reconnect to the same address after a restart.
        self.port, self.password = free_port(), secrets.token_urlsafe(24)

    @property
    def url(self) -> str:
        return f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        """Returns when the server answers. Raises Unsupported with the reason otherwise."""
        self.account.own(self.data)
        self._configure()
        self.launch()
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.child and self.child.poll() is None:
            if self._answers():
                return
            time.sleep(0.02)
        raise Unsupported(f"Valkey did not start; see {self.log}.")

    def launch(self) -> None:
        self.child = processes.start(
            [self.program, self.data / "valkey.conf"],
            log=self.log,
            on_parent_death=signal.SIGTERM,
            cwd=self.data,
            **self.account.popen_arguments(),
        )

    def stop(self) -> None:
        if self.child:
            processes.stop(self.child, signal.SIGTERM, patience=10)

    def _configure(self) -> None:
        lines = [
            "bind 127.0.0.1",
            f"port {self.port}",
            f"requirepass {self.password}",
            f"dir {self.data}",
            f"databases {DATABASES}",
            "maxmemory-policy noeviction",
            "enable-protected-configs no",
            "enable-debug-command no",
            "daemonize no",
            'save ""',
            *(["appendonly yes", "appendfsync everysec"] if self.durable else ["appendonly no"]),
        ]
        path = self.data / "valkey.conf"
        write_private(path, "\n".join(lines))
        if self.account.differs:
            os.chown(path, self.account.uid, self.account.gid)

    def _reachable_program(self) -> Path:
        found = binaries.redis_program()
        if self.account.may_run(found):
            return found
        self.account.own(self.data.parent)
        moved = binaries.relocated(found.parent, self.data.parent / "programs-valkey") / found.name
        if not self.account.may_run(moved):
            raise Unsupported(f"The user {self.account.name} cannot run {found}. Set SUPPORTDESK_REDIS_BIN.")
        return moved

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as line:
                line.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                return b"+OK" in line.recv(64)
        except OSError:
            return False
