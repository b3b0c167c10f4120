"""A deployment with a weak secret does not start, and says which one without saying what it is."""

import base64
import json
import os
import re
import subprocess
import sys
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from supportdesk.core.devservices.state import fresh_secrets

pytestmark = [pytest.mark.slow, pytest.mark.vuln]
SECRETS = {name: value.rpartition(":")[2] for name, value in fresh_secrets().items()}
KEYED = {"SUPPORTDESK_ENCRYPTION_KEYS": "k1:"}  # what stands before the secret
DEPLOYMENT = {
    "SUPPORTDESK_ENV": "production",
    "DATABASE_URL": "postgres://desk:pw@127.0.0.1:1/desk",
    "REDIS_URL": "redis://127.0.0.1:1/0",
    "SUPPORTDESK_ALLOWED_HOSTS": "desk.example.com",
    "SUPPORTDESK_ATTACHMENTS_DIR": "/var/lib/supportdesk/attachments",
}
OTHER = base64.b64encode(bytes(range(7, 39))).decode()
BINARY = {"SUPPORTDESK_ENCRYPTION_KEYS", "SUPPORTDESK_BLIND_INDEX_KEY"}
# What people write where a secret should be. Short ones again and again, because that is what length checks lead to.
PLACEHOLDERS = [
    "changeme",
    "change-me",
    "CHANGE_ME",
    "secret",
    "supersecret",
    "mysecretkey",
    "your-secret-key",
    "your_key_here",
    "password",
    "Passw0rt",
    "placeholder",
    "example",
    "django-insecure-4f7f",
    "0123456789",
    "abc",
    "x",
    "0",
    " ",
]


def sound() -> dict[str, str]:
    return {**DEPLOYMENT, **{name: KEYED.get(name, "") + value for name, value in SECRETS.items()}}


def over(name: str, value: str) -> dict[str, str]:
    return {**sound(), name: KEYED.get(name, "") + value if value.strip() else value}


def long(text: str) -> str:
    return (text * 40)[:48]


def weak_values(name: str) -> list[str]:
    """Blank, placeholders short and long, everything of the example file, too short by a byte, and no key at all."""
    weak = ["", "   ", *PLACEHOLDERS, *map(long, PLACEHOLDERS), *example_values(), SECRETS[name][:31]]
    return [*weak, *map(_as_key, PLACEHOLDERS), SECRETS[name][:-1]] if name in BINARY else weak


def _as_key(text: str) -> str:
    return base64.b64encode((text * 40)[:32].encode()).decode()


def example_values() -> list[str]:
    """What somebody may paste from the example file where it speaks of secrets."""
    _, _, after = (settings.BASE_DIR / ".env.example").read_text().partition("# Secrets")
    lines = after.partition("\n\n")[0].splitlines()
    return [text for line in lines for text in (line.strip("# "), line.partition("=")[2].strip(), "k2:…,k1:…") if text]


def started(*environments: dict[str, str]) -> list[str]:
    """What each start came to: a refusal, or nothing."""
    command = [sys.executable, "-m", "supportdesk.tests.security.booter"]
    inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    done = subprocess.run(
        command,
        input=json.dumps([inherited | environment for environment in environments]),
        cwd=settings.BASE_DIR,
        env=inherited,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    answers: list[str] = json.loads(done.stdout)
    return answers


def test_a_deployment_with_its_secrets_starts() -> None:
    assert started(sound()) == [""]


@pytest.mark.parametrize("name", SECRETS)
def test_a_weak_secret_refuses_to_start_and_is_named_and_not_shown(name: str) -> None:
    unset, values = {other: value for other, value in sound().items() if other != name}, weak_values(name)
    refusals = started(unset, *(over(name, value) for value in values))
    for value, refusal in zip(["", *values], refusals, strict=True):
        assert name in refusal, value
        assert len(value) < 16 or value not in refusal, value
    assert len(refusals) > 50


def test_one_value_for_two_purposes_refuses_to_start() -> None:
    """Also when the value is only one of two that are live."""
    pairs, environments = list(permutations(SECRETS, 2)), []
    for name, other in pairs:
        shared = {other: KEYED.get(other, "") + OTHER}
        rotating = f"{KEYED.get(name, '')}{SECRETS[name]},{KEYED.get(name, '').replace('1', '0')}{OTHER}"
        environments += [over(name, OTHER) | shared, sound() | {name: rotating} | shared]
    for number, refusal in enumerate(started(*environments)):
        name, other = pairs[number // 2]
        assert name in refusal
        assert other in refusal
        assert OTHER not in refusal


@pytest.mark.parametrize("name", SECRETS)
def test_two_values_are_live_during_a_rotation_if_both_are_sound(name: str) -> None:
    before, now = KEYED.get(name, "") + SECRETS[name], KEYED.get(name, "").replace("1", "2") + OTHER
    twice = f"{KEYED.get(name, '').replace('1', '2')}{SECRETS[name]}"
    rotating, late, weak, same = started(
        {**sound(), name: f"{now},{before}"},
        {**sound(), name: f" {now} , {before} "},
        {**sound(), name: f"{now},{KEYED.get(name, '')}{long('changeme')}"},
        {**sound(), name: f"{twice},{before}"},
    )
    assert (rotating, late) == ("", "")
    assert name in weak
    assert name in same


def test_the_token_for_figures_may_be_left_out_and_not_be_weak() -> None:
    name = "SUPPORTDESK_METRICS_TOKEN"
    values = [*PLACEHOLDERS[:-1], *map(long, PLACEHOLDERS[:-1]), SECRETS["SUPPORTDESK_JWT_KEY"], "a" * 31]
    blank, good, *refusals = started(*({**sound(), name: value} for value in ("", OTHER, *values)))
    assert (blank, good) == ("", "")
    for value, refusal in zip(values, refusals, strict=True):
        assert name in refusal, value


@pytest.mark.parametrize("name", ["SHOPIFY_CLIENT_SECRET", "GORGIAS_CLIENT_SECRET"])
def test_the_secret_of_a_partners_app_may_be_left_out_with_the_app_and_not_be_weak(name: str) -> None:
    app = sound() | {name.replace("SECRET", "ID"): "app-of-ours-7f31"}
    weak = [*map(long, PLACEHOLDERS[:-1]), SECRETS["SUPPORTDESK_JWT_KEY"], "a" * 31]
    none, alone, both, *refusals = started(
        {**sound(), name: ""},
        {**sound(), name: OTHER},
        {**app, name: OTHER},
        app,
        {**app, name: "  "},
        *({**app, name: value} for value in weak),
    )
    assert (none, alone, both) == ("", "", "")
    for refusal in refusals:
        assert name in refusal
        assert "app-of-ours-7f31" not in refusal


def test_nothing_local_makes_up_for_a_missing_secret_of_a_deployment(tmp_path: Path) -> None:
    """The demo's secrets lie beside the code; `production` takes nothing from there, also when the name is left out."""
    bare = {name: value for name, value in DEPLOYMENT.items() if name != "SUPPORTDESK_ENV"}
    for refusal in started(DEPLOYMENT, bare, {**bare, "SUPPORTDESK_ENV": "  "}):
        assert "SUPPORTDESK_SECRET_KEY is not set" in refusal


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("SUPPORTDESK_ALLOWED_HOSTS", ["", "*", "desk.example.com,*"]),
        ("SUPPORTDESK_ENV", ["prod", "debug", "PRODUCTION"]),
        ("DATABASE_URL", ["", " "]),
        ("REDIS_URL", ["", " "]),
        ("SUPPORTDESK_ATTACHMENTS_DIR", [""]),
        ("SUPPORTDESK_TRUSTED_PROXIES", ["everyone", "10.0.0.0/99"]),
    ],
)
def test_what_else_guards_a_deployment_refuses_too(name: str, values: list[str]) -> None:
    for value, refusal in zip(values, started(*({**sound(), name: value} for value in values)), strict=True):
        assert name in refusal, value


@pytest.mark.parametrize("command", [["manage.py", "check"], ["-c", "import supportdesk.wsgi"]])
def test_every_process_refuses_with_a_status_and_without_the_value(command: list[str]) -> None:
    weak = over("SUPPORTDESK_JWT_KEY", long("changeme-"))
    inherited = {"PATH": os.environ["PATH"]}
    done: Any = subprocess.run(
        [sys.executable, *command], cwd=settings.BASE_DIR, env=inherited | weak, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "SUPPORTDESK_JWT_KEY" in done.stderr
    assert not re.search("changeme-changeme", done.stdout + done.stderr)


def test_debug_is_off_and_nothing_turns_it_on() -> None:
    source = (settings.BASE_DIR / "supportdesk" / "settings" / "base.py").read_text()
    assert re.findall(r"^DEBUG\b.*$", source, re.M) == ["DEBUG = False"]
    assert settings.DEBUG is False
