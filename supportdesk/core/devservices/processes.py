"""Child processes that never outlive us."""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PR_SET_PDEATHSIG = 1  # linux/prctl.h


def dies_with_parent(number: signal.Signals) -> Callable[[], None]:
    """For `preexec_fn`: the kernel sends the child this signal when its parent is gone, even after kill -9 (Linux).

    The parent is the *thread* that forks, so start children from the main thread.
    """
    parent = os.getpid()

    def ask() -> None:
        if sys.platform != "linux":
            return
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)
        if os.getppid() != parent:  # it died while we were being born
            os._exit(1)

    return ask


def start(
    command: Sequence[str | Path], *, log: Path, on_parent_death: signal.Signals, **arguments: Any
) -> subprocess.Popen[bytes]:
    """Starts a child in a process group of its own, its output appended to a file."""
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            process_group=0,
            preexec_fn=dies_with_parent(on_parent_death),
            **arguments,
        )


def stop(child: subprocess.Popen[bytes], number: signal.Signals, *, patience: float) -> None:
    """Sends the signal, and SIGKILL after `patience` seconds."""
    if child.poll() is not None:
        return
    child.send_signal(number)
    try:
        child.wait(patience)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()
