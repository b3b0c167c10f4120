#!/usr/bin/env python
"""Django's command line. Outside production it brings the embedded servers along when nothing else is configured."""

import os
import sys
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from supportdesk.core import devservices


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "supportdesk.settings.base")
    try:
        if os.environ.get("SUPPORTDESK_ENV") == "demo":
            devservices.ensure(Path(__file__).resolve().parent)
        execute_from_command_line(sys.argv)
    except (ImproperlyConfigured, devservices.Unsupported) as problem:
        sys.exit(f"{problem}")


if __name__ == "__main__":
    main()
