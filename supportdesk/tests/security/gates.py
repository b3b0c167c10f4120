"""What our source must not do, found by reading it: the classes of mistakes that broke others, before they run.

Each rule says what it found in words; `ALLOWED` names the places that do it on purpose, each with its reason.
"""

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path

QUERIES = {"filter", "exclude", "get", "update", "create", "get_or_create", "update_or_create", "annotate", "alias"}
VERBS = {"get", "post", "put", "patch", "delete", "head", "options", "request"}
CODE = {"eval", "exec", "compile", "__import__"}
SERIALIZERS = {"pickle", "cPickle", "marshal", "shelve", "dill", "cloudpickle", "joblib", "jsonpickle"}
ENGINES = {"jinja2", "mako"}
CHECKS = {"verify", "check_hostname", "verify_signature", "verify_exp", "ssl_cert_reqs", "ssl_check_hostname"}
_SECRET = re.compile(r"(^|_)(secret|token|password|passphrase|digest|signature|hmac|mac|api_key|otp)s?$", re.I)
_TRUSTED = re.compile(r"\|\s*safe(seq)?\b|\{%\s*autoescape\s+off")
_LINK = re.compile(r"""\b(?:href|src|action|formaction)\s*=\s*["']?\s*\{\{""")
_SCRIPT = re.compile(r"<script\b(?![^>]*\bsrc=)|\son\w+\s*=", re.I)

# (file, rule) to the reason why it may.
ALLOWED = {
    ("supportdesk/core/api/filters.py", "filters by a name from elsewhere"): "names of the filter's own declaration",
    ("supportdesk/core/api/pagination.py", "orders by what comes from elsewhere"): "columns from the view's own table",
    ("supportdesk/core/api/pagination.py", "formats text from elsewhere"): "a template of two lines above",
    ("supportdesk/core/admin.py", "orders by what comes from elsewhere"): "the admin class's own ordering",
    ("tickets/admin.py", "orders by what comes from elsewhere"): "one of two columns, named in this file",
    ("supportdesk/core/pytest_stack.py", "builds SQL from parts"): "a database's name of its own making, quoted",
    ("supportdesk/core/pytest_stack.py", "formats text from elsewhere"): "a database's name of its own making, quoted",
    ("supportdesk/core/rotation.py", "builds SQL from parts"): "names of our own tables and columns, quoted",
    ("supportdesk/management/commands/migrate.py", "builds SQL from parts"): "names of roles and tables, quoted",
    ("supportdesk/management/commands/reindex.py", "builds SQL from parts"): "names of a table and its indexes, quoted",
    ("tickets/search.py", "builds SQL from parts"): "one of two texts of this file",
    ("tickets/search.py", "formats text from elsewhere"): "one of two texts of this file",
    ("supportdesk/demo/story.py", "formats text from elsewhere"): "the demo's own texts",
    ("supportdesk/load/floors.py", "formats text from elsewhere"): "one of two texts of this file",
    ("supportdesk/load/generating.py", "formats text from elsewhere"): "the demo's own texts",
    ("supportdesk/load/measuring.py", "builds SQL from parts"): "a statement that was sent before, or one of floors",
    ("supportdesk/load/storing.py", "builds SQL from parts"): "names of our own tables and columns, quoted",
    ("supportdesk/load/storing.py", "formats text from elsewhere"): "an address made of a number",
    ("supportdesk/management/commands/create_admin.py", "compares a secret by =="): "what one person typed twice",
    ("supportdesk/management/commands/import_tickets.py", "compares a secret by =="): "the hash of a row",
    ("supportdesk/management/commands/import_customers.py", "compares a secret by =="): "the hash of a row",
    ("agents/presence.py", "filters by a name from elsewhere"): "conditions written a few lines above",
    ("sla/services/applying.py", "filters by a name from elsewhere"): "the two versions of a job",
    ("sla/services/calendars.py", "filters by a name from elsewhere"): "the named members of a validated calendar",
    ("sla/services/policies.py", "filters by a name from elsewhere"): "the named members of a validated policy",
    ("sla/performance.py", "builds SQL from parts"): "texts of this file, and what Django asks for what an actor sees",
    ("sla/performance.py", "formats text from elsewhere"): "texts of this file",
    ("tickets/reporting.py", "filters by a name from elsewhere"): "figures named in this file",
    ("tickets/services/ranking.py", "builds SQL from parts"): "a text of this file, whose rows are tickets",
    ("supportdesk/core/delivery.py", "filters by a name from elsewhere"): "columns named by this module's own calls",
    ("supportdesk/core/delivery.py", "builds SQL from parts"): "one of two conditions of this file",
    ("supportdesk/core/delivery.py", "formats text from elsewhere"): "one of two conditions of this file",
    ("integrations/receipts.py", "filters by a name from elsewhere"): "columns named by this file",
    ("integrations/slack/notices.py", "filters by a name from elsewhere"): "columns named by this file",
    ("integrations/gorgias/registration.py", "compares a secret by =="): "what the partner shows us of it",
    ("integrations/gorgias/sandbox/pages.py", "formats text from elsewhere"): "texts of this file, a pretend partner's",
    ("integrations/management/sync_command.py", "filters by a name from elsewhere"): "one of two names in this file",
    ("integrations/shopify/sandbox/answers.py", "compares a secret by =="): "a pretend partner's",
    ("integrations/syncing.py", "filters by a name from elsewhere"): "columns named by this file",
    ("integrations/tokens.py", "filters by a name from elsewhere"): "columns named by this file",
    ("templates/admin/desk/lead_on.html", "links to a value"): "an address of the settings, with what we encoded",
    ("supportdesk/core/observability/metrics.py", "builds SQL from parts"): "hands on what Django asks, to time it",
    ("supportdesk/importing/reading.py", "formats text from elsewhere"): "a sentence of this file about a path",
    ("templates/admin/desk/customer.html", "links to a value"): "http and https only, where a shop's parcel is read",
    ("templates/admin/desk/base.html", "links to a value"): "reversed from the URL table",
}  # fmt: skip

Rule = Callable[[ast.AST], bool]


def name_of(node: ast.AST) -> str:
    """The last part of a name: `c` of `a.b.c`."""
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def called(node: ast.AST) -> str:
    return name_of(node.func) if isinstance(node, ast.Call) else ""


def owner(node: ast.AST) -> str:
    """What a method is called on: `b` of `a.b.c()`."""
    return name_of(node.func.value) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else ""


def keyword(node: ast.AST, name: str) -> ast.expr | None:
    words = node.keywords if isinstance(node, ast.Call) else []
    return next((word.value for word in words if word.arg == name), None)


def is_text(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def imported(node: ast.AST) -> set[str]:
    """The modules and the names that a statement imports."""
    if isinstance(node, ast.Import):
        return {alias.name.partition(".")[0] for alias in node.names}
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").partition(".")[0], *(alias.name for alias in node.names)}
    return set()


def trusts_html(node: ast.AST) -> bool:
    by_hand = {"mark_safe", "SafeString", "SafeText"}
    formatted = called(node) == "format_html" and isinstance(node, ast.Call) and not is_text(node.args[0])
    return bool(called(node) in by_hand or imported(node) & by_hand or formatted)


def builds_sql(node: ast.AST) -> bool:
    if called(node) in {"raw", "extra", "RawSQL"} or "RawSQL" in imported(node):
        return True
    if called(node) not in {"execute", "executemany"} or not isinstance(node, ast.Call) or not node.args:
        return False
    return not is_text(node.args[0]) and not name_of(node.args[0]).isupper()


def filters_by_name(node: ast.AST) -> bool:
    if called(node) not in QUERIES or not isinstance(node, ast.Call):
        return False
    spread = [word.value for word in node.keywords if word.arg is None]
    on_rows = not isinstance(node.func, ast.Attribute) or owner(node) not in {"services", "keys", "structure"}
    return on_rows and any(not _named_here(value) for value in spread)


def _named_here(value: ast.expr) -> bool:
    return isinstance(value, ast.Dict) and all(key is not None and is_text(key) for key in value.keys)


def orders_by_value(node: ast.AST) -> bool:
    return called(node) == "order_by" and isinstance(node, ast.Call) and not all(map(_is_order, node.args))


def _is_order(node: ast.expr) -> bool:
    """A column written there, or an expression of one."""
    return is_text(node) or (isinstance(node, ast.Call) and called(node) in {"F", "Lower", "Upper", "desc", "asc"})


def unpickles(node: ast.AST) -> bool:
    return bool(imported(node) & SERIALIZERS)


def runs_code(node: ast.AST) -> bool:
    shell = keyword(node, "shell")
    plain = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CODE
    system = owner(node) == "os" and called(node) in {"system", "popen", "execl", "spawnl"}
    return plain or system or (isinstance(shell, ast.Constant) and shell.value is True)


def loads_yaml(node: ast.AST) -> bool:
    return owner(node) == "yaml" and "load" in called(node) and called(node) not in {"safe_load", "safe_load_all"}


def waits_for_ever(node: ast.AST) -> bool:
    if called(node) == "from_url" and owner(node) in {"Redis", "StrictRedis"}:
        return keyword(node, "socket_timeout") is None
    asks = (owner(node) in {"requests", "httpx", "session"} and called(node) in VERBS) or called(node) in {
        "urlopen",
        "create_connection",
    }
    return asks and keyword(node, "timeout") is None


def trusts_anybody(node: ast.AST) -> bool:
    told: list[tuple[str | None, ast.expr]] = []
    if isinstance(node, ast.Call):
        told = [(word.arg, word.value) for word in node.keywords]
    elif isinstance(node, ast.Dict):
        told = [(key.value, value) for key, value in zip(node.keys, node.values, strict=True) if _is_name(key)]  # type: ignore[union-attr]
    off = any(name in CHECKS and isinstance(value, ast.Constant) and not value.value for name, value in told)
    return off or name_of(node) in {"CERT_NONE", "_create_unverified_context"}


def _is_name(key: ast.expr | None) -> bool:
    return key is not None and is_text(key)


def compares_secret(node: ast.AST) -> bool:
    if not isinstance(node, ast.Compare) or not isinstance(node.ops[0], ast.Eq | ast.NotEq):
        return False
    sides = [node.left, *node.comparators]
    if any(isinstance(side, ast.Constant) and side.value in {None, ""} for side in sides):
        return False
    return any(_SECRET.search(name_of(side) or called(side)) for side in sides)


def formats_value(node: ast.AST) -> bool:
    if imported(node) & ENGINES or called(node) in {"from_string", "format_map"}:
        return True
    if called(node) == "Template" or (isinstance(node, ast.ImportFrom) and "Template" in imported(node)):
        return True
    is_format = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format"
    return is_format and not is_text(node.func.value)  # type: ignore[attr-defined]


RULES: dict[str, Rule] = {
    "takes text for HTML": trusts_html,
    "builds SQL from parts": builds_sql,
    "filters by a name from elsewhere": filters_by_name,
    "orders by what comes from elsewhere": orders_by_value,
    "unpickles": unpickles,
    "runs text as code": runs_code,
    "loads YAML that may make objects": loads_yaml,
    "waits for ever": waits_for_ever,
    "believes anybody": trusts_anybody,
    "compares a secret by ==": compares_secret,
    "formats text from elsewhere": formats_value,
}
TEMPLATE_RULES = {"takes text for HTML": _TRUSTED, "links to a value": _LINK, "has a script of its own": _SCRIPT}


def in_source(source: str) -> Iterator[tuple[int, str]]:
    """Line and rule of everything that a Python source does wrong."""
    for node in ast.walk(ast.parse(source)):
        yield from ((getattr(node, "lineno", 0), name) for name, breaks in RULES.items() if breaks(node))


def in_template(text: str) -> Iterator[tuple[int, str]]:
    """Line and rule of everything that a template does wrong."""
    for number, line in enumerate(text.splitlines(), 1):
        yield from ((number, name) for name, pattern in TEMPLATE_RULES.items() if pattern.search(line))


def faults(root: Path, folders: list[str]) -> Iterator[tuple[str, int, str]]:
    """File, line and rule, of all our source but tests and migrations."""
    for path in (found for folder in folders for found in sorted((root / folder).rglob("*"))):
        where = path.relative_to(root)
        if {"tests", "migrations"} & set(where.parts):
            continue
        if path.suffix == ".py":
            yield from ((str(where), line, rule) for line, rule in in_source(path.read_text()))
        elif path.suffix == ".html":
            yield from ((str(where), line, rule) for line, rule in in_template(path.read_text()))
