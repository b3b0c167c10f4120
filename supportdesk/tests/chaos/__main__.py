"""Runs one drill on servers of its own and prints what came of it."""

import argparse
import os
import sys
import time

import django
from django.core.management import call_command
from django.utils.module_loading import import_string

from supportdesk.tests.chaos import stack
from supportdesk.tests.chaos.report import Drill, Setting

# Found when Django is up: what a drill needs are models.
NAMES = (
    "capacity",
    "transfer",
    "status",
    "fairness",
    "outbox",
    "workers",
    "ws",
    "fanout",
    "breaker",
    "quimbi",
    "pages",
    "day",
    "webhooks",
    "same",
    "alerts",
    "echo",
    "partners",
    "tokens",
    "imports",
)
DRILLS = {name: f"supportdesk.tests.chaos.{name}.DRILL" for name in NAMES}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m supportdesk.tests.chaos")
    parser.add_argument("drill", choices=DRILLS)
    parser.add_argument("--profile", choices=("ci", "full"), default="ci")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--broken", default="", help="a fault to patch in; the drill must fail then")
    given = parser.parse_args(arguments)
    setting = Setting(full=given.profile == "full", seed=given.seed, broken=given.broken)
    with stack.running():
        os.environ["DJANGO_SETTINGS_MODULE"] = "supportdesk.settings.test"
        django.setup()
        call_command("migrate", verbosity=0)
        drill: Drill = import_string(DRILLS[given.drill])
        if given.broken and given.broken not in drill.faults:
            parser.error(f"--broken is one of: {', '.join(drill.faults)}")
        began = time.monotonic()
        outcome = drill.run(setting)
    print(outcome.line(drill=given.drill, setting=setting, seconds=time.monotonic() - began))
    return 0 if outcome.is_right else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
