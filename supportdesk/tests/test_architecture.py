"""The import line, read off the source with `ast`: who may import whom is the first thing to know of this code."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.apps import apps
from django.conf import settings

LINE = ["supportdesk.core", "quimbi", "agents", "customers", "tickets", "sla", "integrations"]
ROOF = "supportdesk"
DOMAIN_NOUNS = ("ticket", "customer", "agent", "sla")
# Doors stand above the line: they may read any app's inside, and nobody imports them but their own kind.
DOORS = ("api", "admin", "management")


def stands_above_the_line(path: Path) -> bool:
    parts = path.parts
    return "tests" in parts or path.name in {"admin.py", "conftest.py"} or any(part in parts for part in DOORS)


def place(module: str) -> int | None:
    """The module's place on the line; the roof stands at its end; None for other people's code."""
    for index, name in enumerate(LINE):
        if module == name or module.startswith(f"{name}."):
            return index
    return len(LINE) if module == ROOF or module.startswith(f"{ROOF}.") else None


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)


def faults(path: Path, source: str) -> list[str]:
    """What is wrong with a module of ours; `path` is relative to the project's root."""
    tree = ast.parse(source)
    module = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    here = place(module)
    assert here is not None, path
    found = []
    for line, name in imports(tree):
        there = place(name)
        if there is None or (there == here and there < len(LINE)):
            continue
        if not stands_above_the_line(path) and there > here:
            found.append(f"{path}:{line} imports {name}, which stands to its right")
        inside = not stands_above_the_line(path) and here < len(LINE)
        if inside and any(f".{door}" in name for door in DOORS) and (there != 0 or here == 0):
            found.append(f"{path}:{line} imports a door: {name}")
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found += [f"{path}:{line} imports inside a function" for line, _ in imports(node)]
            method = bool(node.args.args) and node.args.args[0].arg == "self"
            if node.name == "save" and method and "tests" not in path.parts:
                found.append(f"{path}:{node.lineno} overrides save()")
    if here == 0 and "tests" not in path.parts:
        found += domain_nouns(path, tree)
    return found


def domain_nouns(path: Path, tree: ast.AST) -> list[str]:
    """Names in the floor's code that speak of what stands on it."""
    names = [(node.lineno, node.id) for node in ast.walk(tree) if isinstance(node, ast.Name)]
    names += [(node.lineno, node.attr) for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    names += [
        (node.lineno, node.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    return [
        f"{path}:{line} names {name}: the floor knows no {noun}"
        for line, name in names
        for noun in DOMAIN_NOUNS
        if noun in name.lower().replace("_", " ").split() or name.lower().startswith(noun)
    ]


def our_modules() -> list[Path]:
    folders = [ROOF, *(name for name in LINE if "." not in name)]
    return [
        path.relative_to(settings.BASE_DIR)
        for folder in folders
        for path in sorted((settings.BASE_DIR / folder).rglob("*.py"))
        if "migrations" not in path.parts
    ]


def test_every_module_keeps_to_the_import_line() -> None:
    modules = our_modules()
    assert len(modules) > 60
    found = [fault for path in modules for fault in faults(path, (settings.BASE_DIR / path).read_text())]
    assert found == []


@pytest.mark.parametrize(
    ("path", "source", "fault"),
    [
        ("agents/services.py", "from tickets.models import Ticket", "stands to its right"),
        ("supportdesk/core/events.py", "import agents.models", "stands to its right"),
        ("tickets/models/ticket.py", "from supportdesk.urls import urlpatterns", "stands to its right"),
        ("tickets/services/lifecycle.py", "from customers.api.views import CustomerViewSet", "imports a door"),
        ("tickets/selectors.py", "def f():\n    from agents import models", "imports inside a function"),
        ("tickets/models/ticket.py", "class T:\n    def save(self): ...", "overrides save()"),
        ("supportdesk/core/actor.py", "ticket_id = 3", "knows no ticket"),
        ("supportdesk/core/actor.py", "class AgentThing: ...", "knows no agent"),
    ],
)
def test_a_planted_violation_is_found(path: str, source: str, fault: str) -> None:
    assert any(fault in found for found in faults(Path(path), source))


def test_top_level_holds_the_named_folders_only() -> None:
    packages = {path.parent.name for path in settings.BASE_DIR.glob("*/__init__.py")}
    assert packages == {"supportdesk", "tickets", "customers", "agents", "sla", "integrations", "quimbi"}


def test_every_model_says_who_may_see_it() -> None:
    """Events are read through their subject; the import's bookkeeping is read by no door."""
    without = {
        model.__name__
        for name in ("core", "agents", "customers", "tickets", "sla", "integrations", "quimbi")
        for model in apps.get_app_config(name).get_models()
        if not hasattr(model._default_manager, "visible_to")
    }
    assert without == {"Event", "IdempotencyRecord", "ImportRecord", "RateWindow"}
