"""What we build on: pinned, hashed, and not older than the version that closed the last hole we know of."""

import re
from importlib import metadata
from pathlib import Path

import pytest
from django.conf import settings
from packaging.version import Version

pytestmark = pytest.mark.vuln
LOCKS = {
    name: settings.BASE_DIR / path
    for name, path in {
        "runtime": "requirements.txt",
        "dev": "requirements/dev.txt",
        "embedded": "requirements/embedded.txt",
    }.items()
}
SOURCES = sorted((settings.BASE_DIR / "requirements").glob("*.in"))
# Distribution to the first version without the weaknesses named.
FLOORS = {
    "django": "5.2.19",  # CVE-2025-64459, -2026-1312 (SQL through names), CVE-2025-14550, -2026-5766 (headers, uploads)
    "djangorestframework": "3.17.2",  # CVE-2026-73228, -73229 (body limit, admin renderer)
    "djangorestframework-simplejwt": "5.5.1",  # CVE-2024-22513 (deactivated users)
    "pyjwt": "2.13.0",  # CVE-2026-48526, -48523, -32597 (key confusion, allow-list, unknown `crit`)
    "channels": "3.0.3",  # CVE-2020-35681 (answers to the wrong client)
    "celery": "5.2.2",  # CVE-2021-23727 (data of the result back end executed)
    "requests": "2.32.4",  # CVE-2024-47081 (credentials to another host)
    "urllib3": "2.5.0",  # CVE-2025-50181 (redirects that were switched off)
}
ABSENT = {"daphne", "python-jose"}  # CVE-2026-44545 (a frame fills the memory), CVE-2024-33663 (key confusion)
_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]+\])?==([^\s;\\]+)", re.M)
_INDEX = re.compile(r"(^|\s)(-i|--index-url|--extra-index-url|--find-links|-f|--trusted-host)\b|https?://|git\+", re.M)


def pinned(text: str) -> dict[str, str]:
    return {name.lower().replace("_", "-"): version for name, _, version in _PIN.findall(text)}


def entries(text: str) -> list[str]:
    """The requirements of a lock, each with its hashes."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    return re.split(r"\n(?=\S)", "\n".join(lines))


@pytest.mark.parametrize("path", LOCKS.values(), ids=LOCKS)
def test_every_line_of_a_lock_is_pinned_and_hashed(path: Path) -> None:
    text = path.read_text()
    found = entries(text)
    assert len(found) == len(pinned(text)) > 0
    for entry in found:
        assert _PIN.match(entry), entry
        assert re.search(r"--hash=sha256:[0-9a-f]{64}", entry), entry


@pytest.mark.parametrize("path", [*LOCKS.values(), *SOURCES], ids=lambda path: path.name)
def test_no_index_and_no_address_is_named(path: Path) -> None:
    assert not _INDEX.search(path.read_text())


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_what_we_import_is_pinned_where_it_is_named(path: Path) -> None:
    lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
    loose = [line for line in lines if line and not line.startswith("-") and "==" not in line]
    assert [line for line in loose if not line.startswith("types-")] == []  # stubs run nowhere


@pytest.mark.parametrize(("name", "floor"), FLOORS.items())
def test_nothing_is_older_than_its_floor(name: str, floor: str) -> None:
    locked = pinned(LOCKS["runtime"].read_text())[name]
    assert Version(locked) >= Version(floor)
    assert metadata.version(name) == locked


def test_what_was_exploited_elsewhere_is_not_here() -> None:
    locked = {name for path in LOCKS.values() for name in pinned(path.read_text())}
    assert not locked & ABSENT


@pytest.mark.parametrize(
    ("text", "count"), [("django>=5\n", 0), ("django\n", 0), ("django==5.2.19\n", 1), ("a_b[c]==1 \\\n    --hash=x", 1)]
)
def test_a_loose_line_is_not_taken_for_a_pin(text: str, count: int) -> None:
    assert len(pinned(text)) == count


@pytest.mark.parametrize(
    "line", ["--index-url https://x", "-i x", "--extra-index-url=x", "a @ https://x/a.whl", "a @ git+ssh://x", "-f x"]
)
def test_a_planted_index_is_found(line: str) -> None:
    assert _INDEX.search(f"django==5.2.19\n{line}\n")
