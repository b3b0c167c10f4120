"""Real processes of the product, on the test's own database and Redis."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

BIN = Path(sys.executable).parent
PATIENCE = 60.0  # seconds for a process to be ready, or for what it was asked to be done


def environment(**over: str) -> dict[str, str]:
    database = os.environ["DATABASE_URL"].rpartition("/")[0]
    return {**os.environ, "DATABASE_URL": f"{database}/{connection.settings_dict['NAME']}", **over}


@contextmanager
def running(command: list[str], log: Path, **over: str) -> Iterator[subprocess.Popen[bytes]]:
    """The command from the environment's bin folder, its output in `log`; ended, with its children, after the block."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            [str(BIN / command[0]), *command[1:]],
            cwd=settings.BASE_DIR,
            env=environment(**over),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(15)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def until(true: Callable[[], Any], log: Path) -> Any:
    """What `true` answers once it is something; fails with the process's output when that takes too long."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if found := true():
            return found
        time.sleep(0.1)
    raise AssertionError(log.read_text(errors="replace")[-4_000:])
