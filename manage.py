#!/usr/bin/env python
"""Django's command line. Under SUPPORTDESK_ENV=demo it brings the embedded servers along."""

import os
import sys
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from supportdesk.core import devservices
from supportdesk.core.observability.logs import log_crash


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "supportdesk.settings.base")
    os.environ["SUPPORTDESK_PROCESS"] = "command"  # also in a container that serves: `migrate` must not meet its pool
    environment = os.environ.get("SUPPORTDESK_ENV", "")
    if environment in {"", "production"}:
        sys.excepthook = log_crash  # Python's own would print the exception's text, and with it whose data it was
    try:
        if environment == "demo":
            devservices.ensure(Path(__file__).resolve().parent)
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, devservices.Unsupported) as problem:
        hint = (
            "" if environment else " (SUPPORTDESK_ENV is unset, which means production; the demo's is `make manage`.)"
        )
        sys.exit(f"{problem}{hint}")


if __name__ == "__main__":
    main()
