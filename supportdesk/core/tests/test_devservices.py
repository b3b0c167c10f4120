"""The embedded servers, started for real in a folder of their own."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from django.conf import settings
from django.db import connection

from supportdesk.core.devservices import binaries, state
from supportdesk.core.devservices.binaries import Unsupported
from supportdesk.core.devservices.supervisor import reset

pytestmark = pytest.mark.slow

CLIENT = """
import sys, time
from pathlib import Path
from supportdesk.core import devservices
devservices.ensure(Path(sys.argv[1]))
print("ready", flush=True)
time.sleep(60)
"""
WITHOUT_URLS = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
linux = pytest.mark.skipif(sys.platform != "linux", reason="the kernel's help is Linux's")


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    """A project's folder; as root it lies below a closed one, as pytest's temporary folders do."""
    yield tmp_path
    stack = state.running_stack(tmp_path)
    if stack:
        os.kill(stack.pid, signal.SIGTERM)
    wait_for(lambda: state.running_stack(tmp_path) is None)
    wait_for(lambda: reset(tmp_path) == 0)


def client(root: Path, **environment: str) -> subprocess.Popen[str]:
    """A process that uses the servers until it is killed."""
    started = subprocess.Popen(
        [sys.executable, "-c", CLIENT, str(root)],
        cwd=settings.BASE_DIR,
        env={**WITHOUT_URLS, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert started.stdout
    assert started.stdout.readline() == "ready\n", started.communicate()[1]
    return started


def wait_for(condition: object, seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def servers_of(root: Path) -> list[int]:
    """Processes that work in the data folder of this project."""
    data = Path(json.loads((root / ".local" / "stack.json").read_text())["data"])
    return pids_in(data)


def pids_in(data: Path) -> list[int]:
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if (entry / "cwd").readlink().is_relative_to(data) and state.is_alive(int(entry.name)):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


@linux
def test_servers_live_as_long_as_somebody_uses_them_and_keep_their_data(root: Path) -> None:
    first, second = client(root), client(root)
    stack = state.running_stack(root)
    assert stack
    with psycopg.connect(stack.migration_database_url.replace("postgres://", "postgresql://"), autocommit=True) as db:
        db.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        assert db.execute("SELECT lower('ÉÜ')").fetchone() == ("éü",)
    redis.Redis.from_url(stack.redis_url).set("kept", "42")
    data = Path(stack.data)
    first.kill()
    time.sleep(0.6)
    assert pids_in(data)
    second.kill()  # -9, as everything here
    wait_for(lambda: not pids_in(data))
    wait_for(lambda: not (root / ".local" / "stack.json").exists())
    third = client(root)
    again = state.running_stack(root)
    assert again
    assert again.database_url == stack.database_url
    with psycopg.connect(again.migration_database_url.replace("postgres://", "postgresql://")) as db:
        assert db.execute("SELECT answer FROM kept").fetchone() == (42,)
    assert redis.Redis.from_url(again.redis_url).get("kept") == b"42"
    third.kill()


@linux
def test_a_killed_supervisor_takes_its_servers_along_and_the_next_start_recovers(root: Path) -> None:
    user = client(root)
    stack = state.running_stack(root)
    assert stack
    os.kill(stack.pid, signal.SIGKILL)
    wait_for(lambda: not pids_in(Path(stack.data)))
    user.kill()
    another = client(root)
    assert servers_of(root)
    another.kill()


@linux
def test_a_server_that_dies_comes_back_at_the_same_address(root: Path) -> None:
    user = client(root)
    stack = state.running_stack(root)
    assert stack
    line = redis.Redis.from_url(stack.redis_url)
    pid = int(line.info()["process_id"])
    os.kill(pid, signal.SIGKILL)

    def back() -> bool:
        try:
            return int(line.info()["process_id"]) != pid
        except redis.RedisError:
            return False

    wait_for(back)
    user.kill()


@linux
def test_what_a_variable_names_is_not_started(root: Path) -> None:
    elsewhere = {"DATABASE_URL": "postgres://elsewhere/x", "REDIS_URL": "redis://elsewhere/0"}
    nothing = client(root, **elsewhere)
    assert state.running_stack(root) is None
    assert state.secrets_from_state(root)
    nothing.kill()
    half = client(root, DATABASE_URL=elsewhere["DATABASE_URL"])
    stack = state.running_stack(root)
    assert stack
    assert stack.database_url == ""
    assert stack.redis_url.startswith("redis://:")
    half.kill()


def test_secrets_are_made_once_and_are_private(tmp_path: Path) -> None:
    assert state.secrets_from_state(tmp_path) == {}
    assert state.urls_from_state(tmp_path) == {}
    assert not (tmp_path / ".local").exists()  # reading starts and makes nothing
    state.ensure_secrets(tmp_path)
    first = state.secrets_from_state(tmp_path)
    state.ensure_secrets(tmp_path)
    assert state.secrets_from_state(tmp_path) == first
    assert len(set(first.values())) == 4
    assert stat.S_IMODE((tmp_path / ".local" / "secrets.json").stat().st_mode) == 0o600


def test_a_platform_without_servers_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUPPORTDESK_PG_BIN", str(tmp_path))
    monkeypatch.setenv("SUPPORTDESK_REDIS_BIN", str(tmp_path / "none"))
    with pytest.raises(Unsupported, match=r"Install PostgreSQL 14 or later .* or set DATABASE_URL"):
        binaries.postgres_folder()
    with pytest.raises(Unsupported, match=r"Install Valkey or Redis 6\.2 or later .* or set REDIS_URL"):
        binaries.redis_program()


def test_tests_never_use_the_database_of_the_environment() -> None:
    code = "import os, supportdesk.core.pytest_stack as s; print(os.environ['DATABASE_URL'], os.environ['REDIS_URL'])"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    urls = {"DATABASE_URL": "postgres://precious/data", "REDIS_URL": "redis://precious/0"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=settings.BASE_DIR,
        env={**environment, **urls},
        capture_output=True,
        text=True,
        check=True,
    )
    assert "precious" not in done.stdout
    assert done.stdout.startswith("postgres://supportdesk@")


@pytest.mark.django_db
@pytest.mark.parametrize(("word", "lowered"), [("ÜBERGRÖSSE", "übergrösse"), ("DÉJÀ", "déjà"), ("Ünïcøde", "ünïcøde")])
def test_letters_beyond_ascii_are_letters_to_the_database(word: str, lowered: str) -> None:
    """Under a plain C locale the trigrams of the last one are those of n, c and de."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT lower(%s), count(*) FROM unnest(show_trgm(%s))", [word, word])
        assert cursor.fetchone() == (lowered, len(word) + 1)
        cursor.execute("SELECT %s %% %s, word_similarity(%s, %s)", [word, lowered, lowered, f"x {word} y"])
        assert cursor.fetchone() == (True, 1.0)
