"""What the papers say of files, commands and variables is so."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import get_commands

ROOT = Path(settings.BASE_DIR)
PAPERS = sorted(
    path
    for pattern in ("*.md", "docs/**/*.md")
    for path in ROOT.glob(pattern)
    if not {".venv", ".local"} & set(path.relative_to(ROOT).parts)
)
SOURCES = [
    path
    for pattern in (
        "*.py",
        "*.yaml",
        "Dockerfile",
        "requirements/*.py",
        "supportdesk/**/*.py",
        "agents/**/*.py",
        "tickets/**/*.py",
    )
    for path in ROOT.glob(pattern)
    if "tests" not in path.parts
]


def named(paper: Path) -> str:
    return str(paper.relative_to(ROOT))


@pytest.mark.parametrize("paper", PAPERS, ids=named)
def test_every_link_leads_somewhere(paper: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)[^)]*\)", paper.read_text())
    local = [link for link in links if "://" not in link and not link.startswith("mailto:")]
    assert [link for link in local if not (paper.parent / link).exists()] == []


def test_the_readme_names_every_folder_of_the_source() -> None:
    rows = re.findall(r"^\| (`[^|]*`) \| ", (ROOT / "README.md").read_text(), re.MULTILINE)
    told = {name.rstrip("/") for row in rows for name in re.findall(r"`([^`]+)`", row)}
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert told == packages | {"supportdesk/core", "templates"}


@pytest.mark.parametrize("paper", PAPERS, ids=named)
def test_every_command_that_is_named_exists(paper: Path) -> None:
    text = paper.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"[`\n]make ([a-z-]+)", text)) - targets == set()
    assert set(re.findall(r"manage\.py ([a-z_]+)", text)) - set(get_commands()) == set()


def test_every_variable_is_in_the_example_and_nothing_else_is() -> None:
    read = {name for path in SOURCES for name in re.findall(r"SUPPORTDESK_[A-Z][A-Z_0-9]*[A-Z0-9]", path.read_text())}
    told = set(re.findall(r"^(?:# )?(SUPPORTDESK_[A-Z_0-9]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert read - told == set()
    assert told - read == set()
