"""The processes of a deployment: together within the database's limit, and started as the settings' table says."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.conf import settings

from supportdesk.core.devservices.postgres import DISCREET

pytestmark = pytest.mark.slow

ROOT = Path(settings.BASE_DIR)
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
WEB = re.search(r'^CMD \["sh", "-c", "exec (.*)"\]$', (ROOT / "Dockerfile").read_text(), re.MULTILINE)
SEPARATE = ("web", "sockets", "worker", "beat", "command")
ONE_SERVICE = ("alone", "worker", "beat", "command")
DESK = {"web", "sockets", "worker", "beat", "migrate"}


def option(command: str | list[str], name: str) -> int:
    words = shlex.split(command) if isinstance(command, str) else command
    given = " ".join(words).replace("=", " ").split()
    return int(given[given.index(f"--{name}") + 1])


@pytest.mark.parametrize("kinds", [SEPARATE, ONE_SERVICE])
def test_all_processes_together_stay_within_the_limit(kinds: tuple[str, ...]) -> None:
    held = sum(processes * each for processes, each in (settings.CONNECTIONS[kind] for kind in kinds))
    assert held <= settings.MOST_CONNECTIONS == settings.DATABASE_CONNECTIONS == 20
    assert set(SEPARATE) | set(ONE_SERVICE) == set(settings.CONNECTIONS)


def test_what_is_started_is_what_the_table_says() -> None:
    assert WEB is not None
    assert (option(WEB[1], "workers"), option(WEB[1], "blocking-threads")) == settings.CONNECTIONS["web"]
    services = COMPOSE["services"]
    assert "command" not in services["web"]
    assert option(services["sockets"]["command"], "workers") == settings.CONNECTIONS["sockets"][0]
    assert option(services["worker"]["command"], "concurrency") == settings.CONNECTIONS["worker"][0]
    railway = tomllib.loads((ROOT / "railway.toml").read_text())["deploy"]
    assert "SUPPORTDESK_PROCESS=alone " in railway["startCommand"]
    assert option(railway["startCommand"].replace("'", ""), "workers") == settings.CONNECTIONS["alone"][0]


def test_every_service_of_ours_says_which_process_it_is() -> None:
    for name in DESK - {"migrate"}:  # a command is one by itself
        assert COMPOSE["services"][name]["environment"]["SUPPORTDESK_PROCESS"] == name


def test_no_service_has_more_rights_than_it_needs() -> None:
    for name, service in COMPOSE["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "privileged" not in service, name
        assert ("ports" in service) == (name == "proxy"), name
        assert "healthcheck" in service or name in {"web", "sockets"}, name  # the image's own
    assert COMPOSE["networks"]["data"]["internal"] is True


def test_the_database_refuses_what_the_table_forbids_and_logs_no_values() -> None:
    limit = f"CONNECTION LIMIT {settings.MOST_CONNECTIONS} "
    assert limit in COMPOSE["configs"]["roles"]["content"]
    given = [word.removeprefix("--") for word in COMPOSE["services"]["postgres"]["command"][1:]]
    assert given == list(DISCREET)


def test_no_password_has_a_default() -> None:
    text = (ROOT / "compose.yaml").read_text().replace("QUIMBI_API_KEY: ${QUIMBI_API_KEY:-}", "")  # none, and no Quimbi
    named = set(re.findall(r"\$\{(\w*(?:PASSWORD|KEY|KEYS|SITE))(?!\w)", text))
    assert len(named) == 8
    assert set(re.findall(r"\$\{(\w*(?:PASSWORD|KEY|KEYS|SITE)):\?is not set\}", text)) == named
    assert not re.search(r"(PASSWORD|KEYS?|AUTH): (?!\$\{\w+:\?)\S", text)


def settings_of(process: str) -> dict[str, Any]:
    """How a process of this kind sets its database up, found by starting one."""
    script = (
        "import json, django.conf; s = django.conf.settings; d = s.DATABASES['default'];"
        "print(json.dumps([d['CONN_MAX_AGE'], d['OPTIONS'].get('pool'), d['OPTIONS']['options'], s.PROCESS]))"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "supportdesk.settings.base", "SUPPORTDESK_PROCESS": process}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    age, pool, options, kind = json.loads(done.stdout)
    return {"age": age, "pool": pool, "options": options, "kind": kind}


@pytest.mark.parametrize("process", [*SEPARATE, "alone", ""])
def test_a_process_keeps_connections_or_pools_them_and_never_both(process: str) -> None:
    found = settings_of(process)
    assert found["kind"] == (process or "command")
    pooled = process in {"sockets", "alone"}
    assert (found["age"] == 0) == pooled
    assert (found["pool"] or {}).get("max_size") == (settings.CONNECTIONS[process][1] if pooled else None)
    limit = 5_000 if pooled or process == "web" else 0
    assert f"statement_timeout={limit} " in found["options"]


def test_an_unknown_process_is_refused() -> None:
    with pytest.raises(subprocess.CalledProcessError) as raised:
        settings_of("webb")
    assert "SUPPORTDESK_PROCESS must be one of" in raised.value.stderr


CROWD = """
import django, threading
from concurrent.futures import ThreadPoolExecutor
django.setup()
from django.db import OperationalError, connection

def work(number):
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE application_name = 'supportdesk-sockets' AND datname = current_database()"
            )
            held = cursor.fetchone()[0]
            cursor.execute("SELECT pg_sleep(0.02)")
        return held
    finally:
        connection.close()

with ThreadPoolExecutor(32) as pool:
    print(max(pool.map(work, range(128))))
connection.close_pool()
"""


def test_a_crowd_of_threads_shares_the_pool() -> None:
    environment = os.environ | {
        "DJANGO_SETTINGS_MODULE": "supportdesk.settings.base",
        "SUPPORTDESK_PROCESS": "sockets",
    }
    done = subprocess.run(
        [sys.executable, "-c", CROWD], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert 2 <= int(done.stdout) <= settings.CONNECTIONS["sockets"][1]
