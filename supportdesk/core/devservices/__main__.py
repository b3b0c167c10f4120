"""`python -m supportdesk.core.devservices exec -- COMMAND …`: a command with the servers and the demo's settings."""

import argparse
import os
import shutil
import sys
from pathlib import Path

from supportdesk.core.devservices import state
from supportdesk.core.devservices.binaries import Unsupported
from supportdesk.core.devservices.clients import ensure
from supportdesk.core.devservices.supervisor import reset, supervise

ROOT = Path(__file__).resolve().parents[3]


def main() -> int:
    parser = argparse.ArgumentParser(prog="supportdesk.core.devservices")
    actions = parser.add_subparsers(dest="action", required=True)
    run = actions.add_parser("exec", help="run a command with the servers up")
    run.add_argument("command", nargs=argparse.REMAINDER)
    watch = actions.add_parser("supervise", help="own the servers; started by the others")
    watch.add_argument("--root", type=Path, default=ROOT)
    watch.add_argument("--database", action="store_true")
    watch.add_argument("--redis", action="store_true")
    actions.add_parser("reset", help="delete the demo's data and secrets")
    env = actions.add_parser("env", help="print the variables of a new deployment by compose.yaml")
    env.add_argument("site", help="the host that is served, such as desk.example.com")
    chosen = parser.parse_args()
    if chosen.action == "env":
        print("\n".join(f"{name}={value}" for name, value in state.fresh_deployment(chosen.site).items()))
        return 0
    if chosen.action == "reset":
        return reset(ROOT)
    if chosen.action == "supervise":
        return supervise(chosen.root, database=chosen.database, redis=chosen.redis)
    command = chosen.command[1:] if chosen.command[:1] == ["--"] else chosen.command
    if not command:
        parser.error("name a command after --")
    try:
        ensure(ROOT)
    except Unsupported as problem:
        print(problem, file=sys.stderr)
        return 1
    os.environ.setdefault("SUPPORTDESK_ENV", "demo")
    os.execv(shutil.which(command[0]) or command[0], command)  # noqa: S606


if __name__ == "__main__":
    sys.exit(main())
