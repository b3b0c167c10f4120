"""The product's ASGI application with one fault patched in, to show that a drill finds it."""

import os

from supportdesk.asgi import application
from supportdesk.tests.chaos import faults

__all__ = ["application"]

faults.FAULTS[os.environ[faults.VARIABLE]]()
