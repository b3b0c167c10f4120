"""One folder in which all processes of a service count together, so that every scrape sees the sum of them.

A web server has several processes and a scrape meets one of them; a worker's tasks run in children. The Prometheus
client keeps each process's counts in files of PROMETHEUS_MULTIPROC_DIR, and adds them up when asked. What a process
counted stays counted after its end; the first process of a new start begins afresh. See ADR 16.
"""

import atexit
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"

_held: list[int] = []  # locks of this process; the kernel drops them however it ends


def share(folder: Path) -> None:
    """Makes the folder, for this user only, and empties it when no living process counts in it.

    Must be called before anything is counted. Raises ImproperlyConfigured when the folder is not ours alone.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if folder.is_symlink() or folder.stat().st_uid != os.geteuid():
            raise ImproperlyConfigured(f"{VARIABLE} names a folder of somebody else. Give each service its own.")
        lock = os.open(folder / "in-use.lock", os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as problem:
        raise ImproperlyConfigured(f"{VARIABLE} must name a folder that we can write: {problem.strerror}.") from None
    _held.append(lock)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        pass  # others count in it already
    else:
        for old in folder.glob("*.db"):
            old.unlink(missing_ok=True)
    fcntl.flock(lock, fcntl.LOCK_SH)


def throwaway() -> str:
    """A folder that ends with this process."""
    folder = tempfile.mkdtemp(prefix="supportdesk-metrics-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
