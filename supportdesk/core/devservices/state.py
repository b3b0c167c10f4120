"""What the supervisor leaves below `.local/`: where its servers are, and the demo's secrets."""

import base64
import hashlib
import json
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = ".local"


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A running pair of servers. A URL is empty when the supervisor was told not to run that server."""

    pid: int  # of the supervisor
    database_url: str
    migration_database_url: str  # for the role that owns the tables
    redis_url: str
    data: str  # the folder that keeps the data between runs


def folder(root: Path) -> Path:
    return root / FOLDER


def running_stack(root: Path) -> Stack | None:
    """The stack whose supervisor is alive."""
    try:
        stack = Stack(**json.loads((folder(root) / "stack.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None
    return stack if is_alive(stack.pid) else None


def urls_from_state(root: Path) -> dict[str, str]:
    """The URLs of the running stack by the name of their variable; empty where there is none."""
    stack = running_stack(root)
    if stack is None:
        return {}
    return {
        "DATABASE_URL": stack.database_url,
        "SUPPORTDESK_MIGRATION_DATABASE_URL": stack.migration_database_url,
        "REDIS_URL": stack.redis_url,
    }


def write_stack(root: Path, stack: Stack) -> None:
    write_private(folder(root) / "stack.json", json.dumps(asdict(stack), indent=2))


def secrets_from_state(root: Path) -> dict[str, str]:
    """The demo's secrets by the name of their variable; empty before the first start."""
    try:
        found = json.loads((folder(root) / "secrets.json").read_text())
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def ensure_secrets(root: Path) -> None:
    """Makes the demo's secrets once; they stay beside the data that they encrypt."""
    if not secrets_from_state(root):
        folder(root).mkdir(exist_ok=True)
        write_private(folder(root) / "secrets.json", json.dumps(fresh_secrets(), indent=2))


def fresh_secrets() -> dict[str, str]:
    return {
        "SUPPORTDESK_SECRET_KEY": secrets.token_urlsafe(48),
        "SUPPORTDESK_JWT_KEY": secrets.token_urlsafe(48),
        "SUPPORTDESK_ENCRYPTION_KEYS": f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}",
        "SUPPORTDESK_BLIND_INDEX_KEY": base64.b64encode(secrets.token_bytes(32)).decode(),
    }


def fresh_deployment(site: str) -> dict[str, str]:
    """What compose.yaml asks for: the host, a password for each of the roles and servers, and the secrets."""
    passwords = ("SUPPORTDESK_OWNER_PASSWORD", "SUPPORTDESK_DATABASE_PASSWORD", "SUPPORTDESK_REDIS_PASSWORD")
    return {
        "SUPPORTDESK_SITE": site,
        **{name: secrets.token_urlsafe(32) for name in passwords},  # they stand in URLs
        **fresh_secrets(),
    }


def write_private(path: Path, text: str) -> None:
    """Replaces the file in one step, readable by its owner only."""
    draft = path.with_suffix(f".{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return process_state(pid) != "Z"


def process_state(pid: int) -> str:
    """The kernel's letter for the process (Z is a zombie); empty where /proc does not tell."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return ""


def folder_digest(root: Path) -> str:
    """Ten letters that stand for the project's folder."""
    return hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:10]
