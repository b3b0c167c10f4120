"""`manage.py run`, which `make run` ends in: what it prints is true, and nothing stays, however it ends."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.conf import settings

from supportdesk.core.devservices.ports import free_port
from supportdesk.core.observability import health
from supportdesk.core.tests.test_devservices import linux, wait_for
from supportdesk.demo import story
from supportdesk.management.commands.run import not_ready
from supportdesk.tests.databases import NOTHING, TEMPLATE, database

MANAGE = [sys.executable, str(settings.BASE_DIR / "manage.py")]
READY, START_SECONDS = "Ctrl-C stops everything", 240.0  # on a busy machine
PARENT = "import subprocess, sys; subprocess.run(sys.argv[1:])"

pytestmark = [pytest.mark.slow, linux, pytest.mark.timeout(300)]


@pytest.fixture
def environment(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """With a database, migrated unless a test asks for NOTHING, and a Redis number of the test's own."""
    number = 40 + hash(os.environ.get("PYTEST_XDIST_WORKER")) % 20
    with database(template=getattr(request, "param", TEMPLATE)) as url:
        yield os.environ | {
            "DATABASE_URL": url,
            "REDIS_URL": f"{os.environ['REDIS_URL'].rpartition('/')[0]}/{number}",
        }


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts `run` in a session of its own; `start.output` of what it printed."""
    started: list[subprocess.Popen[bytes]] = []

    def starting(*options: str, before: tuple[str, ...] = ()) -> subprocess.Popen[bytes]:
        command = [*before, *MANAGE, "run", "--port", str(free_port()), "--folder", str(tmp_path), *options]
        with (tmp_path / "output").open("wb") as output:
            child = subprocess.Popen(command, env=environment, stdout=output, stderr=output, start_new_session=True)
        started.append(child)
        return child

    yield starting
    for child in started:
        for pid in members(child.pid):
            os.kill(pid, signal.SIGKILL)


def fill(environment: dict[str, str]) -> None:
    """Somebody else's data, beside which no demo is loaded."""
    command = [*MANAGE, "create_admin", "me@example.com"]
    subprocess.run(command, env=environment, input=b"a long pass phrase", check=True, stdout=subprocess.DEVNULL)


def members(session: int) -> list[int]:
    """Living processes of a session: `run`, its parts, and their children."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[3]) == session and fields[0] != "Z":
            found.append(int(entry.name))
    return found


def printed(tmp_path: Path) -> str:
    return (tmp_path / "output").read_text()


def wait_until_ready(child: subprocess.Popen[bytes], tmp_path: Path) -> str:
    wait_for(lambda: READY in printed(tmp_path) or child.poll() is not None, START_SECONDS)
    assert child.poll() is None, printed(tmp_path)
    return printed(tmp_path)


@pytest.mark.parametrize("environment", [NOTHING], indirect=True)
def test_an_empty_desk_is_filled_its_curl_line_works_and_ctrl_c_stops_everything(
    start: Callable[..., subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    child = start()
    said = wait_until_ready(child, tmp_path)
    assert f"{story.TICKETS} of {story.TICKETS} tickets" in said
    assert "admin@example.com" in said
    curl = next(line.strip() for line in said.splitlines() if line.strip().startswith("curl "))
    if shutil.which("curl"):
        answer = subprocess.run(["/bin/sh", "-c", curl], capture_output=True, text=True, check=True).stdout
        assert re.match(r'\{"next":"http.*"results":\[\{"id":', answer), answer
    assert len(members(child.pid)) >= 5  # run, web, worker, beat and the sandbox
    assert "SIMULATED" in said
    assert "Simulated Quimbi at http://127.0.0.1:" in (tmp_path / "logs" / "quimbi.log").read_text()
    os.killpg(child.pid, signal.SIGINT)
    assert child.wait(20) == 0
    assert printed(tmp_path).endswith("Stopping …\n")
    assert members(child.pid) == []


@pytest.mark.parametrize("killed", ["run itself", "what started it"])
def test_a_kill_leaves_no_orphan(
    killed: str, start: Callable[..., subprocess.Popen[bytes]], environment: dict[str, str], tmp_path: Path
) -> None:
    fill(environment)
    child = start() if killed == "run itself" else start("--with-parent", before=(sys.executable, "-c", PARENT))
    said = wait_until_ready(child, tmp_path)
    assert "Loading the demo" not in said
    assert "those of this database" in said
    child.kill()
    child.wait()
    wait_for(lambda: members(child.pid) == [], 20)


def test_what_cannot_be_used_is_one_sentence(
    start: Callable[..., subprocess.Popen[bytes]], environment: dict[str, str], tmp_path: Path
) -> None:
    environment["DATABASE_URL"] = "postgres://nobody:secret@127.0.0.1:1/nothing"
    assert start().wait(START_SECONDS) == 1
    assert "CommandError: The database of DATABASE_URL cannot be used: connection failed" in printed(tmp_path)
    assert "Traceback" not in printed(tmp_path)
    assert "secret" not in printed(tmp_path)


def test_a_redis_that_is_not_there_is_named(
    start: Callable[..., subprocess.Popen[bytes]], environment: dict[str, str], tmp_path: Path
) -> None:
    fill(environment)
    environment["REDIS_URL"] = "redis://127.0.0.1:1/0"
    child = start()
    assert child.wait(START_SECONDS) == 1
    assert "CommandError: The Redis of REDIS_URL does not answer.\n" in printed(tmp_path)
    assert members(child.pid) == []


@pytest.mark.parametrize("port", ["99999", "no"])
def test_a_port_that_is_none_is_refused(port: str, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [*MANAGE, "run"], env=environment | {"SUPPORTDESK_PORT": port}, capture_output=True, text=True, check=False
    )
    assert done.returncode in {1, 2}
    assert port in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "mine"),
        ("DATABASE_URL", "mysql://me:secret@127.0.0.1/desk"),
        ("DATABASE_URL", "postgres://me:secret@127.0.0.1"),
        ("DATABASE_URL", "postgres://me:secret@127.0.0.1:port/desk"),
        ("SUPPORTDESK_MIGRATION_DATABASE_URL", "sqlite:///secret"),
        ("REDIS_URL", "http://secret/"),
    ],
)
def test_a_url_that_leads_nowhere_is_refused_by_name_and_never_shown(name: str, value: str) -> None:
    done = subprocess.run(
        [*MANAGE, "check"], env=os.environ | {name: value}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert f"{name} must look like " in done.stderr
    assert value not in done.stderr
    assert "secret" not in done.stderr


@pytest.mark.django_db
def test_whatever_readiness_looks_at_has_a_sentence() -> None:
    found = health.parts()
    assert found.keys() == {"database", "redis", "encryption"}
    assert not_ready(found) == ""
    assert "of REDIS_URL" in not_ready(found | {"redis": False})
    assert "ENCRYPTION_KEYS" in not_ready(found | {"encryption": False})
    assert "ENCRYPTION_KEYS" not in not_ready(found | {"database": False, "encryption": False})
