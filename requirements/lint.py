"""Every check besides the tests, one after the other; stops at the first that fails."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
MANAGE = [sys.executable, "manage.py"]
# What a deployment sets; servers and secrets are the demo's own.
PRODUCTION = {
    "SUPPORTDESK_ENV": "production",
    "SUPPORTDESK_ALLOWED_HOSTS": "desk.example.com",
    "SUPPORTDESK_ATTACHMENTS_DIR": "/var/lib/supportdesk/attachments",
}


def main() -> int:
    sys.path.insert(0, str(ROOT))
    from supportdesk.core import devservices  # noqa: PLC0415 - the project is on the path only now

    local = devservices.urls_from_state(ROOT) | devservices.secrets_from_state(ROOT)
    production = {name: value for name, value in local.items() if value} | PRODUCTION
    with tempfile.TemporaryDirectory() as folder:
        schema = str(Path(folder, "schema.yml"))
        steps: list[tuple[str, list[str], dict[str, str]]] = [
            ("Style", [str(BIN / "ruff"), "check", "."], {}),
            ("Format", [str(BIN / "ruff"), "format", "--check", "."], {}),
            ("Types", [str(BIN / "mypy"), "."], {}),
            ("Migrations", [*MANAGE, "makemigrations", "--check", "--dry-run"], {}),
            ("Settings of a deployment", [*MANAGE, "check", "--deploy", "--fail-level", "WARNING"], production),
            ("API document", [*MANAGE, "spectacular", "--validate", "--fail-on-warn", "--file", schema], {}),
        ]
        for title, command, extra in steps:
            print(f"== {title}", flush=True)
            if subprocess.run(command, cwd=ROOT, env={**os.environ, **extra}).returncode:  # noqa: S603
                print(f"== {title}: failed")
                return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
