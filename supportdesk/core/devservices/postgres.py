"""One PostgreSQL server: made on first start, reached by a socket in a private folder, so no port and no password."""

import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

from supportdesk.core.devservices import binaries, processes
from supportdesk.core.devservices.binaries import Account, Unsupported
from supportdesk.core.devservices.state import is_alive, process_state

USER = DATABASE = "supportdesk"  # owns everything; only migrations need it
APP_USER = "supportdesk_app"  # what the product runs as
START_SECONDS = 30
ZOMBIE_SECONDS = 3
# A failed statement is logged by its message alone: the statement itself, and the details of the message, hold values.
# docs/operations.md asks the same of a server of one's own, and `migrate` warns of one that says more.
DISCREET = (
    "log_statement=none",
    "log_min_error_statement=panic",
    "log_error_verbosity=terse",
    "log_min_duration_statement=-1",
    "log_min_duration_sample=-1",
    "log_transaction_sample_rate=0",
    "log_parameter_max_length=0",
    "log_parameter_max_length_on_error=0",
)
# Tests lose nothing in a crash, so nothing waits for the disk.
FORGETFUL = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


class Postgres:
    name = "PostgreSQL"

    def __init__(self, *, data: Path, account: Account, durable: bool) -> None:
        self.data, self.account, self.durable = data, account, durable
        self.bin = self._reachable_programs()
        digest = hashlib.sha256(str(data).encode()).hexdigest()[:10]
        # Short, because a socket's path has at most 107 bytes.
        self.socket_folder = Path(tempfile.gettempdir(), f"supportdesk-{digest}")
        self.log = data.parent / "postgres.log"
        self.child: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """For the owner."""
        return self._url(USER)

    @property
    def app_url(self) -> str:
        return self._url(APP_USER)

    def start(self) -> None:
        """Returns when the server answers and the database is there. Raises Unsupported with the reason otherwise."""
        self.account.own(self.socket_folder)
        if not (self.data / "PG_VERSION").exists():
            self._initialise()
        self._check_version()
        self._clear_leftover()
        self.launch()
        self._wait()
        for wanted in (f"DATABASE {DATABASE}", f"ROLE {APP_USER} LOGIN"):
            self._run("psql", "-qc", f"CREATE {wanted}", check=False)  # fails when it exists

    def launch(self) -> None:
        options = [f"unix_socket_directories={self.socket_folder}", "listen_addresses=", *DISCREET]
        options += [] if self.durable else FORGETFUL
        command: list[str | Path] = [
            self.bin / "postgres",
            "-D",
            self.data,
            *(part for option in options for part in ("-c", option)),
        ]
        self.child = processes.start(
            command,
            log=self.log,
            on_parent_death=signal.SIGINT,
            cwd=self.data,
            env=_plain_environment(),
            **self.account.popen_arguments(),
        )

    def stop(self) -> None:
        if self.child:
            processes.stop(self.child, signal.SIGINT, patience=20)  # "fast": ends sessions, keeps everything
        shutil.rmtree(self.socket_folder, ignore_errors=True)

    def _url(self, user: str) -> str:
        return f"postgres://{user}@{quote(str(self.socket_folder), safe='')}/{DATABASE}"

    def _reachable_programs(self) -> Path:
        found = binaries.postgres_folder()
        if self.account.may_run(found / "postgres"):
            return found
        # Root's project below a closed folder: the account gets the programs, and the libraries beside them, elsewhere.
        package = found.parent.parent
        home = self.data.parent / f"programs-{binaries.major_version(found)}"
        self.account.own(self.data.parent)
        home.mkdir(exist_ok=True)
        libraries = package.with_name(f"{package.name}.libs")
        if libraries.is_dir():
            binaries.relocated(libraries, home / libraries.name)
        moved = binaries.relocated(package, home / package.name) / found.parent.name / found.name
        if not self.account.may_run(moved / "postgres"):
            raise Unsupported(f"The user {self.account.name} cannot run {found}/postgres. Set SUPPORTDESK_PG_BIN.")
        return moved

    def _initialise(self) -> None:
        """With a locale in which letters beyond ASCII are letters: under plain C, search would lose them in silence."""
        self.account.own(self.data)
        if binaries.major_version(self.bin) >= 17:  # the first with a locale provider that needs no system locale
            locales = [["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C.UTF-8"]]
        else:
            locales = [["--locale=C.UTF-8"]]
        for locale in [*locales, ["--locale=en_US.UTF-8"]]:
            sync = [] if self.durable else ["--no-sync"]
            command = ["-D", str(self.data), "-U", USER, "-A", "trust", "-E", "UTF8", *locale, *sync]
            done = self._run("initdb", *command, check=False)
            if done.returncode == 0:
                return
        raise Unsupported(f"initdb failed: {done.stderr.strip()}")

    def _check_version(self) -> None:
        kept, present = (self.data / "PG_VERSION").read_text().strip(), binaries.major_version(self.bin)
        if kept != str(present):
            raise Unsupported(
                f"{self.data} was made by PostgreSQL {kept}, and the one found here is {present}. "
                "Set SUPPORTDESK_PG_BIN to the older one, or start afresh with `make reset`."
            )

    def _clear_leftover(self) -> None:
        """A server whose supervisor was killed may still be stopping, or be a zombie that nobody reaped."""
        pid_file = self.data / "postmaster.pid"
        deadline = time.monotonic() + START_SECONDS
        while pid_file.exists() and time.monotonic() < deadline:
            try:
                pid = int(pid_file.read_text().split("\n", 1)[0])
            except (OSError, ValueError):
                return
            if process_state(pid) == "Z":
                time.sleep(ZOMBIE_SECONDS)
                if not _works_in(self.data):
                    pid_file.unlink(missing_ok=True)
                return
            if not is_alive(pid) or (process_state(pid) and not _works_in(self.data)):
                return  # PostgreSQL itself knows a file that an earlier boot left behind
            time.sleep(0.05)
        if pid_file.exists():
            raise Unsupported(f"Another PostgreSQL still uses {self.data}; stop the process named in {pid_file}.")

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.child and self.child.poll() is not None:
                break
            if self._run("psql", "-qc", "SELECT 1", check=False).returncode == 0:
                return
            time.sleep(0.02)
        raise Unsupported(f"PostgreSQL did not start:\n{_tail(self.log)}")

    def _run(self, program: str, *arguments: str, check: bool) -> subprocess.CompletedProcess[str]:
        target = [] if program == "initdb" else ["-X", "-h", str(self.socket_folder), "-U", USER, "-d", "postgres"]
        return subprocess.run(  # type: ignore[call-overload,no-any-return]  # noqa: S603
            [self.bin / program, *target, *arguments],
            capture_output=True,
            text=True,
            check=check,
            cwd="/",
            env=_plain_environment(),
            **self.account.popen_arguments(),
        )


def _plain_environment() -> dict[str, str]:
    """Without PG* variables and locales of the caller, which would steer our server or our client elsewhere."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_", "LANG"))}
    return {**kept, "LC_ALL": "C"}


def _works_in(folder: Path) -> bool:
    """Whether a process has this working folder, as every PostgreSQL process has its data folder."""
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink() == folder:
                return True
        except OSError:
            continue
    return False


def _tail(log: Path) -> str:
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-10:])
    except OSError:
        return ""
