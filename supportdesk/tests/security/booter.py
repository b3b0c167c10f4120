"""A process that reads the settings again and again, each time with other variables: `python -m` this, by test_secrets.

Takes on its input a list of environments, and says as a list what each start came to: the refusal, or nothing.
"""

import json
import os
import runpy
import sys

from django.core.exceptions import ImproperlyConfigured


def started(environment: dict[str, str]) -> str:
    os.environ.clear()
    os.environ.update(environment)
    try:
        runpy.run_module("supportdesk.settings.base")
    except ImproperlyConfigured as refusal:
        return str(refusal) or "refused"
    return ""


if __name__ == "__main__":
    print(json.dumps([started(environment) for environment in json.load(sys.stdin)]))
